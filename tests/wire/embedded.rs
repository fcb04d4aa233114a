//! The engine inside another HTTP server: hyper, and axum above it.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use parlance::admission::Gate;
use parlance::engine::{CloseReason, Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::policy::{Caps, Policy, Transports};
use parlance::server::{EngineService, HttpLimits};
use parlance::transport;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::apps::{Echo, stage, tap};
use crate::support::client::{Client, Via};
use crate::support::http::{Http, fetch, request};
use crate::support::packets::Eio;
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::server::{Setup, TestServer, target};
use crate::support::v09::Session09;
use crate::support::ws::Ws;
use crate::support::{soon, until};

async fn embedded(limits: Limits) -> TestServer {
    Setup { limits, embedded: true, ..Setup::default() }.start_app(stage().0).await
}

#[tokio::test]
async fn every_client_talks_to_an_engine_in_another_server() {
    let server = embedded(Limits::default()).await;
    // Longer than what a pipe holds.
    let long = "é".repeat(40_000);
    for eio in [Eio::V3, Eio::V4] {
        for via in Via::ALL {
            let mut client = Client::join(&server, eio, via).await;
            client.emit(json!(["word", "hi"])).await;
            assert_eq!(client.event().await, json!(["word", "hi"]), "{eio:?} {via:?}");
            client.emit_with_ack(7, json!(["word", long])).await;
            assert_eq!(client.ack(7).await, json!([long]), "{eio:?} {via:?}");
            client.emit(json!(["kick me"])).await;
            assert_eq!(client.text().await, "41", "{eio:?} {via:?}");
            client.assert_closed().await;
        }
    }
    until("nothing is left", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn clients_of_0_9_talk_to_an_engine_in_another_server() {
    let server = embedded(Limits::default()).await;
    let session = Session09::polling(&server).await;
    session.say("5:::{\"name\":\"word\",\"args\":[\"hi\"]}").await;
    assert_eq!(session.poll().await, "5:::{\"name\":\"word\",\"args\":[\"hi\"]}");
    session.leave().await;
    let mut ws = Session09::open(&server).await.websocket().await;
    ws.send("5:::{\"name\":\"word\",\"args\":[\"hi\"]}").await;
    assert_eq!(ws.text().await, "5:::{\"name\":\"word\",\"args\":[\"hi\"]}");
}

#[tokio::test]
async fn streams_come_piece_by_piece() {
    let server = Setup { embedded: true, ..Setup::default() }.start(Echo).await;
    for shape in ["eventsource", "htmlfile"] {
        let mut http = Http::open(server.addr).await;
        let query = format!("EIO=4&transport={shape}&j=3&client=parlance");
        http.send(&request("GET", &target(&query), &[], b"")).await;
        assert_eq!(http.head().await.status, 200);
        let mut seen = String::new();
        // The prelude, and the handshake: the answer goes on, and what is there has come.
        while !seen.contains("pingInterval") {
            seen += &String::from_utf8(http.chunk().await.unwrap()).unwrap();
        }
        let sid = seen.split("sid\\\":\\\"").nth(1).unwrap().split('\\').next().unwrap();
        let post = format!("EIO=4&transport={shape}&sid={sid}");
        server.fetch("POST", &post, &[], b"4again").await.assert_ok();
        let piece = String::from_utf8(http.chunk().await.unwrap()).unwrap();
        assert!(piece.contains("4again"), "{piece}");
        // The client goes, and the session hears of it.
        let session = server.engine.session(sid).unwrap();
        drop(http);
        until("the stream is lost", || session.close_reason().is_some() || !session.is_drained())
            .await;
    }
}

#[tokio::test]
async fn what_a_client_drops_ends_its_session() {
    let (app, mut notes) = tap();
    let server = Setup { embedded: true, ..Setup::default() }.start(app).await;
    let polls = Polls::open(&server, "EIO=4").await;
    polls.park(&server).await.abort();
    assert_eq!(notes.closed().await, CloseReason::TransportLost);

    let ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    ws.abort();
    assert_eq!(notes.closed().await, CloseReason::TransportLost);

    // And the server ends one that it has upgraded.
    let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    let sid = sid_of(&read_open(&ws.text().await.as_str().into()));
    server.engine.session(&sid).unwrap().close(CloseReason::ShuttingDown);
    ws.closed().await;
}

#[tokio::test]
async fn bounds_hold_in_another_server() {
    let limits = Limits { max_payload: 1000, ..Limits::default() };
    let http =
        HttpLimits { body_timeout: std::time::Duration::from_millis(500), ..HttpLimits::default() };
    let server = Setup { limits, http, embedded: true, ..Setup::default() }.start(Echo).await;
    let mut polls = Polls::open(&server, "EIO=4").await;
    assert_eq!(polls.post("4".repeat(1001)).await.status, 413);

    // A body that does not come.
    let polls = Polls::open(&server, "EIO=4").await;
    let mut http = Http::open(server.addr).await;
    let whole = request("POST", &polls.target(), &[], &[b'4'; 100]);
    http.send(&whole[..whole.len() - 50]).await;
    let answer = http.answer().await;
    assert!((400..500).contains(&answer.status), "{}", answer.status);

    // What is not an upgrade, and a path of nobody.
    let answer = server.get("EIO=4&transport=websocket").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(fetch(server.addr, "GET", "/else", &[], b"").await.status, 404);
    server.assert_well().await;
}

#[tokio::test]
async fn the_other_server_says_who_the_client_is() {
    let caps = Caps { sessions_per_address: 1, ..Caps::default() };
    let server = Setup { caps, embedded: true, ..Setup::default() }.start(Echo).await;
    let open = request("GET", &target("EIO=4&transport=polling"), &[], b"");
    for (source, status) in [(1, 200), (1, 429), (2, 200)] {
        let mut http = Http::open_from([127, 0, 0, source], server.addr).await;
        http.send(&open).await;
        assert_eq!(http.answer().await.status, status, "from 127.0.0.{source}");
    }
}

/// axum with routes of its own, and the engine as a layer on them.
async fn axum_with(service: EngineService) -> SocketAddr {
    let app = Router::new().route("/", get(|| async { "a page" })).layer(
        service.remote(|known| known.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())),
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

#[tokio::test]
async fn as_a_layer_it_leaves_all_else_to_the_routes_below() {
    let caps = Caps { sessions_per_address: 2, ..Caps::default() };
    let policy = Policy { caps, ..Policy::open(Transports::all(transport::names())) };
    let engine = Engine::new(Limits::default(), Echo);
    let negotiator = Negotiator::new(engine.clone(), Gate::new(policy));
    let service = EngineService::new("/socket.io/", negotiator, HttpLimits::default());
    let addr = axum_with(service).await;
    let answer = fetch(addr, "GET", "/", &[], b"").await;
    assert_eq!((answer.status, answer.text()), (200, "a page"));
    assert_eq!(fetch(addr, "GET", "/else", &[], b"").await.status, 404);

    // A route's layer sees only what the router matches, or its fallback: that is all paths.
    let mut ws = Ws::open(addr, &target("EIO=4&transport=websocket")).await;
    assert!(ws.text().await.starts_with("0{"));
    ws.send("4hi").await;
    assert_eq!(ws.text().await, "4hi");
    let answer = fetch(addr, "GET", &target("EIO=4&transport=polling"), &[], b"").await;
    assert!(answer.text().starts_with("0{"), "{}", answer.text());
    // The address is known: the third session is one too many for it.
    let answer = fetch(addr, "GET", &target("EIO=4&transport=polling"), &[], b"").await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    soon("the end", async { ws.close().await }).await;
}
