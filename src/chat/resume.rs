//! Tokens by which people who come back are the same people.
//!
//! A token is signed with a key that the server has, or all nodes of a cluster. It names a person, by a
//! random id that says nothing, and the name that the person had; and it is valid for a while. Who has it is
//! that person: it is in no log.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac::{self, HMAC_SHA256};

use super::name::Name;

/// How long a token is valid. Each login gives a new one.
const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What tokens begin with: their form.
const FORM: &str = "p1.";
/// Bytes of a person's id, before they are written as text.
const ID: usize = 16;
const SIGNATURE: usize = 32;

/// Signs tokens, and tells which are signed.
#[derive(Debug, Clone)]
pub struct ResumeKey {
    tokens: hmac::Key,
    aliases: hmac::Key,
}

/// A person, whatever the name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PersonId {
    id: Arc<str>,
    has_account: bool,
}

impl PersonId {
    /// Somebody new; `None` if the system gives no randomness.
    pub fn random() -> Option<Self> {
        let mut id = [0; ID];
        getrandom::fill(&mut id).ok()?;
        Some(PersonId::guest(BASE64.encode(id).into()))
    }

    fn guest(id: Arc<str>) -> Self {
        PersonId { id, has_account: false }
    }

    /// Somebody with an account.
    pub(super) fn of_account(person: &Arc<str>) -> Self {
        PersonId { id: Arc::clone(person), has_account: true }
    }

    /// Whether it is somebody with an account, who needs no token of ours.
    pub fn has_account(&self) -> bool {
        self.has_account
    }

    /// The word for the person in the history.
    pub(super) fn author(&self) -> String {
        let kind = if self.has_account { 'a' } else { 'g' };
        format!("{kind}:{}", self.id)
    }

    /// Whether the history has that word for the person.
    pub(super) fn is_author(&self, author: &str) -> bool {
        let kind = if self.has_account { "a:" } else { "g:" };
        author.strip_prefix(kind).is_some_and(|id| *id == *self.id)
    }

    /// A guest by the id as text; `None` for what is none.
    pub(super) fn known(id: &str) -> Option<Self> {
        let is_id = BASE64.decode(id).is_ok_and(|bytes| bytes.len() == ID);
        is_id.then(|| PersonId::guest(id.into()))
    }

    /// The id as text: of a guest 22 letters, digits, `-` and `_`, at random; of an account `<iss>|<sub>`.
    pub fn as_str(&self) -> &str {
        &self.id
    }
}

impl ResumeKey {
    /// A key from a secret, for instance that of the cluster or one that is kept in a file. Whoever has the
    /// same secret has the same key.
    pub fn from_secret(secret: &[u8]) -> Self {
        let secret = hmac::Key::new(HMAC_SHA256, secret);
        let key =
            |purpose: &[u8]| hmac::Key::new(HMAC_SHA256, hmac::sign(&secret, purpose).as_ref());
        ResumeKey {
            tokens: key(b"parlance: tokens of people"),
            aliases: key(b"parlance: people under names"),
        }
    }

    /// A key of this process alone; `None` if the system gives no randomness.
    pub fn random() -> Option<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).ok()?;
        Some(Self::from_secret(&secret))
    }

    /// A token for a person who has that name.
    pub(super) fn token(&self, person: &PersonId, name: &Name, now: SystemTime) -> String {
        let expires = (now + LIFE).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut said = BASE64.decode(person.as_str()).unwrap_or_default();
        said.extend(expires.to_be_bytes());
        said.extend(name.as_str().as_bytes());
        said.extend(hmac::sign(&self.tokens, &said).as_ref());
        format!("{FORM}{}", BASE64.encode(said))
    }

    /// Who has a token, and the name in it. `None` if it is none of this key's, or expired.
    pub(super) fn person(&self, token: &str, now: SystemTime) -> Option<(PersonId, Name)> {
        let all = BASE64.decode(token.strip_prefix(FORM)?).ok()?;
        let (said, signature) = all.split_at_checked(all.len().checked_sub(SIGNATURE)?)?;
        hmac::verify(&self.tokens, said, signature).ok()?;
        let (id, rest) = said.split_at_checked(ID)?;
        let (expires, name) = rest.split_at_checked(8)?;
        let expires = u64::from_be_bytes(expires.try_into().ok()?);
        let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let name = Name::new(std::str::from_utf8(name).ok()?).ok()?;
        (now < expires).then(|| (PersonId::guest(BASE64.encode(id).into()), name))
    }

    /// What nodes call a person under a name. It tells nobody who that is, and not that somebody has another
    /// name now.
    pub(super) fn alias(&self, person: &PersonId, name: &Name) -> Arc<str> {
        let said = format!("{}\n{}", person.author(), name.skeleton().letters());
        let signature = hmac::sign(&self.aliases, said.as_bytes());
        BASE64.encode(&signature.as_ref()[..12]).into()
    }

    /// What nodes call a client without a token that may come back to its session, by the id of its socket.
    pub(super) fn session_alias(&self, id: &str) -> Arc<str> {
        let signature = hmac::sign(&self.aliases, id.as_bytes());
        format!("{OF_SESSION}{}", BASE64.encode(&signature.as_ref()[..12])).into()
    }
}

/// What the aliases of sessions begin with: no letter of Base64.
const OF_SESSION: char = '~';

/// Whether an alias stands for a person with a token. That person has the same alias at each login. Other aliases stand for
/// one session each, and end with it.
pub(super) fn is_of_person(alias: &str) -> bool {
    !alias.starts_with(OF_SESSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_token_is_valid_for_a_month_and_for_its_key() {
        let (key, other) = (ResumeKey::from_secret(b"a"), ResumeKey::from_secret(b"b"));
        let now = SystemTime::now();
        let ann = PersonId::random().unwrap();
        assert_eq!(ann.as_str().len(), 22);
        assert_ne!(ann, PersonId::random().unwrap());
        let token = key.token(&ann, &name("Ann é 한"), now);
        let known = Some((ann.clone(), name("Ann é 한")));
        assert_eq!(key.person(&token, now), known);
        assert_eq!(ResumeKey::from_secret(b"a").person(&token, now), known, "on another node");
        assert_eq!(other.person(&token, now), None);
        assert_eq!(ResumeKey::random().unwrap().person(&token, now), None);
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(key.person(&token, now + day * 29), known);
        assert_eq!(key.person(&token, now + day * 30 + day), None);
    }

    #[test]
    fn nothing_of_a_token_can_be_changed() {
        let key = ResumeKey::from_secret(b"a");
        let (ann, now) = (PersonId::random().unwrap(), SystemTime::now());
        let token = key.token(&ann, &name("Ann"), now);
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            // The last character has bits that say nothing; those must be as they were, too.
            assert_eq!(key.person(&other, now), None, "{at}");
        }
        let mut said = BASE64.decode(&token[FORM.len()..]).unwrap();
        said.pop();
        for bad in [
            "",
            "p1.",
            "p1.AAAA",
            "p2.",
            &token[1..],
            &format!("{token}A"),
            &format!("p1.{}", BASE64.encode(said)),
        ] {
            assert_eq!(key.person(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn an_alias_is_of_a_person_and_a_name() {
        let key = ResumeKey::from_secret(b"a");
        let [one, two] = [PersonId::random().unwrap(), PersonId::random().unwrap()];
        let alias = key.alias(&one, &name("Ann"));
        assert_eq!(alias, key.alias(&one, &name("ANN.")));
        assert_eq!(alias, ResumeKey::from_secret(b"a").alias(&one, &name("Ann")));
        assert_ne!(alias, key.alias(&two, &name("Ann")));
        assert_ne!(alias, key.alias(&one, &name("Anna")));
        assert_ne!(alias, ResumeKey::from_secret(b"b").alias(&one, &name("Ann")));
    }
}
