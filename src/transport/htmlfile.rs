//! `htmlfile`: a page in a hidden iframe that never ends, each packet a script in it.

use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::stream::{self, PRELUDE, Shape};
use super::{Error, Exchange, Query, Transport};
use crate::dialect::{Dialect, Frame, json};
use crate::engine::TransportInfo;
use crate::http::{Request, Response, ResponseFuture};

#[derive(Debug)]
pub struct HtmlFile;

static INFO: TransportInfo =
    TransportInfo { name: "htmlfile", wire: "htmlfile", streams: true, duplex: false };

/// Scripts run only in this response, and only because the transport is made of them; nothing can
/// be loaded, and no other site can frame it.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; frame-ancestors 'self'";

impl Transport for HtmlFile {
    fn info(&self) -> &'static TransportInfo {
        &INFO
    }

    fn matches(&self, query: &Query) -> bool {
        query.transport.as_deref() == Some(INFO.wire)
    }

    fn advertised(&self, own_client: bool) -> bool {
        own_client
    }

    fn supports_v09(&self) -> bool {
        true
    }

    fn by_element(&self) -> bool {
        true
    }

    fn serve(&self, exchange: Exchange) -> ResponseFuture<Result<Response, Error>> {
        let shape =
            |exchange: &Exchange| shape(exchange.session.dialect(), exchange.query.callback());
        stream::serve(exchange, &INFO, shape, secured)
    }

    fn respond_once(
        &self,
        _request: &Request,
        query: &Query,
        dialect: &'static dyn Dialect,
        frames: &[Frame],
    ) -> Response {
        secured(stream::respond_once(dialect, frames, shape(dialect, query.callback())))
    }
}

fn secured(mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn shape(dialect: &dyn Dialect, index: u32) -> Shape {
    let callback = dialect.frame_callback(index);
    let mut page = format!("<html><body><script>var _ = function (m) {{ {callback}; }};</script>");
    page.extend(std::iter::repeat_n(' ', PRELUDE.saturating_sub(page.len())));
    Shape { content_type: "text/html; charset=utf-8", prelude: page.into_bytes(), write }
}

fn write(out: &mut Vec<u8>, packet: &str) {
    out.extend_from_slice(b"<script>_(");
    json::write_js_string(out, packet);
    out.extend_from_slice(b");</script>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::socketio09::SocketIo09;

    #[test]
    fn packets_are_scripts_that_cannot_end_early() {
        // As captured from the old server (socketio-0.9.md §15).
        let packet = r#"5:::{"name":"uni","args":["€😀 </script> \"q\" \\ / \n+&=% end"]}"#;
        let expected = r#"<script>_("5:::{\"name\":\"uni\",\"args\":[\"€😀 <\/script> \\\"q\\\" \\\\ \/ \\n+&=% end\"]}");</script>"#;
        let mut out = Vec::new();
        write(&mut out, packet);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_prelude_is_long_enough() {
        let shape = shape(&SocketIo09, 0);
        assert_eq!(shape.prelude.len(), PRELUDE);
        assert!(shape.prelude.starts_with(
            b"<html><body><script>var _ = function (m) { parent.s._(m,document); };</script> "
        ));
    }
}
