//! Writing response heads and bodies of known length.

use std::cell::RefCell;
use std::time::SystemTime;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

/// Appends the head of an HTTP/1.1 response without its end: [`write_end`], [`write_bare_end`] or
/// [`write_chunked`] must follow. With `close`, adds `connection: close`.
pub(crate) fn write_head(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap, close: bool) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        write_header(out, name.as_str(), value.as_bytes());
    }
    if close {
        write_header(out, "connection", b"close");
    }
}

fn write_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a head, and the body. An empty `content_type` adds no header.
pub(crate) fn write_end(out: &mut Vec<u8>, content_type: &str, body: &[u8]) {
    if !content_type.is_empty() {
        write_header(out, CONTENT_TYPE.as_str(), content_type.as_bytes());
    }
    let mut digits = [0; 20];
    write_header(out, CONTENT_LENGTH.as_str(), decimal(body.len(), &mut digits));
    write_date(out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// Appends the end of a head, for a status without a body.
pub(crate) fn write_bare_end(out: &mut Vec<u8>) {
    write_date(out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a head whose body is chunked.
pub(crate) fn write_chunked(out: &mut Vec<u8>) {
    write_header(out, TRANSFER_ENCODING.as_str(), b"chunked");
    write_bare_end(out);
}

/// Appends a chunk of a body; the empty one is the last.
pub(crate) fn write_chunk(out: &mut Vec<u8>, chunk: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
    out.extend_from_slice(chunk);
    out.extend_from_slice(b"\r\n");
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
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
        write_header(out, DATE.as_str(), text.as_bytes());
    });
}
