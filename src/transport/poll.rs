//! What both polling forms have in common: one response for what waits, one POST for what comes.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::timeout;

use super::Exchange;
use super::http::{Error, Response, read_body, response};
use crate::dialect::{Control, Frame, Malformed, OCTETS, Packet, Requests};
use crate::engine::{Drained, Facts, Session};
use std::sync::Arc;

/// How long an idle poll is held where there are no heartbeats on polls (socketio-0.9.md §7).
const IDLE_POLL: Duration = Duration::from_secs(20);
/// Elsewhere a heartbeat ends it sooner than this.
const NO_HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// Waits until there is something to answer a poll with. Dropping the future is how a lost
/// connection is noticed.
pub(super) async fn wait(
    session: &Arc<Session>,
    facts: &'static Facts,
) -> Result<Vec<Frame>, Error> {
    let mut drain = session.attach(facts)?;
    let dialect = session.dialect();
    let hold = match dialect.rules().requests {
        Requests::Strict => NO_HOLD,
        // Without heartbeats, clients take a poll that never ends for a dead server.
        Requests::Lenient => IDLE_POLL.min(session.limits().ping_interval),
    };
    let mut batch = Vec::new();
    let drained = timeout(hold, drain.next(&mut batch)).await.unwrap_or(Drained::Released);
    batch.extend(match drained {
        Drained::Packets => None,
        Drained::Released | Drained::Superseded | Drained::Promoted => {
            Some(dialect.control(Control::Noop))
        }
        Drained::Closed(reason) => Some(dialect.ending(reason.ending())),
    });
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
        Ok(packets) => posting.session().submit(facts, packets).await?,
        // The reference servers say "ok" to such a body and end the session (engineio.md §9).
        Err(Rejected::Malformed(error)) => session.malformed(error),
        Err(Rejected::Refused(error)) => return Err(error),
    }
    let (content_type, body) = session.dialect().post_answer();
    Ok(response(StatusCode::OK, content_type, body))
}

/// Takes a POST whose body is a payload as it is.
pub(super) async fn accept_payload(
    exchange: Exchange,
    facts: &'static Facts,
) -> Result<Response, Error> {
    let limit = exchange.session.limits().max_payload;
    accept(exchange, facts, limit, |session, body, content_type| {
        let dialect = session.dialect();
        let octets = content_type.is_some_and(|kind| kind.eq_ignore_ascii_case(OCTETS));
        if octets && !dialect.takes_octets() {
            // Unlike other malformed bodies, this one is answered with an error (engineio.md §9).
            session.malformed(Malformed("binary body"));
            let reason = "this protocol has no binary payloads";
            return Err(Rejected::Refused(Error::bad_request(reason)));
        }
        Ok(dialect.read_payload(body, octets, session.wire())?)
    })
    .await
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
