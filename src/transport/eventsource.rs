//! `eventsource`: server-sent events, each with one packet as a JavaScript string.

use super::stream::{self, PRELUDE, Shape};
use super::{Error, Exchange, Query, Transport};
use crate::dialect::{Dialect, Frame, json};
use crate::engine::TransportInfo;
use crate::http::{Request, Response, ResponseFuture};

#[derive(Debug)]
pub struct EventSource;

static INFO: TransportInfo =
    TransportInfo { name: "eventsource", wire: "eventsource", streams: true, duplex: false };

impl Transport for EventSource {
    fn info(&self) -> &'static TransportInfo {
        &INFO
    }

    fn matches(&self, query: &Query) -> bool {
        query.transport.as_deref() == Some(INFO.wire)
    }

    fn advertised(&self, own_client: bool) -> bool {
        own_client
    }

    fn serve(&self, exchange: Exchange) -> ResponseFuture<Result<Response, Error>> {
        stream::serve(exchange, &INFO, |_| shape(), |response| response)
    }

    fn respond_once(
        &self,
        _request: &Request,
        _query: &Query,
        dialect: &'static dyn Dialect,
        frames: &[Frame],
    ) -> Response {
        stream::respond_once(dialect, frames, shape())
    }
}

fn shape() -> Shape {
    // A comment, to fill what is held back on the way.
    let mut prelude = vec![b' '; PRELUDE];
    prelude[0] = b':';
    prelude.extend_from_slice(b"\n\n");
    Shape { content_type: "text/event-stream; charset=utf-8", prelude, write }
}

fn write(out: &mut Vec<u8>, packet: &str) {
    out.extend_from_slice(b"data: ");
    json::write_js_string(out, packet);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let mut out = Vec::new();
        write(&mut out, "4a\r\nb");
        assert_eq!(out, b"data: \"4a\\r\\nb\"\n\n");
        assert!(shape().prelude.len() >= PRELUDE);
    }
}
