//! RFC 6455 on the wire, below any packet.

mod autobahn;
mod begun;
mod cases;
mod handshake;
