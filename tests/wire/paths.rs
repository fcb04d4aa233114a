//! Where the engine and the pages are: slashes too many and too few, as proxies and clients make them;
//! paths of their own; and what is said where nothing is.

use std::sync::Arc;

use futures::future::BoxFuture;
use parlance::policy::{Pattern, Rule, Transports};
use parlance::site::Pages;
use parlance::site::admin::Admin;
use parlance::transport;
use serde_json::json;

use crate::support::apps::Echo;
use crate::support::http::{Http, fetch};
use crate::support::process::{Folder, Process, parlance};
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
        paths: vec![Pattern::new(path)],
        transports: Transports::parse(transports.split(','), &transport::names()).ok(),
        ..Rule::default()
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

/// A server whose parts are below paths of their own.
async fn below_a_path() -> TestServer {
    let handler =
        Arc::new(|_| -> BoxFuture<'static, _> { Box::pin(std::future::ready(Ok(json!({})))) });
    let pages = Some(Pages::new(None, Admin { token: TOKEN.into(), handler }));
    Setup { pages, mount: ("/chat", "/rt/io/"), ..Setup::default() }.start(Echo).await
}

const TOKEN: &str = "sixteen characters";

/// With the base path, as by proxies that leave it; and without, as by those that take it away.
#[tokio::test]
async fn everything_is_below_the_base_path() {
    let server = below_a_path().await;
    for base in ["/chat", "", "//chat/", "/"] {
        let is_folded = base.ends_with('/');
        for engine in ["/rt/io/", "/rt/io", "//rt//io"] {
            let path = format!("{base}{engine}");
            engine_io(&server, &path).await;
            generation_09(&server, &path).await;
        }
        let get =
            async |path: &str| fetch(server.addr, "GET", &format!("{base}{path}"), &[], b"").await;
        for page in [
            "/",
            "/diagnostics",
            "/style.css",
            "/parlance.js",
            "/rt/io/socket.io.min.js",
            "/healthz",
        ] {
            assert_eq!(get(page).await.status, 200, "{base}{page}");
        }
        assert!(get("/rt/io/socket.io.js").await.text().contains("/*path*/\"/rt/io/\"/*end*/"));
        let report =
            fetch(server.addr, "POST", &format!("{base}/diagnostics/report"), &[], b"x").await;
        assert_ne!(report.status, 404, "{base}");
        let token = format!("Bearer {TOKEN}");
        for (headers, status) in [(&[][..], 401), (&[("Authorization", token.as_str())][..], 200)] {
            let target = format!("{base}/admin/policy");
            let answer = fetch(server.addr, "GET", &target, headers, b"").await;
            // A proxy that keeps strangers from it may not know of slashes.
            assert_eq!(answer.status, if is_folded { 404 } else { status }, "{base}");
        }
        for nothing in
            ["/chats", "/socket.io/?EIO=4", "/rt/", "/rt", "/rt/iox/", "/rt/io/style.css"]
        {
            let answer = get(nothing).await;
            assert_eq!(answer.status, 404, "{base}{nothing}");
            let pages = if nothing.contains('?') { "" } else { "Pages are at /chat/, " };
            let text = format!("Not found. {pages}Socket.IO is at /chat/rt/io/\n");
            assert_eq!(answer.text(), text, "{base}{nothing}");
        }
    }
}

/// The last slash of the base path is put there, and nothing in a request makes it lead elsewhere.
#[tokio::test]
async fn the_base_path_gets_its_last_slash() {
    let server = below_a_path().await;
    for (method, target, status, location) in [
        ("GET", "/chat", 301, Some("chat/")),
        ("HEAD", "/chat?lang=ko", 301, Some("chat/?lang=ko")),
        ("POST", "/chat", 308, Some("chat/")),
        ("GET", "//chat", 301, Some("chat/")),
        ("GET", "/chat?//evil.example/", 301, Some("chat/?//evil.example/")),
        ("GET", "http://parlance.test/chat", 301, Some("chat/")),
        ("GET", "/chat/", 200, None),
        ("GET", "//chat//", 200, None),
        ("GET", "//evil.example/chat", 404, None),
        ("GET", "//evil.example/%2e%2e/chat", 404, None),
        ("GET", "/chat//evil.example", 404, None),
        ("GET", "/chat/\\evil.example", 404, None),
        ("GET", "/Chat", 404, None),
        ("GET", "/chat%2f", 404, None),
    ] {
        let answer = fetch(server.addr, method, target, &[], b"").await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{target}");
    }
}

/// A page of another origin may read why nothing is there, and the log names each path once.
#[test]
fn a_wrong_path_is_answered_with_a_reason() {
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--base-path", "/chat/"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    let origin = ("Origin", "https://page.example");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (target, headers, by_page) in [
            ("/io/?EIO=4&transport=polling", &[origin][..], true),
            ("/io/?EIO=3&transport=websocket", &[&[origin], &UPGRADE[..]].concat(), true),
            ("/io/1/?t=1", &[origin], true),
            ("/?EIO=4&transport=polling", &[origin], true),
            ("/chat/?transport=polling&b64=1", &[origin], true),
            ("/chat?EIO=4", &[origin], true),
            ("/chat/socket.i/?EIO=4", &[], true),
            ("/chat/nothing", &[], false),
        ] {
            for _ in 0..2 {
                let answer = fetch(addr, "GET", target, headers, b"").await;
                assert_eq!(answer.status, 404, "{target}");
                assert!(answer.text().ends_with("Socket.IO is at /chat/socket.io/\n"), "{target}");
                let allowed = answer.header("access-control-allow-origin");
                let expected = if headers.is_empty() { "*" } else { origin.1 };
                assert_eq!(allowed, by_page.then_some(expected), "{target}");
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            }
        }
        let asks = [origin, ("Access-Control-Request-Headers", "x-token")];
        let preflight = fetch(addr, "OPTIONS", "/io/?EIO=4&transport=polling", &asks, b"").await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-headers"), Some("x-token"));
        // What is no client's is no page's of another origin.
        for target in ["/admin/policy", "/diagnostics/report", "/nothing"] {
            let preflight = fetch(addr, "OPTIONS", target, &asks, b"").await;
            assert_eq!(preflight.header("access-control-allow-headers"), None, "{target}");
        }
    });
    process.signal("TERM");
    let (_, log) = process.wait();
    let told: Vec<&String> = log.iter().filter(|line| line.contains("where it is not")).collect();
    for path in ["/io/", "/io/1/", "/", "/chat/", "/chat", "/chat/socket.i/"] {
        let lines = told.iter().filter(|line| line.contains(&format!("path=\"{path}\"")));
        assert_eq!(lines.count(), 1, "{path}: {told:?}");
    }
    assert!(told.iter().all(|line| line.contains("expected=\"/chat/socket.io/\"")), "{told:?}");
    assert_eq!(told.len(), 6, "{told:?}");
}

/// What is answered outside of the pages' own code has the headers of the pages, too.
#[tokio::test]
async fn every_answer_beside_the_engine_has_the_usual_headers() {
    let pages = Some(Pages::new(None, None));
    let server = Setup { pages, ..Setup::default() }.start(Echo).await;
    for (method, target, body, status) in [
        ("GET", "/", 0, 200),
        ("GET", "/nothing", 0, 404),
        ("POST", "/", 0, 405),
        ("PUT", "/style.css", 0, 405),
        ("DELETE", "/diagnostics/report", 0, 405),
        ("OPTIONS", "/style.css", 0, 405),
        ("POST", "/diagnostics/report", 20_000, 413),
    ] {
        let answer = fetch(server.addr, method, target, &[], &vec![b'x'; body]).await;
        assert_eq!(answer.status, status, "{method} {target}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "SAMEORIGIN"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {target}");
        }
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{method} {target}");
    }
}
