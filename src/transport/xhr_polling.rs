//! `xhr-polling`: a GET waits for packets to the client, a POST carries packets from it.

use std::sync::Arc;

use http::StatusCode;

use super::poll::{Purpose, accept_payload, park, purpose, unsupported};
use super::{Error, Exchange, Query, Transport};
use crate::dialect::{Dialect, Frame, Wire};
use crate::engine::TransportInfo;
use crate::http::{Request, Response, ResponseFuture, response};

#[derive(Debug)]
pub struct XhrPolling;

static INFO: TransportInfo =
    TransportInfo { name: "xhr-polling", wire: "polling", streams: false, duplex: false };

impl Transport for XhrPolling {
    fn info(&self) -> &'static TransportInfo {
        &INFO
    }

    fn matches(&self, query: &Query) -> bool {
        query.transport.as_deref() == Some(INFO.wire) && query.j.is_none()
    }

    fn supports_v09(&self) -> bool {
        true
    }

    fn serve(&self, exchange: Exchange) -> ResponseFuture<Result<Response, Error>> {
        match purpose(exchange.request.method()) {
            Purpose::Poll => ResponseFuture::Ready(poll(&exchange)),
            Purpose::Post => ResponseFuture::Waiting(Box::pin(accept_payload(exchange, &INFO))),
            Purpose::Other => ResponseFuture::Ready(Ok(unsupported())),
        }
    }

    fn respond_once(
        &self,
        _request: &Request,
        _query: &Query,
        dialect: &'static dyn Dialect,
        frames: &[Frame],
    ) -> Response {
        let payload = dialect.payload(frames, false, &Wire::default());
        response(StatusCode::OK, payload.content_type, payload.body)
    }
}

fn poll(exchange: &Exchange) -> Result<Response, Error> {
    let Exchange { session, query, .. } = exchange;
    let text_only = query.b64 || session.wire().base64;
    let encode = move |dialect: &dyn Dialect, wire: &Wire, frames: &[Frame]| {
        let payload = dialect.payload(frames, text_only, wire);
        (payload.content_type, payload.body)
    };
    park(exchange, &INFO, Arc::new(encode))
}
