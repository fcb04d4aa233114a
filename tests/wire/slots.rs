//! `max-connections` counts connections, whatever they have become; the rest is told so.

use std::process::Command;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use parlance::server::HttpLimits;

use crate::support::apps::{Echo, stage};
use crate::support::http::{Http, fetch, request};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::{Setup, TestServer, target};
use crate::support::soon;
use crate::support::v09::Session09;
use crate::support::ws::{UPGRADE, Ws};

/// Something that holds a connection for as long as it is kept.
type Held = Box<dyn Send>;
type Holder = fn(&TestServer) -> BoxFuture<'_, Held>;

/// Every way to hold a connection.
const HOLDERS: [(&str, Holder); 8] = [
    ("websocket", |server| {
        Box::pin(async {
            let target = target("EIO=4&transport=websocket");
            Box::new(Ws::open(server.addr, &target).await) as Held
        })
    }),
    ("websocket of 0.9", |server| {
        Box::pin(async {
            let session = Session09::open(server).await;
            Box::new(session.websocket().await) as Held
        })
    }),
    ("eventsource", |server| Box::pin(stream(server, "EIO=4&transport=eventsource", &[]))),
    ("htmlfile", |server| Box::pin(stream(server, "EIO=3&transport=htmlfile", &[]))),
    ("a stream by the library", |server| {
        let odd = &[("Transfer-Encoding", "chunked")];
        Box::pin(stream(server, "EIO=4&transport=eventsource", odd))
    }),
    ("a poll", |server| {
        Box::pin(async {
            let session = Session09::polling(server).await;
            Box::new(session.park(server).await) as Held
        })
    }),
    ("nothing yet", |server| Box::pin(async { Box::new(Http::open(server.addr).await) as Held })),
    ("a page before", |server| {
        Box::pin(async {
            let mut http = Http::open(server.addr).await;
            assert_eq!(http.get("/page").await.status, 404);
            Box::new(http) as Held
        })
    }),
];

async fn stream(server: &TestServer, query: &str, headers: &[(&str, &str)]) -> Held {
    let mut http = Http::open(server.addr).await;
    let body = if headers.is_empty() { &b""[..] } else { b"0\r\n\r\n" };
    http.send(&request("GET", &target(query), headers, body)).await;
    assert_eq!(http.head().await.status, 200, "{query}");
    Box::new(http)
}

#[tokio::test]
async fn whoever_holds_a_connection_holds_a_slot() {
    join_all(HOLDERS.map(async |(name, hold)| {
        // Nobody is idle for too long within a test.
        let http = HttpLimits {
            header_timeout: Duration::from_secs(60),
            max_connections: 2,
            max_connections_per_address: 0,
            ..HttpLimits::default()
        };
        let server = Setup { http, ..Setup::default() }.start_app(stage().0).await;
        let held = [hold(&server).await, hold(&server).await];
        let page = fetch(server.addr, "GET", "/page", &[], b"").await;
        assert_eq!((page.status, page.header("retry-after")), (503, Some("10")), "{name}");
        assert_eq!(page.header("connection"), Some("close"), "{name}");
        let reason = r#""reason":"all connections are taken (max-connections)""#;
        assert!(page.text().contains(reason), "{name}: {}", page.text());
        let refusal = r#""refusal":"max-connections""#;
        assert!(page.text().contains(refusal), "{name}: {}", page.text());
        let socket = target("EIO=4&transport=websocket");
        let (ws, answer) = Ws::attempt(server.addr, &socket, &UPGRADE).await;
        assert_eq!((ws.is_none(), answer.status), (true, 503), "{name}");
        // Who waits when one leaves gets in.
        let mut waiting = Http::open(server.addr).await;
        waiting.send(&request("GET", "/page", &[], b"")).await;
        drop(held);
        assert_eq!(waiting.answer().await.status, 404, "{name}");
        assert_eq!(fetch(server.addr, "GET", "/page", &[], b"").await.status, 404, "{name}");
    }))
    .await;
}

#[tokio::test]
async fn a_crowd_at_the_door_does_not_hurt_who_is_in() {
    let http =
        HttpLimits { max_connections: 1, max_connections_per_address: 0, ..HttpLimits::default() };
    let server = Setup { http, ..Setup::default() }.start_app(stage().0).await;
    let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    ws.text().await;
    // Those who wait are told, and most of those for whom there is no room to.
    let crowd = join_all((0..100).map(async |_| {
        let mut http = Http::open(server.addr).await;
        http.send_perhaps(&request("GET", "/page", &[], b"")).await;
        http.rest().await.starts_with(b"HTTP/1.1 503 ")
    }));
    assert!(crowd.await.into_iter().filter(|told| *told).count() > 64);
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
}

/// What is said to who comes over its share.
const SHARE: &str =
    r#""reason":"this address has as many connections as it may (max-connections-per-address)""#;

#[tokio::test]
async fn an_address_has_a_share_of_the_slots() {
    join_all(HOLDERS.map(async |(name, hold)| {
        let http = HttpLimits {
            header_timeout: Duration::from_secs(60),
            max_connections_per_address: 2,
            ..HttpLimits::default()
        };
        let server = Setup { http, ..Setup::default() }.start_app(stage().0).await;
        let held = [hold(&server).await, hold(&server).await];
        let page = fetch(server.addr, "GET", "/page", &[], b"").await;
        assert_eq!((page.status, page.header("retry-after")), (503, Some("10")), "{name}");
        assert!(page.text().contains(SHARE), "{name}: {}", page.text());
        // It is the address that has too many, not the server.
        let mut other = Http::open_from([127, 0, 0, 2], server.addr).await;
        assert_eq!(other.get("/page").await.status, 404, "{name}");
        // Of who leaves the share is given back, some time after.
        drop(held);
        let given_back =
            async { while fetch(server.addr, "GET", "/page", &[], b"").await.status != 404 {} };
        soon(name, given_back).await;
    }))
    .await;
}

#[tokio::test]
async fn a_trusted_proxy_has_more_than_the_share_of_one_address() {
    let http = HttpLimits { max_connections_per_address: 1, ..HttpLimits::default() };
    for (trusted_proxies, statuses) in
        [(&["192.0.2.0/24"][..], [404, 503]), (&["loopback"], [404, 404])]
    {
        let http = http.clone();
        let server = Setup { http, trusted_proxies, ..Setup::default() }.start(Echo).await;
        let mut both = [Http::open(server.addr).await, Http::open(server.addr).await];
        for (http, status) in both.iter_mut().zip(statuses) {
            assert_eq!(http.get("/page").await.status, status, "{trusted_proxies:?}");
        }
    }
}

#[tokio::test]
async fn files_are_left_to_say_no_with() {
    let folder = Folder::new();
    let mut limited = Command::new("sh");
    let binary = parlance(folder.path());
    limited
        .args(["-c", "ulimit -n 64; exec \"$0\" --port 0 --max-connections 1000 --max-connections-per-address 0 --log-dir logs"]);
    limited.arg(binary.get_program()).current_dir(folder.path());
    let mut process = Process::start(limited);
    let line = process.line("fewer open files than max-connections needs");
    for field in [" WARN ", "limit=64", "wanted=1256", "max_connections=32"] {
        assert!(line.contains(field), "{line}");
    }
    let addr = process.listening();
    let mut sockets = Vec::new();
    for _ in 0..32 {
        let mut ws = Ws::open(addr, &target("EIO=4&transport=websocket")).await;
        ws.text().await;
        sockets.push(ws);
    }
    let answer = fetch(addr, "GET", "/", &[], b"").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")));
    let line = process.line("all connections are taken");
    assert!(line.contains("cause=\"connections-full\" certainty=\"certain\""), "{line}");
    // What else needs a file has one.
    folder.write("transports.toml", "max-websockets = 40\n");
    process.signal("HUP");
    process.line("max-websockets");
    drop(sockets.pop());
    assert_eq!(fetch(addr, "GET", "/", &[], b"").await.status, 200);
    let (_, log) = {
        process.signal("TERM");
        process.wait()
    };
    assert!(!log.iter().any(|line| line.contains("cannot accept")), "{log:#?}");
}
