//! Sends a request to another node: its head as it came, without what concerns one connection alone, with what
//! is known of its client; then its body, as it comes.

use std::io;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::counts::RelayCounts;
use super::facts::{ClientFacts, HEADER};
use crate::http::Incoming;
use crate::http::headers::header_has;
use crate::http::write::write_chunk;
use crate::net::ByteStream;

/// Headers that are for one connection (RFC 9110 §7.6.1), and those that this node writes itself.
const DROPPED: [HeaderName; 12] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    CONTENT_LENGTH,
    EXPECT,
    UPGRADE,
    HEADER,
];

/// Writes the head of a request, and the body if it is there.
pub(super) fn write(parts: &Parts, body: &Incoming, client: ClientFacts) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in parts.headers.iter().filter(|(name, _)| !DROPPED.contains(name)) {
        header(&mut out, name, value.as_bytes());
    }
    // As far as it was there, and may be: the owner says what is missing.
    for value in parts.headers.get_all(UPGRADE) {
        header(&mut out, &UPGRADE, value.as_bytes());
    }
    if parts.version >= Version::HTTP_11 && header_has(&parts.headers, CONNECTION, "upgrade") {
        header(&mut out, &CONNECTION, b"Upgrade");
    }
    out.extend_from_slice(HEADER.as_str().as_bytes());
    out.extend_from_slice(b": ");
    client.write(&mut out);
    out.extend_from_slice(b"\r\n");
    match body {
        Incoming::Whole(bytes) if bytes.is_empty() && parts.method == Method::GET => {}
        _ => match body.size_hint().exact() {
            Some(length) => header(&mut out, &CONTENT_LENGTH, length.to_string().as_bytes()),
            None => header(&mut out, &TRANSFER_ENCODING, b"chunked"),
        },
    }
    out.extend_from_slice(b"\r\n");
    if let Incoming::Whole(bytes) = body {
        out.extend_from_slice(bytes);
    }
    out
}

fn header(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The client's body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the client's body broke off")]
pub(super) struct BodyBroke;

/// Sends the rest of a body, piece by piece. What it has of it at a time is what hyper has read.
pub(super) async fn send_body(
    stream: &ByteStream,
    mut body: Incoming,
    counts: &RelayCounts,
) -> io::Result<()> {
    let in_chunks = body.size_hint().exact().is_none();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| io::Error::other(BodyBroke))?.into_data() else {
            continue;
        };
        // An empty chunk would be the last.
        if piece.is_empty() {
            continue;
        }
        send(stream, &piece, in_chunks).await?;
        counts.to_owner(piece.len());
    }
    match in_chunks {
        true => send(stream, &Bytes::new(), true).await,
        false => Ok(()),
    }
}

async fn send(stream: &ByteStream, piece: &Bytes, in_chunks: bool) -> io::Result<()> {
    if !in_chunks {
        return stream.write_all(piece).await;
    }
    let mut out = Vec::with_capacity(piece.len() + 16);
    write_chunk(&mut out, piece);
    stream.write_all(&out).await
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::policy::Scheme;

    fn written(request: http::request::Builder, body: &'static str) -> String {
        let request = request.body(Incoming::Whole(body.into())).unwrap();
        let (parts, body) = request.into_parts();
        let facts = ClientFacts { remote: [203, 0, 113, 7].into(), scheme: Scheme::Https };
        String::from_utf8(write(&parts, &body, facts)).unwrap()
    }

    #[test]
    fn a_poll_goes_on_as_it_came() {
        let request = Request::get("/socket.io/?EIO=4&sid=x")
            .header("Host", "chat.example")
            .header("Connection", "keep-alive")
            .header("Keep-Alive", "timeout=5")
            .header("Cookie", "a=1")
            .header("X-Forwarded-For", "198.51.100.1")
            .header("Parlance-Client", "127.0.0.1 http");
        assert_eq!(
            written(request, ""),
            "GET /socket.io/?EIO=4&sid=x HTTP/1.1\r\nhost: chat.example\r\ncookie: a=1\r\n\
             x-forwarded-for: 198.51.100.1\r\nparlance-client: 203.0.113.7 https\r\n\r\n"
        );
    }

    #[test]
    fn bodies_and_upgrades_go_on() {
        let request = Request::post("/socket.io/1/xhr-polling/x").header("Expect", "100-continue");
        assert_eq!(
            written(request, "3:::hi"),
            "POST /socket.io/1/xhr-polling/x HTTP/1.1\r\nparlance-client: 203.0.113.7 https\r\n\
             content-length: 6\r\n\r\n3:::hi"
        );
        let upgrade = |version, connection| {
            let request = Request::get("/").version(version).header("Connection", connection);
            let request = request.header("Upgrade", "websocket");
            written(request, "").contains("connection: Upgrade\r\n")
        };
        assert!(upgrade(Version::HTTP_11, "keep-alive, upgrade"));
        assert!(!upgrade(Version::HTTP_11, "keep-alive"));
        assert!(!upgrade(Version::HTTP_10, "Upgrade"));
    }
}
