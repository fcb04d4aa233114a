//! Writing response heads and bodies of known length.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode};

/// What happens to the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Close,
    /// It stays open for so long, if no other request comes. At least a second.
    KeepAlive(Duration),
    /// It changes to the protocol of the `Upgrade` header.
    Upgrade,
}

/// Appends the head of an HTTP/1.1 response without its end: [`write_end`], [`write_bare_end`] or
/// [`write_chunked`] must follow. `headers` has no `Connection`.
pub(crate) fn write_head(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap, after: After) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        write_header(out, name, value.as_bytes());
    }
    match after {
        After::Close => out.extend_from_slice(b"Connection: close\r\n"),
        After::Upgrade => out.extend_from_slice(b"Connection: Upgrade\r\n"),
        After::KeepAlive(time) => {
            out.extend_from_slice(b"Connection: keep-alive\r\nKeep-Alive: timeout=");
            out.extend_from_slice(decimal(time.as_secs(), &mut [0; 20]));
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends one header, its name in the customary case: some clients compare names as they are
/// written in documentation.
fn write_header(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    write_name(out, name.as_str());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the name of a header, given in lower case, in the customary case.
fn write_name(out: &mut Vec<u8>, name: &str) {
    if let Some((_, usual)) = UNUSUAL.iter().find(|(lower, _)| *lower == name) {
        return out.extend_from_slice(usual.as_bytes());
    }
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    let mut begins = true;
    for byte in &mut out[start..] {
        if begins {
            byte.make_ascii_uppercase();
        }
        begins = *byte == b'-';
    }
}

/// Names that are not written with a capital at each start of a word alone.
const UNUSUAL: [(&str, &str); 8] = [
    ("etag", "ETag"),
    ("www-authenticate", "WWW-Authenticate"),
    ("sec-websocket-accept", "Sec-WebSocket-Accept"),
    ("sec-websocket-protocol", "Sec-WebSocket-Protocol"),
    ("sec-websocket-extensions", "Sec-WebSocket-Extensions"),
    ("sec-websocket-version", "Sec-WebSocket-Version"),
    ("x-xss-protection", "X-XSS-Protection"),
    ("x-ua-compatible", "X-UA-Compatible"),
];

/// Appends the end of a head, and the body. An empty `content_type` adds no header.
pub(crate) fn write_end(out: &mut Vec<u8>, content_type: &str, body: &[u8]) {
    if !content_type.is_empty() {
        write_header(out, &CONTENT_TYPE, content_type.as_bytes());
    }
    write_length(out, body.len() as u64);
    write_bare_end(out);
    out.extend_from_slice(body);
}

/// Appends the length of the body in bytes.
pub(crate) fn write_length(out: &mut Vec<u8>, length: u64) {
    write_header(out, &CONTENT_LENGTH, decimal(length, &mut [0; 20]));
}

/// Appends the end of a head.
pub(crate) fn write_bare_end(out: &mut Vec<u8>) {
    write_date(out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a head whose body is chunked.
pub(crate) fn write_chunked(out: &mut Vec<u8>) {
    write_header(out, &TRANSFER_ENCODING, b"chunked");
    write_bare_end(out);
}

/// Appends a chunk of a body; the empty one is the last.
pub(crate) fn write_chunk(out: &mut Vec<u8>, chunk: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
    out.extend_from_slice(chunk);
    out.extend_from_slice(b"\r\n");
}

fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

/// Appends the `Date` header. Its text is cached for the current second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static MADE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    MADE.with_borrow_mut(|(made, text)| {
        if *made != second {
            (*made, *text) = (second, httpdate::fmt_http_date(now));
        }
        write_header(out, &DATE, text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_customary_case() {
        for name in [
            "Content-Type",
            "Set-Cookie",
            "Access-Control-Allow-Origin",
            "X-Content-Type-Options",
            "Strict-Transport-Security",
            "Upgrade",
            "ETag",
            "WWW-Authenticate",
            "Sec-WebSocket-Accept",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Sec-WebSocket-Version",
            "X-XSS-Protection",
            "X-UA-Compatible",
        ] {
            let mut out = Vec::new();
            write_name(&mut out, &name.to_ascii_lowercase());
            assert_eq!(out, name.as_bytes());
        }
    }
}
