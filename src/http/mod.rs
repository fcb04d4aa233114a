//! HTTP/1.1: connections, heads and bodies of requests, and how answers are written. What is less than plain
//! is read by hyper ([`fallback`]). Nothing here knows what a request is for.

mod body;
pub(crate) mod conn;
pub(crate) mod fallback;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod host;
mod limits;
mod message;
mod patience;
pub(crate) mod write;

pub use body::{BodyError, Clock, Coming, HyperBody, Incoming, read_body};
pub use limits::HttpLimits;
pub use message::{
    Body, BodyStream, Parked, ParkedOutcome, Request, Response, ResponseFuture, response,
};
