//! Connections as streams of bytes: plain or encrypted, non-blocking, counted and bounded. Nothing
//! here interprets the bytes, except at the start of a connection: see [`first_bytes`] and
//! [`proxy_protocol`].

pub(crate) mod first_bytes;
mod pipe;
pub(crate) mod proxy_protocol;
pub(crate) mod scratch;
pub mod slots;
mod stream;
mod writer;

pub use pipe::FarEnd;
pub use stream::ByteStream;
pub use writer::{Broken, ConnWriter};
