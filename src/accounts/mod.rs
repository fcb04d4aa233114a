//! Accounts: people whom somebody else knows, and who show that by a token that is signed (JWT).
//!
//! A token says who somebody is, until when that holds, and what the person is called and may do.
//! [`Accounts::check`] tells whether one is good; what follows from it is the application's.

mod fetch;
mod key_files;
mod keys;
mod source;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub use fetch::check as check_url;
pub use keys::SHORTEST_SECRET;
pub use source::Origin;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use token::any_token;
pub use token::{Claims, MAX_TOKEN, Refusal};

use source::Source;
use token::Token;

/// A person, as a token that is good tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who that is, whatever the name: `<iss>|<sub>`.
    pub person: Arc<str>,
    /// The name that the token gives, or else its subject: any text.
    pub name: String,
    /// Names of roles.
    pub roles: Vec<String>,
    /// The rooms that the person may enter; `None` for all.
    pub rooms: Option<Vec<String>>,
    /// Until when it is good.
    pub expires: SystemTime,
}

/// Checks tokens, and counts them.
#[derive(Debug)]
pub struct Accounts {
    required: bool,
    claims: Claims,
    cookie: Option<String>,
    source: Source,
    good: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Accounts {
    /// Takes tokens that the keys of `origin` sign and that say what `claims` wants. `required`: nobody comes in
    /// without one.
    ///
    /// # Errors
    /// What is wrong with the file with the keys.
    pub fn new(required: bool, claims: Claims, origin: Origin) -> Result<Self, String> {
        let source = Source::new(origin)?;
        let (good, refused) = (AtomicU64::default(), Default::default());
        Ok(Accounts { required, claims, cookie: None, source, good, refused })
    }

    /// Takes tokens from a cookie of that name, too. For servers that only pages of known origins may connect to.
    #[must_use]
    pub fn cookie(mut self, name: impl Into<String>) -> Self {
        self.cookie = Some(name.into());
        self
    }

    /// The token in the lines of a `Cookie` header, if tokens come by one.
    pub fn in_cookie<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let wanted = self.cookie.as_deref()?;
        let pairs = lines.into_iter().flat_map(|line| line.split(';'));
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.trim_matches('"'))
    }

    /// Whose token that is; `None` for a guest, who has none.
    ///
    /// # Errors
    /// If there has to be one, or the one that is there is not good.
    pub async fn check(&self, token: Option<&str>) -> Result<Option<Account>, Refusal> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return match self.required {
                true => Err(self.refuse(Refusal::Required)),
                false => Ok(None),
            };
        };
        match self.account(token).await {
            Ok(account) => {
                self.good.fetch_add(1, Ordering::Relaxed);
                Ok(Some(account))
            }
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    async fn account(&self, token: &str) -> Result<Account, Refusal> {
        let token = Token::read(token)?;
        let keys = self.source.keys_for(&token).await;
        if keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        token.account(&keys, &self.claims, SystemTime::now())
    }

    /// Counts a refusal that was found elsewhere, and returns it.
    pub fn refuse(&self, refusal: Refusal) -> Refusal {
        let at = Refusal::ALL.iter().position(|it| *it == refusal);
        if let Some(counter) = at.and_then(|at| self.refused.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        refusal
    }

    /// How many tokens were good, and how many were refused, by why.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refused = Refusal::ALL.iter().zip(&self.refused);
        let refused = refused.map(move |(refusal, counter)| (refusal.reason(), load(counter)));
        std::iter::once(("ok", load(&self.good))).chain(refused)
    }

    /// Keeps the keys as they are where they come from. Runs without end.
    pub async fn run(&self) {
        self.source.run().await
    }
}

#[cfg(test)]
mod tests;
