//! Micro-benchmarks: the work of a dialect for one chat message, of a broadcast up to the connections, and
//! of the engine for an inbound packet.
//!
//! `cargo bench --bench micro [-- FILTER]` takes about a minute. It compares two states of the code on one
//! machine; `benches/run.mjs` measures the whole server.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parlance::dialect::engineio3::EngineIo3;
use parlance::dialect::engineio4::EngineIo4;
use parlance::dialect::socketio09::SocketIo09;
use parlance::dialect::{Body, Dialect, Frame, Message, Packet, SocketPacket, Wire};
use parlance::engine::{
    Cork, DirectWriter, Drain, Engine, Handler, Handshake, Limits, NewSession, Receiver,
    SendOutcome, Session, TransportInfo,
};
use parlance::socketio::{Broadcast, Io, Socket};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

const DIALECTS: [(&str, &dyn Dialect); 3] =
    [("engineio4", &EngineIo4), ("engineio3", &EngineIo3), ("socketio09", &SocketIo09)];

/// Two messages of about the same number of user-visible characters.
const TEXTS: [(&str, &str); 2] = [
    ("ascii", "The quick brown fox jumps over the lazy dog, and nobody in the room is surprised."),
    (
        "hangul",
        "다람쥐 헌 쳇바퀴에 타고파 🐿️ 키스의 고유조건은 입술끼리 만나야 하고 🎉 특별한 기술은 필요치 않다.",
    ),
];

/// Sessions that a broadcast goes to.
const ROOM: usize = 1000;

fn args(text: &str) -> Vec<Value> {
    vec![json!({ "username": "anna", "message": text })]
}

fn message_packet(text: &str) -> SocketPacket {
    let body = Body::Event { name: "new message".to_owned(), args: args(text), ack: None };
    SocketPacket { namespace: Arc::from("/"), body, attachments: Vec::new() }
}

/// The event as a client of that dialect encodes it: without the escapes of the server.
fn client_packet(dialect: &str, text: &str) -> String {
    let text = Value::from(text);
    match dialect {
        "socketio09" => format!(r#"5:::{{"name":"new message","args":[{text}]}}"#),
        _ => format!(r#"42["new message",{text}]"#),
    }
}

/// The body of a POST with one packet.
fn post_body(dialect: &str, packet: &str) -> String {
    match dialect {
        "engineio3" => format!("{}:{packet}", packet.encode_utf16().count()),
        _ => packet.to_owned(),
    }
}

/// Decodes the Socket.IO packet in a message packet.
fn decode_message(dialect: &dyn Dialect, packet: Packet, wire: &Wire) -> Body {
    let Packet::Message(Message::Text(text)) = packet else { panic!("no message: {packet:?}") };
    dialect.decode(&text, wire).expect("the grammar").expect("a packet").packet.body
}

fn dialects(criterion: &mut Criterion) {
    for (language, text) in TEXTS {
        let wire = Wire::default();
        let event =
            Body::Event { name: "new message".to_owned(), args: vec![text.into()], ack: None };

        let mut group = criterion.benchmark_group(format!("encode/{language}"));
        for (name, dialect) in DIALECTS {
            let packet = message_packet(text);
            group.bench_function(name, |bench| {
                bench.iter(|| dialect.encode(black_box(&packet), &wire));
            });
        }
        group.finish();

        let mut group = criterion.benchmark_group(format!("decode-websocket/{language}"));
        for (name, dialect) in DIALECTS {
            let packet = client_packet(name, text);
            let decode = |packet: &str| {
                decode_message(dialect, dialect.read_text(packet, &wire).expect("a packet"), &wire)
            };
            assert_eq!(decode(&packet), event, "{name}");
            group.bench_function(name, |bench| bench.iter(|| decode(black_box(&packet))));
        }
        group.finish();

        let mut group = criterion.benchmark_group(format!("decode-polling/{language}"));
        for (name, dialect) in DIALECTS {
            let body = post_body(name, &client_packet(name, text));
            let decode = |body: &str| {
                let packets = dialect.read_payload(body.as_bytes(), false, &wire);
                let packets = packets.expect("a payload").into_iter();
                packets.map(|packet| decode_message(dialect, packet, &wire)).collect::<Vec<_>>()
            };
            assert_eq!(decode(&body), slice::from_ref(&event), "{name}");
            group.bench_function(name, |bench| bench.iter(|| decode(black_box(&body))));
        }
        group.finish();

        for count in [1, 10] {
            let mut group = criterion.benchmark_group(format!("payload-of-{count}/{language}"));
            for (name, dialect) in DIALECTS {
                let frames = vec![dialect.encode(&message_packet(text), &wire); count].concat();
                group.bench_function(name, |bench| {
                    bench.iter(|| dialect.payload(black_box(&frames), true, &wire));
                });
            }
            group.finish();
        }
    }
}

/// A connection that accepts all packets and sends nothing.
#[derive(Debug)]
struct NullWriter;

impl DirectWriter for NullWriter {
    fn try_send(&self, frames: &[Frame], _dialect: &dyn Dialect, _wire: &Wire) -> SendOutcome {
        black_box(frames);
        SendOutcome::Sent
    }
}

static WEBSOCKET: TransportInfo =
    TransportInfo { name: "websocket", wire: "websocket", streams: true, duplex: true };

/// A new session on a WebSocket.
fn new_session(dialect: &'static dyn Dialect) -> NewSession<'static> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let handshake = Handshake::new(address, "bench");
    NewSession { dialect, wire: Wire::default(), transport: &WEBSOCKET, upgrades: &[], handshake }
}

/// A room with [`ROOM`] sockets of one dialect, all of which wait for packets.
struct Room {
    sockets: Vec<Socket>,
    _drains: Vec<Drain>,
    _engine: Engine,
}

impl Room {
    async fn new(dialect: &'static dyn Dialect) -> Self {
        let io = Io::new();
        let root = io.of("/");
        let engine = Engine::new(Limits::default(), io);
        let mut drains = Vec::with_capacity(ROOM);
        for _ in 0..ROOM {
            let session = engine.open(new_session(dialect)).expect("a session");
            if !dialect.rules().joins_by_itself {
                let join = dialect.read_text("40", session.wire()).expect("a packet");
                session.submit(&WEBSOCKET, [join]).await.expect("its transport");
            }
            let mut drain = session.attach(&WEBSOCKET).expect("the only one");
            drain.set_direct_writer(Arc::new(NullWriter));
            let mut greetings = Vec::new();
            while drain.next(&mut greetings).now_or_never().is_some() {}
            drains.push(drain);
        }
        let sockets = root.sockets();
        assert_eq!(sockets.len(), ROOM);
        Room { sockets, _drains: drains, _engine: engine }
    }

    fn broadcast(&self, text: &str) {
        let broadcast = Broadcast::new(Arc::from("/"), "new message", args(text));
        self.sockets.iter().for_each(|socket| socket.emit_shared(&broadcast));
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// One message to all sockets, from the event to the last connection: without a cork, and with a cork as in
/// the chat room, for one message at a time and for ten.
fn broadcast(criterion: &mut Criterion) {
    let (_, text) = TEXTS[0];
    let runtime = runtime();
    let mut group = criterion.benchmark_group(format!("broadcast-to-{ROOM}"));
    for (name, dialect) in DIALECTS {
        let room = runtime.block_on(Room::new(dialect));
        group.throughput(Throughput::Elements(ROOM as u64));
        group.bench_function(BenchmarkId::new("straight", name), |bench| {
            bench.iter(|| room.broadcast(text));
        });
        for count in [1, 10] {
            group.throughput(Throughput::Elements((count * ROOM) as u64));
            group.bench_function(BenchmarkId::new(format!("corked-{count}"), name), |bench| {
                bench.iter(|| {
                    runtime.block_on(async {
                        let mut cork = Cork::default();
                        (0..count).for_each(|_| cork.hold(|| room.broadcast(text)));
                        while !cork.is_idle() {
                            cork.release().await;
                        }
                    });
                });
            });
        }
    }
    group.finish();
}

/// A receiver that ignores its messages.
struct Ignore;

impl Handler for Ignore {
    fn open(&self, _session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(Ignore)
    }
}

impl Receiver for Ignore {
    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        black_box(message);
        Box::pin(std::future::ready(()))
    }
}

/// Inbound packets, from the transport to the end of the receiver's call.
fn submit(criterion: &mut Criterion) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let engine = Engine::new(Limits::default(), Ignore);
    let session = engine.open(new_session(&EngineIo3)).expect("a session");
    let message = || Packet::Message(Message::Text("2".to_owned()));
    let mut group = criterion.benchmark_group("submit");
    for (name, packet, count) in [
        ("message", &message as &dyn Fn() -> Packet, 1),
        ("message", &message, 10),
        ("ping", &|| Packet::Ping { probe: false }, 1),
    ] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new(name, count), |bench| {
            bench.iter(|| {
                let packets = (0..count).map(|_| packet());
                let submitted = session.submit(&WEBSOCKET, packets).now_or_never();
                submitted.expect("there is room").expect("its transport");
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = dialects, broadcast, submit
}
criterion_main!(benches);
