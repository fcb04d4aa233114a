//! Connections as streams of bytes: plain or encrypted, read and written without waiting, counted and bounded.
//! Nothing here knows what the bytes mean, but for what comes before any protocol: see [`first_bytes`] and
//! [`proxy_protocol`].

pub(crate) mod first_bytes;
pub(crate) mod proxy_protocol;
pub(crate) mod scratch;
pub mod slots;
mod stream;
mod writer;

pub use stream::ByteStream;
pub use writer::{Broken, ConnWriter};
