//! The cookie that names a session, for balancers that send each client to one server by it.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;

use crate::engine::Sid;

/// Whether browsers send a cookie with requests that pages of other sites make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// They do not.
    Strict,
    /// Only if a person follows a link there.
    Lax,
    /// They do, if the cookie is also [`Cookie::secure`].
    None,
}

/// A cookie whose value is the session's id, sent with the answer that opens a session.
///
/// The server never reads it: it is for balancers. By default it is `io=…; Path=/; HttpOnly; SameSite=Lax`,
/// and goes when the browser is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    path: String,
    max_age: Option<Duration>,
    http_only: bool,
    secure: bool,
    same_site: Option<SameSite>,
}

/// What cannot be in a cookie.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CookieError {
    #[error(
        "`{0}` cannot be the name of a cookie: 1 to 64 letters, digits and any of !#$%&'*+-.^_`|~"
    )]
    Name(String),
    #[error(
        "`{0}` cannot be the path of a cookie: / and up to 255 visible characters of ASCII, but no ;"
    )]
    Path(String),
}

impl Default for Cookie {
    fn default() -> Self {
        Cookie {
            name: "io".into(),
            path: "/".into(),
            max_age: None,
            http_only: true,
            secure: false,
            same_site: Some(SameSite::Lax),
        }
    }
}

impl Cookie {
    /// The default, with another name.
    ///
    /// # Errors
    /// If that cannot be a name (RFC 6265 §4.1.1).
    pub fn named(name: &str) -> Result<Self, CookieError> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        match (1..=64).contains(&name.len()) && name.bytes().all(fits) {
            true => Ok(Cookie { name: name.into(), ..Cookie::default() }),
            false => Err(CookieError::Name(name.into())),
        }
    }

    /// The path below which browsers send it: `/` by default.
    ///
    /// # Errors
    /// If that cannot be a path.
    pub fn path(self, path: &str) -> Result<Self, CookieError> {
        let fits = |c: u8| c.is_ascii_graphic() && c != b';';
        match path.starts_with('/') && path.len() <= 256 && path.bytes().all(fits) {
            true => Ok(Cookie { path: path.into(), ..self }),
            false => Err(CookieError::Path(path.into())),
        }
    }

    /// How long browsers keep it, in whole seconds. By default until they are closed.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Cookie { max_age: Some(max_age), ..self }
    }

    /// Whether it is hidden from scripts: `true` by default.
    #[must_use]
    pub fn http_only(self, http_only: bool) -> Self {
        Cookie { http_only, ..self }
    }

    /// Whether browsers send it by https and wss alone: `false` by default.
    #[must_use]
    pub fn secure(self, secure: bool) -> Self {
        Cookie { secure, ..self }
    }

    /// Which requests browsers send it with: [`SameSite::Lax`] by default. `None` leaves it to the browser.
    #[must_use]
    pub fn same_site(self, same_site: impl Into<Option<SameSite>>) -> Self {
        Cookie { same_site: same_site.into(), ..self }
    }

    /// The value of `Set-Cookie` for a session.
    pub(super) fn value(&self, sid: Sid) -> HeaderValue {
        let mut text = format!("{}={sid}", self.name);
        if let Some(max_age) = self.max_age {
            let _ = write!(text, "; Max-Age={}", max_age.as_secs());
        }
        let _ = write!(text, "; Path={}", self.path);
        text.push_str(if self.http_only { "; HttpOnly" } else { "" });
        text.push_str(if self.secure { "; Secure" } else { "" });
        text.push_str(match self.same_site {
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
            None => "",
        });
        // Name and path were checked, and a sid is ASCII.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_written_as_npm_cookie_writes_them() {
        let sid = Sid::parse("abcdefghij0123456789").unwrap();
        let plain = Cookie::default();
        for (cookie, expected) in [
            (plain.clone(), "io=abcdefghij0123456789; Path=/; HttpOnly; SameSite=Lax"),
            (
                Cookie::named("a.b").unwrap().path("/chat/").unwrap().http_only(false),
                "a.b=abcdefghij0123456789; Path=/chat/; SameSite=Lax",
            ),
            (
                plain
                    .clone()
                    .max_age(Duration::from_millis(86_400_900))
                    .secure(true)
                    .same_site(SameSite::None),
                "io=abcdefghij0123456789; Max-Age=86400; Path=/; HttpOnly; Secure; SameSite=None",
            ),
            (
                plain.clone().same_site(SameSite::Strict),
                "io=abcdefghij0123456789; Path=/; HttpOnly; SameSite=Strict",
            ),
            (plain.same_site(None), "io=abcdefghij0123456789; Path=/; HttpOnly"),
        ] {
            assert_eq!(cookie.value(sid), expected);
        }
    }

    #[test]
    fn what_would_end_the_header_early_is_no_cookie() {
        let long = "a".repeat(65);
        for name in ["", "a b", "a=b", "a;b", "é", "a\r\nX: 1", &long] {
            assert_eq!(Cookie::named(name), Err(CookieError::Name(name.into())), "{name:?}");
        }
        assert!(Cookie::named(&long[1..]).is_ok());
        let long = format!("/{}", "a".repeat(256));
        for path in ["", "chat", "/a;b", "/é", "/a b", "/\r\nX: 1", &long] {
            let refused = Cookie::default().path(path);
            assert_eq!(refused, Err(CookieError::Path(path.into())), "{path:?}");
        }
        assert!(Cookie::default().path(&long[..256]).is_ok());
    }
}
