//! Checks the host to listen on without a DNS query.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::policy::network::is_host_name;

/// Checks that the text is an address or a host name.
///
/// # Errors
/// If it is not: a message that says what to write instead.
pub(super) fn check(host: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("`{host}` {why}"));
    if host.is_empty() || host == "*" {
        return wrong("is no host: leave the setting out to listen on all addresses");
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let host = match bare(host) {
        inner if inner.len() == host.len() => host,
        inner if inner.contains(':') => inner,
        _ => return wrong("is no address: only IPv6 may be written with brackets"),
    };
    if host.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    if host.contains(['[', ']']) {
        return wrong(
            "is no address: IPv6 is written as ::1 or [::1], the port is a setting of its own",
        );
    }
    match host.rsplit_once(':') {
        // Such as `fe80::1%eth0`.
        Some(_) if is_scoped(host) => return Ok(()),
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            return wrong("has a port, which is a setting of its own");
        }
        _ => {}
    }
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    if is_number(last) {
        return wrong("is no address: IPv4 is written as four numbers from 0 to 255");
    }
    match is_host_name(host) {
        true => Ok(()),
        false => wrong("is no host name or address"),
    }
}

/// An address or a host name with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Without the brackets that URLs put around IPv6 addresses.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "expected an address and a port, such as 127.0.0.1:3001";
        let wrong = || format!("`{text}` is none, {example}");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        // The last colon of IPv6 without brackets is part of the address.
        if host.contains(':') && bare(host).len() == host.len() {
            return Err(format!("{}: IPv6 is written with brackets, as [::1]:3001", wrong()));
        }
        let port = port.parse().map_err(|_| wrong())?;
        check(host)?;
        Ok(HostPort { host: bare(host).to_owned(), port })
    }
}

impl HostPort {
    /// Whether it means all addresses of a machine, or any port: nobody could connect to it.
    pub fn is_unspecified(&self) -> bool {
        self.port == 0 || self.host.parse::<IpAddr>().is_ok_and(|host| host.is_unspecified())
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        let address = self.host.parse::<IpAddr>();
        address.map_or(name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A host without the brackets that URLs put around IPv6 addresses.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn is_scoped(host: &str) -> bool {
    host.split_once('%')
        .is_some_and(|(address, scope)| address.parse::<Ipv6Addr>().is_ok() && !scope.is_empty())
}

/// Whether the last label of a host makes browsers and systems take the host for an IPv4 address.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_port() {
        for (text, expected, near) in [
            ("127.0.0.1:3001", Ok("127.0.0.1:3001"), true),
            ("[::1]:0", Ok("[::1]:0"), true),
            ("LocalHost:3001", Ok("LocalHost:3001"), true),
            ("10.0.0.1:3001", Ok("10.0.0.1:3001"), false),
            ("[::]:3001", Ok("[::]:3001"), false),
            ("admin.example:80", Ok("admin.example:80"), false),
            ("127.0.0.1", Err("such as 127.0.0.1:3001"), false),
            ("3001", Err("such as 127.0.0.1:3001"), false),
            (":3001", Err("is no host"), false),
            ("*:3001", Err("is no host"), false),
            ("::1:3001", Err("with brackets"), false),
            ("127.0.0.1:99999", Err("such as 127.0.0.1:3001"), false),
            ("a b:3001", Err("is no host name"), false),
        ] {
            match (text.parse::<HostPort>(), expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!((&*found.to_string(), found.is_loopback()), (expected, near));
                }
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_may_be_a_host_and_what_cannot() {
        let long = format!("{}.example", "a".repeat(64));
        for (host, expected) in [
            ("127.0.0.1", ""),
            ("0.0.0.0", ""),
            ("::", ""),
            ("::1", ""),
            ("::ffff:127.0.0.1", ""),
            ("fe80::1%eth0", ""),
            ("localhost", ""),
            ("localhost.", ""),
            ("chat_1.example", ""),
            ("xn--bcher-kva.example", ""),
            ("1.example", ""),
            ("", "leave the setting out"),
            ("*", "leave the setting out"),
            ("[::1]", ""),
            ("[::]", ""),
            ("[fe80::1%eth0]", ""),
            ("[::1]:80", "the port is a setting of its own"),
            ("[::1", "written as ::1 or [::1]"),
            ("[[::1]]", "written as ::1 or [::1]"),
            ("[]", "only IPv6"),
            ("[127.0.0.1]", "only IPv6"),
            ("[localhost]", "only IPv6"),
            ("[:::1]", "is no host name or address"),
            ("127.0.0.1:80", "has a port"),
            ("localhost:80", "has a port"),
            ("localhost:", "has a port"),
            ("999.1.1.1", "four numbers"),
            ("256.0.0.1", "four numbers"),
            ("1.2.3", "four numbers"),
            ("127.1", "four numbers"),
            ("127.0.0.1.", "four numbers"),
            ("1.2.3.4.5", "four numbers"),
            ("2130706433", "four numbers"),
            ("0x7f.1", "four numbers"),
            ("a.0x7f", "four numbers"),
            (":::1", "is no host name or address"),
            ("12345::1", "is no host name or address"),
            ("fe80::1%", "is no host name or address"),
            (" localhost", "is no host name or address"),
            ("local host", "is no host name or address"),
            ("a..b", "is no host name or address"),
            (".", "is no host name or address"),
            ("http://a.example", "is no host name or address"),
            ("a.example/", "is no host name or address"),
            ("bücher.example", "is no host name or address"),
            (&long, "is no host name or address"),
        ] {
            let error = check(host).err().unwrap_or_default();
            assert!(
                error.contains(expected) && error.is_empty() == expected.is_empty(),
                "{host}: {error}"
            );
        }
    }
}
