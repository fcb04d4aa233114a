//! The start of a connection, before HTTP: the PROXY header and the TLS handshake. Each reason to
//! close a connection here has a name.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracing::{debug, warn};

use super::tls::Tls;
use crate::admission::Peer;
use crate::net::ByteStream;
use crate::net::first_bytes::{FirstBytes, PEEK_BYTES};
use crate::net::proxy_protocol::{self, HeaderError};
use crate::policy::{Networks, Scheme};
use crate::relay::{Node, NotANode, Seldom};

/// What one listener requires before HTTP.
#[derive(Clone, Default)]
pub(super) struct Acceptor {
    /// The only addresses that may connect. They must send a PROXY header.
    pub proxies: Option<Arc<Networks>>,
    pub tls: Option<Tls>,
    /// Only other nodes of the cluster may connect, as whom this one waits for.
    pub nodes: Option<Arc<Node>>,
}

/// Why a connection was closed before its first request.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcceptError {
    #[error("TLS on the plain port")]
    TlsOnPlain,
    #[error("plain HTTP on the TLS port")]
    HttpOnTls(TcpStream),
    #[error("neither TLS nor HTTP on the TLS port")]
    NotTls,
    #[error("{0} is not spoken here")]
    Other(&'static str),
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("not a trusted proxy, and only these may connect")]
    UntrustedProxy,
    #[error("bad PROXY header: {0}")]
    ProxyHeader(HeaderError),
    #[error("a PROXY header, but proxy-protocol is off")]
    UnexpectedProxyHeader,
    #[error("no node of the cluster: {0}")]
    NotANode(NotANode),
    #[error("nothing to serve came within header-timeout")]
    Slow,
    #[error("the connection ended before it said anything")]
    Left,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
}

/// Those who are no nodes, at the port for nodes.
static STRANGERS: Seldom = Seldom::new();

/// A TLS record: fatal alert, handshake_failure. With it, a TLS client fails at once with a clear
/// error.
const ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 40];

impl AcceptError {
    /// Why a port of plain HTTP closes a connection that starts with `first`. `None` for HTTP, and
    /// for garbage, which gets 400.
    pub fn from_plain(first: &FirstBytes) -> Option<Self> {
        match first {
            FirstBytes::Tls => Some(AcceptError::TlsOnPlain),
            FirstBytes::ProxyHeader => Some(AcceptError::UnexpectedProxyHeader),
            FirstBytes::Other(protocol) => Some(AcceptError::Other(protocol)),
            FirstBytes::Http | FirstBytes::Garbage => None,
        }
    }

    /// Bytes to send before closing, in the client's protocol.
    pub fn alert(&self) -> Option<&'static [u8]> {
        matches!(self, AcceptError::TlsOnPlain).then_some(&ALERT)
    }

    /// Logs the error. `remote` is the client's address.
    pub fn log(&self, remote: IpAddr) {
        debug!(%remote, reason = %self, "connection refused");
        if let AcceptError::NotANode(why) = self
            && let Some(count) = STRANGERS.count(1)
        {
            warn!(%remote, reason = %why, count, "at node-listen somebody is no node of this cluster");
        }
    }
}

impl Acceptor {
    /// Whether connections start with HTTP.
    pub fn is_plain(&self) -> bool {
        self.proxies.is_none() && self.tls.is_none() && self.nodes.is_none()
    }

    /// Reads the PROXY header and does the TLS handshake, as configured. Updates `peer` with the
    /// client's address and scheme. The caller sets the deadline.
    ///
    /// # Errors
    /// If the connection must be closed.
    pub async fn accept(
        &self,
        mut tcp: TcpStream,
        peer: &mut Peer,
    ) -> Result<ByteStream, AcceptError> {
        if let Some(node) = &self.nodes {
            return node.accept(tcp).await.map_err(AcceptError::NotANode);
        }
        if let Some(proxies) = &self.proxies {
            if !proxies.contains(peer.remote) {
                return Err(AcceptError::UntrustedProxy);
            }
            let header = proxy_protocol::read(&mut tcp).await.map_err(AcceptError::ProxyHeader)?;
            peer.remote = header.client.unwrap_or(peer.remote);
            if header.encrypted {
                peer.scheme = Scheme::Https;
            }
        }
        let Some(tls) = &self.tls else { return Ok(ByteStream::plain(tcp)) };
        match first_bytes(&tcp).await? {
            FirstBytes::Tls => {}
            FirstBytes::Http => return Err(AcceptError::HttpOnTls(tcp)),
            FirstBytes::Other(protocol) => return Err(AcceptError::Other(protocol)),
            FirstBytes::ProxyHeader => return Err(AcceptError::UnexpectedProxyHeader),
            FirstBytes::Garbage => return Err(AcceptError::NotTls),
        }
        let stream = tls.accept(tcp).await.map_err(AcceptError::Handshake)?;
        peer.scheme = Scheme::Https;
        let (tcp, tls) = stream.into_inner();
        Ok(ByteStream::encrypted(tcp, tls))
    }
}

/// Peeks at the first bytes without consuming them.
async fn first_bytes(tcp: &TcpStream) -> Result<FirstBytes, AcceptError> {
    let mut first = [0; PEEK_BYTES];
    match tcp.peek(&mut first).await.map_err(AcceptError::Broken)? {
        0 => Err(AcceptError::Left),
        count => Ok(FirstBytes::of(&first[..count])),
    }
}

/// The answer to plain HTTP on the TLS port.
const SPEAKS_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 23\r\n\
    Connection: close\r\n\r\n\
    this port speaks https\n";

/// Bytes of the request that are discarded after the answer.
const DISCARD: u64 = 256 * 1024;

/// Answers plain HTTP on the TLS port, within `patience`, and closes the connection.
pub(super) async fn answer_plain_http(mut tcp: TcpStream, patience: Duration) {
    let answer = async {
        tcp.write_all(SPEAKS_HTTPS).await?;
        tcp.shutdown().await?;
        // Closing with unread input would reset the connection, and the answer could be lost.
        tokio::io::copy(&mut tcp.take(DISCARD), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(patience, answer).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connection_begins_with_has_a_name() {
        let on_plain = |first: &[u8]| {
            let first = FirstBytes::of(first);
            let error = AcceptError::from_plain(&first);
            assert_eq!(error.is_none(), first.may_be_http());
            error.map(|error| error.to_string())
        };
        let long = [b"GET /?", &[b'x'; 1000][..]].concat();
        for (bytes, first, name) in [
            (&b"GET / HTTP/1.1\r\n"[..], FirstBytes::Http, None),
            (b"P", FirstBytes::Http, None),
            (b"propfind /a HTTP/1.0\n", FirstBytes::Http, None),
            (&long[..PEEK_BYTES], FirstBytes::Http, None),
            (&[22, 3, 1, 2, 0], FirstBytes::Tls, Some("TLS on the plain port")),
            (&[22], FirstBytes::Tls, Some("TLS on the plain port")),
            (&[0x80, 0x2e, 1, 3, 0], FirstBytes::Other("SSL 2"), Some("SSL 2 is not spoken here")),
            (&[0x40, 0x2e, 1, 3, 0], FirstBytes::Garbage, None),
            (b"SSH-2.0-OpenSSH_9.2\r\n", FirstBytes::Other("SSH"), Some("SSH is not spoken here")),
            (
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                FirstBytes::Other("HTTP/2 at once"),
                Some("HTTP/2 at once is not spoken here"),
            ),
            (
                b"PROXY TCP4 ",
                FirstBytes::ProxyHeader,
                Some("a PROXY header, but proxy-protocol is off"),
            ),
            (
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
                FirstBytes::ProxyHeader,
                Some("a PROXY header, but proxy-protocol is off"),
            ),
            // SMTP, FTP, RTSP, SIP, Redis, SOCKS, RDP, HTTP/0.9.
            (b"EHLO mail.example\r\n", FirstBytes::Garbage, None),
            (b"USER anonymous\r\n", FirstBytes::Garbage, None),
            (b"OPTIONS rtsp://a/ RTSP/1.0\r\n", FirstBytes::Garbage, None),
            (b"OPTIONS sip:nm SIP/2.0\r\n", FirstBytes::Garbage, None),
            (b"*1\r\n$4\r\nPING\r\n", FirstBytes::Garbage, None),
            (&[5, 1, 0], FirstBytes::Garbage, None),
            (&[3, 0, 0, 19, 14], FirstBytes::Garbage, None),
            (b"GET /\r\n", FirstBytes::Garbage, None),
            (b"", FirstBytes::Garbage, None),
        ] {
            assert_eq!(FirstBytes::of(bytes), first, "{bytes:?}");
            assert_eq!(on_plain(bytes).as_deref(), name, "{bytes:?}");
        }
    }
}
