//! The parser for request heads: accepts plain requests of the engine, leaves all others to hyper.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use super::headers::header_has;
use super::path::Mount;
use super::{HttpLimits, host};

/// How many headers a plain request has at most.
const HEADERS: usize = 64;

/// The result of [`parse`].
pub(crate) enum Parsed {
    /// The head is incomplete.
    Partial,
    /// A request for hyper. `whole` is its length in bytes, with the body, if that is certain.
    Unsupported {
        whole: Option<usize>,
    },
    Whole(Box<Head>),
}

pub(crate) struct Head {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    /// Length of the head in bytes.
    pub size: usize,
    /// Length of the body in bytes.
    pub length: usize,
    /// Whether the client sent `Connection: close`.
    pub close: bool,
}

/// Parses the request head at the start of `bytes`. Only a plain request for the engine below
/// `mount` gives [`Parsed::Whole`].
pub(crate) fn parse(bytes: &[u8], limits: &HttpLimits, mount: Option<&Mount>) -> Parsed {
    const ODD: Parsed = Parsed::Unsupported { whole: None };
    let mut found = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut found[..limits.max_headers.min(HEADERS)]);
    let size = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return ODD,
    };
    let (Some(method), Some(path), Some(1)) = (parsed.method, parsed.path, parsed.version) else {
        return ODD;
    };
    if size > limits.max_header_bytes {
        return ODD;
    }
    // One copy of the head. The header values and the URI are slices of it.
    let head = Bytes::copy_from_slice(&bytes[..size]);
    let shared = |part: &[u8]| {
        let at = part.as_ptr() as usize - bytes.as_ptr() as usize;
        head.slice(at..at + part.len())
    };
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(shared(header.value));
        let (Ok(name), Ok(value)) = (name, value) else { return ODD };
        headers.append(name, value);
    }
    let close = header_has(&headers, CONNECTION, "close");
    let odd = headers.contains_key(TRANSFER_ENCODING)
        || headers.contains_key(EXPECT)
        || host::check(&headers, Version::HTTP_11).is_err();
    let Some(length) = length(&headers) else { return ODD };
    let whole = size.checked_add(length).filter(|_| !odd && !close);
    let method = match method {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "OPTIONS" => Method::OPTIONS,
        _ => return Parsed::Unsupported { whole },
    };
    let Ok(uri) = Uri::from_maybe_shared(shared(path.as_bytes())) else { return ODD };
    let for_engine = mount.is_some_and(|mount| mount.is_engine(uri.path()));
    if odd || !for_engine || length > 0 && method != Method::POST {
        return Parsed::Unsupported { whole };
    }
    Parsed::Whole(Box::new(Head { method, uri, headers, size, length, close }))
}

/// The length of the body in bytes; `None` if `Content-Length` is repeated, malformed or huge.
fn length(headers: &HeaderMap) -> Option<usize> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Some(0) };
    let digits = line.to_str().ok()?;
    let plain = lines.next().is_none() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<u32>().ok().filter(|_| plain).map(|length| length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        parse(text.as_bytes(), &HttpLimits::default(), Some(&"/socket.io/".into()))
    }

    #[test]
    fn plain_requests_of_the_engine_are_ours() {
        let post = "POST /socket.io/?sid=a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n41..";
        let Parsed::Whole(head) = parsed(post) else { panic!("not whole") };
        assert_eq!((head.method, head.size, head.length), (Method::POST, post.len() - 4, 4));
        assert_eq!((head.uri.query(), head.close), (Some("sid=a"), false));
        for cut in 0..post.len() - 4 {
            assert!(matches!(parsed(&post[..cut]), Parsed::Partial), "{cut}");
        }
        let close =
            "GET /socket.io/1/ HTTP/1.1\r\nHost: h\r\nConnection: Keep-Alive, Close\r\n\r\n";
        assert!(matches!(parsed(close), Parsed::Whole(head) if head.close));
    }

    #[test]
    fn what_is_odd_is_left_to_the_library() {
        let engine = "/socket.io/?a=b";
        for (line, headers) in [
            (format!("GET {engine} HTTP/1.0"), ""),
            (format!("POST {engine} HTTP/1.1"), "Transfer-Encoding: chunked\r\n"),
            (format!("POST {engine} HTTP/1.1"), "Expect: 100-continue\r\nContent-Length: 1\r\n"),
            (format!("POST {engine} HTTP/1.1"), "Content-Length: 1\r\nContent-Length: 1\r\n"),
            (format!("POST {engine} HTTP/1.1"), "Content-Length: +1\r\n"),
            (format!("POST {engine} HTTP/1.1"), "Content-Length: \r\n"),
            (format!("POST {engine} HTTP/1.1"), "Content-Length: 1, 1\r\n"),
            (format!("POST {engine} HTTP/1.1"), "Content-Length: 99999999999999999999\r\n"),
            (format!("POST {engine} HTTP/1.1"), "Content-Length: 18446744073709551615\r\n"),
            (format!("GET {engine} HTTP/1.1"), "A: b\r\n folded\r\n"),
            (format!("GET {engine} HTTP/1.1"), "A : b\r\n"),
            (format!("GET {engine} HTTP/1.1"), "Host: h\r\n"),
            (format!("GET {engine}"), ""),
        ] {
            let odd = parsed(&format!("{line}\r\nHost: h\r\n{headers}\r\n"));
            assert!(matches!(odd, Parsed::Unsupported { whole: None }), "{line} {headers}");
        }
        let many = "A: b\r\n".repeat(HEADERS + 1);
        let odd = parsed(&format!("GET {engine} HTTP/1.1\r\n{many}\r\n"));
        assert!(matches!(odd, Parsed::Unsupported { whole: None }));
    }

    #[test]
    fn pages_are_known_by_their_length() {
        for (request, body) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0),
            ("GET /socket.io/socket.io.js HTTP/1.1\r\nHost:\r\n\r\n", 0),
            ("PUT /socket.io/ HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n", 7),
            ("GET /socket.io/ HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n", 7),
        ] {
            let foreign = parsed(request);
            let expected = request.len() + body;
            assert!(
                matches!(foreign, Parsed::Unsupported { whole: Some(whole) } if whole == expected),
                "{request}"
            );
        }
    }
}
