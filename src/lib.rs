//! Parlance: a chat server that every Socket.IO client ever shipped can talk to, on one port.
//!
//! This page is the map of the house. A room imports only from rooms below it:
//!
//! | room | knows |
//! |---|---|
//! | [`cli`], [`commands`] | arguments; how to put the house together for one command |
//! | [`server`] | sockets, HTTP connections, pages, shutdown |
//! | [`chat`] | people, names, messages; the chat-room actor |
//! | [`socketio`] | namespaces, events, acknowledgements; the [`socketio::App`] trait |
//! | [`transport`] | beside it: how packets reach one browser; the [`transport::Transport`] trait |
//! | [`engine`] | sessions: heartbeat, upgrade, outbound queue, end |
//! | [`dialect`] | bytes ⇄ packets for each wire generation |
//! | [`config`] | settings and their layers |
//! | [`policy`], [`telemetry`], [`files`] | decisions from facts; log sinks; files that the operator names |
//! | [`memory`] | how much the process holds for clients |
//!
//! # One message, walking
//!
//! A browser sends `42["new message","hi"]` in a WebSocket frame. The [`transport`] that holds the
//! connection has the session's [`dialect`] read it as a packet and submits that to the
//! [`engine::Session`], which counts it as a sign of life and hands its text to the receiver whose
//! turn it is. There [`socketio`] decodes an event of the namespace `/` and calls the application,
//! [`chat::Chat`], which puts it into the bounded inbox of the room: if the room is busy, this
//! client waits here, and nobody else.
//!
//! The room takes it out in its one order of events, checks name, size and rate, and makes a
//! [`socketio::Broadcast`] of it. For each member that is encoded once per dialect, and the shared
//! bytes are pushed to the session's outbound queue. Whatever transport drains that queue at the
//! moment is woken and writes all that waits in one go: WebSocket frames, or the answer to a
//! parked poll. If a queue is full, its session is closed as a slow reader; the room never waits.

pub mod admission;
pub mod chat;
pub mod cli;
pub mod commands;
pub mod config;
pub mod dialect;
pub mod engine;
pub mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod memory;
pub mod negotiate;
pub mod net;
pub mod policy;
pub mod server;
pub mod socketio;
pub mod telemetry;
pub mod token_bucket;
pub mod transport;
