//! Parlance: a Socket.IO server with a chat, for clients of every generation, on one port.
//!
//! The modules are layers: a module imports only from modules in the rows below its own.
//! `docs/architecture.md` says from which, and `tests/house.rs` holds the code to it.
//!
//! | module | task |
//! |---|---|
//! | [`cli`] | flags and commands |
//! | [`commands`] | puts the other modules together for one command |
//! | [`probe`] | what clients do, to diagnose the way to a server |
//! | [`metrics`] | numbers for Prometheus |
//! | [`site`] | pages, reports, the requests of administrators |
//! | [`server`] | listeners, who answers which path, shutdown |
//! | [`negotiate`] | requests for sessions: which dialect, session and transport |
//! | [`admin_ui`] | the namespace of the Socket.IO Admin UI |
//! | [`transport`] | how packets reach a browser; the [`transport::Transport`] trait |
//! | [`cluster`] | several nodes as one server |
//! | [`admission`], [`chat`] | who may connect · members, names, messages, the chat room |
//! | [`diagnosis`] | from what happened to sessions to the cause of a fallback |
//! | [`relay`] | requests for sessions of other nodes, and theirs |
//! | [`http`], [`socketio`] | HTTP/1.1 connections · namespaces, rooms, events, acknowledgements; [`socketio::Io`] |
//! | [`net`], [`engine`] | connections as byte streams · sessions: heartbeat, upgrade, outbound queue, end |
//! | [`web_config`] | follows requests through a `web.config` of IIS, for `parlance check` |
//! | [`config`] | settings and their layers |
//! | [`dialect`], [`policy`] | bytes ⇄ packets for each generation of the wire protocol · decisions about clients |
//! | [`telemetry`], [`files`] | log sinks · files that the operator names |
//! | [`store`], [`accounts`] | what was said in chat rooms, kept · people who show by a token who they are |
//! | [`memory`], [`token_bucket`] | the memory held for clients · rate limits |
//! | [`secret`], [`logged_names`] | comparing secrets · what strangers name in the log |
//!
//! # How a message travels
//!
//! 1. A browser sends `42["new message","hi"]` in a WebSocket frame. The [`transport`] decodes it with the
//!    session's [`dialect`] and submits the packet to the [`engine::Session`].
//! 2. The session counts the packet as a sign of life, and passes its text to its receiver, one call at a
//!    time.
//! 3. The receiver is [`socketio`]. It decodes an event of the namespace `/` and calls the application,
//!    [`chat::Chat`], which puts the event into the bounded inbox of the room. While the room is busy, only
//!    this client waits.
//! 4. The room handles all events in one order. It checks name, size and rate, and makes a
//!    [`socketio::Broadcast`], which is encoded once for each dialect. The shared bytes are pushed to the
//!    outbound queue of each member's session.
//! 5. If the connection of a session waits for packets, they are written to it directly, otherwise by the
//!    transport's task: as WebSocket frames, or as the answer to a parked poll. If a queue is full, its
//!    session is closed as a slow reader. The room never waits.

// Some things in the rooms below are for the chat server alone.
#![cfg_attr(not(feature = "server"), allow(dead_code, unused_imports))]

pub mod admission;
pub mod cluster;
pub mod dialect;
pub mod engine;
pub mod files;
pub mod http;
pub mod logged_names;
pub mod memory;
pub mod negotiate;
pub mod net;
pub mod policy;
pub mod relay;
pub mod server;
pub mod socketio;
pub mod token_bucket;
pub mod transport;

// The chat server on it.
#[cfg(feature = "server")]
pub mod accounts;
#[cfg(feature = "server")]
pub mod admin_ui;
#[cfg(feature = "server")]
pub mod chat;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod commands;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod diagnosis;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod probe;
#[cfg(feature = "server")]
pub mod secret;
#[cfg(feature = "server")]
pub mod site;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod web_config;

#[cfg(all(feature = "server", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzzing;
