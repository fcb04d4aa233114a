//! The `Host` header: checks and parses it (RFC 9112, 3.2).

use http::header::HOST;
use http::{HeaderMap, Version};

use crate::policy::network::is_host_name;

/// Checks that a request has exactly one `Host` header, and that it is valid. It may be empty, and
/// before HTTP/1.1 it may be missing.
///
/// # Errors
/// The reason, for the client. Such a request is dangerous because a proxy may have read another
/// host from it than this server would.
pub(crate) fn check(headers: &HeaderMap, version: Version) -> Result<(), &'static str> {
    let mut lines = headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => Err("the Host header is missing"),
        (Some(_), Some(_)) => Err("there is more than one Host header"),
        (Some(line), None) => {
            let valid = line.to_str().is_ok_and(|given| given.is_empty() || of(given).is_some());
            valid.then_some(()).ok_or("the Host header is no host name or address")
        }
    }
}

/// The host in `name`, `name:port`, `[address]` or `[address]:port`. `None` for any other form.
pub(crate) fn of(given: &str) -> Option<&str> {
    let (host, port) = match given.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (given.get(..address.len() + 2)?, port)
        }
        None => {
            let (name, port) = given.split_at(given.find(':').unwrap_or(given.len()));
            if !is_host_name(name) {
                return None;
            }
            (name, port)
        }
    };
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => {
            let port = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.is_empty() || port && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    };
    port_is_valid.then_some(host)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(version: Version, lines: &[&[u8]]) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HOST, HeaderValue::from_bytes(line).unwrap());
        }
        check(&headers, version)
    }

    #[test]
    fn hosts() {
        for good in ["", "a", "a.example:80", "a:", "A_b-1.example.", "192.0.2.1:1", "[::1]:65535"]
        {
            for version in [Version::HTTP_11, Version::HTTP_10] {
                assert_eq!(checked(version, &[good.as_bytes()]), Ok(()), "{good}");
                assert!(checked(version, &[good.as_bytes(); 2]).is_err(), "{good}");
            }
        }
        for bad in
            ["a b", "a,b", "a/", "a@b", "a:b", "a:65536", "::1", "[::1", "[a]", "a..b", "*", ":80"]
        {
            for version in [Version::HTTP_11, Version::HTTP_10] {
                assert!(checked(version, &[bad.as_bytes()]).is_err(), "{bad}");
            }
        }
        assert!(checked(Version::HTTP_11, &[b"a\xff"]).is_err());
        assert!(checked(Version::HTTP_11, &[]).is_err());
        assert_eq!(checked(Version::HTTP_10, &[]), Ok(()));
    }
}
