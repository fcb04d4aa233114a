//! Sends responses: whole, piece by piece, from a parked poll, or followed by another protocol.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::conn::{Http1, LINGER, LINGER_BYTES, ResponseContext};
use super::headers::add_hsts;
use super::patience::{LOOK_AGAIN, Patience, SLOW};
use super::write::{
    After, write_bare_end, write_chunk, write_chunked, write_end, write_head, write_length,
};
use super::{Body, BodyStream, Parked, ParkedOutcome, Response};
use crate::net::ConnWriter;
use crate::net::scratch::with_input;

/// Capacity in bytes for the head of a poll response; most fit.
const HEAD: usize = 192;
/// Bytes of the largest body that is written together with its head. A larger one is sent from where
/// it is, so that slow readers of the same bytes share them.
const COPIED: usize = 8 * 1024;

impl Http1<'_> {
    /// Starts to send a response. [`Http1::finish`] does the rest.
    pub fn begin(&mut self, mut context: ResponseContext, response: Response) -> InFlight {
        let unread = !context.end_reading(&mut self.input);
        self.answered = true;
        let (mut parts, body) = response.into_parts();
        add_hsts(&mut parts.headers, self.hsts);
        let given = take_length(&mut parts.headers);
        let (status, old) = (parts.status, context.old);
        let upgrades = parts.headers.contains_key(UPGRADE);
        let says_close = parts.headers.remove(CONNECTION).is_some() && !upgrades;
        let framing = match (&body, given) {
            (Body::Stream(stream), given) => match given.or_else(|| stream.length()) {
                Some(length) => Framing::Length(length),
                None if old => Framing::Close,
                None => Framing::Chunks,
            },
            _ => Framing::Chunks,
        };
        let close = context.close || unread || says_close || self.stopping.is_cancelled();
        let head = |out: &mut Vec<u8>| {
            let after = match close {
                _ if upgrades => After::Upgrade,
                true => After::Close,
                false => After::KeepAlive(self.limits.keep_alive_timeout),
            };
            write_head(out, status, &parts.headers, after);
        };
        let bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let rest = match body {
            Body::Whole(_) | Body::Stream(_) if bare => {
                self.writer.write(|out| {
                    head(out);
                    write_bare_end(out);
                });
                Rest::Written
            }
            Body::Whole(body) if context.head_only => {
                self.writer.write(|out| {
                    head(out);
                    write_length(out, given.unwrap_or(body.len() as u64));
                    write_bare_end(out);
                });
                Rest::Written
            }
            Body::Whole(body) if body.len() > COPIED => {
                self.writer.write(|out| {
                    head(out);
                    write_length(out, body.len() as u64);
                    write_bare_end(out);
                });
                Rest::Bytes(body)
            }
            Body::Whole(body) => {
                self.writer.write(|out| {
                    head(out);
                    write_end(out, "", &body);
                });
                Rest::Written
            }
            Body::Parked(mut parked) => {
                let mut bytes = Vec::with_capacity(HEAD);
                head(&mut bytes);
                parked.begin(&self.writer, bytes);
                if close || !self.input.is_empty() {
                    parked.set_pipelined();
                }
                Rest::Parked(parked)
            }
            Body::Stream(stream) => {
                self.writer.write(|out| {
                    head(out);
                    match framing {
                        Framing::Chunks => write_chunked(out),
                        Framing::Length(length) => {
                            write_length(out, length);
                            write_bare_end(out);
                        }
                        Framing::Close => write_bare_end(out),
                    }
                });
                if context.head_only { Rest::Written } else { Rest::Stream(stream, framing) }
            }
            Body::Takeover(take) => {
                self.writer.write(|out| {
                    head(out);
                    out.extend_from_slice(b"\r\n");
                });
                Rest::Takeover(take)
            }
        };
        InFlight { rest, close, unread }
    }

    /// Sends the rest of a response. Returns false if the connection has ended or was taken over.
    /// The rare futures are boxed, so that an idle connection's task does not have their size.
    pub async fn finish(&mut self, in_flight: InFlight) -> bool {
        let InFlight { rest, close, unread } = in_flight;
        let sent = match rest {
            Rest::Written => true,
            Rest::Bytes(bytes) => Box::pin(self.send_bytes(bytes)).await,
            Rest::Parked(parked) => self.wait_for_poll(parked).await,
            Rest::Stream(stream, framing) => Box::pin(self.stream(stream, framing)).await,
            Rest::Takeover(take) => {
                if self.writer.is_clear() || Box::pin(self.flush()).await {
                    take(Arc::clone(&self.writer), std::mem::take(&mut self.input).into());
                }
                return false;
            }
        };
        if !sent || !self.writer.is_clear() && !Box::pin(self.flush()).await {
            return false;
        }
        if close {
            let unread = if unread || !self.input.is_empty() { LINGER_BYTES } else { 0 };
            let _ = Box::pin(timeout(LINGER, self.writer.hang_up(unread))).await;
        }
        !close
    }

    /// Sends bytes without a copy of them. Cuts off a client that reads too slowly.
    async fn send_bytes(&self, mut bytes: Bytes) -> bool {
        if !self.writer.is_clear() && !self.flush().await {
            return false;
        }
        let mut patience = Patience::new();
        while !bytes.is_empty() {
            let stream = self.writer.stream();
            let writing = poll_fn(|cx| stream.poll_write(cx, &bytes));
            match timeout_at(patience.start_wait(), writing).await {
                Ok(Ok(written)) => {
                    patience.progress(written);
                    bytes.advance(written);
                }
                Ok(Err(_)) => return false,
                Err(_) => return self.cut_slow(),
            }
        }
        // TLS may still hold bytes.
        let flushed = poll_fn(|cx| self.writer.stream().poll_flush(cx));
        match timeout_at(patience.start_wait(), flushed).await {
            Ok(flushed) => flushed.is_ok(),
            Err(_) => self.cut_slow(),
        }
    }

    fn cut_slow(&self) -> bool {
        debug!(remote = %self.remote, reason = SLOW, "connection ended");
        self.writer.cut();
        false
    }

    /// Waits until all written bytes are with the system. Cuts off a client that reads too slowly.
    async fn flush(&self) -> bool {
        self.flush_piece(&mut Patience::new(), None).await
    }

    /// [`Http1::flush`] for a body that comes piece by piece, of which there may be no more.
    async fn flush_piece(
        &self,
        patience: &mut Patience,
        source: Option<&mut Pin<Box<dyn BodyStream>>>,
    ) -> bool {
        loop {
            let (held, over) = (self.writer.held(), patience.is_over());
            match self.writer.try_flush() {
                Ok(true) => {
                    patience.progress(held);
                    return true;
                }
                Ok(false) => {}
                Err(_) => return false,
            }
            match held.saturating_sub(self.writer.held()) {
                0 if over => break,
                taken => patience.progress(taken),
            }
            let look_again = source.as_ref().map(|source| {
                if source.has_ended() {
                    patience.end();
                }
                Instant::now() + LOOK_AGAIN
            });
            // The system reports the socket as writable only when much of its buffer is free. So at
            // the time-out, the loop tries once more.
            let over = patience.start_wait();
            let until = look_again.map_or(over, |look_again| look_again.min(over));
            let room = timeout_at(until, self.writer.stream().writable()).await;
            if matches!(room, Ok(Err(_))) {
                return false;
            }
        }
        self.cut_slow()
    }

    /// Reads ahead into `self.input`, up to the maximum length of a head. Ready when the connection
    /// ends.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.input.len() < self.limits.max_header_bytes {
            let read = with_input(|room| {
                let count = self.writer.stream().try_read(room)?;
                self.input.extend_from_slice(&room[..count]);
                Ok::<_, std::io::Error>(count)
            });
            match read {
                Ok(0) => return Poll::Ready(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if ready!(self.writer.stream().poll_read_ready(cx)).is_err() {
                        return Poll::Ready(());
                    }
                }
                Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// [`Http1::poll_end`] that is also ready, with true, when it has read bytes; with false at the
    /// end of the connection.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let before = self.input.len();
        match self.poll_end(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending if self.input.len() > before => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Waits until a parked poll is answered. Returns false if the connection ended before.
    async fn wait_for_poll(&mut self, mut parked: Box<dyn Parked>) -> bool {
        let until = parked.until();
        self.set_deadline(until.min(Instant::now() + self.limits.header_timeout));
        let outcome = poll_fn(|cx| {
            loop {
                let mut ahead = |cx: &mut Context<'_>| self.poll_ahead(cx);
                if let Poll::Ready(outcome) = parked.poll_outcome(cx, &mut ahead) {
                    return Poll::Ready(outcome);
                }
                // Registers for the wake-up at a shutdown: a poll that another task has answered
                // meanwhile then ends at once.
                let _ = self.poll_stop(cx);
                ready!(self.poll_deadline(cx));
                if until <= self.deadline {
                    return Poll::Ready(ParkedOutcome::Due);
                }
                // Poll again after each header timeout: another task may have answered without
                // waking this one, and an answered client must not idle for longer.
                self.set_deadline(until.min(self.deadline + self.limits.header_timeout));
            }
        });
        match outcome.await {
            ParkedOutcome::Due => parked.give(),
            // Dropping `parked` unanswered tells the session that the poll is lost.
            ParkedOutcome::Lost => return false,
            ParkedOutcome::Answered => {}
        }
        true
    }

    /// Sends a body that comes piece by piece, to its end. False if the connection ended before
    /// that, or the body did.
    async fn stream(&mut self, mut stream: Pin<Box<dyn BodyStream>>, framing: Framing) -> bool {
        if framing == Framing::Chunks {
            stream.as_mut().set_writer(&self.writer);
        }
        let mut left = if let Framing::Length(length) = framing { length } else { u64::MAX };
        let mut patience = Patience::new();
        loop {
            if !self.writer.is_clear() && !self.flush_piece(&mut patience, Some(&mut stream)).await
            {
                return false;
            }
            if left == 0 {
                return true;
            }
            let piece = poll_fn(|cx| {
                if let Poll::Ready(piece) = stream.poll_next_unpin(cx) {
                    return Poll::Ready(Some(piece));
                }
                self.poll_end(cx).map(|()| None)
            });
            match (piece.await, framing) {
                (None, _) => return false,
                // On the wire an empty chunk would be the end.
                (Some(Some(piece)), _) if piece.is_empty() => {}
                (Some(Some(piece)), Framing::Chunks) => {
                    self.writer.write(|out| write_chunk(out, &piece));
                }
                (Some(Some(piece)), _) => {
                    let length =
                        usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
                    self.writer.write(|out| out.extend_from_slice(&piece[..length]));
                    left -= length as u64;
                }
                (Some(None), Framing::Chunks) => {
                    self.writer.write(|out| write_chunk(out, &[]));
                    return true;
                }
                (Some(None), Framing::Length(_)) => return false,
                (Some(None), Framing::Close) => return true,
            }
        }
    }
}

/// How a client finds the end of a body that comes piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Chunks,
    /// By its length in bytes.
    Length(u64),
    /// The connection ends.
    Close,
}

/// A response that is being sent.
pub(crate) struct InFlight {
    rest: Rest,
    close: bool,
    /// A part of the request was not read.
    unread: bool,
}

impl InFlight {
    /// The same, when there is more input, and it is not known what.
    pub(super) fn unread(self) -> Self {
        InFlight { unread: true, ..self }
    }
}

/// The rest of the work for a response.
enum Rest {
    /// The response is written; only flushing is left.
    Written,
    /// The head is written, and these are the body.
    Bytes(Bytes),
    Parked(Box<dyn Parked>),
    Stream(Pin<Box<dyn BodyStream>>, Framing),
    Takeover(Box<dyn FnOnce(Arc<ConnWriter>, Bytes) + Send>),
}

/// Takes the length of the body out of the headers.
fn take_length(headers: &mut HeaderMap) -> Option<u64> {
    headers.remove(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
