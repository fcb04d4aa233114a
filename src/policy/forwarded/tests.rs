//! Tables of headers and the client that they give. `10.0.0.0/8` is trusted, and most connections come from
//! `10.0.0.1`.

use super::*;
use Scheme::{Http, Https};

/// The client, or `None` if it is unknown, its scheme and the host it asked for.
type Found = (Option<IpAddr>, Scheme, Option<String>, Option<Doubt>);

fn lines<'a>(lines: &[&'a str]) -> Vec<Cow<'a, str>> {
    lines.iter().copied().map(Cow::Borrowed).collect()
}

fn find(peer: &str, headers: &Headers<'_>) -> Found {
    let trusted = Networks::parse(["10.0.0.0/8"]).unwrap();
    let found = source(peer.parse().unwrap(), Http, headers, &trusted);
    let host = found.host.map(Cow::into_owned);
    (found.client.address(), found.scheme, host, found.doubt)
}

/// `-` stands for an unknown client.
fn client(text: &str) -> Option<IpAddr> {
    (text != "-").then(|| text.parse().unwrap())
}

#[test]
fn what_is_customary() {
    for (case, peer, x_for, x_proto, expected, scheme) in [
        ("nothing is said", "10.0.0.1", &[][..], &[][..], "10.0.0.1", Http),
        ("by a stranger", "192.0.2.1", &["198.51.100.9"], &["https"], "192.0.2.1", Http),
        ("by a proxy", "10.0.0.1", &["198.51.100.9"], &["https"], "198.51.100.9", Https),
        ("with a port", "10.0.0.1", &["198.51.100.9:4711"], &["https"], "198.51.100.9", Https),
        ("of IPv6", "10.0.0.1", &["2001:db8::7"], &["https"], "2001:db8::7", Https),
        ("in brackets", "10.0.0.1", &["[2001:db8::7]:80"], &["http"], "2001:db8::7", Http),
        ("made up", "10.0.0.1", &["1.2.3.4, 198.51.100.9"], &["https, http"], "198.51.100.9", Http),
        (
            "made up, in a line of its own",
            "10.0.0.1",
            &["1.2.3.4", "198.51.100.9"],
            &[],
            "198.51.100.9",
            Http,
        ),
        (
            "made up, of bytes that are no text",
            "10.0.0.1",
            &["\u{fffd}\u{fffd}, 198.51.100.9"],
            &["\u{fffd}, https"],
            "198.51.100.9",
            Https,
        ),
        (
            "by two proxies",
            "10.0.0.1",
            &["198.51.100.9, 10.0.0.2"],
            &["https, http"],
            "198.51.100.9",
            Https,
        ),
        (
            "by two, the last replaces the scheme",
            "10.0.0.1",
            &["198.51.100.9, 10.0.0.2"],
            &["https"],
            "198.51.100.9",
            Https,
        ),
        ("only proxies", "10.0.0.1", &["10.0.0.3, 10.0.0.2"], &["https"], "10.0.0.3", Https),
        ("garbage", "10.0.0.1", &["<script>"], &["gopher"], "-", Http),
        ("garbage further off", "10.0.0.1", &["?, 10.0.0.2"], &["https"], "-", Https),
        ("no text", "10.0.0.1", &["\u{fffd}"], &[], "-", Http),
        ("hidden", "10.0.0.1", &["unknown"], &["https"], "-", Https),
        ("an address that nobody has", "10.0.0.1", &["0.0.0.0"], &[], "-", Http),
        ("empty", "10.0.0.1", &[""], &[""], "-", Http),
        ("in quotes", "10.0.0.1", &["\"6.6.6.6"], &[], "-", Http),
    ] {
        let headers =
            Headers { x_for: lines(x_for), x_proto: lines(x_proto), ..Headers::default() };
        let (found, found_scheme, _, doubt) = find(peer, &headers);
        assert_eq!((found, found_scheme), (client(expected), scheme), "{case}");
        assert_eq!(doubt, (expected == "-").then_some(Doubt::NoAddress), "{case}");
    }
}

#[test]
fn the_standard() {
    let quoted = r#"for=192.0.2.7;host="a,for=6.6.6.6;proto=https""#;
    for (case, forwarded, expected, scheme, host) in [
        ("one", &["for=192.0.2.60;proto=https;by=10.0.0.1"][..], "192.0.2.60", Https, None),
        (
            "of IPv6",
            &["For=\"[2001:db8:cafe::17]:4711\"; Proto=HTTPS"],
            "2001:db8:cafe::17",
            Https,
            None,
        ),
        ("of IPv6, without quotes", &["for=[2001:db8::17]:4711"], "2001:db8::17", Http, None),
        (
            "made up",
            &["for=1.2.3.4;proto=https, for=192.0.2.60;proto=http"],
            "192.0.2.60",
            Http,
            None,
        ),
        ("made up, in a line of its own", &["for=\"1", "for=192.0.2.60"], "192.0.2.60", Http, None),
        (
            "two proxies",
            &["for=192.0.2.60;proto=https;host=a.example, for=10.0.0.2;proto=http;host=b.example"],
            "192.0.2.60",
            Https,
            Some("a.example"),
        ),
        ("separators in quotes", &[quoted], "192.0.2.7", Http, Some("a,for=6.6.6.6;proto=https")),
        (
            "quotes in quotes",
            &[r#"for=192.0.2.7;host="a\",for=6.6.6.6;x=\"";proto=https"#],
            "192.0.2.7",
            Https,
            Some(r#"a",for=6.6.6.6;x=""#),
        ),
        ("it says nothing of a client", &["proto=https"], "10.0.0.1", Https, None),
        ("hidden", &["for=_hidden;proto=https"], "-", Https, None),
        ("unknown", &["for=unknown"], "-", Http, None),
        ("empty", &[""], "-", Http, None),
        ("nothing but separators", &[" , ;"], "-", Http, None),
        ("no pair", &["%"], "-", Http, None),
        ("no pair further off", &["%, for=192.0.2.7"], "192.0.2.7", Http, None),
        ("no value", &["for="], "-", Http, None),
        ("an empty value", &["for=\"\""], "-", Http, None),
        ("said twice", &["for=192.0.2.7;for=192.0.2.8"], "-", Http, None),
        ("quotes that do not end", &["for=\"192.0.2.7"], "-", Http, None),
        ("quotes that swallow the proxy's", &["for=\"6.6.6.6, for=192.0.2.7"], "-", Http, None),
        (
            "quotes that turn the proxy's inside out",
            &[r#"x=", for=192.0.2.7;host="h;for=6.6.6.6""#],
            "-",
            Http,
            None,
        ),
        ("an escape that does not end", &[r#"for=192.0.2.7;host="a\""#], "-", Http, None),
        ("quotes around a part", &[r#"for=19"2.0.2.7""#], "-", Http, None),
        ("quotes around a part of the host", &[r#"for=192.0.2.7;host=a"b""#], "-", Http, None),
        ("quotes within the host", &[r#"for=192.0.2.7;host="a"b"c""#], "-", Http, None),
        ("no host", &["for=192.0.2.7;host="], "-", Http, None),
        ("a backslash", &[r#"for=192.0.2.7;host="a\\""#], "192.0.2.7", Http, Some(r"a\")),
        ("no text", &["for=\u{fffd}"], "-", Http, None),
    ] {
        let headers = Headers { forwarded: lines(forwarded), ..Headers::default() };
        let (found, found_scheme, found_host, doubt) = find("10.0.0.1", &headers);
        assert_eq!((found, found_scheme), (client(expected), scheme), "{case}");
        assert_eq!(found_host.as_deref(), host, "{case}");
        assert_eq!(doubt, (expected == "-").then_some(Doubt::NoAddress), "{case}");
    }
}

#[test]
fn both_kinds_of_headers_have_to_agree() {
    for (case, forwarded, x_for, x_proto, expected) in [
        ("they agree", "for=192.0.2.7;proto=https", "192.0.2.7", "https", Some(Https)),
        ("in the clear", "for=192.0.2.7", "192.0.2.7", "http", Some(Http)),
        ("another host", "for=192.0.2.7;host=a.example", "192.0.2.7", "http", Some(Http)),
        ("another client", "for=192.0.2.66;proto=https", "192.0.2.7", "https", None),
        ("another scheme", "for=192.0.2.7;proto=https", "192.0.2.7", "http", None),
        ("a scheme alone", "proto=https", "192.0.2.7", "http", None),
        ("nonsense", "%", "192.0.2.7", "https", None),
        ("nothing", "", "192.0.2.7", "https", None),
        ("the proxy itself", "for=10.0.0.1", "192.0.2.7", "https", None),
    ] {
        let headers = Headers {
            forwarded: lines(&[forwarded]),
            x_for: lines(&[x_for]),
            x_proto: lines(&[x_proto]),
            x_host: lines(&["evil.example"]),
            ..Headers::default()
        };
        let expected = match expected {
            Some(scheme) => (client("192.0.2.7"), scheme, None, None),
            None => (None, Http, None, Some(Doubt::Contradiction)),
        };
        assert_eq!(find("10.0.0.1", &headers), expected, "{case}");
    }
}

#[test]
fn long_chains_end() {
    for length in [MAX_HOPS, MAX_HOPS + 1, 100_000] {
        let chain = vec!["10.0.0.2"; length].join(",");
        let x = Headers { x_for: lines(&[&chain]), ..Headers::default() };
        let chain = vec!["for=10.0.0.2"; length].join(",");
        let standard = Headers { forwarded: lines(&[&chain]), ..Headers::default() };
        let expected = client(if length == MAX_HOPS { "10.0.0.2" } else { "-" });
        for headers in [x, standard] {
            assert_eq!(find("10.0.0.1", &headers).0, expected, "{length}");
        }
    }
}

#[test]
fn hosts() {
    let headers = Headers { x_host: lines(&["chat.example"]), ..Headers::default() };
    assert_eq!(find("10.0.0.1", &headers).2.as_deref(), Some("chat.example"));
    assert_eq!(find("192.0.2.1", &headers).2, None);
}

/// Random text of the client in front of the entry that its proxy adds: the client is the one that the
/// proxy names, or unknown.
#[test]
fn nobody_chooses_who_to_be() {
    const PIECES: [&str; 12] = [
        "\"",
        "\\",
        ",",
        ";",
        "=",
        "for=6.6.6.6",
        "for=",
        "host=\"",
        "a",
        " ",
        "\u{fffd}",
        "[::1]",
    ];
    let honest = client("192.0.2.7");
    let mut seed = 1_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let (mut known, mut unknown) = (0, 0);
    for _ in 0..100_000 {
        let mut made_up = String::new();
        for _ in 0..next(12) {
            made_up.push_str(PIECES[next(PIECES.len())]);
        }
        let host: &str = [r#"host=a"#, r#"host="a:1""#, r#"by="10.0.0.1:1";host="b""#][next(3)];
        let said = format!("for=192.0.2.7;{host}");
        let one = format!("{made_up}, {said}");
        let (forwarded, x_for) = match next(3) {
            0 => (lines(&[&one]), Vec::new()),
            1 => (lines(&[&made_up, &said]), Vec::new()),
            // A proxy of the other kind.
            _ => (lines(&[&made_up]), lines(&["192.0.2.7"])),
        };
        let headers = Headers { forwarded, x_for, ..Headers::default() };
        match find("10.0.0.1", &headers).0 {
            None => unknown += 1,
            found => {
                assert_eq!(found, honest, "{headers:?}");
                known += 1;
            }
        }
    }
    assert!(known > 1000 && unknown > 1000, "{known} {unknown}");
}
