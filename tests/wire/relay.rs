//! No sticky sessions: each request for a session comes in at a node that does not have it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parlance::admission::Gate;
use parlance::dialect::engineio4::EngineIo4;
use parlance::engine::{Engine, Limits, Session, Sid};
use parlance::negotiate::Negotiator;
use parlance::policy::{Policy, Transports};
use parlance::relay::{Node, PeerState, RelayLimits};
use parlance::server::{self, HttpLimits, Mount, Server};
use parlance::transport;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::apps::{Echo, stage};
use crate::support::client::{Client, Via};
use crate::support::http::{Http, fetch, request};
use crate::support::packets::Eio;
use crate::support::pair::{KEY, TestNode, relay};
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::redis::free_port;
use crate::support::server::{MOUNT, Setup, TestServer, target};
use crate::support::session::{POLLING, plan};
use crate::support::v09::{Session09, unknown_sid};
use crate::support::ws::{Frame, UPGRADE, Ws};
use crate::support::{soon, until};

const WORD: &str = "5:::{\"name\":\"word\",\"args\":[\"hi\"]}";

async fn relayed(limits: Limits) -> TestServer {
    Setup { limits, relayed: true, ..Setup::default() }.start_app(stage().0).await
}

#[tokio::test]
async fn every_client_of_engine_io_talks_through_another_node() {
    let server = relayed(Limits::default()).await;
    // Longer than what is read or written at once.
    let long = "é".repeat(100_000);
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
async fn streams_of_engine_io_come_piece_by_piece_through_another_node() {
    let server = Setup { relayed: true, ..Setup::default() }.start(Echo).await;
    for shape in ["eventsource", "htmlfile"] {
        let session = Polls::open(&server, "EIO=4&client=parlance").await;
        let on_stream =
            session.target().replace("transport=polling", &format!("transport={shape}&j=3"));
        let mut http = Http::open(server.addr).await;
        http.send(&request("GET", &on_stream, &[], b"")).await;
        let head = http.head().await;
        assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
        http.chunk().await.unwrap();
        let post = target(&format!("EIO=4&transport={shape}&sid={}", session.sid));
        for (sent, comes) in [("2probe", "3probe"), ("5", ""), ("4again", "4again")] {
            fetch(server.addr, "POST", &post, &[], sent.as_bytes()).await.assert_ok();
            let mut seen = String::new();
            while !seen.contains(comes) {
                seen += &String::from_utf8(http.chunk().await.unwrap()).unwrap();
            }
        }
        drop(http);
        until("it ends with its stream", || server.engine.session(&session.sid).is_none()).await;
    }
}

#[tokio::test]
async fn every_transport_of_0_9_goes_through_another_node() {
    let server = relayed(Limits::default()).await;
    let session = Session09::polling(&server).await;
    session.say(WORD).await;
    assert_eq!(session.poll().await, WORD);
    // Greeted, as on each new transport.
    assert_eq!(session.get("jsonp-polling").await.text(), "io.j[1](\"1::\");");
    session.say(WORD).await;
    assert!(session.get("jsonp-polling").await.text().starts_with("io.j[1](\"5:::"));
    assert_eq!(session.poll().await, "1::");
    // A parked poll is answered when there is something.
    let parked = session.park(&server).await;
    session.say(WORD).await;
    let mut parked = parked;
    assert_eq!(parked.answer().await.text(), WORD);
    let mut stream = Http::open(server.addr).await;
    stream.send(&request("GET", &session.target("htmlfile"), &[], b"")).await;
    assert_eq!(stream.head().await.status, 200);
    session.post("htmlfile", WORD).await;
    let mut seen = String::new();
    while !seen.contains("word") {
        seen += &String::from_utf8(stream.chunk().await.unwrap()).unwrap();
    }
    let mut ws = Ws::open(server.addr, &session.target("websocket")).await;
    ws.send(WORD).await;
    while ws.text().await != WORD {}
    assert_eq!(session.leave().await.status, 200);
    until("it has left", || server.engine.session_count() == 0).await;
}

/// Sids are as long as ever, so that all that reads them goes on.
#[tokio::test]
async fn a_sid_that_names_its_node_looks_like_any_other() {
    let server = Setup { relayed: true, ..Setup::default() }.start(Echo).await;
    let (sid, plain) = (Polls::open(&server, "EIO=4").await.sid, Sid::random().unwrap());
    assert_eq!(sid.len(), plain.as_str().len());
    assert_eq!(Sid::parse(&sid).map(|sid| sid.to_string()), Some(sid));
}

/// A node for clients, whose only other node is at an address that the test chooses.
async fn node_beside(other: &str, limits: RelayLimits) -> SocketAddr {
    let addresses = ["192.0.2.1:1".to_owned(), other.to_owned()];
    let relay = relay(KEY, &addresses[0], &addresses, limits);
    let engine = Engine::new(Limits::default(), Echo);
    let policy = Policy::open(Transports::all(transport::names()));
    let negotiator = Negotiator::new(engine, Gate::new(policy)).relay(relay);
    let server = Server::new(MOUNT, negotiator, None, HttpLimits::default());
    let listener = server::bind(Some("127.0.0.1"), 0).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { server.run(listener).await });
    address
}

/// Sids that no node has made for the node at that address, and one of a node that is not in the list.
fn made_up(address: &str) -> Vec<String> {
    let sid = |key: &str, address: &str| {
        let node = Node::new(key, address, None).unwrap();
        node.new_sid().unwrap().to_string()
    };
    let good = Sid::parse(&sid(KEY, address)).unwrap().bytes();
    let flipped = (0..good.len()).map(|at| {
        let mut bytes = good;
        bytes[at] ^= 1;
        Sid::of_bytes(bytes).to_string()
    });
    let strange = sid("the key of some other cluster ....", address);
    let nobody = sid(KEY, "192.0.2.9:1");
    flipped.chain([strange, nobody, Sid::random().unwrap().to_string()]).collect()
}

#[tokio::test]
async fn a_sid_that_was_made_up_causes_no_connection_to_another_node() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap().to_string();
    let node = node_beside(&other, RelayLimits::default()).await;
    let asked = tokio::spawn(async move { listener.accept().await });
    for sid in made_up(&other) {
        let poll = target(&format!("EIO=4&transport=polling&sid={sid}"));
        fetch(node, "GET", &poll, &[], b"").await.assert_error(400, 1, "Session ID unknown");
        let poll = format!("/socket.io/1/xhr-polling/{sid}?t=1");
        assert_eq!(fetch(node, "GET", &poll, &[], b"").await.text(), unknown_sid());
    }
    assert!(!asked.is_finished());
    // One that was not made up does.
    let sid = Node::new(KEY, &other, None).unwrap().new_sid().unwrap();
    let poll = target(&format!("EIO=4&transport=polling&sid={sid}"));
    let mut http = Http::open(node).await;
    http.send(&request("GET", &poll, &[], b"")).await;
    soon("a connection", asked).await.unwrap().unwrap();
}

/// All that a client of each generation is told when its session is not known: it starts anew at once.
#[tokio::test]
async fn clients_of_a_dead_node_start_anew_at_once() {
    let gone = format!("127.0.0.1:{}", free_port());
    let node = node_beside(&gone, RelayLimits::default()).await;
    let sid = Node::new(KEY, &gone, None).unwrap().new_sid().unwrap();
    let of = |transport: &str| target(&format!("EIO=4&transport={transport}&sid={sid}"));
    for method in ["GET", "POST"] {
        let answer =
            fetch(node, method, &of("polling"), &[("Origin", "http://a.example")], b"").await;
        answer.assert_error(400, 1, "Session ID unknown");
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
    }
    let (ws, answer) = Ws::attempt(node, &of("websocket"), &UPGRADE).await;
    assert!(ws.is_none());
    answer.assert_upgrade_error("Session ID unknown");
    let of = |transport: &str| format!("/socket.io/1/{transport}/{sid}?t=1&i=1");
    let poll = fetch(node, "GET", &of("xhr-polling"), &[], b"").await;
    assert_eq!(poll.text(), unknown_sid());
    let post = fetch(node, "POST", &of("xhr-polling"), &[], b"3:::x").await;
    assert_eq!(post.text(), "1");
    let mut ws = Ws::open(node, &of("websocket")).await;
    assert_eq!([ws.text().await, ws.text().await], ["1::", "7:::1+0"]);
}

/// What hangs at a node ends when the owner does.
#[tokio::test]
async fn parked_polls_and_websockets_end_with_their_owner() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let owner = Arc::new(Node::new(KEY, &address, None).unwrap());
    let node = node_beside(&address, RelayLimits::default()).await;
    // An owner as a process that is killed: it has accepted, and then its connections are reset.
    let engine = Engine::new(Limits::default(), Echo);
    let policy = Policy::open(Transports::all(transport::names()));
    let negotiator = Negotiator::new(engine.clone(), Gate::new(policy));
    let owning = Server::for_nodes(MOUNT, negotiator, HttpLimits::default(), 10);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let named = Arc::clone(&owner);
    engine.name_sessions(move || named.new_sid());
    let std_listener = listener.into_std().unwrap();
    runtime.spawn(async move {
        let listener = server::Listener::from(TcpListener::from_std(std_listener).unwrap());
        owning.run(listener.for_nodes(owner)).await;
    });
    let session = opened(&engine);
    let poll = target(&format!("EIO=4&transport=polling&sid={}", session.sid()));
    let mut parked = Http::open(node).await;
    // The open packet, then nothing.
    assert_eq!(parked.get(&poll).await.status, 200);
    parked.send(&request("GET", &poll, &[], b"")).await;
    until("the poll is held", || session.is_drained()).await;
    let spliced = opened(&engine);
    let upgrade = target(&format!("EIO=4&transport=websocket&sid={}", spliced.sid()));
    let mut ws = Ws::open(node, &upgrade).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    runtime.shutdown_background();
    parked.answer().await.assert_error(400, 1, "Session ID unknown");
    assert_eq!(ws.next().await, Frame::End);
}

/// A session at a node that no client knows yet.
fn opened(engine: &Engine) -> Arc<Session> {
    engine.open(plan(&EngineIo4, &POLLING)).unwrap()
}

/// A client that leaves while its poll hangs at another node has left for the owner too.
#[tokio::test]
async fn the_owner_hears_that_a_client_has_gone() {
    let server = Setup { relayed: true, ..Setup::default() }.start(Echo).await;
    for aborts in [true, false] {
        let session = Polls::open(&server, "EIO=4").await;
        let parked = session.park(&server).await;
        match aborts {
            true => parked.abort(),
            false => parked.hang_up(),
        }
        until("the session is over", || server.engine.session(&session.sid).is_none()).await;
        let session = Polls::open(&server, "EIO=4").await;
        let mut ws = session.upgrade(&server).await;
        // It is there to stay.
        ws.send("4hi").await;
        assert_eq!(ws.text().await, "4hi");
        match aborts {
            true => ws.abort(),
            false => drop(ws),
        }
        until("the session is over", || server.engine.session(&session.sid).is_none()).await;
    }
}

/// A proxy sends a poll once more if the node that had it dies. The owner may not have heard of that.
#[tokio::test]
async fn a_poll_that_comes_once_more_takes_the_place_of_the_first() {
    let server = Setup { relayed: true, ..Setup::default() }.start(Echo).await;
    for (query, nothing, hi) in [("EIO=3&b64=1", "1:6", "3:4hi"), ("EIO=4", "6", "4hi")] {
        let mut session = Polls::open(&server, query).await;
        let first = session.park(&server).await;
        let again = session.park(&server).await;
        assert_eq!(first.answer().await.text(), nothing);
        session.say("4hi").await;
        assert_eq!(again.answer().await.text(), hi);
    }
}

/// The owner sees the client and not the node, and believes the proxies that it trusts. The header that nodes tell
/// each other of clients in is nothing in the hand of a client.
#[tokio::test]
async fn the_owner_knows_the_client_behind_the_other_node() {
    let [owner, other] = TestNode::several(RelayLimits::default()).await;
    let (mount, http) = (Mount::from(MOUNT), HttpLimits::default());
    let engine = Engine::new(Limits::default(), Echo);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let policy = || Setup { trusted_proxies: &["127.0.0.7"], ..Setup::default() }.policy();
    let negotiator = Negotiator::new(engine.clone(), Gate::new(policy()));
    let negotiator = negotiator.headers(move |_, asked| {
        let is_told = asked.headers.contains_key("parlance-client");
        noted.lock().unwrap().push((asked.remote, asked.secure, is_told));
    });
    owner.join(&engine, negotiator, &mount, &http);
    let other = other.serve(policy(), &Limits::default(), &mount, &http).await;
    let claims = [
        ("Parlance-Client", "203.0.113.7 https"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
    ];
    for (source, remote, secure) in [
        ([127, 0, 0, 9], [127, 0, 0, 9], false),
        // The proxy that is trusted.
        ([127, 0, 0, 7], [192, 0, 2, 7], true),
    ] {
        let poll = target(&format!("EIO=4&transport=polling&sid={}", opened(&engine).sid()));
        let mut http = Http::open_from(source, other).await;
        assert_eq!(http.request("GET", &poll, &claims, b"").await.status, 200);
        assert_eq!(seen.lock().unwrap().pop(), Some((Some(remote.into()), secure, false)));
    }
}

/// Whoever reaches the port for nodes without the key gets no request answered, and no time.
#[tokio::test]
async fn a_stranger_at_the_port_for_nodes_gets_nothing() {
    let listener = server::bind(Some("127.0.0.1"), 0).await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = Arc::new(Node::new(KEY, &address.to_string(), None).unwrap());
    let engine = Engine::new(Limits::default(), Echo);
    let policy = Policy::open(Transports::all(transport::names()));
    let negotiator = Negotiator::new(engine, Gate::new(policy));
    let server = Server::for_nodes(MOUNT, negotiator, HttpLimits::default(), 2);
    tokio::spawn(async move { server.run(listener.for_nodes(node)).await });
    let heard = async |mut stream: TcpStream, said: &[u8]| {
        let _ = stream.write_all(said).await;
        let mut heard = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut heard)).await;
        heard.len()
    };
    let connect = async || TcpStream::connect(address).await.unwrap();
    for said in [
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3),
        [&b"PARLNOD1"[..], &[0; 70]].concat(),
        vec![22, 3, 1, 2, 0, 1, 0, 1, 252, 3],
    ] {
        // The greeting with its random bytes.
        assert_eq!(heard(connect().await, &said).await, 40);
    }
    // Who says nothing has a bound on connections, and a clock.
    let mut silent = [connect().await, connect().await];
    for stream in &mut silent {
        stream.read_exact(&mut [0; 40]).await.unwrap();
    }
    assert_eq!(heard(connect().await, b"").await, 0);
    for mut stream in silent {
        let began = tokio::time::Instant::now();
        let mut rest = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty() && began.elapsed() < Duration::from_secs(8));
    }
}

/// Such a node gets no request for the others' sessions, as it does not know them: it has to be found otherwise.
#[tokio::test]
async fn a_node_with_another_key_is_found_before_a_client_needs_it() {
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(server::bind(Some("127.0.0.1"), 0).await.unwrap());
    }
    let gone = format!("127.0.0.1:{}", free_port());
    let mut addresses: Vec<String> =
        listeners.iter().map(|it| it.local_addr().unwrap().to_string()).collect();
    addresses.push(gone.clone());
    let keys = [KEY, KEY, "the key of some other cluster ...."];
    let mut relays = Vec::new();
    for ((listener, key), own) in listeners.into_iter().zip(keys).zip(&addresses) {
        let relay = relay(key, own, &addresses, RelayLimits::default());
        let engine = Engine::new(Limits::default(), Echo);
        let policy = Policy::open(Transports::all(transport::names()));
        let negotiator = Negotiator::new(engine, Gate::new(policy));
        let server = Server::for_nodes(MOUNT, negotiator, HttpLimits::default(), 10);
        let node = Arc::clone(relay.node());
        tokio::spawn(async move { server.run(listener.for_nodes(node)).await });
        tokio::spawn(relay.clone().watch_peers(Duration::from_millis(20)));
        relays.push(relay);
    }
    let [a, b, c] = &addresses[..3] else { panic!() };
    let (joined, other) = (PeerState::Joined, PeerState::OtherKey);
    for (relay, expected) in relays.iter().zip([
        [(b, joined), (c, other)],
        [(a, joined), (c, other)],
        [(a, other), (b, other)],
    ]) {
        let mut expected: Vec<(Arc<str>, PeerState)> =
            expected.into_iter().map(|(at, state)| (at.as_str().into(), state)).collect();
        expected.push((gone.as_str().into(), PeerState::Unreachable));
        expected.sort_by(|(one, _), (other, _)| one.cmp(other));
        until("all are found", || relay.peers().all() == expected).await;
    }
}

#[tokio::test]
async fn what_is_passed_on_is_counted() {
    let [owner, other] = TestNode::several(RelayLimits::default()).await;
    let (mount, http) = (Mount::from(MOUNT), HttpLimits::default());
    let engine = Engine::new(Limits::default(), Echo);
    let policy = || Policy::open(Transports::all(transport::names()));
    owner.join(&engine, Negotiator::new(engine.clone(), Gate::new(policy())), &mount, &http);
    let relay = other.relay();
    let node = other.serve(policy(), &Limits::default(), &mount, &http).await;
    let counts = Arc::clone(relay.counts());
    let session = opened(&engine);
    let poll = target(&format!("EIO=4&transport=polling&sid={}", session.sid()));
    let opening = fetch(node, "GET", &poll, &[], b"").await.text().len() as u64;
    fetch(node, "POST", &poll, &[], b"4hello").await.assert_ok();
    let (up, down) = counts.bytes();
    // The answer to the POST is `ok`.
    assert_eq!((up, down), (6, opening + 2));
    assert_eq!(counts.requests(), [("ok", 2), ("gone", 0), ("all-taken", 0), ("incomplete", 0)]);
    assert_eq!((counts.open(), relay.connections()), (0, 1));
    let upgrade = target(&format!("EIO=4&transport=websocket&sid={}", opened(&engine).sid()));
    let mut ws = Ws::open(node, &upgrade).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    assert_eq!(counts.open(), 1);
    // A frame of six bytes, with a head and a mask; its answer, with a head.
    until("both are counted", || counts.bytes() == (up + 6 + 6, down + 6 + 2)).await;
    drop(ws);
    until("it is over", || counts.open() == 0).await;
}

/// A node asks the owner once, and the owner asks nobody.
#[tokio::test]
async fn what_its_owner_does_not_know_is_not_known() {
    let [a, b] = TestNode::several(RelayLimits::default()).await;
    let (mount, http) = (Mount::from(MOUNT), HttpLimits::default());
    let (of_a, of_b) = (a.relay(), b.relay());
    let policy = || Policy::open(Transports::all(transport::names()));
    // No session there has this id.
    let sid = of_b.node().new_sid().unwrap();
    let at_a = a.serve(policy(), &Limits::default(), &mount, &http).await;
    let _at_b = b.serve(policy(), &Limits::default(), &mount, &http).await;
    let poll = target(&format!("EIO=4&transport=polling&sid={sid}"));
    fetch(at_a, "GET", &poll, &[], b"").await.assert_error(400, 1, "Session ID unknown");
    assert!(of_b.counts().requests().iter().all(|(_, count)| *count == 0));
    assert_eq!(of_a.counts().requests()[0], ("ok", 1));
}

#[tokio::test]
async fn a_request_beyond_the_bound_is_refused_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap().to_string();
    let node = node_beside(&other, RelayLimits { connections: 1, ..RelayLimits::default() }).await;
    let sid = Node::new(KEY, &other, None).unwrap().new_sid().unwrap();
    let poll = target(&format!("EIO=4&transport=polling&sid={sid}"));
    let mut first = Http::open(node).await;
    first.send(&request("GET", &poll, &[], b"")).await;
    let _held = listener.accept().await.unwrap();
    let answer = fetch(node, "GET", &poll, &[("Origin", "http://a.example")], b"").await;
    let reason = answer.json()["reason"].as_str().map(str::to_owned).unwrap_or_default();
    assert!(answer.status == 503 && reason.ends_with("(node-connections)"), "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
}

/// An upload is sent on as it comes, and the owner's bound on it holds.
#[tokio::test]
async fn uploads_are_bounded_by_the_owner() {
    let limits = Limits { max_payload: 200_000, ..Limits::default() };
    let server = Setup { limits, relayed: true, ..Setup::default() }.start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let fits = format!("4{}", "x".repeat(150_000));
    session.post(&fits).await.assert_ok();
    assert_eq!(session.texts().await, [fits]);
    let answer = session.post(format!("4{}", "x".repeat(300_000))).await;
    answer.assert_error(413, 3, "Payload too large");
    // In pieces whose sum nobody has said.
    let mut http = Http::open(server.addr).await;
    let chunked = [("Transfer-Encoding", "chunked")];
    http.send(&request("POST", &session.target(), &chunked, b"3\r\n4ab\r\n")).await;
    http.send(b"2\r\ncd\r\n0\r\n\r\n").await;
    http.answer().await.assert_ok();
    assert_eq!(session.texts().await, ["4abcd"]);
}

/// An open packet names the session by which a request finds its owner.
#[tokio::test]
async fn a_websocket_needs_no_other_node() {
    let server = Setup { relayed: true, ..Setup::default() }.start(Echo).await;
    let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    let open = read_open(&ws.text().await.as_str().into());
    assert!(server.engine.session(&sid_of(&open)).is_some());
    ws.send("4hi").await;
    assert_eq!(ws.text().await, "4hi");
}
