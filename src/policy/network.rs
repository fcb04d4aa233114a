//! Networks in settings, host names, and the rate-limit key of an address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// A set of networks, such as the trusted proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Text that is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network, expected an address or a range such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct InvalidNetwork(String);

impl Networks {
    /// Reads addresses and ranges in CIDR form. `loopback` stands for 127.0.0.0/8 and ::1, `private` for
    /// the private ranges of RFC 1918 and RFC 4193. Empty items are skipped.
    ///
    /// # Errors
    /// The first item that is none of these.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        let mut networks = Vec::new();
        for text in list.into_iter().map(str::trim).filter(|text| !text.is_empty()) {
            let names: &[&str] = match text {
                "loopback" => &["127.0.0.0/8", "::1"],
                "private" => &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
                _ => &[text],
            };
            for name in names {
                networks.push(network(name).ok_or_else(|| InvalidNetwork(text.to_owned()))?);
            }
        }
        Ok(Networks(networks))
    }

    /// Whether an address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The line `trusted-proxies = […]` with this address added, for the configuration file.
    pub fn setting_with(&self, address: IpAddr) -> String {
        let names = self.0.iter().map(ToString::to_string);
        let names: Vec<String> = names.chain([address.to_canonical().to_string()]).collect();
        format!("trusted-proxies = {names:?}")
    }

    /// Whether each of `other` is in one of them.
    pub fn include(&self, other: &Networks) -> bool {
        other.0.iter().all(|inner| self.0.iter().any(|outer| outer.contains(inner)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(","))
    }
}

/// The greatest length of a name (RFC 1035).
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// Whether a text can be a host name. The final dot of a fully qualified name may be present.
pub fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    bare.len() <= NAME_MAX && bare.split('.').all(label)
}

fn network(text: &str) -> Option<IpNet> {
    let address = IpAddr::from_str(text).map(|address| IpNet::from(address.to_canonical()));
    address.ok().or_else(|| IpNet::from_str(text).ok()).map(|network| network.trunc())
}

/// The address that rate limits count by. For IPv6 it is the /64 prefix, because a client that has one
/// address of a /64 usually has all of them.
pub fn rate_limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let networks = Networks::parse(["10.1.2.3/8", "::1", "private", "192.0.2.7"]).unwrap();
        for (address, inside) in [
            ("10.9.9.9", true),
            ("::ffff:10.9.9.9", true),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("192.168.4.4", true),
            ("fd00::1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
        let setting = networks.setting_with("::ffff:192.0.2.9".parse().unwrap());
        assert!(setting.starts_with("trusted-proxies = [\"10.0.0.0/8\", \"::1/128\""), "{setting}");
        assert!(setting.ends_with(", \"192.0.2.9\"]"), "{setting}");
        for wrong in ["10.0.0.0/33", "example.com", "10.0.0", "10.0.0.0/8/8"] {
            let error = Networks::parse([wrong]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{wrong}` is no network")), "{error}");
        }
    }

    #[test]
    fn rate_limit_keys() {
        let of = |text: &str| rate_limit_key(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
