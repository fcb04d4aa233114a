//! A WebSocket of a client whose session another node has: bytes both ways, until either side ends.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::debug;

use super::counts::Open;
use super::pool::NodeConnection;
use crate::http::{LAST_OFFER, LOOK_AGAIN};
use crate::net::scratch::with_input;
use crate::net::{ByteStream, ConnWriter};

/// How long the other side may take to end when one has.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Carries bytes between a client and the owner of its session. `to_client` and `to_owner` were read before.
///
/// While nothing is to be carried it has no clock: the owner's heartbeat ends the session of a client that is gone,
/// and a client does so if the owner is silent. A side that does not take what is there for it has `patience`; it has
/// [`LAST_OFFER`] once the side that said it has ended its connection.
pub(super) async fn splice(
    client: Arc<ConnWriter>,
    to_owner: Vec<u8>,
    owner: NodeConnection,
    to_client: Vec<u8>,
    patience: Duration,
    open: Open,
) {
    let counts = open.counts();
    let up = Way { from: client.stream(), to: &owner.stream, patience };
    let down = Way { from: &owner.stream, to: client.stream(), patience };
    let up = std::pin::pin!(up.carry(to_owner, |bytes| counts.to_owner(bytes)));
    let down = std::pin::pin!(down.carry(to_client, |bytes| counts.to_client(bytes)));
    let ended = match select(up, down).await {
        Either::Left((Ok(()), down)) => timeout(LAST_WORDS, down).await,
        Either::Right((Ok(()), up)) => timeout(LAST_WORDS, up).await,
        Either::Left((Err(error), _)) | Either::Right((Err(error), _)) => Ok(Err(error)),
    };
    if !matches!(ended, Ok(Ok(()))) {
        if let Ok(Err(error)) = ended {
            debug!(reason = %error, "a relayed WebSocket was cut");
        }
        // As the owner does with a reader that is too slow, and the system with what is lost.
        client.cut();
        owner.stream.cut();
    }
}

/// One direction.
struct Way<'a> {
    from: &'a ByteStream,
    to: &'a ByteStream,
    /// How long `to` may take nothing.
    patience: Duration,
}

impl Way<'_> {
    /// Carries bytes, and the end of them. Holds nothing while there are none.
    async fn carry(&self, first: Vec<u8>, count: impl Fn(usize)) -> io::Result<()> {
        count(first.len());
        let (mut left, mut at, mut stall) = (first, 0, None);
        poll_fn(|cx| {
            loop {
                ready!(self.poll_taken(cx, &mut stall, &mut at, |cx, at| {
                    while *at < left.len() {
                        *at += ready!(self.to.poll_write(cx, &left[*at..]))?;
                    }
                    // TLS may still hold bytes.
                    self.to.poll_flush(cx)
                }))?;
                (left, at) = (Vec::new(), 0);
                let read = with_input(|room| {
                    let length = ready!(self.from.poll_read(cx, room))?;
                    count(length);
                    let written = match self.to.poll_write(cx, &room[..length]) {
                        Poll::Ready(written) => written?,
                        Poll::Pending => 0,
                    };
                    left.extend_from_slice(&room[written..length]);
                    Poll::Ready(Ok::<_, io::Error>(length))
                });
                if ready!(read)? == 0 {
                    return Poll::Ready(Ok::<_, io::Error>(()));
                }
            }
        })
        .await?;
        let mut stall = None;
        poll_fn(|cx| self.poll_taken(cx, &mut stall, &mut 0, |cx, _| self.to.poll_shutdown(cx)))
            .await
    }

    /// Polls something that waits for `to`, within the bounds on that. `at` is how much it has taken.
    fn poll_taken(
        &self,
        cx: &mut Context<'_>,
        stall: &mut Option<Stall>,
        at: &mut usize,
        mut take: impl FnMut(&mut Context<'_>, &mut usize) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Poll::Ready(taken) = take(cx, at) {
                *stall = None;
                return Poll::Ready(taken);
            }
            let stall = stall.get_or_insert_with(|| Stall::new(*at));
            ready!(stall.look.as_mut().poll(cx));
            // What has become writable a bit is not told of by the system: it is tried again.
            stall.look_again(self, *at)?;
        }
    }
}

/// The time in which a side has taken nothing, or too little.
struct Stall {
    /// When it took something last, and how much it had taken then.
    since: Instant,
    at: usize,
    /// When the other side was found to have ended.
    ended: Option<Instant>,
    look: Pin<Box<Sleep>>,
}

impl Stall {
    fn new(at: usize) -> Self {
        Stall { since: Instant::now(), at, ended: None, look: Box::pin(sleep(LOOK_AGAIN)) }
    }

    fn look_again(&mut self, way: &Way<'_>, at: usize) -> io::Result<()> {
        let now = Instant::now();
        if at > self.at {
            (self.since, self.at) = (now, at);
        }
        if self.ended.is_none() && way.from.has_ended() {
            self.ended = Some(now);
        }
        if now >= self.since + way.patience {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "what is for it is not taken"));
        }
        if self.ended.is_some_and(|ended| now >= ended + LAST_OFFER) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the other side has ended"));
        }
        // Not before the end of its patience.
        let next = now + LOOK_AGAIN.min(self.since + way.patience - now);
        self.look.as_mut().reset(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn who_takes_a_little_now_and_then_is_not_cut_and_who_takes_nothing_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let one = ByteStream::plain(TcpStream::connect(addr).await.unwrap());
        let other = ByteStream::plain(listener.accept().await.unwrap().0);
        let patience = Duration::from_secs(10);
        let way = Way { from: &one, to: &other, patience };
        tokio::time::pause();
        let mut stall = Stall::new(0);
        for taken in 1..=5 {
            tokio::time::advance(patience - Duration::from_millis(1)).await;
            assert!(stall.look_again(&way, taken).is_ok(), "{taken}");
        }
        tokio::time::advance(patience).await;
        assert!(stall.look_again(&way, 5).is_err());
    }
}
