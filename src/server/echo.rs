//! `GET <engine>/echo`: the request as it reached this server, for `parlance diagnose`. It shows which
//! headers a proxy has dropped, changed and added.
//!
//! It needs no switch, because it tells a client nothing but what that client sent, and what proxies
//! wrote for this server to read about it. Values are those of a closed list of names: no cookie and no
//! password comes back, which a script in a page could not have read itself, and no secret of a proxy.
//! No page of another origin can read it. It costs less than a refused handshake.

use http::header::{ALLOW, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Version};
use serde_json::{Value, json};

use crate::engine::process_name;
use crate::http::{Request, Response, response};
use crate::policy::proxy_headers::ProxyHeader;
use crate::policy::{Client, Scheme};

/// Its path below the engine's.
pub(super) const PATH: &str = "echo";

/// Headers whose values are shown, beside those of [`ProxyHeader`].
const SHOWN: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "max-forwards",
    "origin",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
/// Lines that are shown, and bytes of each value.
const LINES: usize = 64;
const VALUE: usize = 256;

/// Answers a request with itself. `client` and `scheme` are what the server takes from it.
pub(super) fn answer(request: &Request, client: Client, scheme: Scheme) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, "", "");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    let (headers, others) = shown(request.headers());
    let body = json!({
        "by": "parlance",
        "instance": process_name(),
        "version": version(request.version()),
        "client": client.to_string(),
        "scheme": scheme.name(),
        "headers": headers,
        "others": others,
    });
    response(StatusCode::OK, "application/json", body.to_string())
}

/// The lines that may be shown, and the number of the others.
fn shown(headers: &HeaderMap) -> (Vec<Value>, usize) {
    let is_shown = |name: &str| SHOWN.contains(&name) || ProxyHeader::of(name).is_some();
    let lines = headers.iter().filter(|(name, _)| is_shown(name.as_str()));
    let lines: Vec<Value> = lines
        .take(LINES)
        .map(|(name, value)| {
            let bytes = value.as_bytes();
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(VALUE)]);
            json!([name.as_str(), text])
        })
        .collect();
    let others = headers.len() - lines.len();
    (lines, others)
}

fn version(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_come_back() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("cookie", "session=secret"),
            ("authorization", "Bearer secret"),
            ("proxy-authorization", "Basic secret"),
            ("x-internal-token", "secret"),
            ("x-amzn-oidc-data", "secret"),
            ("upgrade", "websocket"),
            ("via", "1.1 squid"),
            ("x-forwarded-for", "203.0.113.7"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("via", HeaderValue::from_static("1.0 other"));
        let (lines, others) = shown(&headers);
        assert!(!json!(lines).to_string().contains("secret"), "{lines:?}");
        assert_eq!((lines.len(), others), (4, 5));
        assert!(lines.contains(&json!(["via", "1.0 other"])), "{lines:?}");
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let mut headers = HeaderMap::new();
        let long = HeaderValue::from_bytes(&[b'x'; 4000]).unwrap();
        for _ in 0..100 {
            headers.append("via", long.clone());
        }
        let (lines, others) = shown(&headers);
        assert_eq!((lines.len(), others), (LINES, 100 - LINES));
        assert!(json!(lines).to_string().len() < LINES * (VALUE + 16));
        let bytes = HeaderValue::from_bytes(&[0xe4, b'"']).unwrap();
        headers.insert("via", bytes);
        assert_eq!(shown(&headers).0, [json!(["via", "\u{fffd}\""])]);
    }
}
