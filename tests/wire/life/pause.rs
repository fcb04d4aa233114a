//! The process was stopped for a while, and heard nobody: a signal, a laptop that slept, a machine that was
//! moved.

use std::collections::HashSet;
use std::time::Duration;

use parlance::dialect::Dialect;
use parlance::dialect::socketio09::SocketIo09;
use parlance::engine::{CloseReason, Engine, Limits};
use tokio::time::{Instant, advance, sleep};

use crate::support::apps::Echo;
use crate::support::http::{Http, fetch};
use crate::support::packets::Eio;
use crate::support::polls::{read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;
use crate::support::session::{POLLING, SOCKET, open};
use crate::support::ws::{Frame, Ws};

const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);

fn dialects() -> [&'static dyn Dialect; 3] {
    [Eio::V3.dialect(), Eio::V4.dialect(), &SocketIo09]
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_all_have_their_time_and_no_more() {
    let limits = Limits { ping_interval: INTERVAL, ping_timeout: TIMEOUT, ..Limits::default() };
    for dialect in dialects() {
        for transport in [&POLLING, &SOCKET] {
            // Silent for a moment before it: with or without a heartbeat that was not answered.
            for before in [Duration::ZERO, INTERVAL + TIMEOUT / 2] {
                let engine = Engine::new(limits.clone(), Echo);
                let session = open(&engine, dialect, transport).await;
                sleep(before).await;
                advance(Duration::from_secs(60)).await;
                let resumed = Instant::now();
                sleep(TIMEOUT - Duration::from_millis(10)).await;
                let case = format!("{dialect:?} by {} after {before:?}", transport.name);
                assert_eq!(session.close_reason(), None, "{case}");
                while session.is_open() {
                    sleep(Duration::from_millis(10)).await;
                }
                assert_eq!(session.close_reason(), Some(CloseReason::PingTimeout), "{case}");
                let waited = resumed.elapsed();
                assert!(waited <= INTERVAL + TIMEOUT + Duration::from_millis(20), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_pause_nobody_has_more_time() {
    let limits = Limits { ping_interval: INTERVAL, ping_timeout: TIMEOUT, ..Limits::default() };
    for dialect in dialects() {
        for transport in [&POLLING, &SOCKET] {
            let engine = Engine::new(limits.clone(), Echo);
            let start = Instant::now();
            let session = open(&engine, dialect, transport).await;
            while session.is_open() {
                sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(session.close_reason(), Some(CloseReason::PingTimeout));
            let waited = start.elapsed().as_millis();
            assert!((3000..=3020).contains(&waited), "{dialect:?} by {}: {waited}", transport.name);
        }
    }
}

/// A client that says nothing by itself.
enum Client {
    Socket { ws: Ws, sid: String, old: bool },
    Poll { http: Http, target: String, sid: String, old: bool },
}

impl Client {
    async fn open(addr: std::net::SocketAddr, query: &str, by: &str) -> Self {
        if query == "0.9" {
            let answer = fetch(addr, "GET", "/socket.io/1/", &[], b"").await;
            let sid = answer.text().split(':').next().expect("a sid").to_owned();
            let target = format!("/socket.io/1/{by}/{sid}");
            if by == "websocket" {
                let mut ws = Ws::open(addr, &target).await;
                assert_eq!(ws.text().await, "1::");
                return Client::Socket { ws, sid, old: true };
            }
            let mut http = Http::open(addr).await;
            assert_eq!(http.get(&target).await.text(), "1::");
            return Client::Poll { http, target, sid, old: true };
        }
        if by == "websocket" {
            let mut ws = Ws::open(addr, &target(&format!("{query}&transport=websocket"))).await;
            ws.pongs = false;
            let sid = sid_of(&read_open(&ws.text().await.as_str().into()));
            if query == "EIO=4" {
                ws.send("40").await;
            }
            assert!(ws.text().await.starts_with("40"));
            return Client::Socket { ws, sid, old: false };
        }
        let query = if query == "EIO=3" { "EIO=3&b64=1" } else { query };
        let mut http = Http::open(addr).await;
        let answer = http.get(&target(&format!("{query}&transport=polling"))).await;
        // In protocol 3 with a length before it, and perhaps with the connect packet behind it.
        let text = answer.text();
        let (_, text) = text.split_once("\"sid\":\"").expect("a sid");
        let sid = text.split('"').next().expect("a sid").to_owned();
        let target = target(&format!("{query}&transport=polling&sid={sid}"));
        if query == "EIO=4" {
            http.request("POST", &target, &[], b"40").await.assert_ok();
            assert!(http.get(&target).await.text().starts_with("40"));
        }
        Client::Poll { http, target, sid, old: false }
    }

    fn sid(&self) -> &str {
        match self {
            Client::Socket { sid, .. } | Client::Poll { sid, .. } => sid,
        }
    }

    /// Asks something, and waits for the answer.
    async fn talk(&mut self) {
        let (question, answer) = match self {
            Client::Socket { old: true, .. } | Client::Poll { old: true, .. } => {
                (r#"5:1+::{"name":"nickname","args":["somebody"]}"#, "6:::1+")
            }
            _ => (r#"420["latency"]"#, "430["),
        };
        match self {
            Client::Socket { ws, .. } => {
                ws.send(question).await;
                loop {
                    match ws.next().await {
                        Frame::Text(text) if text.starts_with(answer) => return,
                        Frame::Text(_) => {}
                        other => panic!("{other:?} in place of an answer"),
                    }
                }
            }
            Client::Poll { http, target, old, .. } => {
                let mut body = question.to_owned();
                if target.contains("EIO=3") {
                    body = format!("{}:{body}", body.len());
                }
                let posted = http.request("POST", target, &[], body.as_bytes()).await;
                assert_eq!((posted.status, posted.text()), (200, if *old { "1" } else { "ok" }));
                while !http.get(target).await.text().contains(answer) {}
            }
        }
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_loses_nobody_who_is_there() {
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0", "--log", "info,parlance::engine=debug"]);
    command.args(["--ping-interval", "1s", "--ping-timeout", "2s"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    let (mut here, mut silent_ones, mut gone) = (Vec::new(), Vec::new(), HashSet::new());
    for query in ["EIO=3", "EIO=4", "0.9"] {
        for by in ["websocket", "polling"] {
            let by = if query == "0.9" && by == "polling" { "xhr-polling" } else { by };
            here.push(Client::open(addr, query, by).await);
            let silent = Client::open(addr, query, by).await;
            gone.insert(silent.sid().to_owned());
            // Its connection stays open, as that of a machine that fell off the network.
            silent_ones.push(silent);
        }
    }
    process.signal("STOP");
    // Twice as long as what the process takes for a pause.
    sleep(Duration::from_secs(6)).await;
    process.signal("CONT");
    futures::future::join_all(here.iter_mut().map(Client::talk)).await;
    while !gone.is_empty() {
        let line = process.line("closed reason=ping timeout");
        gone.retain(|sid| !line.contains(sid.as_str()));
    }
}
