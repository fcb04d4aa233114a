//! `jsonp-polling`: packets to the client are a script that calls a function of the page, packets from it
//! are a form.
//!
//! For browsers whose pages cannot read responses of another origin.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::poll::{PostError, Purpose, accept, park, purpose, unsupported};
use super::{Error, Exchange, Query, Transport};
use crate::dialect::{Dialect, Frame, Wire};
use crate::engine::TransportInfo;
use crate::http::{Request, Response, ResponseFuture, response};

#[derive(Debug)]
pub struct JsonpPolling;

static INFO: TransportInfo =
    TransportInfo { name: "jsonp-polling", wire: "polling", streams: false, duplex: false };

/// A form encodes a byte as three at most (`%XX`).
const FORM_GROWTH: usize = 3;
/// Bytes for the field's name.
const FORM_NAME: usize = 16;

impl Transport for JsonpPolling {
    fn info(&self) -> &'static TransportInfo {
        &INFO
    }

    fn matches(&self, query: &Query) -> bool {
        query.transport.as_deref() == Some(INFO.wire) && query.j.is_some()
    }

    fn supports_v09(&self) -> bool {
        true
    }

    fn by_element(&self) -> bool {
        true
    }

    fn serve(&self, exchange: Exchange) -> ResponseFuture<Result<Response, Error>> {
        match purpose(exchange.request.method()) {
            Purpose::Poll => ResponseFuture::Ready(poll(&exchange)),
            Purpose::Post => ResponseFuture::Waiting(Box::pin(post(exchange))),
            Purpose::Other => ResponseFuture::Ready(Ok(unsupported())),
        }
    }

    fn respond_once(
        &self,
        _request: &Request,
        query: &Query,
        dialect: &'static dyn Dialect,
        frames: &[Frame],
    ) -> Response {
        let (content_type, script) = script(dialect, &Wire::default(), query.callback(), frames);
        response(StatusCode::OK, content_type, script)
    }
}

fn poll(exchange: &Exchange) -> Result<Response, Error> {
    let callback = exchange.query.callback();
    let encode = move |dialect: &dyn Dialect, wire: &Wire, frames: &[Frame]| {
        script(dialect, wire, callback, frames)
    };
    park(exchange, &INFO, Arc::new(encode))
}

/// The content type and body of an answer. Browsers run no script of another type under `nosniff`.
fn script(
    dialect: &dyn Dialect,
    wire: &Wire,
    callback: u32,
    frames: &[Frame],
) -> (&'static str, Bytes) {
    let payload = dialect.payload(frames, true, wire);
    let text = String::from_utf8_lossy(&payload.body);
    ("text/javascript; charset=UTF-8", dialect.jsonp_script(callback, &text).into())
}

async fn post(exchange: Exchange) -> Result<Response, Error> {
    let max = exchange.session.limits().max_payload;
    accept(exchange, &INFO, max * FORM_GROWTH + FORM_NAME, |session, body, _| {
        let Some(field) = field(body) else {
            // The reference servers accept a form without the field as one without packets.
            return Ok(Vec::new());
        };
        let payload = session.dialect().jsonp_field(&field)?;
        if payload.len() > max {
            return Err(PostError::Answer(Error::TooLarge { limit: max }));
        }
        Ok(session.dialect().read_text_payload(&payload, session.wire())?)
    })
    .await
}

/// The value of the field `d`, which holds the payload.
fn field(body: &[u8]) -> Option<Cow<'_, str>> {
    form_urlencoded::parse(body).find(|(key, _)| key == "d").map(|(_, value)| value)
}
