//! Everything that reads has a clock: whoever begins something and does not end it, by silence or a byte
//! at a time, is told so in time, and the place is free again.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parlance::server::HttpLimits;
use parlance::site::Pages;
use parlance::site::admin::Admin;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::apps::stage;
use crate::support::http::{Answer, Http, fetch, request};
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer};
use crate::support::soon;
use crate::support::v09::Session09;

const TOKEN: &str = "Bearer sixteen characters";
/// Connections that may be open at once.
const SLOTS: usize = 3;
/// Between two bytes of who sends slowly: far less than any of the bounds.
const DRIP: Duration = Duration::from_millis(20);

async fn server(header: Duration, body: Duration) -> TestServer {
    let http = HttpLimits {
        header_timeout: header,
        body_timeout: body,
        max_connections: SLOTS,
        max_connections_per_address: 0,
        ..HttpLimits::default()
    };
    let token = TOKEN.strip_prefix("Bearer ").expect("a token").into();
    let handler = Arc::new(|_| -> futures::future::BoxFuture<'static, _> {
        Box::pin(std::future::ready(Ok(json!({}))))
    });
    let pages = Some(Pages::new(None, Admin { token, handler }));
    Setup { http, pages, ..Setup::default() }.start_app(stage().0).await
}

/// Begins a request and waits for the answer: in silence, or with `drip` again and again.
async fn stuck(server: &TestServer, begin: &[u8], drip: Option<&[u8]>) -> (Answer, Http) {
    let mut http = Http::open(server.addr).await;
    http.send(begin).await;
    let Some(drip) = drip else { return (http.answer().await, http) };
    let dripping = async {
        loop {
            match timeout(DRIP, http.head()).await {
                Ok(answer) => return answer,
                Err(_) => http.send_perhaps(drip).await,
            }
        }
    };
    (soon("an answer", dripping).await, http)
}

/// Has each slot taken by one of these, and asserts that they get 408 and all are free again.
async fn assert_bounded(server: &TestServer, begin: &[Vec<u8>], drip: Option<&[u8]>) {
    assert_eq!(begin.len(), SLOTS);
    let what = String::from_utf8_lossy(&begin[0]);
    let all = join_all(begin.iter().map(|begin| stuck(server, begin, drip))).await;
    for (answer, mut http) in all {
        assert_eq!(answer.status, 408, "{what}");
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
        if drip.is_none() {
            http.rest().await;
        }
    }
    free(server).await;
}

/// Returns when there is room for one more.
async fn free(server: &TestServer) {
    let free = async {
        while fetch(server.addr, "GET", "/icon.svg", &[], b"").await.status != 200 {
            // A pause between two attempts, within the bound of `soon`.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("a slot is free", free).await;
}

/// The targets of all that reads a body, of a session of their own.
async fn readers(server: &TestServer) -> Vec<String> {
    free(server).await;
    let polls = Polls::open(server, "EIO=4").await;
    let polls = polls.target();
    free(server).await;
    let old = Session09::polling(server).await;
    vec![
        format!("{polls}&j=0"),
        polls,
        old.target("xhr-polling"),
        old.target("jsonp-polling"),
        old.target("htmlfile"),
        "/diagnostics/report".into(),
        "/admin/policy".into(),
    ]
}

#[tokio::test]
async fn bodies_that_do_not_come_to_their_end() {
    let server = server(Duration::from_secs(60), Duration::from_millis(200)).await;
    let known = ("Authorization", TOKEN);
    let mut of_slots = Vec::new();
    for _ in 0..SLOTS {
        of_slots.push(readers(&server).await);
    }
    for reader in 0..of_slots[0].len() {
        let all = |headers: [_; 2], body: &[u8]| {
            let of_slots = of_slots.iter();
            of_slots.map(|all| request("POST", &all[reader], &headers, body)).collect::<Vec<_>>()
        };
        let target = &of_slots[0][reader];
        let announced = all([known, ("Content-Length", "100")], b"4");
        assert_bounded(&server, &announced, None).await;
        assert_bounded(&server, &announced, Some(b"x")).await;
        // It is no other way of being read, but one more to be answered.
        let wanted = [known, ("Content-Length", "100"), ("Expect", "100-continue")];
        let mut http = Http::open(server.addr).await;
        http.send(&request("POST", target, &wanted, b"")).await;
        assert_eq!(http.head().await.status, 100, "{target}");
        assert_eq!(http.answer().await.status, 408, "{target}");
        drop(http);
        if !target.starts_with("/socket.io/") {
            // Nothing of unknown length is read there.
            continue;
        }
        let chunked = all([known, ("Transfer-Encoding", "chunked")], b"1\r\n4\r\n");
        assert_bounded(&server, &chunked, None).await;
        assert_bounded(&server, &chunked, Some(b"1\r\nx\r\n")).await;
    }
}

#[tokio::test]
async fn heads_that_do_not_come_to_their_end() {
    let server = server(Duration::from_millis(200), Duration::from_secs(60)).await;
    for begin in [
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nX-A: ",
        "POST /admin/policy HTTP/1.1\r\nHost: a\r\nX-A: ",
        "GET /",
        "P",
    ] {
        let begin = vec![begin.as_bytes().to_vec(); SLOTS];
        assert_bounded(&server, &begin, None).await;
        assert_bounded(&server, &begin, Some(b"x")).await;
    }
}

#[tokio::test]
async fn who_is_not_known_is_not_read() {
    let server = server(Duration::from_secs(60), Duration::from_secs(60)).await;
    for token in [None, Some(("Authorization", "Bearer wrong"))] {
        for more in [("Content-Length", "100"), ("Content-Length", "100000000")] {
            let headers: Vec<_> = token.into_iter().chain([more]).collect();
            let (answer, _) =
                stuck(&server, &request("POST", "/admin/policy", &headers, b"x"), None).await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[tokio::test]
async fn what_was_begun_does_not_hold_up_the_end() {
    let hour = Duration::from_secs(3600);
    let server = server(hour, hour).await;
    let session = Polls::open(&server, "EIO=4").await.target();
    let announced = [("Content-Length", "100"), ("Authorization", TOKEN)];
    let begun = [
        b"GET /socket.io/?EIO=4&trans".to_vec(),
        request("POST", &session, &announced, b"4"),
        request("POST", "/admin/policy", &announced, b"x"),
    ];
    let opened = begun.map(async |bytes| {
        let mut http = Http::open(server.addr).await;
        http.send(&bytes).await;
        http
    });
    let opened = join_all(opened).await;
    tokio::time::sleep(DRIP).await;
    server.server.stop_accepting();
    tokio::time::pause();
    let asked = Instant::now();
    server.server.drained(hour).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    drop(opened);
}
