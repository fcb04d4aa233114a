//! `xhr-polling`: a GET that waits for packets, a POST for those that come.

use futures::future::BoxFuture;
use http::StatusCode;

use super::http::{Error, Response, response};
use super::poll::{Purpose, accept, purpose, unsupported, wait};
use super::{Exchange, Query, Transport};
use crate::dialect::OCTETS;
use crate::dialect::Malformed;
use crate::engine::Facts;

#[derive(Debug)]
pub struct XhrPolling;

static FACTS: Facts =
    Facts { name: "xhr-polling", wire: "polling", streams: false, duplex: false };

impl Transport for XhrPolling {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn claims(&self, query: &Query) -> bool {
        query.transport.as_deref() == Some(FACTS.wire) && query.j.is_none()
    }

    fn serve(&self, exchange: Exchange) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(async move {
            match purpose(exchange.request.method()) {
                Purpose::Poll => poll(exchange).await,
                Purpose::Post => post(exchange).await,
                Purpose::Other => Ok(unsupported()),
            }
        })
    }
}

async fn poll(exchange: Exchange) -> Result<Response, Error> {
    let Exchange { session, query, .. } = exchange;
    let frames = wait(&session, &FACTS).await?;
    let text_only = query.b64 || session.wire().base64;
    let payload = session.dialect().payload(&frames, text_only);
    Ok(response(StatusCode::OK, payload.content_type, payload.body))
}

async fn post(exchange: Exchange) -> Result<Response, Error> {
    let limit = exchange.session.limits().max_payload;
    accept(exchange, &FACTS, limit, |session, body, content_type| {
        let dialect = session.dialect();
        let octets = content_type.is_some_and(|kind| kind.eq_ignore_ascii_case(OCTETS));
        if octets && !dialect.takes_octets() {
            // Unlike other malformed bodies, this one is answered with an error (engineio.md §9).
            session.malformed(Malformed("binary body"));
            let reason = "this protocol has no binary payloads";
            return Err(super::poll::Rejected::Refused(Error::bad_request(reason)));
        }
        Ok(dialect.read_payload(body, octets, session.wire())?)
    })
    .await
}
