//! RFC 6455 on the wire, below any packet.

mod autobahn;
mod cases;
mod handshake;
