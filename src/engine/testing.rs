//! What tests of sessions have in common.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Handler, Handshake, NewSession, Receiver, Session, TransportInfo};
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::{Message, Wire};

pub static POLLING: TransportInfo =
    TransportInfo { name: "xhr-polling", wire: "polling", streams: false, duplex: false };
pub static SOCKET: TransportInfo =
    TransportInfo { name: "websocket", wire: "websocket", streams: true, duplex: true };

/// An application that takes no notice of anything.
pub struct Deaf;

impl Handler for Deaf {
    fn open(&self, _session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(Deaf)
    }
}

impl Receiver for Deaf {
    fn message(&mut self, _message: Message) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What a session of a test is made of.
pub fn new_session(transport: &'static TransportInfo) -> NewSession<'static> {
    let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let handshake = Handshake::new(remote, "test");
    NewSession { dialect: &EngineIo4, wire: Wire::default(), transport, upgrades: &[], handshake }
}
