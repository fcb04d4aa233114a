//! Who may come in: guests, people with an account, or both.

use std::str::FromStr;

use crate::accounts;

/// Who may come in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Auth {
    /// Guests. Tokens mean nothing.
    #[default]
    None,
    /// Guests, and people with an account.
    Optional,
    /// People with an account.
    Required,
}

impl FromStr for Auth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Auth::None),
            "optional" => Ok(Auth::Optional),
            "required" => Ok(Auth::Required),
            _ => Err(format!("expected none, optional or required, not {text:?}")),
        }
    }
}

/// Checks a secret by its length: whoever has one token can try others in peace.
pub(super) fn check_secret(secret: &str) -> Result<(), String> {
    match secret.len() >= accounts::SHORTEST_SECRET {
        true => Ok(()),
        false => Err(format!("expected {} characters at least", accounts::SHORTEST_SECRET)),
    }
}

/// Whether keys come from a URL.
pub fn is_url(keys: &str) -> bool {
    keys.contains("://")
}

/// Checks where keys come from: a file, or a URL.
pub(super) fn check_keys(keys: &str) -> Result<(), String> {
    match keys {
        "" => Err("expected a file or a URL".to_owned()),
        _ if is_url(keys) => accounts::check_url(keys).map(drop),
        _ => Ok(()),
    }
}

/// Checks the name of a cookie.
pub(super) fn check_cookie(name: &str) -> Result<(), String> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match !name.is_empty() && name.len() <= 256 && name.bytes().all(is_token) {
        true => Ok(()),
        false => Err("expected the name of a cookie".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_come_in() {
        assert_eq!(("none".parse(), "required".parse()), (Ok(Auth::None), Ok(Auth::Required)));
        assert_eq!("optional".parse(), Ok(Auth::Optional));
        assert!("Optional".parse::<Auth>().is_err());
        assert!(check_secret(&"x".repeat(31)).is_err() && check_secret(&"x".repeat(32)).is_ok());
        assert!(check_keys("keys.pem").is_ok() && check_keys("https://a.example/k").is_ok());
        assert!(check_keys("").is_err() && check_keys("http://a.example/k").is_err());
        assert!(check_cookie("__Host-id").is_ok() && check_cookie("a=b").is_err());
    }
}
