//! The client that a request comes from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::network::rate_limit_key;

/// The client that a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// A known address.
    Address(IpAddr),
    /// Trusted proxies give no readable address, or contradict each other. All such clients share the rate
    /// limits of one address, and match no network.
    Unknown,
}

impl Client {
    /// The rate-limit key: the IPv4 address or the IPv6 /64. All unknown clients share 0.0.0.0, which no
    /// client can have.
    pub fn bucket(self) -> IpAddr {
        match self {
            Client::Address(address) => rate_limit_key(address),
            Client::Unknown => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    /// The address, if it is known.
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
