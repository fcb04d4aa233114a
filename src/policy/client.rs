//! Who a request is from, as far as that is known.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::network::rate_limit_key;

/// Who a request is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    Address(IpAddr),
    /// Trusted proxies say nothing that can be read of it, or contradict each other. All such clients
    /// share the bounds of one address, and are in no network.
    Unknown,
}

impl Client {
    /// What limits of abuse count it by: its address, of IPv6 the /64, and one value that no client has
    /// for all that are unknown.
    pub fn bucket(self) -> IpAddr {
        match self {
            Client::Address(address) => rate_limit_key(address),
            Client::Unknown => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    pub fn address(self) -> Option<IpAddr> {
        match self {
            Client::Address(address) => Some(address),
            Client::Unknown => None,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::Address(address) => address.fmt(f),
            Client::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_share_a_bucket_with_nobody_else() {
        let bucket = |text: &str| Client::Address(text.parse().unwrap()).bucket();
        for known in ["::", "::1", "127.0.0.1", "::ffff:127.0.0.1", "255.255.255.255"] {
            assert_ne!(Client::Unknown.bucket(), bucket(known), "{known}");
        }
        assert_eq!(bucket("2001:db8:1:2:3::"), bucket("2001:db8:1:2::9"));
        assert_eq!(Client::Unknown.to_string(), "unknown");
    }
}
