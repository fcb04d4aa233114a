//! HTTP/1.1: connections, request heads and bodies, and response writing. hyper reads the requests
//! ([`reader`]). Nothing here knows the meaning of a request.

mod body;
pub(crate) mod conn;
pub(crate) mod headers;
pub(crate) mod host;
mod limits;
mod message;
pub(crate) mod path;
mod patience;
mod reader;
mod send;
mod target;
pub(crate) mod write;

pub use body::{BodyDeadline, BodyError, HyperBody, Incoming, read_body};
pub use limits::HttpLimits;
pub use message::{
    Body, BodyStream, Parked, ParkedOutcome, Receipt, Request, Response, ResponseFuture, response,
};
pub(crate) use patience::{LAST_OFFER, LOOK_AGAIN};
