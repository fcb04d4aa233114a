//! What a connection begins with, whatever it is meant to carry.

use super::proxy_protocol;

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// A handshake record.
    Tls,
    ProxyHeader,
    /// Another protocol that gives itself away.
    Other(&'static str),
    /// The line of a request of HTTP/1, or what may become one.
    Http,
    Garbage,
}

/// Bytes that are looked at, at most. A request line that is longer has a method at least.
pub(crate) const LOOK: usize = 256;

impl First {
    /// Whether a request of HTTP/1 may come of it, or nothing that is known: that is answered as a bad request.
    pub(crate) fn may_be_http(&self) -> bool {
        matches!(self, First::Http | First::Garbage)
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [22, ..] => First::Tls,
            // The hello of browsers that still knew SSL 2, whatever they would rather speak.
            [length, _, 1, 0 | 2 | 3, ..] if length & 0x80 != 0 => First::Other("SSL 2"),
            _ if proxy_protocol::begins(bytes) => First::ProxyHeader,
            _ if bytes.starts_with(b"SSH-") => First::Other("SSH"),
            _ if bytes.starts_with(b"PRI * HTTP/2.0\r\n") => First::Other("HTTP/2 at once"),
            _ if begins_request(bytes) => First::Http,
            _ => First::Garbage,
        }
    }
}

fn begins_request(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let plain = (1..=32).contains(&method.len()) && method.iter().all(u8::is_ascii_alphabetic);
    let whole = bytes.len() > line.len();
    let line = line.trim_ascii_end();
    plain && (!whole || line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0"))
}
