//! Who is behind a proxy: what `Forwarded` (RFC 7239) and the `X-Forwarded-…` headers say, as far
//! as they were written by proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use super::{Networks, Scheme};

/// Hops that are looked at. A chain of this length is a loop, or a lie.
const MOST_HOPS: usize = 16;

/// The headers as they came, several of one name joined by commas.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    pub forwarded: Option<&'a str>,
    pub x_for: Option<&'a str>,
    pub x_proto: Option<&'a str>,
    pub x_host: Option<&'a str>,
}

/// Where a request really came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<'a> {
    pub remote: IpAddr,
    pub scheme: Scheme,
    /// The host that the client asked for, where a proxy says so.
    pub host: Option<&'a str>,
    /// Both kinds of headers are there and tell different stories: one of them is the client's own,
    /// so neither counts.
    pub contradicted: bool,
}

/// Finds the client of a request whose connection came from `peer`. Each trusted proxy is believed
/// in what it says of the one before it, and nothing further: the first address, from the near end,
/// that is not trusted is the client, and how it reached that proxy is the scheme. What anybody
/// else wrote does not count. A proxy that knows one kind of headers passes the other on as the
/// client wrote it, so where both are there they have to agree.
pub fn source<'a>(
    peer: IpAddr,
    scheme: Scheme,
    headers: &Headers<'a>,
    trusted: &Networks,
) -> Source<'a> {
    let direct = Source { remote: peer, scheme, host: None, contradicted: false };
    if trusted.is_empty() || !trusted.contains(peer) {
        return direct;
    }
    let Some(forwarded) = headers.forwarded else { return customary(direct, headers, trusted) };
    let standard = standard(direct.clone(), forwarded, trusted);
    if headers.x_for.is_none() && headers.x_proto.is_none() {
        return standard;
    }
    let customary = customary(direct.clone(), headers, trusted);
    match (customary.remote, customary.scheme) == (standard.remote, standard.scheme) {
        true => standard,
        false => Source { contradicted: true, ..direct },
    }
}

/// The items of a comma-separated list, the nearest hop first.
fn hops(list: &str) -> impl Iterator<Item = &str> {
    list.rsplit(',').map(str::trim).take(MOST_HOPS)
}

fn standard<'a>(direct: Source<'a>, forwarded: &'a str, trusted: &Networks) -> Source<'a> {
    let mut found = direct;
    for element in hops(forwarded) {
        let mut client = None;
        for pair in element.split(';') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match key.trim() {
                key if key.eq_ignore_ascii_case("for") => client = address(value),
                key if key.eq_ignore_ascii_case("proto") => {
                    found.scheme = scheme(value).unwrap_or(found.scheme);
                }
                key if key.eq_ignore_ascii_case("host") => found.host = Some(value),
                _ => {}
            }
        }
        // A name that hides the address ends the trail.
        let Some(client) = client else { break };
        found.remote = client;
        if !trusted.contains(client) {
            break;
        }
    }
    found
}

fn customary<'a>(direct: Source<'a>, headers: &Headers<'a>, trusted: &Networks) -> Source<'a> {
    let mut found = direct;
    let mut walked = 0;
    for hop in headers.x_for.into_iter().flat_map(hops) {
        let Some(client) = address(hop) else { break };
        found.remote = client;
        walked += 1;
        if !trusted.contains(client) {
            break;
        }
    }
    // Some proxies add to these lists and some replace them: of a shorter one the far end counts.
    fn at(list: Option<&str>, walked: usize) -> Option<&str> {
        hops(list?).take(walked.max(1)).last().filter(|item| !item.is_empty())
    }
    found.scheme = at(headers.x_proto, walked).and_then(scheme).unwrap_or(found.scheme);
    found.host = at(headers.x_host, walked);
    found
}

fn scheme(text: &str) -> Option<Scheme> {
    match text {
        _ if text.eq_ignore_ascii_case("https") || text.eq_ignore_ascii_case("wss") => {
            Some(Scheme::Https)
        }
        _ if text.eq_ignore_ascii_case("http") || text.eq_ignore_ascii_case("ws") => {
            Some(Scheme::Http)
        }
        _ => None,
    }
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let plain = Headers::default();
        let x = |x_for, x_proto| Headers {
            x_for: Some(x_for),
            x_proto: Some(x_proto),
            ..Headers::default()
        };
        let forwarded = |text| Headers { forwarded: Some(text), ..Headers::default() };
        use Scheme::{Http, Https};
        for (case, peer, headers, remote, scheme) in [
            ("nothing is said", "10.0.0.1", plain, "10.0.0.1", Http),
            ("by a stranger", "192.0.2.1", x("198.51.100.9", "https"), "192.0.2.1", Http),
            ("by a proxy", "10.0.0.1", x("198.51.100.9", "https"), "198.51.100.9", Https),
            ("with a port", "10.0.0.1", x("198.51.100.9:4711", "https"), "198.51.100.9", Https),
            ("of IPv6", "10.0.0.1", x("2001:db8::7", "https"), "2001:db8::7", Https),
            ("of IPv6 in brackets", "10.0.0.1", x("[2001:db8::7]:80", "http"), "2001:db8::7", Http),
            (
                "made up",
                "10.0.0.1",
                x("1.2.3.4, 198.51.100.9", "https, http"),
                "198.51.100.9",
                Http,
            ),
            (
                "by two proxies",
                "10.0.0.1",
                x("198.51.100.9, 10.0.0.2", "https, http"),
                "198.51.100.9",
                Https,
            ),
            (
                "by two, the last replaces the scheme",
                "10.0.0.1",
                x("198.51.100.9, 10.0.0.2", "https"),
                "198.51.100.9",
                Https,
            ),
            ("only proxies", "10.0.0.1", x("10.0.0.3, 10.0.0.2", "https"), "10.0.0.3", Https),
            ("garbage", "10.0.0.1", x("<script>", "gopher"), "10.0.0.1", Http),
            ("garbage further off", "10.0.0.1", x("?, 10.0.0.2", "https"), "10.0.0.2", Https),
            ("empty", "10.0.0.1", x("", ""), "10.0.0.1", Http),
            (
                "the standard",
                "10.0.0.1",
                forwarded("for=192.0.2.60;proto=https;by=10.0.0.1"),
                "192.0.2.60",
                Https,
            ),
            (
                "the standard, of IPv6",
                "10.0.0.1",
                forwarded("For=\"[2001:db8:cafe::17]:4711\"; Proto=HTTPS"),
                "2001:db8:cafe::17",
                Https,
            ),
            (
                "the standard, made up",
                "10.0.0.1",
                forwarded("for=1.2.3.4;proto=https, for=192.0.2.60;proto=http"),
                "192.0.2.60",
                Http,
            ),
            (
                "the standard, two proxies",
                "10.0.0.1",
                forwarded("for=192.0.2.60;proto=https, for=10.0.0.2;proto=http"),
                "192.0.2.60",
                Https,
            ),
            (
                "the standard, hidden",
                "10.0.0.1",
                forwarded("for=_hidden;proto=https"),
                "10.0.0.1",
                Https,
            ),
        ] {
            let trusted = Networks::parse(["10.0.0.0/8"]).unwrap();
            let found = source(peer.parse().unwrap(), Http, &headers, &trusted);
            let remote: IpAddr = remote.parse().unwrap();
            assert_eq!((found.remote, found.scheme), (remote, scheme), "{case}");
        }
    }

    #[test]
    fn both_kinds_of_headers_have_to_agree() {
        use Scheme::{Http, Https};
        let trusted = Networks::parse(["10.0.0.0/8"]).unwrap();
        for (case, forwarded, x_for, x_proto, expected) in [
            ("they agree", "for=192.0.2.7;proto=https", "192.0.2.7", "https", Some(Https)),
            ("in the clear", "for=192.0.2.7", "192.0.2.7", "http", Some(Http)),
            ("another client", "for=192.0.2.66;proto=https", "192.0.2.7", "https", None),
            ("another scheme", "for=192.0.2.7;proto=https", "192.0.2.7", "http", None),
            ("a scheme alone", "proto=https", "192.0.2.7", "http", None),
            ("nonsense", "%", "192.0.2.7", "https", None),
        ] {
            let headers = Headers {
                forwarded: Some(forwarded),
                x_for: Some(x_for),
                x_proto: Some(x_proto),
                x_host: Some("evil.example"),
            };
            let found = source("10.0.0.1".parse().unwrap(), Http, &headers, &trusted);
            let (remote, scheme) = expected.map_or(("10.0.0.1", Http), |s| ("192.0.2.7", s));
            assert_eq!(
                (found.remote.to_string().as_str(), found.scheme),
                (remote, scheme),
                "{case}"
            );
            assert_eq!(found.contradicted, expected.is_none(), "{case}");
            assert_eq!(found.host, None, "{case}");
        }
    }

    #[test]
    fn long_chains_end() {
        let chain = ["10.0.0.2"; 100_000].join(",");
        let headers = Headers { x_for: Some(&chain), ..Headers::default() };
        let trusted = Networks::parse(["10.0.0.0/8"]).unwrap();
        let found = source("10.0.0.1".parse().unwrap(), Scheme::Http, &headers, &trusted);
        assert_eq!(found.remote.to_string(), "10.0.0.2");
    }

    #[test]
    fn hosts() {
        let trusted = Networks::parse(["10.0.0.1"]).unwrap();
        let headers = Headers { x_host: Some("chat.example"), ..Headers::default() };
        let of = |peer: &str| {
            source(peer.parse().unwrap(), Scheme::Http, &headers, &trusted).host.map(str::to_owned)
        };
        assert_eq!(of("10.0.0.1").as_deref(), Some("chat.example"));
        assert_eq!(of("10.0.0.2"), None);
    }
}
