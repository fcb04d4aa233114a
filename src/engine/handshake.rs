//! What a new session is made of: its transport and its handshake.

use std::net::IpAddr;
use std::sync::Arc;

use crate::dialect::{Dialect, Wire};

/// What a session must know of the transport that carries it.
#[derive(Debug)]
pub struct TransportInfo {
    /// Its name in policy, logs and metrics.
    pub name: &'static str,
    /// Its name on the wire. Two transports of one wire name can serve the same session.
    pub wire: &'static str,
    /// One response (or connection) carries many packets.
    pub streams: bool,
    /// Packets need no POST: the connection goes both ways.
    pub duplex: bool,
}

/// What was known when the session opened.
#[derive(Debug)]
pub struct Handshake {
    /// `None` if that is not known for sure.
    pub remote: Option<IpAddr>,
    /// The key by which rate limits count this client: its address or network, or one key for all
    /// clients whose address is not known.
    pub bucket: IpAddr,
    /// The proxy that its first request came through, as far as that is known: a name for logs.
    pub proxy: Option<Arc<str>>,
    /// The application's part of the query string.
    pub query: Box<str>,
    /// Which clients speak like this, for people who read logs.
    pub generation: &'static str,
    /// Data kept with the session for the layers above, and dropped with it.
    pub extensions: Extensions,
}

/// See [`Handshake::extensions`].
pub type Extensions = Box<dyn std::any::Any + Send + Sync>;

/// What a new session is made of.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The wire generation.
    pub dialect: &'static dyn Dialect,
    /// How the session's packets travel, as its handshake says.
    pub wire: Wire,
    /// The transport that it begins on.
    pub transport: &'static TransportInfo,
    /// Wire names that the open packet offers.
    pub upgrades: &'a [&'static str],
    /// What applications may know of the client.
    pub handshake: Handshake,
}
