//! Request bodies. Each contains its own deadline, so that no code can read one without a deadline.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The body of a request.
#[derive(Debug)]
pub enum Incoming {
    /// The whole body has arrived.
    Whole(Bytes),
    /// A part of the body is still to come.
    Hyper(HyperBody),
    /// The body of a request that another server has read.
    Foreign(ForeignBody),
}

/// A body of another server. Reading fails after the deadline.
pub struct ForeignBody {
    /// In a lock that nobody waits for: such bodies are not `Sync`, as requests have to be.
    body: Mutex<Pin<Box<dyn Body<Data = Bytes, Error = HyperBodyError> + Send>>>,
    deadline: BodyDeadline,
}

/// A body that hyper reads. Reading fails after the deadline.
pub struct HyperBody {
    /// The part that came with the head.
    first: Bytes,
    /// Why the body broke off after that.
    failed: Option<hyper::Error>,
    rest: hyper::body::Incoming,
    deadline: BodyDeadline,
    progress: Arc<Progress>,
}

/// How far a body has been read, for those who do not read it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// All of it was read: only then may the next request be read.
    pub read: AtomicBool,
    /// It was incomplete at its deadline.
    pub late: AtomicBool,
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

    #[cfg(test)]
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
    let length = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if length > limit {
        return Err(BodyError::TooLarge { limit });
    }
    match body {
        Incoming::Whole(bytes) => Ok(bytes),
        Incoming::Hyper(body) => collect(body, limit, held).await,
        Incoming::Foreign(body) => collect(body, limit, held).await,
    }
}

async fn collect(
    mut body: impl Body<Data = Bytes, Error = HyperBodyError> + Unpin,
    limit: usize,
    mut held: impl FnMut(usize),
) -> Result<Bytes, BodyError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).min(limit);
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let length = whole.len() + data.len();
        if length > whole.capacity() {
            // Doubles as bytes arrive, so that a large Content-Length alone allocates nothing; and is
            // no larger than the body.
            whole.reserve_exact(length.max(expected.min(length * 2)) - whole.len());
            held(whole.capacity());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

impl HyperBody {
    /// `first` was read before, and `failed` came after it.
    pub(super) fn new(
        first: Bytes,
        failed: Option<hyper::Error>,
        rest: hyper::body::Incoming,
        deadline: BodyDeadline,
    ) -> Self {
        HyperBody { first, failed, rest, deadline, progress: Arc::default() }
    }
}

impl Incoming {
    /// A body of another server, which has to be there by the deadline.
    pub fn foreign<B>(body: B, deadline: BodyDeadline) -> Self
    where
        B: Body<Data: Buf, Error: fmt::Display> + Send + 'static,
    {
        if body.is_end_stream() {
            return Incoming::Whole(Bytes::new());
        }
        let body =
            body.map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())));
        let body = body.map_err(|error| HyperBodyError::Foreign(error.to_string()));
        Incoming::Foreign(ForeignBody { body: Mutex::new(Box::pin(body)), deadline })
    }

    /// Whether the request has no body.
    pub fn is_empty(&self) -> bool {
        self.is_end_stream()
    }

    /// How far the body has been read. `None` if all of it has arrived.
    pub(crate) fn progress(&self) -> Option<Arc<Progress>> {
        match self {
            Incoming::Whole(_) | Incoming::Foreign(_) => None,
            Incoming::Hyper(body) => Some(Arc::clone(&body.progress)),
        }
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
    #[error("{0}")]
    Foreign(String),
}

impl Body for HyperBody {
    type Data = Bytes;
    type Error = HyperBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HyperBodyError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let polled = match self.failed.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        };
        if let Poll::Ready(frame) = polled {
            if frame.is_none() || self.rest.is_end_stream() {
                self.progress.read.store(true, Ordering::Release);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(HyperBodyError::Broken)));
        }
        ready!(self.deadline.poll_expired(cx));
        self.progress.late.store(true, Ordering::Release);
        Poll::Ready(Some(Err(HyperBodyError::Late)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.failed.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.rest.size_hint();
        let first = self.first.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint.set_lower(hint.lower().saturating_add(first));
        hint
    }
}

impl Body for ForeignBody {
    type Data = Bytes;
    type Error = HyperBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HyperBodyError>>> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Poll::Ready(frame) = body.as_mut().poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.deadline.poll_expired(cx));
        Poll::Ready(Some(Err(HyperBodyError::Late)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = HyperBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HyperBodyError>>> {
        match self.get_mut() {
            Incoming::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Incoming::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Incoming::Hyper(body) => Pin::new(body).poll_frame(cx),
            Incoming::Foreign(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Incoming::Whole(bytes) => bytes.is_empty(),
            Incoming::Hyper(body) => body.is_end_stream(),
            Incoming::Foreign(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Incoming::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Incoming::Hyper(body) => body.size_hint(),
            Incoming::Foreign(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for ForeignBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignBody").finish_non_exhaustive()
    }
}

impl fmt::Debug for HyperBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HyperBody").field(&self.progress).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::future::select;
    use tokio::time::sleep;

    use super::*;

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
}
