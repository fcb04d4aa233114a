//! Messages as Node's adapters write them: `{type, data, uid, nsp}`, as JSON or, if there is binary, as
//! MessagePack.
//!
//! What is written is what all of Node's adapters read. What is read may be anything: it comes from a broker,
//! to which others write as well.

mod msgpack_js;
mod parts;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use msgpack_js::{from_standard, to_standard};
pub use parts::{Parts, decode};
pub use read::{read, read_after, read_data};
pub use write::{
    BINARY_EVENT, Details, EVENT, Event, First, List, Names, Opts, encode, encode_binary, write,
    write_binary, write_binary_after, write_data,
};

/// Messages that are longer are neither written nor read.
pub const MAX_BYTES: usize = 64 << 20;
/// How deep values may be.
const MAX_DEPTH: usize = 128;

/// Why a message is not written, or not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It is longer than [`MAX_BYTES`].
    #[error("a message of {0} bytes")]
    TooLarge(usize),
    /// It is neither JSON nor MessagePack, or not whole.
    #[error("{0}")]
    Malformed(String),
    /// Something of it is not there, or of another type.
    #[error("{0} is missing or of a wrong type")]
    Mistyped(&'static str),
    /// It is of a type that does not concern nodes, or of a newer protocol.
    #[error("messages of type {0} are not known")]
    Unknown(u64),
}
