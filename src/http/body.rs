//! Bodies of requests. Each comes with the clock that it has to come by, so that nobody can read one
//! without.

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
    /// All of it is here.
    Whole(Bytes),
    /// Some is still on its way.
    Coming(Box<Coming>),
    /// It comes in a form that hyper reads.
    Hyper(HyperBody),
}

/// A body of known length that has not arrived whole.
pub struct Coming {
    /// What is here.
    pub(crate) first: Vec<u8>,
    /// Bytes of all of it.
    pub(crate) length: usize,
    pub(crate) writer: Arc<ConnWriter>,
    pub(crate) clock: Clock,
    /// Told when the last byte was read, so that the next request may be.
    pub(crate) read: Arc<AtomicBool>,
}

/// A body that the HTTP library reads. It fails when its time is over.
pub struct HyperBody {
    body: hyper::body::Incoming,
    clock: Clock,
    late: Arc<AtomicBool>,
}

/// How long a server that stops waits for what was begun.
const GRACE: Duration = Duration::from_secs(2);

/// The time that a body has, from when it is made: all of it, however little comes at a time.
pub struct Clock {
    until: Instant,
    stopping: CancellationToken,
    /// Made when something is waited for.
    alarm: Option<Box<Alarm>>,
}

struct Alarm {
    sleep: Pin<Box<Sleep>>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    hurried: bool,
}

impl Clock {
    /// `time` is how long it may take, or [`GRACE`] from when `stopping` is cancelled, if that is sooner.
    pub fn new(time: Duration, stopping: &CancellationToken) -> Self {
        Clock { until: Instant::now() + time, stopping: stopping.clone(), alarm: None }
    }

    /// Ready when the time is over.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Clock { until, stopping, alarm } = self;
        let alarm = alarm.get_or_insert_with(|| {
            let stopping = Box::pin(stopping.clone().cancelled_owned());
            Box::new(Alarm { sleep: Box::pin(sleep_until(*until)), stopping, hurried: false })
        });
        if !alarm.hurried && alarm.stopping.as_mut().poll(cx).is_ready() {
            alarm.hurried = true;
            alarm.sleep.as_mut().reset((*until).min(Instant::now() + GRACE));
        }
        alarm.sleep.as_mut().poll(cx)
    }

    async fn over(&mut self) {
        std::future::poll_fn(|cx| self.poll_over(cx)).await;
    }
}

/// Reads a request body of at most `limit` bytes. `held` is told how many bytes of memory that takes, each time that it
/// is more.
///
/// # Errors
/// If it is larger, or does not come whole within its time.
pub async fn read_body(
    body: Incoming,
    limit: usize,
    held: impl FnMut(usize),
) -> Result<Bytes, BodyError> {
    let length = match &body {
        Incoming::Whole(bytes) => bytes.len(),
        Incoming::Coming(coming) => coming.length,
        Incoming::Hyper(body) => usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX),
    };
    if length > limit {
        return Err(BodyError::TooLarge { limit });
    }
    match body {
        Incoming::Whole(bytes) => Ok(bytes),
        Incoming::Coming(coming) => coming.collect(held).await.map_err(|_| BodyError::Incomplete),
        Incoming::Hyper(body) => collect(body, limit, held).await,
    }
}

impl Coming {
    async fn collect(self, held: impl FnMut(usize)) -> io::Result<Bytes> {
        let Coming { first, length, writer, mut clock, read } = self;
        let bytes = match select(pin!(rest(first, length, &writer, held)), pin!(clock.over())).await
        {
            Either::Left((bytes, _)) => bytes?,
            Either::Right(_) => return Err(ErrorKind::TimedOut.into()),
        };
        read.store(true, Ordering::Release);
        Ok(bytes.into())
    }
}

async fn rest(
    mut first: Vec<u8>,
    length: usize,
    writer: &ConnWriter,
    mut held: impl FnMut(usize),
) -> io::Result<Vec<u8>> {
    let mut at = first.len();
    while at < length {
        // As much room as has come so far, so that a promise of much costs nothing.
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
    pub(crate) fn new(body: hyper::body::Incoming, clock: Clock) -> Self {
        HyperBody { body, clock, late: Arc::default() }
    }

    /// Becomes true when the body did not come whole in its time, whoever reads it.
    pub(crate) fn late(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.late)
    }
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BodyError {
    #[error("the body is over {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not come whole in time")]
    Incomplete,
}

/// Why a body that the HTTP library reads ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    #[error("the body did not come whole in time")]
    Late,
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

impl Body for HyperBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Cut::Broken)));
        }
        ready!(self.clock.poll_over(cx));
        self.late.store(true, Ordering::Release);
        Poll::Ready(Some(Err(Cut::Late)))
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
            let mut clock = Clock::new(Duration::from_secs(time), &stopping);
            let stop = sleep(Duration::from_secs(stopped));
            select(pin!(clock.over()), pin!(stop)).await;
            stopping.cancel();
            clock.over().await;
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
        let reading = rest(body[..3].to_vec(), body.len(), &writer, |bytes| held.push(bytes));
        let (read, written) = tokio::join!(reading, client.write_all(&body[3..]));
        written.unwrap();
        assert!(read.unwrap() == body);
        assert!(held.is_sorted() && held.len() < 200, "{held:?}");
        assert!((4096..8192).contains(&held[0]) && *held.last().unwrap() >= body.len(), "{held:?}");
    }
}
