//! What comes before HTTP on a connection: a PROXY header, the TLS handshake. Who is turned away here
//! is so by name.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracing::debug;

use super::proxy_protocol::{self, HeaderError};
use super::tls::Tls;
use crate::policy::{Networks, Scheme};
use crate::transport::{Peer, Pipe};

/// The way in of one listener.
#[derive(Clone, Default)]
pub(super) struct Entrance {
    /// Who may, and has to, send a PROXY header.
    pub proxies: Option<Arc<Networks>>,
    pub tls: Option<Tls>,
}

/// Why a connection was closed before its first request.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnedAway {
    #[error("TLS on the plain port")]
    TlsOnPlain,
    #[error("plain HTTP on the TLS port")]
    HttpOnTls(TcpStream),
    #[error("neither TLS nor HTTP on the TLS port")]
    NotTls,
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("not a trusted proxy, and only these may connect")]
    UntrustedProxy,
    #[error("bad PROXY header: {0}")]
    ProxyHeader(HeaderError),
    #[error("a PROXY header, but proxy-protocol is off")]
    UnexpectedProxyHeader,
    #[error("nothing to serve came within header-timeout")]
    Slow,
    #[error("the connection ended before it said anything")]
    Left,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
}

/// A TLS record: fatal alert, handshake failure. It has the other end say so at once.
const ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 40];

/// The first byte of a TLS connection: a handshake record. No HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 22;

/// Whether `first`, with which a connection begins, is not for a port of plain HTTP.
pub(super) fn not_http(first: &[u8]) -> Option<TurnedAway> {
    if first.first() == Some(&TLS_HANDSHAKE) {
        return Some(TurnedAway::TlsOnPlain);
    }
    proxy_protocol::begins(first).then_some(TurnedAway::UnexpectedProxyHeader)
}

impl TurnedAway {
    /// What to say before the connection is closed, in the language of the other side.
    pub fn alert(&self) -> Option<&'static [u8]> {
        matches!(self, TurnedAway::TlsOnPlain).then_some(&ALERT)
    }

    /// `remote` is who is turned away.
    pub fn log(&self, remote: IpAddr) {
        debug!(%remote, reason = %self, "connection refused");
    }
}

impl Entrance {
    /// Nothing comes before HTTP.
    pub fn is_open(&self) -> bool {
        self.proxies.is_none() && self.tls.is_none()
    }

    /// Brings a connection to where HTTP begins, and `peer` to what was learned on the way.
    ///
    /// # Errors
    /// If it is to be closed.
    pub async fn admit(&self, mut tcp: TcpStream, peer: &mut Peer) -> Result<Pipe, TurnedAway> {
        if let Some(proxies) = &self.proxies {
            if !proxies.contains(peer.remote) {
                return Err(TurnedAway::UntrustedProxy);
            }
            let told = proxy_protocol::read(&mut tcp).await.map_err(TurnedAway::ProxyHeader)?;
            peer.remote = told.client.unwrap_or(peer.remote);
            if told.encrypted {
                peer.scheme = Scheme::Https;
            }
        }
        let Some(tls) = &self.tls else { return Ok(Pipe::plain(tcp)) };
        match first_bytes(&tcp).await? {
            First::Tls => {}
            First::Http => return Err(TurnedAway::HttpOnTls(tcp)),
            First::ProxyHeader => return Err(TurnedAway::UnexpectedProxyHeader),
            First::Garbage => return Err(TurnedAway::NotTls),
        }
        let stream = tls.accept(tcp).await.map_err(TurnedAway::Handshake)?;
        peer.scheme = Scheme::Https;
        let (tcp, tls) = stream.into_inner();
        Ok(Pipe::encrypted(tcp, tls))
    }
}

/// What a connection to the TLS port begins with.
enum First {
    Tls,
    Http,
    ProxyHeader,
    Garbage,
}

/// Looks at the first bytes, and leaves them where they are.
async fn first_bytes(tcp: &TcpStream) -> Result<First, TurnedAway> {
    let mut first = [0; 16];
    let count = tcp.peek(&mut first).await.map_err(TurnedAway::Broken)?;
    let first = &first[..count];
    Ok(match first {
        [] => return Err(TurnedAway::Left),
        [TLS_HANDSHAKE, ..] => First::Tls,
        _ if proxy_protocol::begins(first) => First::ProxyHeader,
        [b'A'..=b'Z' | b'a'..=b'z', ..] => First::Http,
        _ => First::Garbage,
    })
}

const SPEAKS_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 23\r\n\
    Connection: close\r\n\r\n\
    this port speaks https\n";

/// Bytes of a request that are read after the answer was sent.
const READ_ON: u64 = 256 * 1024;

/// Tells someone who speaks plain HTTP to the TLS port.
pub(super) async fn say_https(mut tcp: TcpStream, patience: Duration) {
    let say = async {
        tcp.write_all(SPEAKS_HTTPS).await?;
        tcp.shutdown().await?;
        // If it were closed with something unread, the answer might be lost.
        tokio::io::copy(&mut tcp.take(READ_ON), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(patience, say).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_http_has_a_name() {
        let named = |first: &[u8]| not_http(first).map(|turned_away| turned_away.to_string());
        assert_eq!(named(b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(named(b"P"), None);
        assert_eq!(named(b""), None);
        assert_eq!(named(&[22, 3, 1, 2, 0]).as_deref(), Some("TLS on the plain port"));
        for header in [&b"PROXY TCP4 "[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11"] {
            let expected = "a PROXY header, but proxy-protocol is off";
            assert_eq!(named(header).as_deref(), Some(expected));
        }
    }
}
