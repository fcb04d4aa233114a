//! Engine.IO protocols 3 and 4 on the wire (reference: engineio.md).

mod closing;
mod compression;
mod cors;
mod garbage;
mod handshake;
mod heartbeat;
mod jsonp;
mod limits;
mod payloads;
mod probing;
mod refusals;
mod strings;
mod versions;
mod websocket;
