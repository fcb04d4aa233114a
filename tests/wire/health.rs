//! Health checks of proxies and platforms.

use std::time::Duration;

use parlance::policy::Caps;
use parlance::site::Pages;

use crate::support::apps::Echo;
use crate::support::http::{Answer, Http, fetch, request};
use crate::support::process::{Folder, Process, parlance, run};
use crate::support::server::Setup;
use crate::support::soon;

/// One request as a check sends it, in the bytes of its own.
async fn check(addr: std::net::SocketAddr, request: &str) -> Answer {
    let mut http = Http::open(addr).await;
    http.send(request.as_bytes()).await;
    if request.starts_with("HEAD") { http.head().await } else { http.answer().await }
}

#[tokio::test]
async fn every_check_gets_a_good_answer() {
    let folder = Folder::new();
    folder.write("page.html", "a folder without an index");
    for (pages, name) in [
        (Some(Pages::new(None, None)), "built in"),
        (Some(Pages::new(Some(folder.path()), None)), "a folder"),
        (None, "none"),
    ] {
        // Whoever may not connect may still check.
        let caps = Caps { handshakes_per_address: 1, ..Caps::STANDARD };
        let setup = Setup { pages, caps, origins: &["https://a.example"], ..Setup::default() };
        let server = Setup { mount: ("/chat/", "/socket.io/"), ..setup }.start(Echo).await;
        for (request, body) in [
            // HAProxy's `option httpchk`, with nothing behind it and with more.
            ("OPTIONS / HTTP/1.0\r\n\r\n", ""),
            ("OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("OPTIONS * HTTP/1.0\r\n\r\n", ""),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("HEAD * HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("OPTIONS /chat/ HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("GET /healthz HTTP/1.0\r\n\r\n", "ok\n"),
            ("GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:3000\r\n\r\n", "ok\n"),
            ("GET //healthz HTTP/1.1\r\nHost: a\r\n\r\n", "ok\n"),
            ("GET /chat/healthz?x HTTP/1.1\r\nHost: a\r\n\r\n", "ok\n"),
            ("GET /readyz HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n\r\n", "ok\n"),
            ("GET /chat/readyz HTTP/1.1\r\nHost: a\r\n\r\n", "ok\n"),
            ("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("HEAD /chat/readyz HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("OPTIONS /healthz HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        ] {
            let answer = check(server.addr, request).await;
            assert_eq!(answer.status, 200, "{name}: {request}");
            assert_eq!(answer.text(), body, "{name}: {request}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}: {request}");
        }
        // HEAD says what GET would, and leaves the connection in order.
        let mut http = Http::open(server.addr).await;
        for _ in 0..2 {
            let head = http.request("HEAD", "/healthz", &[], b"").await;
            assert_eq!((head.status, head.header("content-length")), (200, Some("3")), "{name}");
        }
        let page = http.request("HEAD", "/", &[], b"").await;
        assert_eq!(page.status, if name == "built in" { 200 } else { 404 }, "{name}");
        let other = http.request("POST", "/healthz", &[], b"").await;
        assert!(matches!(other.status, 404 | 405), "{name}: {}", other.status);
    }
}

/// The first thing that a stopping server does is to say so to those who ask; all else goes on.
#[tokio::test]
async fn a_stopping_server_is_not_ready_and_serves_on() {
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--drain-delay", "1h"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    let status = async |target: &str| fetch(addr, "GET", target, &[], b"").await.status;
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 200));
    process.signal("TERM");
    process.line("stopping");
    let unready = fetch(addr, "GET", "/readyz", &[], b"").await;
    assert_eq!((unready.status, unready.text()), (503, "stopping\n"));
    assert_eq!(unready.header("cache-control"), Some("no-store"));
    assert_eq!(status("/healthz").await, 200, "it lives");
    assert_eq!(status("/socket.io/?EIO=4&transport=polling").await, 200, "sessions still open");
    // A second signal ends the delay.
    process.signal("TERM");
    let (end, log) = soon("its end", async { process.wait() }).await;
    assert!(end.success(), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("healthz") || line.contains("readyz")), "{log:?}");
}

#[tokio::test]
async fn sessions_end_after_the_delay() {
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--drain-delay", "300ms"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    let polling = "/socket.io/?EIO=4&transport=polling";
    let opened = fetch(addr, "GET", polling, &[], b"").await;
    let handshake: serde_json::Value = serde_json::from_str(&opened.text()[1..]).expect("JSON");
    let sid = handshake["sid"].as_str().expect("a sid");
    let mut http = Http::open(addr).await;
    http.send(&request("GET", &format!("{polling}&sid={sid}"), &[], b"")).await;
    // By then the server has it.
    assert_eq!(fetch(addr, "GET", "/healthz", &[], b"").await.status, 200);
    let began = std::time::Instant::now();
    process.signal("TERM");
    let told = http.answer().await;
    assert_eq!(told.text(), "1", "the end of the session");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(process.wait().0.success());
}

#[test]
fn paths_and_delay_are_checked() {
    let folder = Folder::new();
    for (flags, expected) in [
        (
            ["--base-path", "chat"],
            "--base-path (or PARLANCE_BASE_PATH): `chat` begins with no slash",
        ),
        (["--path", "/"], "--path (or PARLANCE_PATH): `/` is where pages are"),
        (["--drain-delay", "2d"], "drain-delay"),
    ] {
        let mut command = parlance(folder.path());
        command.arg("check").args(flags);
        let finished = run(command);
        assert!(!finished.status.success(), "{flags:?}");
        assert!(finished.stderr.contains(expected), "{flags:?}: {}", finished.stderr);
    }
}
