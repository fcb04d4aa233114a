//! Redirects: every request of the plain port beside the https port to https; the base path without
//! its last slash to the base path.

use http::header::{CONNECTION, HOST, HeaderValue, LOCATION};
use http::{Method, Request, StatusCode};

use crate::http::path::Mount;
use crate::http::{self as web, Response, host};

/// Redirects a request to https with the same host and path, at `port`. `named` is the host that a
/// trusted proxy names.
pub(super) fn answer<B>(request: &Request<B>, named: Option<&str>, port: u16) -> Response {
    let location =
        target(request, named, port).and_then(|target| HeaderValue::try_from(target).ok());
    let Some(location) = location else {
        return response(StatusCode::BAD_REQUEST, "no usable Host header\n");
    };
    let mut response = response(status(request), "this is at https\n");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Redirects the base path to itself with its last slash, because links of pages are relative. The
/// target is relative, too: proxies may have taken a part of the path away.
pub(super) fn to_base<B>(request: &Request<B>, mount: &Mount) -> Response {
    let last = mount.base().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    relative(request, &format!("{last}/"))
}

/// Redirects to a target relative to the request's path, with the query.
pub(crate) fn relative<B>(request: &Request<B>, target: &str) -> Response {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = web::response(status(request), "text/plain", "");
    if let Ok(location) = HeaderValue::try_from(format!("{target}{query}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// 308 keeps the method, but old clients do not know it. They only send GET here.
fn status<B>(request: &Request<B>) -> StatusCode {
    match *request.method() {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    }
}

fn response(status: StatusCode, text: &'static str) -> Response {
    let mut response = web::response(status, "text/plain; charset=utf-8", text);
    // A client has no further use for a connection to this port.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn target<B>(request: &Request<B>, named: Option<&str>, port: u16) -> Option<String> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (given, None) = (hosts.next()?.to_str().ok()?, hosts.next()) else { return None };
    // An absolute-form target, as sent to a proxy, names the host a second time.
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    if authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(given)) {
        return None;
    }
    let host = host::of(named.unwrap_or(given))?;
    let path = request.uri().path_and_query()?.as_str();
    // The target of `OPTIONS *` is not a path.
    if !path.starts_with('/') {
        return None;
    }
    Some(match port {
        443 => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    fn location(method: &str, target: &str, hosts: &[&str], port: u16) -> (u16, Option<String>) {
        let response = answer(&request(method, target, hosts), None, port);
        let location = response.headers().get(LOCATION);
        let location = location.map(|location| location.to_str().unwrap().to_owned());
        (response.status().as_u16(), location)
    }

    #[test]
    fn the_same_place_by_https() {
        for (host, port, expected) in [
            ("chat.example", 443, "https://chat.example/a?b=c"),
            ("chat.example:80", 443, "https://chat.example/a?b=c"),
            ("chat.example:3000", 3443, "https://chat.example:3443/a?b=c"),
            ("Chat.Example.", 443, "https://Chat.Example./a?b=c"),
            ("my_host-1", 443, "https://my_host-1/a?b=c"),
            ("192.0.2.1:80", 443, "https://192.0.2.1/a?b=c"),
            ("[2001:db8::1]", 443, "https://[2001:db8::1]/a?b=c"),
            ("chat.example:", 443, "https://chat.example/a?b=c"),
            ("[::1]:80", 3443, "https://[::1]:3443/a?b=c"),
        ] {
            let (status, location) = location("GET", "/a?b=c", &[host], port);
            assert_eq!((status, location.as_deref()), (301, Some(expected)), "{host}");
        }
    }

    #[test]
    fn the_method_is_kept() {
        for (method, status) in
            [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("OPTIONS", 308)]
        {
            assert_eq!(location(method, "/", &["a"], 443).0, status, "{method}");
        }
    }

    #[test]
    fn a_trusted_proxy_names_the_host() {
        for (named, expected) in [
            (None, Some("https://inner/a")),
            (Some("chat.example"), Some("https://chat.example/a")),
            (Some("chat.example:8080"), Some("https://chat.example/a")),
            (Some("a b"), None),
        ] {
            let response = answer(&request("GET", "/a", &["inner:3000"]), named, 443);
            let location = response.headers().get(LOCATION).map(|to| to.to_str().unwrap());
            assert_eq!(location, expected, "{named:?}");
        }
    }

    #[test]
    fn a_path_names_no_host() {
        let (_, location) = location("GET", "//evil.example/", &["a.example"], 443);
        assert_eq!(location.unwrap(), "https://a.example//evil.example/");
    }

    #[test]
    fn a_request_as_to_a_proxy() {
        let target = "http://chat.example/a";
        let (status, to) = location("GET", target, &["chat.example"], 443);
        assert_eq!((status, to.as_deref()), (301, Some("https://chat.example/a")));
        assert_eq!(location("GET", target, &["evil.example"], 443), (400, None));
        assert_eq!(location("CONNECT", "a.example:80", &["a.example:80"], 443), (400, None));
    }

    #[test]
    fn odd_hosts() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(128);
        for host in [
            "",
            ".",
            ":80",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a@evil.example",
            "user:secret@evil.example",
            "a:b",
            "a:80:80",
            "a:99999",
            "a:+80",
            "a%2eb",
            "a,b",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "[evil.example]",
            "https://evil.example",
            &long_label,
            &long_name,
        ] {
            assert_eq!(location("GET", "/", &[host], 443), (400, None), "{host}");
        }
        assert_eq!(location("GET", "/", &[], 443), (400, None));
        assert_eq!(location("GET", "/", &["a.example", "b.example"], 443), (400, None));
        assert_eq!(location("OPTIONS", "*", &["a.example"], 443), (400, None));
        let mut bytes = request("GET", "/", &[]);
        bytes.headers_mut().insert(HOST, HeaderValue::from_bytes(b"a\xff").unwrap());
        assert_eq!(answer(&bytes, None, 443).status(), 400);
    }
}
