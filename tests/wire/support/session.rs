//! Sessions without sockets, for tests that own the clock.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use parlance::dialect::{Dialect, Frame, Wire};
use parlance::engine::{Drain, Drained, Engine, Handshake, NewSession, Session, TransportInfo};

/// A transport of one packet per request.
pub static POLLING: TransportInfo =
    TransportInfo { name: "xhr-polling", wire: "polling", streams: false, duplex: false };
/// A transport that goes both ways.
pub static SOCKET: TransportInfo =
    TransportInfo { name: "websocket", wire: "websocket", streams: true, duplex: true };

/// Opens a session, whose first packet is still to be taken.
pub async fn open(
    engine: &Engine,
    dialect: &'static dyn Dialect,
    transport: &'static TransportInfo,
) -> Arc<Session> {
    engine.open(plan(dialect, transport)).expect("a session")
}

/// What a session of the test is made of.
pub fn plan(
    dialect: &'static dyn Dialect,
    transport: &'static TransportInfo,
) -> NewSession<'static> {
    let handshake = Handshake::new(IpAddr::V4(Ipv4Addr::LOCALHOST), "test");
    NewSession { dialect, wire: Wire::default(), transport, upgrades: &[], handshake }
}

/// What the next poll of a session brings: its text packets, and how it ended.
pub async fn poll(session: &Arc<Session>) -> (Vec<String>, Drained) {
    let mut drain = session.attach(&POLLING).expect("no other poll");
    let got = next(&mut drain).await;
    drain.finish();
    got
}

/// What a transport is given next, but for the wish to ask for a sign of life.
pub async fn next(drain: &mut Drain) -> (Vec<String>, Drained) {
    let mut batch = Vec::new();
    let drained = loop {
        match drain.next(&mut batch).await {
            Drained::Asks => {}
            drained => break drained,
        }
    };
    let text = |frame| match frame {
        Frame::Text(bytes) => String::from_utf8(bytes.to_vec()).expect("text"),
        Frame::Binary(data) => panic!("unexpected binary {data:?}"),
    };
    (batch.into_iter().map(text).collect(), drained)
}
