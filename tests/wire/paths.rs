//! Where the engine and the pages are: slashes too many and too few, as proxies and clients make them.

use parlance::policy::{Pattern, Rule, Transports};
use parlance::server::pages::Pages;
use parlance::transport;

use crate::support::apps::Echo;
use crate::support::http::{Http, fetch};
use crate::support::server::{Setup, TestServer};
use crate::support::until;
use crate::support::ws::{UPGRADE, Ws};

/// Ways to write the path of the engine.
const FORMS: [&str; 8] = [
    "/socket.io/",
    "/socket.io",
    "/socket.io//",
    "//socket.io/",
    "//socket.io",
    "/socket.io///",
    "///socket.io//",
    "////socket.io",
];

/// A whole life of Engine.IO below `path`, on every transport.
async fn engine_io(server: &TestServer, path: &str) {
    let get =
        async |query: &str| fetch(server.addr, "GET", &format!("{path}?{query}"), &[], b"").await;
    for (eio, said, heard) in [("EIO=4", "4a", "4a"), ("EIO=3&b64=1", "2:4a", "2:4a")] {
        let polling = format!("{eio}&transport=polling");
        let opened = get(&polling).await;
        assert_eq!(opened.status, 200, "{path} {eio}");
        let (_, json) = opened.text().split_once('{').expect("a handshake");
        let json: serde_json::Value = serde_json::from_str(&format!("{{{json}")).expect("JSON");
        let session = format!("{polling}&sid={}", json["sid"].as_str().expect("a sid"));
        let target = format!("{path}?{session}");
        fetch(server.addr, "POST", &target, &[], said.as_bytes()).await.assert_ok();
        assert_eq!(get(&session).await.text(), heard, "{path} {eio}");
        let upgrade = session.replace("polling", "websocket");
        let mut ws = Ws::open(server.addr, &format!("{path}?{upgrade}")).await;
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe", "{path} {eio}");
        let script = get(&format!("{polling}&j=0")).await;
        assert!(script.text().starts_with("___eio[0]("), "{path} {eio}: {}", script.text());
        for stream in ["eventsource", "htmlfile"] {
            let mut http = Http::open(server.addr).await;
            http.send(
                format!("GET {path}?{eio}&transport={stream} HTTP/1.1\r\nHost: a\r\n\r\n")
                    .as_bytes(),
            )
            .await;
            assert_eq!(http.head().await.status, 200, "{path} {eio} {stream}");
        }
        // Read by the library, because of its version.
        let mut http = Http::open(server.addr).await;
        http.send(format!("GET {path}?{polling} HTTP/1.0\r\n\r\n").as_bytes()).await;
        assert_eq!(http.answer().await.status, 200, "{path} {eio}");
    }
    let answer = fetch(server.addr, "OPTIONS", &format!("{path}?EIO=4"), &[], b"").await;
    assert_eq!(answer.status, 204, "{path}");
    let answer =
        fetch(server.addr, "PUT", &format!("{path}?EIO=4&transport=polling"), &[], b"").await;
    answer.assert_error(400, 2, "Bad handshake method");
}

/// A whole life of 0.9 below `path`, on every transport.
async fn generation_09(server: &TestServer, path: &str) {
    let path = format!("{}/1", path.strip_suffix('/').unwrap_or(path));
    let get =
        async |below: &str| fetch(server.addr, "GET", &format!("{path}{below}"), &[], b"").await;
    let handshake = async |below: &str| {
        let answer = get(below).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.text().split_once(':').expect("a handshake").0.to_owned()
    };
    for leaving in ["/SID/?disconnect=1", "//SID/?disconnect=1", "/xhr-polling/SID?t=1&disconnect"]
    {
        for shaking in ["", "/", "/?t=1"] {
            let sid = handshake(shaking).await;
            let polled = get(&format!("//xhr-polling/{sid}/?t=1")).await;
            assert_eq!(polled.text(), "1::", "{path}{shaking}");
            assert!(server.engine.session(&sid).is_some());
            let left = get(&leaving.replace("SID", &sid)).await;
            assert_eq!((left.status, left.text()), (200, ""), "{path}{leaving}");
            until("it has left", || server.engine.session(&sid).is_none()).await;
        }
    }
    let sid = handshake("/").await;
    let mut ws = Ws::open(server.addr, &format!("{path}/websocket/{sid}")).await;
    assert_eq!(ws.text().await, "1::", "{path}");
    let sid = handshake("/").await;
    let script = get(&format!("/jsonp-polling/{sid}?i=0")).await;
    assert!(script.text().starts_with("io.j[0]("), "{path}: {}", script.text());
}

#[tokio::test]
async fn the_engine_is_there_with_slashes_too_many_and_too_few() {
    let pages = Some(Pages::new(None, None));
    let server = Setup { pages, ..Setup::default() }.start(Echo).await;
    for path in FORMS {
        engine_io(&server, path).await;
        generation_09(&server, path).await;
        let client = format!("{}/socket.io.js", path.strip_suffix('/').unwrap_or(path));
        let client = fetch(server.addr, "GET", &client, &[], b"").await;
        assert_eq!(client.status, 200, "{path}");
        assert!(client.text().contains("Parlance client"), "{path}");
    }
    for path in
        ["/socket.iox", "/socket.i", "/socket.io%2f", "//example.com/socket.io/", "/./socket.io/"]
    {
        let target = format!("{path}?EIO=4&transport=polling");
        assert_eq!(fetch(server.addr, "GET", &target, &[], b"").await.status, 404, "{path}");
    }
}

/// Rules know one form of a path, so that no slash gets around them.
#[tokio::test]
async fn rules_see_paths_without_repeated_slashes() {
    let rule = |name: &str, path: &str, transports: &str| Rule {
        name: name.into(),
        origins: None,
        networks: None,
        agents: Vec::new(),
        paths: vec![Pattern::new(path)],
        namespaces: Vec::new(),
        transports: Transports::parse(transports.split(','), &transport::names()).unwrap(),
    };
    let rules = vec![
        rule("old", "/socket.io/1/*", "xhr-polling"),
        rule("new", "/socket.io/", "xhr-polling"),
    ];
    let server = Setup { rules, ..Setup::default() }.start(Echo).await;
    for path in FORMS {
        let (ws, answer) =
            Ws::attempt(server.addr, &format!("{path}?EIO=4&transport=websocket"), &UPGRADE).await;
        assert!(ws.is_none() && answer.status == 400, "{path}: {}", answer.status);
        let path = path.strip_suffix('/').unwrap_or(path);
        let handshake = fetch(server.addr, "GET", &format!("{path}/1/"), &[], b"").await;
        assert!(handshake.text().ends_with(":xhr-polling"), "{path}: {}", handshake.text());
    }
}
