//! Tokens (JWT, RFC 7519): who has signed one, and what it says.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use super::Account;
use super::keys::{Algorithm, Key};

/// Bytes of a token.
pub const MAX_TOKEN: usize = 8 * 1024;
/// By so much the clocks of who gives tokens and who reads them may differ.
pub const LEEWAY: Duration = Duration::from_secs(10);
/// Bytes of a claim that names somebody or something.
const MAX_TEXT: usize = 512;
/// Names of roles or rooms in one token.
const MAX_NAMES: usize = 64;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none, and there has to be.
    Required,
    /// It is none, or its signature is none of the key's.
    Invalid,
    /// No key is known that could have signed it.
    Key,
    /// The keys could not be fetched yet.
    NoKeys,
    /// It is not valid any more.
    Expired,
    /// It is not valid yet.
    Early,
    /// Somebody else gave it.
    Issuer,
    /// It is for another service.
    Audience,
    /// It is somebody else's than the one before.
    Person,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 9] = [
        Refusal::Required,
        Refusal::Invalid,
        Refusal::Key,
        Refusal::NoKeys,
        Refusal::Expired,
        Refusal::Early,
        Refusal::Issuer,
        Refusal::Audience,
        Refusal::Person,
    ];

    /// For programs.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Required => "auth-required",
            Refusal::Invalid => "token-invalid",
            Refusal::Key => "token-key",
            Refusal::NoKeys => "token-keys-unavailable",
            Refusal::Expired => "token-expired",
            Refusal::Early => "token-early",
            Refusal::Issuer => "token-issuer",
            Refusal::Audience => "token-audience",
            Refusal::Person => "token-person",
        }
    }
}

/// For people.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Required => "log in first: this chat wants a token",
            Refusal::Invalid => "the token is not valid",
            Refusal::Key => "the token is signed with a key that is not known here",
            Refusal::NoKeys => "tokens cannot be checked at the moment: try again later",
            Refusal::Expired => "the token has expired: log in again",
            Refusal::Early => "the token is not valid yet",
            Refusal::Issuer => "the token is from somebody else than this chat trusts",
            Refusal::Audience => "the token is for another service",
            Refusal::Person => "the token is somebody else's",
        })
    }
}

/// What a token has to say, and where.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Who has to have given it; `None` for anybody with the key.
    pub issuer: Option<String>,
    /// For whom it may be; if empty, it has to be for nobody in particular.
    pub audience: Vec<String>,
    /// The claim with the person's name.
    pub name: String,
    /// That with the roles.
    pub roles: String,
    /// That with the rooms.
    pub rooms: String,
}

/// A token whose head is read. Nothing of it is believed yet.
#[derive(Debug)]
pub struct Token<'a> {
    pub algorithm: Algorithm,
    pub key: Option<String>,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Reads the head of a token.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if it is none, or one whose form is not understood.
    pub fn read(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MAX_TOKEN {
            return Err(Refusal::Invalid);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Invalid)?;
        let (head, payload) = signed.split_once('.').ok_or(Refusal::Invalid)?;
        let head = object(head)?;
        // Of what would have to be understood, nothing is.
        if payload.contains('.') || head.get("crit").is_some() {
            return Err(Refusal::Invalid);
        }
        let algorithm = head["alg"].as_str().and_then(Algorithm::named);
        let signature = BASE64.decode(signature).map_err(|_| Refusal::Invalid)?;
        let key = head["kid"].as_str().map(str::to_owned);
        Ok(Token { algorithm: algorithm.ok_or(Refusal::Invalid)?, key, signed, payload, signature })
    }

    /// Whether a key may have signed it.
    pub fn may_be_of(&self, key: &Key) -> bool {
        key.may_fit(self.algorithm, self.key.as_deref())
    }

    /// Whose token it is, if one of the keys has signed it and it is valid at that time.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn account(
        &self,
        keys: &[Key],
        claims: &Claims,
        now: SystemTime,
    ) -> Result<Account, Refusal> {
        let mut fitting = keys.iter().filter(|key| self.may_be_of(key)).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::Key);
        }
        if !fitting.any(|key| key.has_signed(self.signed.as_bytes(), &self.signature)) {
            return Err(Refusal::Invalid);
        }
        claims.read(&object(self.payload)?, now)
    }
}

fn object(part: &str) -> Result<Value, Refusal> {
    let bytes = BASE64.decode(part).map_err(|_| Refusal::Invalid)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| Refusal::Invalid)?;
    value.is_object().then_some(value).ok_or(Refusal::Invalid)
}

impl Claims {
    fn read(&self, said: &Value, now: SystemTime) -> Result<Account, Refusal> {
        let text = |name: &str| {
            said[name].as_str().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT)
        };
        let issuer = match (&self.issuer, said.get("iss")) {
            (Some(wanted), _) if text("iss") != Some(wanted) => return Err(Refusal::Issuer),
            (None, Some(_)) if text("iss").is_none() => return Err(Refusal::Invalid),
            _ => text("iss").unwrap_or_default(),
        };
        self.check_audience(&said["aud"])?;
        let expires = time(said, "exp")?.ok_or(Refusal::Invalid)? + LEEWAY;
        if expires <= now {
            return Err(Refusal::Expired);
        }
        if time(said, "nbf")?.is_some_and(|begins| begins > now + LEEWAY) {
            return Err(Refusal::Early);
        }
        let subject = text("sub").ok_or(Refusal::Invalid)?;
        // Both together name a person: nobody may move the line between them.
        if issuer.contains('|') || subject.chars().any(char::is_control) {
            return Err(Refusal::Invalid);
        }
        let name = claim(said, &self.name).and_then(Value::as_str).map(str::trim);
        let name = name.filter(|name| !name.is_empty() && name.len() <= MAX_TEXT);
        Ok(Account {
            person: format!("{issuer}|{subject}").into(),
            name: name.unwrap_or(subject).to_owned(),
            roles: names(claim(said, &self.roles)).unwrap_or_default(),
            rooms: names(claim(said, &self.rooms)),
            expires,
        })
    }

    fn check_audience(&self, said: &Value) -> Result<(), Refusal> {
        let is_wanted =
            |it: &Value| it.as_str().is_some_and(|it| self.audience.iter().any(|own| own == it));
        let fits = match said {
            Value::Null => self.audience.is_empty(),
            Value::Array(all) => all.iter().any(is_wanted),
            one => is_wanted(one),
        };
        fits.then_some(()).ok_or(Refusal::Audience)
    }
}

/// A claim by its name, or by a path of names with dots between, such as `realm_access.roles`.
fn claim<'a>(said: &'a Value, name: &str) -> Option<&'a Value> {
    said.get(name).or_else(|| name.split('.').try_fold(said, |at, part| at.get(part)))
}

/// Names in a claim: a list, or a text with spaces between.
fn names(claim: Option<&Value>) -> Option<Vec<String>> {
    let mut all: Vec<String> = match claim? {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(all) => all.split_whitespace().map(str::to_owned).collect(),
        // It means something that is not understood: as a bound, nothing is within it.
        _ => Vec::new(),
    };
    all.retain(|name| name.len() <= MAX_TEXT);
    all.truncate(MAX_NAMES);
    Some(all)
}

/// A time in seconds since 1970, which may have a fraction.
fn time(said: &Value, name: &str) -> Result<Option<SystemTime>, Refusal> {
    let seconds = match &said[name] {
        Value::Null => return Ok(None),
        value => value.as_f64().ok_or(Refusal::Invalid)?,
    };
    let since = Duration::try_from_secs_f64(seconds).map_err(|_| Refusal::Invalid)?;
    // What is so far away has no end.
    Ok(Some(UNIX_EPOCH + since.min(Duration::from_secs(u64::from(u32::MAX) * 4))))
}

/// Checks what has to hold for any token, for the properties of `fuzzing`.
///
/// Without `said`, `head_or_text` is the whole text of a token. Nobody has signed it, so it has to be refused. With `said`,
/// `head_or_text` is the head of a token and `said` its claims, and a valid signature is made for them: what is read has to be
/// within its bounds; and the same token with another signature has to be refused.
///
/// # Panics
/// If that does not hold.
#[cfg(any(test, feature = "fuzzing"))]
pub fn any_token(head_or_text: &str, said: Option<&[u8]>) {
    const SECRET: &[u8] = b"a secret that no seed is signed with";
    let keys = [Key::secret(SECRET), Key::secret(SECRET).named(Some("k"))];
    let (claims, now) = (Claims::default(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let account = |text: &str| Token::read(text).and_then(|it| it.account(&keys, &claims, now));
    let Some(said) = said else {
        assert!(account(head_or_text).is_err(), "nobody has signed it");
        return;
    };
    let signed = format!("{}.{}", BASE64.encode(head_or_text), BASE64.encode(said));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    let mut signature = ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec();
    let text = format!("{signed}.{}", BASE64.encode(&signature));
    if let Ok(account) = account(&text) {
        assert!(text.len() <= MAX_TOKEN && account.expires > now - LEEWAY);
        assert!(account.person.contains('|') && !account.person.chars().any(char::is_control));
        assert!(!account.name.is_empty() && account.roles.len() <= MAX_NAMES);
        assert!(account.rooms.is_none_or(|rooms| rooms.len() <= MAX_NAMES));
    }
    signature[0] ^= 1;
    assert!(account(&format!("{signed}.{}", BASE64.encode(&signature))).is_err());
}
