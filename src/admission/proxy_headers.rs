//! What the headers of trusted proxies say of a client, as far as they are believed.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{HOST, VIA};

use super::client::{Peer, prefix};
use crate::policy::Policy;
use crate::policy::forwarded::Headers;
use crate::policy::proxy_headers::{ProxyHeader, Tells};

/// The headers by which proxies name the client. Empty if `peer` is no trusted proxy.
pub(super) fn of<'a>(headers: &'a HeaderMap, peer: Peer, policy: &Policy) -> Headers<'a> {
    if !policy.trusted_proxies.contains(peer.remote) {
        return Headers::default();
    }
    let believed = &policy.proxy_headers;
    let lines = |header: ProxyHeader| match believed.has(header) {
        true => lines(headers, header.name()),
        false => Vec::new(),
    };
    let mut found = Headers {
        forwarded: lines(ProxyHeader::Forwarded),
        x_for: lines(ProxyHeader::XForwardedFor),
        x_proto: lines(ProxyHeader::XForwardedProto),
        x_host: lines(ProxyHeader::XForwardedHost),
        ..Headers::default()
    };
    let present = believed.iter().filter(|header| headers.contains_key(header.name()));
    let (mut has_address, mut has_scheme) = (false, false);
    for header in present {
        match (header, header.tells()) {
            (ProxyHeader::Forwarded, _) => (has_address, has_scheme) = (true, true),
            (ProxyHeader::XForwardedFor, _) => has_address = true,
            (ProxyHeader::XForwardedProto, _) => has_scheme = true,
            (ProxyHeader::XForwardedPort, _) => {
                let ports = lines(header);
                let last = ports.last().and_then(|line| line.rsplit(',').next());
                found.port =
                    last.and_then(|port| port.trim().parse().ok()).filter(|port| *port > 0);
                found.request_host = crate::http::headers::header(headers, HOST).map(Cow::Borrowed);
            }
            (_, Tells::Address) if !has_address => {
                has_address = true;
                found.client = Some(only(lines(header)));
            }
            (_, Tells::Scheme) if !has_scheme => {
                found.scheme = header.scheme(&only(lines(header)));
                has_scheme = found.scheme.is_some();
            }
            _ => {}
        }
    }
    found
}

/// Bytes of `Via` that are kept of a session.
const VIA_MAX: usize = 64;

/// A name of the proxy that a request came through: its address, if it is a trusted one, and what it or
/// another one says in `Via`.
pub(super) fn proxy(headers: &HeaderMap, peer: Peer, policy: &Policy) -> Option<Arc<str>> {
    let via = crate::http::headers::header(headers, VIA).map(|via| prefix(via, VIA_MAX));
    let address = policy.trusted_proxies.contains(peer.remote).then_some(peer.remote);
    let name = match (address, via) {
        (Some(address), Some(via)) => format!("{address} ({via})"),
        (Some(address), None) => address.to_string(),
        (None, via) => via?.to_owned(),
    };
    Some(name.into())
}

/// The one line of a header. Of several, the client may have written one: then it is empty, which is
/// nothing that can be read.
fn only(mut lines: Vec<Cow<'_, str>>) -> Cow<'_, str> {
    if lines.len() == 1 { lines.swap_remove(0) } else { Cow::Borrowed("") }
}

/// The lines of one header. A line that is not UTF-8 is kept, because a client's own line must not hide
/// the one that the proxy added.
fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Vec<Cow<'a, str>> {
    let lines = headers.get_all(name).iter();
    lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect()
}

/// Whether a request has headers that proxies add, whoever wrote them.
pub(super) fn are_in(headers: &HeaderMap) -> bool {
    use ProxyHeader::{Forwarded, XForwardedFor, XForwardedProto};
    [Forwarded, XForwardedFor, XForwardedProto].iter().any(|name| headers.contains_key(name.name()))
}

/// The headers of a trusted proxy that are there and not believed.
pub(super) fn not_believed(
    headers: &HeaderMap,
    policy: &Policy,
) -> impl Iterator<Item = ProxyHeader> {
    let all = ProxyHeader::ALL.into_iter().map(|(_, header)| header);
    all.filter(|header| headers.contains_key(header.name()) && !policy.proxy_headers.has(*header))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::policy::forwarded::{self, Doubt};
    use crate::policy::proxy_headers::Believed;
    use crate::policy::{Networks, Scheme, Transports};

    /// What `believed` makes of a request from 10.0.0.1: client (`-` if unknown), scheme, host.
    fn found(
        believed: &[&str],
        lines: &[(&'static str, &'static str)],
    ) -> (String, Scheme, String) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("inner:3000"));
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let mut policy = Policy::open(Transports::all(vec!["websocket"]));
        policy.trusted_proxies = Networks::parse(["10.0.0.0/8"]).unwrap();
        policy.proxy_headers = Believed::parse(believed.iter().copied()).unwrap();
        let peer = Peer { remote: "10.0.0.1".parse().unwrap(), scheme: Scheme::Http };
        let told = of(&headers, peer, &policy);
        let source = forwarded::source(peer.remote, peer.scheme, &told, &policy.trusted_proxies);
        assert_ne!(source.doubt, Some(Doubt::Contradiction));
        let client = source.client.address().map_or("-".into(), |address| address.to_string());
        (client, source.scheme, source.host.unwrap_or_default().into_owned())
    }

    #[test]
    fn what_is_believed_and_in_which_order() {
        use Scheme::{Http, Https};
        const PROXY: &str = "10.0.0.1";
        let default = Believed::default();
        let default = default.names();
        let arr = ("x-arr-ssl", "2048|256|C=US|CN=chat.example");
        for (believed, lines, client, scheme, host) in [
            // By default, nothing of what many proxies pass on as the client wrote it.
            (
                &default[..],
                &[
                    ("x-real-ip", "192.0.2.7"),
                    ("cf-connecting-ip", "192.0.2.7"),
                    ("true-client-ip", "192.0.2.7"),
                    ("x-forwarded-ssl", "on"),
                    ("front-end-https", "on"),
                    ("cf-visitor", r#"{"scheme":"https"}"#),
                    ("x-forwarded-port", "443"),
                    arr,
                ][..],
                PROXY,
                Http,
                "",
            ),
            (
                &default,
                &[("x-forwarded-for", "192.0.2.7"), ("x-real-ip", "6.6.6.6")],
                "192.0.2.7",
                Http,
                "",
            ),
            // Not believed any more.
            (
                &[],
                &[("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.8")],
                PROXY,
                Http,
                "",
            ),
            (
                &["Forwarded"],
                &[("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=192.0.2.8;proto=https")],
                "192.0.2.8",
                Https,
                "",
            ),
            (
                &["X-Forwarded-For"],
                &[("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=6.6.6.6;proto=https")],
                "192.0.2.7",
                Http,
                "",
            ),
            // Addresses in one header each.
            (&["X-Real-IP"], &[("x-real-ip", "192.0.2.7")], "192.0.2.7", Http, ""),
            (
                &["CF-Connecting-IP"],
                &[("cf-connecting-ip", "2001:db8::7")],
                "2001:db8::7",
                Http,
                "",
            ),
            (&["True-Client-IP"], &[("true-client-ip", " 192.0.2.7 ")], "192.0.2.7", Http, ""),
            (&["X-Real-IP"], &[], PROXY, Http, ""),
            (&["X-Real-IP"], &[("x-real-ip", "")], "-", Http, ""),
            (&["X-Real-IP"], &[("x-real-ip", "somebody")], "-", Http, ""),
            (&["X-Real-IP"], &[("x-real-ip", "192.0.2.7, 192.0.2.8")], "-", Http, ""),
            (
                &["X-Real-IP"],
                &[("x-real-ip", "192.0.2.7"), ("x-real-ip", "192.0.2.8")],
                "-",
                Http,
                "",
            ),
            // The first that is there counts, even if it cannot be read.
            (
                &["CF-Connecting-IP", "X-Forwarded-For"],
                &[("x-forwarded-for", "192.0.2.8"), ("cf-connecting-ip", "192.0.2.7")],
                "192.0.2.7",
                Http,
                "",
            ),
            (
                &["X-Forwarded-For", "CF-Connecting-IP"],
                &[("x-forwarded-for", "192.0.2.8"), ("cf-connecting-ip", "192.0.2.7")],
                "192.0.2.8",
                Http,
                "",
            ),
            (
                &["CF-Connecting-IP", "X-Forwarded-For"],
                &[("x-forwarded-for", "192.0.2.8")],
                "192.0.2.8",
                Http,
                "",
            ),
            (
                &["CF-Connecting-IP", "X-Forwarded-For"],
                &[("x-forwarded-for", "192.0.2.8"), ("cf-connecting-ip", "?")],
                "-",
                Http,
                "",
            ),
            (
                &["X-Real-IP", "Forwarded", "X-Forwarded-For"],
                &[
                    ("x-real-ip", "192.0.2.7"),
                    ("forwarded", "for=1.1.1.1"),
                    ("x-forwarded-for", "2.2.2.2"),
                ],
                "192.0.2.7",
                Http,
                "",
            ),
            // Schemes.
            (&["X-Forwarded-Ssl"], &[("x-forwarded-ssl", "on")], PROXY, Https, ""),
            (&["Front-End-Https"], &[("front-end-https", "On")], PROXY, Https, ""),
            (&["X-ARR-SSL"], &[arr], PROXY, Https, ""),
            (&["CF-Visitor"], &[("cf-visitor", r#"{"scheme":"https"}"#)], PROXY, Https, ""),
            (
                &["X-ARR-SSL", "X-Forwarded-Proto"],
                &[("x-forwarded-proto", "https")],
                PROXY,
                Https,
                "",
            ),
            (
                &["CF-Visitor", "X-Forwarded-Proto"],
                &[("x-forwarded-proto", "http"), ("cf-visitor", r#"{"scheme":"https"}"#)],
                PROXY,
                Https,
                "",
            ),
            (
                &["X-Forwarded-Proto", "CF-Visitor"],
                &[("x-forwarded-proto", "http"), ("cf-visitor", r#"{"scheme":"https"}"#)],
                PROXY,
                Http,
                "",
            ),
            (
                &["X-Forwarded-Ssl", "Front-End-Https"],
                &[("x-forwarded-ssl", "?"), ("front-end-https", "on")],
                PROXY,
                Https,
                "",
            ),
            (
                &["X-Forwarded-Ssl"],
                &[("x-forwarded-ssl", "on"), ("x-forwarded-ssl", "on")],
                PROXY,
                Http,
                "",
            ),
            // Places.
            (
                &["X-Forwarded-Host"],
                &[("x-forwarded-host", "chat.example")],
                PROXY,
                Http,
                "chat.example",
            ),
            (
                &["X-Forwarded-Host"],
                &[("x-forwarded-host", "chat.example"), ("x-forwarded-port", "8443")],
                PROXY,
                Http,
                "chat.example",
            ),
            (&["X-Forwarded-Port"], &[("x-forwarded-port", "8443")], PROXY, Http, "inner:8443"),
            (
                &["X-Forwarded-Host", "X-Forwarded-Port"],
                &[("x-forwarded-host", "chat.example"), ("x-forwarded-port", "8443")],
                PROXY,
                Http,
                "chat.example:8443",
            ),
            (
                &["X-Forwarded-Host", "X-Forwarded-Port"],
                &[("x-forwarded-host", "chat.example:9"), ("x-forwarded-port", "8443")],
                PROXY,
                Http,
                "chat.example:9",
            ),
            (&["X-Forwarded-Port"], &[("x-forwarded-port", "80, 443")], PROXY, Http, "inner:443"),
            (&["X-Forwarded-Port"], &[("x-forwarded-port", "0")], PROXY, Http, ""),
            (&["X-Forwarded-Port"], &[("x-forwarded-port", "http")], PROXY, Http, ""),
        ] {
            let expected = (client.to_owned(), scheme, host.to_owned());
            assert_eq!(found(believed, lines), expected, "{believed:?} {lines:?}");
        }
    }
}
