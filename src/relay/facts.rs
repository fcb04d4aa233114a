//! What a node tells another of the client of a request.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::policy::Scheme;

/// The header that says it. A node takes it off whatever a client sends.
pub(super) const HEADER: HeaderName = HeaderName::from_static("parlance-client");

/// What the connection of a client says of it: the address at its other end, or of a PROXY header, and whether
/// it is encrypted. Headers of proxies are in the request, and mean to the owner what they mean to all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientFacts {
    /// The address.
    pub remote: IpAddr,
    /// How the connection was made.
    pub scheme: Scheme,
}

/// Marks a request that another node has passed on. It is answered here, whatever becomes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relayed;

impl ClientFacts {
    /// As the text of the header.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{} {}", self.remote, self.scheme.name()).as_bytes());
    }

    /// Takes them out of the headers of a request that came from another node. `None` if they are not there,
    /// once and well.
    pub(crate) fn take(headers: &mut HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let facts = match (values.next(), values.next()) {
            (Some(value), None) => ClientFacts::read(value),
            _ => None,
        };
        headers.remove(HEADER);
        facts
    }

    fn read(value: &HeaderValue) -> Option<Self> {
        let (remote, scheme) = value.to_str().ok()?.split_once(' ')?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        Some(ClientFacts { remote: remote.parse().ok()?, scheme })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_as_they_were_sent_or_not_at_all() {
        for (remote, scheme) in [("203.0.113.7", Scheme::Http), ("2001:db8::7", Scheme::Https)] {
            let facts = ClientFacts { remote: remote.parse().unwrap(), scheme };
            let mut text = Vec::new();
            facts.write(&mut text);
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(&text).unwrap());
            assert_eq!(ClientFacts::take(&mut headers), Some(facts));
            assert!(headers.is_empty());
        }
        for values in [
            &[][..],
            &["203.0.113.7 http", "203.0.113.8 http"],
            &["203.0.113.7"],
            &["203.0.113.7 ftp"],
            &["localhost http"],
            &["203.0.113.7  http"],
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_static(value));
            }
            assert_eq!(ClientFacts::take(&mut headers), None, "{values:?}");
            assert!(headers.is_empty());
        }
    }
}
