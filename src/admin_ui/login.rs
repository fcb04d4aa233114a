//! Who may watch: whoever knows the administrator's token, or has logged in with it in the last day.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::engine::Sid;
use crate::secret::is_secret;

/// Logins that are remembered. The oldest are forgotten first.
const REMEMBERED: usize = 64;
/// How long a login is remembered.
const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// What the page gives: a password from its form, or the id of an earlier login from its storage. The user
/// name does not matter: there is one secret.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    Password(&'a str),
    Login(&'a str),
    Nothing,
}

impl<'a> Credentials<'a> {
    /// Reads them from the auth payload.
    pub fn of(auth: &'a Value) -> Self {
        let text = |key| auth.get(key).and_then(Value::as_str);
        match (text("password"), text("sessionId")) {
            (Some(password), _) => Credentials::Password(password),
            (None, Some(id)) => Credentials::Login(id),
            (None, None) => Credentials::Nothing,
        }
    }
}

/// The token, and the logins that it was used for.
#[derive(Debug)]
pub struct Logins {
    token: Arc<str>,
    known: Mutex<VecDeque<(Sid, Instant)>>,
}

impl Logins {
    pub fn new(token: Arc<str>) -> Self {
        Logins { token, known: Mutex::default() }
    }

    /// Whether a password is the token.
    pub fn is_token(&self, password: &str) -> bool {
        is_secret(password.as_bytes(), self.token.as_bytes())
    }

    /// Whether an id is that of a login that is still remembered.
    pub fn is_known(&self, id: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, since)| since.elapsed() < LASTS);
        // All are compared, so that the time tells nothing.
        let is_it = |sid: &Sid| is_secret(id.as_bytes(), sid.as_str().as_bytes());
        known.iter().filter(|(sid, _)| is_it(sid)).count() > 0
    }

    /// Makes the id of a new login; `None` without randomness.
    pub fn remember(&self) -> Option<Sid> {
        let sid = Sid::random().ok()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back((sid, Instant::now()));
        Some(sid)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_page_gives_is_read() {
        for (auth, expected) in [
            (json!({ "username": "admin", "password": "p" }), Credentials::Password("p")),
            (json!({ "password": "p", "sessionId": "s" }), Credentials::Password("p")),
            (json!({ "sessionId": "s" }), Credentials::Login("s")),
            (json!({ "sessionId": null }), Credentials::Nothing),
            (json!({ "username": "admin" }), Credentials::Nothing),
            (json!({ "password": 5 }), Credentials::Nothing),
            (json!({}), Credentials::Nothing),
        ] {
            assert_eq!(Credentials::of(&auth), expected, "{auth}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn logins_are_remembered_for_a_day_and_not_too_many() {
        let logins = Logins::new("sixteen characters".into());
        assert!(logins.is_token("sixteen characters") && !logins.is_token("sixteen character"));
        let first = logins.remember().unwrap();
        assert!(logins.is_known(first.as_str()));
        assert!(!logins.is_known("") && !logins.is_known(Sid::random().unwrap().as_str()));
        tokio::time::advance(LASTS).await;
        assert!(!logins.is_known(first.as_str()));
        let all: Vec<Sid> = (0..=REMEMBERED).filter_map(|_| logins.remember()).collect();
        assert!(!logins.is_known(all[0].as_str()));
        assert!(all[1..].iter().all(|sid| logins.is_known(sid.as_str())));
    }
}
