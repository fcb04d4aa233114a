//! The address that is diagnosed.

use std::fmt;

use http::Uri;

/// Where clients look for the engine unless they are told otherwise.
const USUAL: &str = "/socket.io/";
const LONGEST: usize = 2048;

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// Name or address, without the brackets of IPv6.
    pub host: String,
    /// The port: that of the scheme if none was written.
    pub port: u16,
    /// The path, with a slash at both ends.
    pub path: String,
}

/// Reads an address as people write it.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let read = || {
        let text = Some(text).filter(|text| text.len() <= LONGEST)?;
        let uri: Uri = text.split(['?', '#']).next()?.parse().ok()?;
        let secure = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return None,
        };
        let authority = uri.authority().filter(|part| !part.as_str().contains('@'))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let after = authority.as_str().strip_prefix(authority.host())?;
        let port = match after.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if secure => 443,
            None => 80,
        };
        let path = match uri.path().trim_matches('/') {
            "" => "/".to_owned(),
            path => format!("/{path}/"),
        };
        (port > 0 && !host.is_empty()).then_some(Target { secure, host, port, path })
    };
    read().ok_or_else(|| format!("`{text}` is no address, expected https://chat.example"))
}

impl Target {
    /// The paths where the engine may be, the likeliest first.
    pub(super) fn paths(&self) -> Vec<String> {
        let below = format!("{}{}", self.path, &USUAL[1..]);
        match self.path.as_str() {
            "/" => vec![below],
            path if path.ends_with(USUAL) => vec![path.to_owned()],
            path => vec![below, path.to_owned()],
        }
    }

    /// The value of `Host`.
    pub(super) fn host_header(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// The origin of a page that this server serves.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.host_header())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown, path) in [
            ("https://chat.example", "https://chat.example/", "/socket.io/"),
            ("HTTP://chat.example:80/", "http://chat.example/", "/socket.io/"),
            (
                "wss://chat.example/socket.io/?EIO=4",
                "https://chat.example/socket.io/",
                "/socket.io/",
            ),
            ("ws://127.0.0.1:3000/app", "http://127.0.0.1:3000/app/", "/app/socket.io/"),
            (
                "https://[::1]:8443/a/socket.io#x",
                "https://[::1]:8443/a/socket.io/",
                "/a/socket.io/",
            ),
        ] {
            let target = target(text).unwrap();
            assert_eq!((target.to_string().as_str(), target.paths()[0].as_str()), (shown, path));
        }
        let long = format!("http://{}", "a".repeat(LONGEST));
        for wrong in
            ["chat.example", "ftp://a", "http://", "http://a:0", "http://a:x", "http://u@a", &long]
        {
            assert!(target(wrong).is_err(), "{wrong}");
        }
        assert_eq!(target("http://a/ws/").unwrap().paths(), ["/ws/socket.io/", "/ws/"]);
    }
}
