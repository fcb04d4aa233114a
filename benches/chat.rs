//! Work of the chat room: messages of one member to a room of others, from the packet that comes in to the
//! packets that connections get.
//!
//! `cargo bench --bench chat [-- MEMBERS MESSAGES]` says how long a message takes. Counts of instructions
//! depend on nothing else that the machine does: `valgrind --tool=callgrind` on the binary with 1 and with
//! 101 members, and with two numbers of messages, gives those of a message and of a delivery.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use parlance::chat::{Chat, ChatSettings};
use parlance::dialect::engineio4::EngineIo4;
use parlance::dialect::{Dialect, Frame, Wire};
use parlance::engine::{
    DirectWriter, Drain, Engine, Handshake, Limits, NewSession, SendOutcome, Session, TransportInfo,
};
use parlance::policy::RoomNames;
use parlance::socketio::Io;

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

const TEXT: &str = "The quick brown fox jumps over the lazy dog, and nobody is surprised.";

async fn say(session: &Arc<Session>, packet: &str) {
    let packet = EngineIo4.read_text(packet, session.wire()).expect("a packet");
    session.submit(&WEBSOCKET, [packet]).await.expect("its transport");
    // The room is a task of its own.
    tokio::task::yield_now().await;
}

async fn join(engine: &Engine, name: &str) -> (Arc<Session>, Drain) {
    let handshake = Handshake::new(IpAddr::V4(Ipv4Addr::LOCALHOST), "bench");
    let (wire, transport) = (Wire::default(), &WEBSOCKET);
    let new = NewSession { dialect: &EngineIo4, wire, transport, upgrades: &[], handshake };
    let session = engine.open(new).expect("a session");
    let mut drain = session.attach(&WEBSOCKET).expect("the only one");
    drain.set_direct_writer(Arc::new(NullWriter));
    say(&session, "40").await;
    say(&session, &format!(r#"42["add user","{name}"]"#)).await;
    let mut greetings = Vec::new();
    while drain.next(&mut greetings).now_or_never().is_some() {}
    (session, drain)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let (members, messages) = (numbers.next().unwrap_or(101), numbers.next().unwrap_or(20_000));
    let settings = ChatSettings {
        message_max: 64 * 1024,
        message_rate: 0,
        byte_rate: 0,
        duplicate_names: true,
        reserved_names: Vec::new(),
        leave_delay: std::time::Duration::ZERO,
        resume_key: None,
        node_timeout: std::time::Duration::from_secs(15),
        rooms: RoomNames::default(),
        max_rooms: 1000,
        ..ChatSettings::default()
    };
    let (chat, room) = Chat::new(settings);
    tokio::spawn(room.run());
    let io = Io::new();
    chat.serve(&io, |_| {});
    let engine = Engine::new(Limits::default(), io);
    let mut all = Vec::new();
    for number in 0..members {
        all.push(join(&engine, &format!("member {number}")).await);
    }
    let (speaker, _drain) = &all[0];
    let began = Instant::now();
    for _ in 0..messages {
        say(speaker, &format!(r#"42["new message","{TEXT}"]"#)).await;
    }
    let each = began.elapsed() / u32::try_from(messages).unwrap_or(u32::MAX);
    println!("{members} members, {messages} messages: {each:?} each");
}
