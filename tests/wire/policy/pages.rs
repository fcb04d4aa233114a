//! Which pages may connect, by which scheme, from behind which proxies, by which rule.

use parlance::policy::proxy_headers::Believed;
use parlance::policy::{Caps, Networks, Origins, Pattern, Rule, Transports};
use parlance::transport;
use serde_json::json;

use crate::support::apps::{Echo, stage};
use crate::support::client::{Client, Via};
use crate::support::http::{Header, Http, fetch, request};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::v09::Session09;
use crate::support::ws::{UPGRADE, Ws};

const POLLING: &str = "EIO=4&transport=polling";
const SOCKET: &str = "EIO=4&transport=websocket";

fn rule(name: &str, transports: &str) -> Rule {
    let transports = Transports::parse(transports.split(','), &transport::names()).unwrap();
    Rule { name: name.into(), transports: Some(transports), ..Rule::default() }
}

/// Views of apps and small devices send `file://` where browsers send `null`.
#[tokio::test]
async fn pages_of_files_and_apps_connect_where_they_are_listed() {
    for (origins, origin, opens) in [
        (&["same-host", "null"][..], "file://", true),
        (&["same-host", "null"], "null", true),
        (&["file://"], "file://", true),
        (&["file://"], "null", false),
        (&["moz-extension://"], "moz-extension://0f4be8d5-6e1d-4a6f-9f0e-8f3f0f1d2b3c", true),
        (&["same-host"], "file://", false),
    ] {
        let server = Setup { origins, ..Setup::default() }.start(Echo).await;
        assert_eq!(socket_from(&server, SOCKET, origin).await.0, opens, "{origins:?} {origin}");
        let answer = server.fetch("GET", POLLING, &[("Origin", origin)], b"").await;
        assert_eq!(answer.status == 200, opens, "{origins:?} {origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}

/// Opens a WebSocket from a page of that origin.
async fn socket_from(server: &TestServer, query: &str, origin: &str) -> (bool, u16) {
    let headers = [&UPGRADE[..], &[("Origin", origin)]].concat();
    let (ws, answer) = Ws::attempt(server.addr, &target(query), &headers).await;
    (ws.is_some(), answer.status)
}

#[tokio::test]
async fn a_foreign_page_opens_no_websocket() {
    let setup =
        Setup { origins: &["https://own.example", "*.friends.example"], ..Setup::default() };
    let server = setup.start(Echo).await;
    for (origin, opens) in [
        ("https://own.example", true),
        ("http://own.example", false),
        ("http://a.friends.example:81", true),
        ("https://evil.example", false),
        ("https://own.example.evil.example", false),
        ("null", false),
        ("", false),
        ("\u{fffd}", false),
    ] {
        assert_eq!(socket_from(&server, SOCKET, origin).await.0, opens, "{origin}");
    }
    // Nor one into a session that is there, with cookies or without.
    let session = Polls::open(&server, "EIO=4").await;
    let upgrade = format!("{SOCKET}&sid={}", session.sid);
    assert!(!socket_from(&server, &upgrade, "https://evil.example").await.0);
    let foreign = [("Origin", "https://evil.example")];
    let answer = fetch(server.addr, "GET", &session.target(), &foreign, b"").await;
    answer.assert_error(403, 4, "Forbidden");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://evil.example"));
    assert_eq!(answer.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn scripts_of_foreign_pages_are_known_by_their_referer() {
    let server = Setup { origins: &["own.example"], ..Setup::default() }.start(Echo).await;
    let jsonp = "EIO=4&transport=polling&j=0";
    for (referer, status) in
        [("http://own.example/page?x", 200), ("http://evil.example/own.example", 403)]
    {
        let answer = server.fetch("GET", jsonp, &[("Referer", referer)], b"").await;
        assert_eq!(answer.status, status, "{referer}");
    }
    // Origin says more, where there is one.
    let both = [("Referer", "http://own.example/"), ("Origin", "http://evil.example")];
    assert_eq!(server.fetch("GET", jsonp, &both, b"").await.status, 403);
}

/// A request of each kind there is, from a page of which some headers tell.
struct Asking<'a> {
    server: &'a TestServer,
    headers: Vec<Header<'a>>,
}

const OWN: Header<'static> = ("Origin", "http://parlance.test");

impl Asking<'_> {
    /// Sends it, and tells what refused it; empty for nothing.
    async fn refused(&self, method: &str, target: &str, body: &str) -> &'static str {
        let counts = || self.server.gate.counters().refusals().collect::<Vec<_>>();
        let before = counts();
        let mut http = Http::open(self.server.addr).await;
        http.send(&request(method, target, &self.headers, body.as_bytes())).await;
        let head = http.head().await;
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"), "{target}");
        let changed = counts().into_iter().zip(before).find(|(now, before)| now != before);
        let label = changed.map_or("", |((label, _), _)| label);
        let said_so = head.status == 403 || target.contains("jsonp=") && !label.is_empty();
        assert_eq!(said_so, !label.is_empty(), "{target}: {}", head.status);
        label
    }

    /// Opens a WebSocket; tells what refused it.
    async fn refused_upgrade(&self, target: &str) -> &'static str {
        let counts = || self.server.gate.counters().refusals().collect::<Vec<_>>();
        let before = counts();
        let headers = [&UPGRADE[..], &self.headers].concat();
        let (ws, answer) = Ws::attempt(self.server.addr, target, &headers).await;
        let changed = counts().into_iter().zip(before).find(|(now, before)| now != before);
        assert_eq!(ws.is_none(), changed.is_some(), "{target}: {}", answer.status);
        changed.map_or("", |((label, _), _)| label)
    }

    /// A session of Engine.IO whose next poll is answered at once.
    async fn session(&self) -> String {
        let answer = self.server.fetch("GET", "EIO=3&transport=polling&b64=1", &[OWN], b"").await;
        let sid = answer.text().split_once("\"sid\":\"").unwrap().1[..20].to_owned();
        let ping = format!("EIO=3&transport=polling&sid={sid}");
        assert_eq!(self.server.fetch("POST", &ping, &[OWN], b"1:2").await.status, 200);
        sid
    }

    async fn session_0_9(&self) -> String {
        let answer = fetch(self.server.addr, "GET", "/socket.io/1/", &[OWN], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().split(':').next().unwrap().to_owned()
    }

    /// What refused each kind: of those that an element can make and run the answer of, and of all others.
    async fn all(&self) -> (Vec<(String, &'static str)>, Vec<(String, &'static str)>) {
        let (mut by_element, mut others) = (Vec::new(), Vec::new());
        for eio in [3, 4] {
            let of = |wire: &str| target(&format!("EIO={eio}&transport={wire}"));
            let note = |kind: &str, label| (format!("EIO {eio} {kind}"), label);
            others.push(note("websocket", self.refused_upgrade(&of("websocket")).await));
            others.push(note("eventsource", self.refused("GET", &of("eventsource"), "").await));
            others.push(note("xhr", self.refused("GET", &of("polling"), "").await));
            by_element.push(note("jsonp", self.refused("GET", &of("polling&j=0"), "").await));
            by_element.push(note("htmlfile", self.refused("GET", &of("htmlfile"), "").await));
        }
        let goes_on = |sid: &str| target(&format!("EIO=3&transport=polling&sid={sid}"));
        let poll = goes_on(&self.session().await);
        others.push(("xhr poll".into(), self.refused("GET", &poll, "").await));
        let upgrade = poll_to(&goes_on(&self.session().await), "websocket");
        others.push(("upgrade".into(), self.refused_upgrade(&upgrade).await));
        let post = goes_on(&self.session().await);
        others.push(("xhr post".into(), self.refused("POST", &post, "1:2").await));
        let jsonp = format!("{}&j=0", goes_on(&self.session().await));
        by_element.push(("jsonp poll".into(), self.refused("GET", &jsonp, "").await));
        let jsonp = format!("{}&j=0", goes_on(&self.session().await));
        by_element.push(("jsonp form".into(), self.refused("POST", &jsonp, "d=1%3A2").await));

        others.push(("0.9 handshake".into(), self.refused("GET", "/socket.io/1/", "").await));
        let script = self.refused("GET", "/socket.io/1/?jsonp=0", "").await;
        by_element.push(("0.9 handshake by script".into(), script));
        let url = |transport: &str, sid: &str| format!("/socket.io/1/{transport}/{sid}?i=0");
        let sid = self.session_0_9().await;
        others.push(("0.9 websocket".into(), self.refused_upgrade(&url("websocket", &sid)).await));
        for (method, transport, body) in [
            ("GET", "xhr-polling", ""),
            ("POST", "xhr-polling", "2::"),
            ("GET", "jsonp-polling", ""),
            ("POST", "jsonp-polling", "d=2%3A%3A"),
            ("GET", "htmlfile", ""),
        ] {
            let label =
                self.refused(method, &url(transport, &self.session_0_9().await), body).await;
            let kinds = if transport == "xhr-polling" { &mut others } else { &mut by_element };
            kinds.push((format!("0.9 {method} {transport}"), label));
        }
        (by_element, others)
    }
}

fn poll_to(target: &str, wire: &str) -> String {
    target.replace("transport=polling", &format!("transport={wire}"))
}

/// Each transport of each generation, from each page that there is.
#[tokio::test]
async fn pages_are_known_by_what_their_browsers_say() {
    let friend = ("Origin", "https://friend.example");
    let foreign = ("Origin", "http://evil.example");
    let site = |site: &'static str| ("Sec-Fetch-Site", site);
    let from = |url: &'static str| ("Referer", url);
    for (case, headers, others, by_element) in [
        ("nothing is said", vec![], "", "unnamed"),
        ("our own page", vec![OWN], "", ""),
        ("our own page, by its address", vec![from("http://parlance.test/x")], "", ""),
        ("a friend", vec![friend, site("cross-site")], "", ""),
        (
            "a friend, by its address",
            vec![from("https://friend.example/x"), site("cross-site")],
            "",
            "",
        ),
        ("a stranger", vec![foreign], "origin", "origin"),
        ("a stranger, by its address", vec![from("http://evil.example/")], "origin", "origin"),
        ("a stranger of a modern browser", vec![foreign, site("cross-site")], "origin", "origin"),
        ("a frame without an origin", vec![("Origin", "null")], "origin", "origin"),
        ("no-referrer, from elsewhere", vec![site("cross-site")], "unnamed", "unnamed"),
        ("no-referrer, from next door", vec![site("same-site")], "unnamed", "unnamed"),
        ("no-referrer, from here", vec![site("same-origin")], "", ""),
        ("typed", vec![site("none")], "", "unnamed"),
        ("our own page, it says", vec![foreign, site("same-origin")], "origin", "origin"),
    ] {
        let origins = &["same-host", "https://friend.example"];
        let server = Setup { origins, ..Setup::default() }.start_app(stage().0).await;
        let (elements, rest) = Asking { server: &server, headers: headers.clone() }.all().await;
        for (kind, label) in elements {
            assert_eq!(label, by_element, "{case}: {kind}");
        }
        for (kind, label) in rest {
            assert_eq!(label, others, "{case}: {kind}");
        }
        let server = Setup::default().start_app(stage().0).await;
        let (elements, rest) = Asking { server: &server, headers }.all().await;
        for (kind, label) in elements.into_iter().chain(rest) {
            assert_eq!(label, "", "{case}, and all may: {kind}");
        }
    }
}

#[tokio::test]
async fn the_same_host_is_that_of_the_request() {
    let server = Setup { origins: &["same-host"], ..Setup::default() }.start(Echo).await;
    for (origin, status) in [
        ("http://parlance.test", 200),
        ("https://Parlance.test", 200),
        ("http://parlance.test:3000", 403),
        ("http://x", 403),
    ] {
        let answer = server.fetch("GET", POLLING, &[("Origin", origin)], b"").await;
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[tokio::test]
async fn the_scheme_of_the_page_decides() {
    let matching =
        Setup { match_origin_protocol: true, trusted_proxies: &["127.0.0.1"], ..Setup::default() };
    let server = matching.start(Echo).await;
    let https = ("Origin", "https://a.example");
    let http = ("Origin", "http://a.example");
    let said: Header<'_> = ("X-Forwarded-Proto", "https");
    let standard: Header<'_> = ("Forwarded", "for=192.0.2.1;proto=https");
    for (case, headers, status) in [
        ("a secure page in the clear", vec![https], 403),
        ("a plain page in the clear", vec![http], 200),
        ("a secure page by a proxy", vec![https, said], 200),
        ("a secure page by a proxy of the standard", vec![https, standard], 200),
        ("a plain page by a proxy", vec![http, said], 403),
        ("no page", vec![], 200),
    ] {
        let answer = server.fetch("GET", POLLING, &headers, b"").await;
        assert_eq!(answer.status, status, "{case}");
        if status == 403 {
            let body = answer.json();
            assert_eq!(body["code"], 4, "{case}");
            assert!(body["reason"].as_str().unwrap().contains("they must be the same"), "{body}");
            assert!(body["allowed"].is_array(), "{body}");
        }
        let headers = [&UPGRADE[..], &headers[..]].concat();
        let (ws, _) = Ws::attempt(server.addr, &target(SOCKET), &headers).await;
        assert_eq!(ws.is_some(), status == 200, "{case}");
    }
    // 0.9 is told in its own words.
    let answer = fetch(server.addr, "GET", "/socket.io/1/", &[https], b"").await;
    assert_eq!(answer.status, 403);
    let why = "handshake bad origin: the page was loaded by https and this connection came by http";
    assert!(answer.text().starts_with(why), "{}", answer.text());
}

#[tokio::test]
async fn headers_that_are_believed_decide_on_scheme_host_and_client() {
    const NOTHING: &[Header<'_>] = &[];
    let ssl = ("X-Forwarded-Ssl", "on");
    let visitor = ("CF-Visitor", "{\"scheme\":\"https\"}");
    let port = ("X-Forwarded-Port", "8443");
    for (believed, headers, origin, status) in [
        // The default.
        (&[][..], NOTHING, "http://parlance.test", 200),
        (&[], NOTHING, "https://parlance.test", 403),
        (&[], &[("X-Forwarded-Proto", "https")], "https://parlance.test", 200),
        (&[], &[ssl, visitor, port, ("X-ARR-SSL", "x")], "https://parlance.test", 403),
        (&["X-Forwarded-Ssl"], &[ssl], "https://parlance.test", 200),
        (&["X-Forwarded-Ssl"], &[ssl], "http://parlance.test", 403),
        (&["Front-End-Https"], &[("Front-End-Https", "on")], "https://parlance.test", 200),
        (&["X-ARR-SSL"], &[("X-ARR-SSL", "2048|256|C=US")], "https://parlance.test", 200),
        (&["CF-Visitor"], &[visitor], "https://parlance.test", 200),
        (&["CF-Visitor"], &[("X-Forwarded-Proto", "https")], "https://parlance.test", 403),
        // The page's host and port.
        (&["X-Forwarded-Port"], &[port], "http://parlance.test:8443", 200),
        (&["X-Forwarded-Port"], &[port], "http://parlance.test", 403),
        (
            &["X-Forwarded-Ssl", "X-Forwarded-Port"],
            &[ssl, ("X-Forwarded-Port", "443")],
            "https://parlance.test",
            200,
        ),
        (
            &["X-Forwarded-Host"],
            &[("X-Forwarded-Host", "chat.example")],
            "http://chat.example",
            200,
        ),
        (&["X-Forwarded-For"], &[("X-Forwarded-Host", "chat.example")], "http://chat.example", 403),
    ] {
        let proxy_headers = match believed {
            [] => Believed::default(),
            names => Believed::parse(names.iter().copied()).unwrap(),
        };
        let server = Setup {
            match_origin_protocol: true,
            origins: &["same-host"],
            trusted_proxies: &["loopback"],
            proxy_headers,
            ..Setup::default()
        };
        let server = server.start(Echo).await;
        let headers = [headers, &[("Origin", origin)]].concat();
        let answer = server.fetch("GET", POLLING, &headers, b"").await;
        assert_eq!(answer.status, status, "{believed:?} {headers:?}: {}", answer.text());
    }

    let proxy_headers = Believed::parse(["CF-Connecting-IP", "X-Real-IP"]).unwrap();
    let trusted = Setup { trusted_proxies: &["loopback"], proxy_headers, ..Setup::default() };
    let server = trusted.start(Echo).await;
    for headers in [
        &[("CF-Connecting-IP", "192.0.2.1"), ("X-Real-IP", "192.0.2.9")][..],
        &[("X-Real-IP", "192.0.2.2")],
        &[("X-Forwarded-For", "192.0.2.9")],
        &[("CF-Connecting-IP", "nobody"), ("X-Real-IP", "192.0.2.9")],
    ] {
        assert_eq!(server.fetch("GET", POLLING, headers, b"").await.status, 200);
    }
    let remotes = server
        .engine
        .sessions()
        .iter()
        .map(|session| session.handshake().remote)
        .collect::<Vec<_>>();
    let mut remotes: Vec<_> =
        remotes.into_iter().map(|remote| remote.map(|address| address.to_string())).collect();
    remotes.sort();
    let expected = [None, Some("127.0.0.1"), Some("192.0.2.1"), Some("192.0.2.2")];
    assert_eq!(remotes, expected.map(|address| address.map(str::to_owned)));

    // Who is no trusted proxy is never believed.
    let proxy_headers = Believed::parse(["X-Real-IP"]).unwrap();
    let server = Setup { proxy_headers, ..Setup::default() }.start(Echo).await;
    server.fetch("GET", POLLING, &[("X-Real-IP", "192.0.2.7")], b"").await;
    let remote = server.engine.sessions()[0].handshake().remote;
    assert_eq!(remote.map(|address| address.to_string()).as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_proxy_that_passes_lies_on_is_not_believed() {
    let setup =
        Setup { match_origin_protocol: true, trusted_proxies: &["loopback"], ..Setup::default() };
    let server = setup.start(Echo).await;
    let https = ("Origin", "https://a.example");
    // The proxy knows one kind of headers, and passes on what a client wrote into the other.
    let honest = [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "http")];
    let lie = ("Forwarded", "for=192.0.2.66;proto=https");
    for headers in
        [vec![https], [&honest[..], &[https]].concat(), [&honest[..], &[lie, https]].concat()]
    {
        assert_eq!(server.fetch("GET", POLLING, &headers, b"").await.status, 403, "{headers:?}");
    }
    for lie in ["for=192.0.2.66;proto=https", "", "for=192.0.2.7;host=\"a", "for=192.0.2.7\u{fffd}"]
    {
        let headers = [&honest[..], &[("Forwarded", lie)]].concat();
        assert_eq!(server.fetch("GET", POLLING, &headers, b"").await.status, 200, "{lie}");
    }
    let remotes: Vec<_> =
        server.engine.sessions().iter().map(|session| session.handshake().remote).collect();
    assert_eq!(remotes, [None; 4]);
}

#[tokio::test]
async fn unknown_clients_share_one_address_and_are_in_no_network() {
    let everywhere = Rule {
        networks: Some(Networks::parse(["0.0.0.0/0", "::/0"]).unwrap()),
        ..rule("known", "xhr-polling")
    };
    let server = Setup {
        trusted_proxies: &["loopback"],
        caps: Caps { sessions_per_address: 2, ..Caps::default() },
        rules: vec![everywhere],
        transports: "polling",
        ..Setup::default()
    }
    .start(Echo)
    .await;
    let jsonp = "EIO=4&transport=polling&j=0";
    let ask = async |headers: &[Header<'_>]| server.fetch("GET", jsonp, headers, b"").await.status;
    let of = |address| ("X-Forwarded-For", address);
    assert_eq!(ask(&[of("192.0.2.7")]).await, 400, "the rule fits whoever is known");
    // In each way of its own, and yet together.
    assert_eq!(ask(&[of("192.0.2.7"), ("Forwarded", "for=192.0.2.8")]).await, 200);
    assert_eq!(ask(&[of("unknown")]).await, 200);
    assert_eq!(ask(&[("Forwarded", "for=\"192.0.2.9")]).await, 429);
    // What the client wrote before it does not hide what the proxy says.
    assert_eq!(ask(&[of("\u{fc}, 192.0.2.7")]).await, 400);
    let quoted = r#"for=192.0.2.7;host="a,for=6.6.6.6;proto=https""#;
    assert_eq!(ask(&[("Forwarded", quoted)]).await, 400);
}

#[tokio::test]
async fn pages_may_not_speak_for_proxies() {
    let server = Setup::default().start(Echo).await;
    let asked = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "x-forwarded-host,X-Token, Forwarded,x-forwarded-for"),
    ];
    let answer = server.fetch("OPTIONS", POLLING, &asked, b"").await;
    assert_eq!(answer.header("access-control-allow-headers"), Some("X-Token"));
}

#[tokio::test]
async fn odd_origins_are_refused_and_nothing_else_happens() {
    let server = Setup { origins: &["https://own.example"], ..Setup::default() }.start(Echo).await;
    let long = format!("https://{}.example", "a".repeat(8000));
    for origin in [
        long.as_str(),
        "https://own.example https://evil.example",
        "https://own.example, https://evil.example",
        "https://own.example\\@evil.example",
        "https://own.example:443:443",
        "https://own.example%00.evil.example",
        "own.example",
        "javascript:alert(1)//own.example",
        "<script>alert(1)</script>",
        "https://",
        "\t",
    ] {
        let headers = [("Origin", origin)];
        let answer = server.fetch("GET", POLLING, &headers, b"").await;
        answer.assert_error(403, 4, "Forbidden");
        assert!(answer.body.len() < 600, "it is not repeated at length");
        let (opens, status) = socket_from(&server, SOCKET, origin).await;
        assert_eq!((opens, status), (false, 400), "{origin}");
        let answer = fetch(server.addr, "GET", "/socket.io/1/", &headers, b"").await;
        assert_eq!(answer.status, 403, "{origin}");
    }
    let headers = [&UPGRADE[..], &[("Origin", "<script>alert(1)</script>")]].concat();
    let (_, answer) = Ws::attempt(server.addr, &target(SOCKET), &headers).await;
    assert!(answer.text().contains("origin &lt;script>alert"), "{}", answer.text());
    assert_eq!(server.engine.session_count(), 0);
    server.assert_well().await;
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let stranger = Setup { match_origin_protocol: true, ..Setup::default() }.start(Echo).await;
    let other = Setup {
        match_origin_protocol: true,
        trusted_proxies: &["192.0.2.0/24"],
        ..Setup::default()
    };
    for server in [stranger, other.start(Echo).await] {
        let headers = [
            ("Origin", "https://a.example"),
            ("X-Forwarded-Proto", "https"),
            ("Forwarded", "proto=https"),
            ("X-Forwarded-For", "192.0.2.1"),
        ];
        assert_eq!(server.fetch("GET", POLLING, &headers, b"").await.status, 403);
        assert!(server.engine.sessions().is_empty());
    }
}

#[tokio::test]
async fn the_client_behind_a_proxy_is_the_one_that_is_meant() {
    let office = Rule {
        networks: Some(Networks::parse(["198.51.100.0/24"]).unwrap()),
        ..rule("office", "xhr-polling")
    };
    let server = Setup {
        trusted_proxies: &["loopback", "10.0.0.0/8"],
        rules: vec![office],
        ..Setup::default()
    }
    .start(Echo)
    .await;
    for (chain, opens) in [
        ("192.0.2.1", true),
        ("198.51.100.9", false),
        ("198.51.100.9, 10.1.1.1", false),
        // Made up by the client: only what the proxies added counts.
        ("192.0.2.1, 198.51.100.9", false),
        ("198.51.100.9, 192.0.2.1", true),
        // Unknown clients are in no network.
        ("nonsense", true),
        ("", true),
    ] {
        let headers = [&UPGRADE[..], &[("X-Forwarded-For", chain)]].concat();
        let (ws, _) = Ws::attempt(server.addr, &target(SOCKET), &headers).await;
        assert_eq!(ws.is_some(), opens, "{chain}");
    }
    let session = Polls::open(&server, "EIO=4").await;
    let inner = server.engine.session(&session.sid).unwrap();
    assert_eq!(inner.handshake().remote, Some([127, 0, 0, 1].into()));
}

#[tokio::test]
async fn rules_give_lists_of_their_own() {
    let old_ie = Rule { agents: vec![Pattern::new("*MSIE 8*")], ..rule("IE", "jsonp-polling") };
    let partner = Rule {
        origins: Some(Origins::parse(["*.partner.example"]).unwrap()),
        ..rule("partner", "xhr-polling,websocket")
    };
    let veterans =
        Rule { paths: vec![Pattern::new("/socket.io/1/*")], ..rule("0.9", "htmlfile,xhr-polling") };
    let setup = Setup { rules: vec![old_ie, partner, veterans], ..Setup::default() };
    let server = setup.start_app(stage().0).await;
    let ie = [("User-Agent", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)")];
    let answer = server.fetch("GET", POLLING, &ie, b"").await;
    answer.assert_error(400, 0, "Transport unknown");
    let body = answer.json();
    assert_eq!(body["allowed"], json!(["jsonp-polling"]));
    assert!(body["reason"].as_str().unwrap().contains("(rule IE)"), "{body}");
    let opened = server.fetch("GET", &format!("{POLLING}&j=0"), &ie, b"").await;
    assert!(opened.text().contains("\\\"upgrades\\\":[]"), "{}", opened.text());
    let page = [("Origin", "https://a.partner.example")];
    let opened = server.fetch("GET", POLLING, &page, b"").await;
    assert!(opened.text().contains("\"upgrades\":[\"websocket\"]"), "{}", opened.text());
    let mut stream = Http::open(server.addr).await;
    let htmlfile = target("EIO=4&transport=htmlfile&client=parlance");
    stream.send(&request("GET", &htmlfile, &[], b"")).await;
    assert_eq!(stream.head().await.status, 200);
    let handshake = fetch(server.addr, "GET", "/socket.io/1/", &[], b"").await;
    assert!(handshake.text().ends_with(":htmlfile,xhr-polling"), "{}", handshake.text());
}

#[tokio::test]
async fn rules_of_namespaces_judge_the_transport_in_use() {
    for (list, allowed) in [
        ("websocket,polling", "websocket"),
        ("websocket,polling", "xhr-polling"),
        ("polling,websocket", "websocket"),
        ("polling,websocket", "xhr-polling"),
    ] {
        let rule = Rule { namespaces: vec![Pattern::new("/")], ..rule("room", allowed) };
        let setup = Setup { transports: list, rules: vec![rule], ..Setup::default() };
        let server = setup.start_app(stage().0).await;
        let refused = || {
            let counts = server.gate.counters().refusals().collect::<Vec<_>>();
            counts.iter().find(|(label, _)| *label == "transport").unwrap().1
        };
        let said = r#"5:::{"name":"x","args":[1]}"#;
        let (polls, case) = (allowed == "xhr-polling", format!("{list}, {allowed} alone"));
        let session = Session09::open(&server).await;
        let greeting = session.poll().await;
        assert_eq!(greeting == "1::", polls, "{case}: {greeting}");
        session.say(said).await;
        let inner = server.engine.session(&session.sid);
        if polls {
            assert_eq!(session.poll().await, said, "{case}");
            // It does not take the room along to where this may not be.
            let target = session.target("websocket");
            let (ws, answer) = Ws::attempt(server.addr, &target, &UPGRADE).await;
            assert!(ws.is_none(), "{case}");
            assert_eq!(answer.status, 400, "{case}: {}", answer.text());
            assert_eq!(refused(), 1, "{case}");
            session.say(said).await;
            assert_eq!(session.poll().await, said, "{case}");
        } else {
            assert_eq!(refused(), 1, "{case}");
            assert!(inner.is_none_or(|inner| inner.is_open()), "{case}");
        }
        let session = Session09::open(&server).await;
        let mut ws = Ws::open(server.addr, &session.target("websocket")).await;
        assert_eq!(ws.text().await, "1::");
        if polls {
            assert_eq!(ws.text().await, "7:::2", "{case}");
        } else {
            ws.send(said).await;
            assert_eq!(ws.text().await, said, "{case}");
            assert_eq!(session.get("xhr-polling").await.status, 400, "{case}");
            ws.send(said).await;
            assert_eq!(ws.text().await, said, "{case}");
        }
    }
}

#[tokio::test]
async fn a_namespace_is_not_taken_along_by_an_upgrade() {
    let secret = Rule { namespaces: vec![Pattern::new("/chat")], ..rule("secret", "xhr-polling") };
    let server = Setup { rules: vec![secret], ..Setup::default() }.start_app(stage().0).await;
    for (namespace, upgrades) in [("/chat", false), ("/custom", true)] {
        let mut session = Polls::open(&server, "EIO=4").await;
        session.say(&format!("40{namespace},")).await;
        assert!(session.texts().await[0].starts_with(&format!("40{namespace},")));
        let (ws, answer) = Ws::attempt(server.addr, &session.upgrade_target(), &UPGRADE).await;
        assert_eq!(ws.is_some(), upgrades, "{namespace}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_namespace_can_be_kept_to_a_transport() {
    let secret = Rule { namespaces: vec![Pattern::new("/chat")], ..rule("secret", "websocket") };
    let server = Setup { rules: vec![secret], ..Setup::default() }.start_app(stage().0).await;
    for (via, joins) in [(Via::Polling, false), (Via::WebSocket, true), (Via::Upgraded, true)] {
        let mut client = Client::join(&server, Eio::V4, via).await;
        client.send("40/chat,").await;
        let answer = client.text().await;
        assert_eq!(answer.starts_with("40/chat,"), joins, "{via:?}: {answer}");
        if !joins {
            assert_eq!(
                answer,
                "44/chat,{\"message\":\"transport xhr-polling is not allowed here (rule secret); allowed: websocket\"}"
            );
        }
    }
}
