//! A connection in memory: our side is a [`ByteStream`](super::ByteStream), the other one reads and writes as
//! any stream of Tokio. For connections that another HTTP server has accepted.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that each direction holds.
const CAPACITY: usize = 16 * 1024;

/// Our side.
#[derive(Debug)]
pub(super) struct Pipe(Arc<Shared>);

/// The other side. Dropping it ends both directions.
#[derive(Debug)]
pub struct FarEnd(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// To our side.
    inward: Mutex<Flow>,
    /// From our side.
    outward: Mutex<Flow>,
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    bytes: BytesMut,
    /// Nothing more will be written. What is there can be read.
    ended: bool,
    /// Nobody will read.
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Both sides of a new connection.
pub(super) fn pipe() -> (Pipe, FarEnd) {
    let shared = Arc::<Shared>::default();
    (Pipe(Arc::clone(&shared)), FarEnd(shared))
}

impl Flow {
    fn read(&mut self, most: usize, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        if self.bytes.is_empty() {
            return if self.ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let count = self.bytes.len().min(most);
        take(&self.bytes[..count]);
        self.bytes.advance(count);
        if self.bytes.is_empty() {
            // An idle connection holds no buffer.
            self.bytes = BytesMut::new();
        }
        wake(&mut self.writer);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unread || self.ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(CAPACITY - self.bytes.len());
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.bytes.extend_from_slice(&bytes[..count]);
        wake(&mut self.reader);
        Ok(count)
    }

    fn poll_readable(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.bytes.is_empty() || self.ended {
            return Poll::Ready(());
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_writable(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.bytes.len() < CAPACITY || self.unread || self.ended {
            return Poll::Ready(());
        }
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn end(&mut self) {
        self.ended = true;
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    /// Its reader has gone.
    fn abandon(&mut self) {
        self.unread = true;
        self.bytes = BytesMut::new();
        self.end();
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn lock(flow: &Mutex<Flow>) -> MutexGuard<'_, Flow> {
    flow.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipe {
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.0.inward)
            .read(buffer.len(), |bytes| buffer[..bytes.len()].copy_from_slice(bytes))
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0.outward).write(bytes)
    }

    pub fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<()> {
        lock(&self.0.inward).poll_readable(cx)
    }

    pub fn poll_write_ready(&self, cx: &Context<'_>) -> Poll<()> {
        lock(&self.0.outward).poll_writable(cx)
    }

    /// Whether the other side has gone.
    pub fn has_ended(&self) -> bool {
        lock(&self.0.inward).ended
    }

    pub fn end_writing(&self) {
        lock(&self.0.outward).end();
    }

    pub fn cut(&self) {
        lock(&self.0.inward).abandon();
        lock(&self.0.outward).abandon();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        lock(&self.0.inward).abandon();
        lock(&self.0.outward).end();
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        lock(&self.0.inward).end();
        lock(&self.0.outward).abandon();
    }
}

impl AsyncRead for FarEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut flow = lock(&self.0.outward);
        ready!(flow.poll_readable(cx));
        let room = buffer.remaining();
        Poll::Ready(flow.read(room, |bytes| buffer.put_slice(bytes)).map(|_| ()))
    }
}

impl AsyncWrite for FarEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut flow = lock(&self.0.inward);
        ready!(flow.poll_writable(cx));
        Poll::Ready(flow.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0.inward).end();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::super::ByteStream;

    #[tokio::test]
    async fn bytes_cross_in_both_directions_in_order_and_in_bounds() {
        let (near, mut far) = ByteStream::pipe();
        far.write_all(b"in").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(near.read(&mut buffer).await.unwrap(), 2);
        assert_eq!(&buffer[..2], b"in");
        let much: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        assert_eq!(near.try_write(&much).unwrap(), super::CAPACITY);
        assert!(near.try_write(&much).is_err(), "full");
        let rest = much[super::CAPACITY..].to_vec();
        let writing = tokio::spawn(async move {
            near.write_all(&rest).await.unwrap();
            near.shut_down().await.unwrap();
            // The end of what comes the other way.
            assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
            near
        });
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert!(all == much);
        far.shutdown().await.unwrap();
        let near = writing.await.unwrap();
        assert!(near.has_ended());
        assert!(near.try_write(b"x").is_err(), "it is shut down");
    }

    #[tokio::test]
    async fn who_waits_is_woken_when_the_other_side_goes() {
        let (near, mut far) = ByteStream::pipe();
        assert!(!near.has_ended());
        let reading = tokio::spawn(async move { far.read(&mut [0; 8]).await.unwrap() });
        tokio::task::yield_now().await;
        near.cut();
        assert_eq!(timeout(Duration::from_secs(9), reading).await.unwrap().unwrap(), 0);

        let (near, far) = ByteStream::pipe();
        let reading = tokio::spawn(async move {
            let count = near.read(&mut [0; 8]).await.unwrap();
            (count, near.has_ended(), near.try_write(b"x").is_err())
        });
        tokio::task::yield_now().await;
        drop(far);
        let ended = timeout(Duration::from_secs(9), reading).await.unwrap().unwrap();
        assert_eq!(ended, (0, true, true));

        // What was written before the end arrives.
        let (near, mut far) = ByteStream::pipe();
        near.write_all(b"bye").await.unwrap();
        drop(near);
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "bye");
        assert!(far.write_all(b"x").await.is_err());
    }
}
