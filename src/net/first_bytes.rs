//! Recognizes a connection's protocol by its first bytes.

use super::proxy_protocol;

/// The protocol that a connection's first bytes belong to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FirstBytes {
    /// A TLS handshake record.
    Tls,
    ProxyHeader,
    /// Another known protocol, by its name.
    Other(&'static str),
    /// An HTTP/1 request line, or a prefix that may become one.
    Http,
    Garbage,
}

/// Bytes to examine at most. They always contain the method, even of a longer request line.
pub(crate) const PEEK_BYTES: usize = 256;

impl FirstBytes {
    /// Whether to hand the bytes to the HTTP parser. It answers garbage with 400.
    pub(crate) fn may_be_http(&self) -> bool {
        matches!(self, FirstBytes::Http | FirstBytes::Garbage)
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [22, ..] => FirstBytes::Tls,
            // An SSL 2 client hello. Old browsers sent it even when they offered TLS.
            [length, _, 1, 0 | 2 | 3, ..] if length & 0x80 != 0 => FirstBytes::Other("SSL 2"),
            _ if proxy_protocol::begins(bytes) => FirstBytes::ProxyHeader,
            _ if bytes.starts_with(b"SSH-") => FirstBytes::Other("SSH"),
            _ if bytes.starts_with(b"PRI * HTTP/2.0\r\n") => FirstBytes::Other("HTTP/2 at once"),
            _ if begins_request(bytes) => FirstBytes::Http,
            _ => FirstBytes::Garbage,
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
