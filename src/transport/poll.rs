//! What both polling forms have in common: one response for what waits, one POST for what comes.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::Exchange;
use super::http::{Error, Response, read_body, response};
use crate::dialect::{Control, Frame, Malformed, Packet};
use crate::engine::{Drained, Facts, Session};
use std::sync::Arc;

/// Waits until there is something to answer a poll with. Dropping the future is how a lost
/// connection is noticed.
pub(super) async fn wait(session: &Arc<Session>, facts: &'static Facts) -> Result<Vec<Frame>, Error> {
    let mut drain = session.attach(facts)?;
    let mut batch = Vec::new();
    loop {
        let farewell = match drain.next(&mut batch).await {
            Drained::Promoted => continue,
            Drained::Packets => None,
            Drained::Released | Drained::Superseded => Some(Control::Noop),
            Drained::Closed(reason) => Some(reason.farewell()),
        };
        batch.extend(farewell.map(|control| session.dialect().control(control)));
        break;
    }
    drain.finish();
    Ok(batch)
}

/// Takes a POST: reads the body, has `read` make packets of it, and hands these on in order. The
/// answer comes when they were taken, because that is when the client sends the next.
///
/// `limit` bounds the raw body in bytes, which may be longer than the payload in it.
pub(super) async fn accept(
    exchange: Exchange,
    facts: &'static Facts,
    limit: usize,
    read: impl FnOnce(&Session, &Bytes, Option<&str>) -> Result<Vec<Packet>, Rejected>,
) -> Result<Response, Error> {
    let Exchange { request, session, body_timeout, .. } = exchange;
    let posting = session.begin_post(facts)?;
    let (parts, body) = request.into_parts();
    let body = read_body(body, limit, body_timeout).await?;
    match read(&session, &body, super::http::media_type(&parts.headers)) {
        Ok(packets) => posting.submit(facts, packets).await?,
        // The reference servers say "ok" to such a body and end the session (engineio.md §9).
        Err(Rejected::Malformed(error)) => session.malformed(error),
        Err(Rejected::Refused(error)) => return Err(error),
    }
    let (content_type, body) = session.dialect().post_answer();
    Ok(response(StatusCode::OK, content_type, body))
}

/// A body that holds no packets.
#[derive(Debug)]
pub(super) enum Rejected {
    Malformed(Malformed),
    Refused(Error),
}

impl From<Malformed> for Rejected {
    fn from(error: Malformed) -> Self {
        Rejected::Malformed(error)
    }
}

/// What a request on a living session is there for.
pub(super) enum Purpose {
    Poll,
    Post,
    /// A method that no client uses; the reference servers answer 500 and nothing.
    Other,
}

pub(super) fn purpose(method: &Method) -> Purpose {
    match *method {
        Method::GET => Purpose::Poll,
        Method::POST => Purpose::Post,
        _ => Purpose::Other,
    }
}

pub(super) fn unsupported() -> Response {
    response(StatusCode::INTERNAL_SERVER_ERROR, "", Bytes::new())
}
