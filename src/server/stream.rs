//! What HTTP runs on: a plain connection or an encrypted one.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::entrance::TurnedAway;
use super::proxy_protocol;

/// One connection. A plain one costs no more than its socket.
pub(super) enum Stream {
    Plain {
        tcp: TcpStream,
        /// Who it is from, as long as nothing has been read.
        fresh: Option<IpAddr>,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

/// A TLS record: fatal alert, handshake failure. It has the other end say so at once.
const ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 40];

/// The first byte of a TLS connection: a handshake record. No HTTP request begins with it.
pub(super) const TLS_HANDSHAKE: u8 = 22;

impl Stream {
    pub fn plain(tcp: TcpStream, remote: IpAddr) -> Self {
        Stream::Plain { tcp, fresh: Some(remote) }
    }
}

/// Whether `first`, with which a connection begins, is not for a port of plain HTTP.
fn not_http(first: &[u8]) -> Option<TurnedAway> {
    if first.first() == Some(&TLS_HANDSHAKE) {
        return Some(TurnedAway::TlsOnPlain);
    }
    proxy_protocol::begins(first).then_some(TurnedAway::UnexpectedProxyHeader)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain { tcp, fresh } => {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut *tcp).poll_read(context, buffer))?;
                let Some(remote) = fresh.take() else { return Poll::Ready(Ok(())) };
                let Some(turned_away) = not_http(&buffer.filled()[before..]) else {
                    return Poll::Ready(Ok(()));
                };
                // Logged here: hyper says nothing of a connection that ends before its first request.
                turned_away.log(remote);
                if matches!(turned_away, TurnedAway::TlsOnPlain) {
                    // There is room for it: nothing has been written yet.
                    let _ = Pin::new(tcp).poll_write(context, &ALERT);
                }
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, turned_away)))
            }
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain { tcp, .. } => Pin::new(tcp).poll_write(context, bytes),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain { tcp, .. } => Pin::new(tcp).poll_flush(context),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain { tcp, .. } => Pin::new(tcp).poll_shutdown(context),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain { tcp, .. } => Pin::new(tcp).poll_write_vectored(context, slices),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain { tcp, .. } => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }
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
