//! Request bodies. Each contains its own deadline, so that no code can read one without a deadline.

use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::{Either, select};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::net::ConnWriter;

/// The body of a request.
pub enum Incoming {
    /// The whole body has arrived.
    Whole(Bytes),
    /// A part of the body is still to be read from the connection.
    Partial(Box<PartialBody>),
    /// hyper reads the body.
    Hyper(HyperBody),
}

/// A body of known length of which a part has arrived.
pub struct PartialBody {
    /// The part that has arrived.
    pub(crate) first: Vec<u8>,
    /// Length of the whole body in bytes.
    pub(crate) length: usize,
    pub(crate) writer: Arc<ConnWriter>,
    pub(crate) deadline: BodyDeadline,
    /// Set when the last byte was read: only then may the next request be read.
    pub(crate) read: Arc<AtomicBool>,
}

/// A body that hyper reads. Reading fails after the deadline.
pub struct HyperBody {
    body: hyper::body::Incoming,
    deadline: BodyDeadline,
    late: Arc<AtomicBool>,
}

/// How long a server that stops still waits for bodies.
const GRACE: Duration = Duration::from_secs(2);

/// The deadline of a whole body. Bytes that arrive do not extend it.
pub struct BodyDeadline {
    until: Instant,
    stopping: CancellationToken,
    /// Created on the first wait.
    alarm: Option<Box<Alarm>>,
}

struct Alarm {
    sleep: Pin<Box<Sleep>>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether the deadline was moved up because the server stops.
    shortened: bool,
}

impl BodyDeadline {
    /// Expires after `time`, or [`GRACE`] after `stopping` is cancelled, whichever is sooner.
    pub fn new(time: Duration, stopping: &CancellationToken) -> Self {
        BodyDeadline { until: Instant::now() + time, stopping: stopping.clone(), alarm: None }
    }

    /// Ready when the deadline has expired.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let BodyDeadline { until, stopping, alarm } = self;
        let alarm = alarm.get_or_insert_with(|| {
            let stopping = Box::pin(stopping.clone().cancelled_owned());
            Box::new(Alarm { sleep: Box::pin(sleep_until(*until)), stopping, shortened: false })
        });
        if !alarm.shortened && alarm.stopping.as_mut().poll(cx).is_ready() {
            alarm.shortened = true;
            alarm.sleep.as_mut().reset((*until).min(Instant::now() + GRACE));
        }
        alarm.sleep.as_mut().poll(cx)
    }

    async fn expired(&mut self) {
        std::future::poll_fn(|cx| self.poll_expired(cx)).await;
    }
}

/// Reads a request body of at most `limit` bytes. Calls `held` with the size of the buffer in bytes
/// each time that it grows.
///
/// # Errors
/// If the body is larger than `limit`, or incomplete at its deadline.
pub async fn read_body(
    body: Incoming,
    limit: usize,
    held: impl FnMut(usize),
) -> Result<Bytes, BodyError> {
    let length = match &body {
        Incoming::Whole(bytes) => bytes.len(),
        Incoming::Partial(partial) => partial.length,
        Incoming::Hyper(body) => usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX),
    };
    if length > limit {
        return Err(BodyError::TooLarge { limit });
    }
    match body {
        Incoming::Whole(bytes) => Ok(bytes),
        Incoming::Partial(partial) => {
            partial.collect(held).await.map_err(|_| BodyError::Incomplete)
        }
        Incoming::Hyper(body) => collect(body, limit, held).await,
    }
}

impl PartialBody {
    async fn collect(self, held: impl FnMut(usize)) -> io::Result<Bytes> {
        let PartialBody { first, length, writer, mut deadline, read } = self;
        let reading = pin!(read_rest(first, length, &writer, held));
        let bytes = match select(reading, pin!(deadline.expired())).await {
            Either::Left((bytes, _)) => bytes?,
            Either::Right(_) => return Err(ErrorKind::TimedOut.into()),
        };
        read.store(true, Ordering::Release);
        Ok(bytes.into())
    }
}

/// Reads until `first` has `length` bytes.
async fn read_rest(
    mut first: Vec<u8>,
    length: usize,
    writer: &ConnWriter,
    mut held: impl FnMut(usize),
) -> io::Result<Vec<u8>> {
    let mut at = first.len();
    while at < length {
        // Double the buffer as bytes arrive, so that a large Content-Length alone allocates
        // nothing.
        let room = length.min((at * 2).max(4096));
        if room > first.len() {
            first.resize(room, 0);
            held(first.capacity());
        }
        match writer.stream().read(&mut first[at..]).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => at += count,
        }
    }
    Ok(first)
}

async fn collect(
    mut body: HyperBody,
    limit: usize,
    mut held: impl FnMut(usize),
) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let before = whole.capacity();
        whole.extend_from_slice(&data);
        if whole.capacity() > before {
            held(whole.capacity());
        }
    }
    Ok(whole.freeze())
}

impl HyperBody {
    pub(crate) fn new(body: hyper::body::Incoming, deadline: BodyDeadline) -> Self {
        HyperBody { body, deadline, late: Arc::default() }
    }

    /// A flag that becomes true if the body is incomplete at its deadline.
    pub(crate) fn late(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.late)
    }
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BodyError {
    #[error("the body is over {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not come whole in time")]
    Incomplete,
}

/// Why a body that hyper reads broke off.
#[derive(Debug, thiserror::Error)]
pub enum HyperBodyError {
    #[error("the body did not come whole in time")]
    Late,
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

impl Body for HyperBody {
    type Data = Bytes;
    type Error = HyperBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HyperBodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(HyperBodyError::Broken)));
        }
        ready!(self.deadline.poll_expired(cx));
        self.late.store(true, Ordering::Release);
        Poll::Ready(Some(Err(HyperBodyError::Late)))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for HyperBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HyperBody").field(&self.body).finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::sleep;

    use super::*;
    use crate::net::ByteStream;

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_time_and_less_in_a_shutdown() {
        for (time, stopped, over) in [(10, 60, 10), (10, 0, 2), (10, 3, 5), (10, 9, 10)] {
            let (start, stopping) = (Instant::now(), CancellationToken::new());
            let mut deadline = BodyDeadline::new(Duration::from_secs(time), &stopping);
            let stop = sleep(Duration::from_secs(stopped));
            select(pin!(deadline.expired()), pin!(stop)).await;
            stopping.cancel();
            deadline.expired().await;
            assert_eq!(start.elapsed().as_secs(), over, "stopped after {stopped} of {time} s");
        }
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_whole_and_its_room_grows_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let writer = ConnWriter::new(ByteStream::plain(listener.accept().await.unwrap().0), None);
        let body: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut held = Vec::new();
        let reading = read_rest(body[..3].to_vec(), body.len(), &writer, |bytes| held.push(bytes));
        let (read, written) = tokio::join!(reading, client.write_all(&body[3..]));
        written.unwrap();
        assert!(read.unwrap() == body);
        assert!(held.is_sorted() && held.len() < 200, "{held:?}");
        assert!((4096..8192).contains(&held[0]) && *held.last().unwrap() >= body.len(), "{held:?}");
    }
}
