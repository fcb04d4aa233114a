//! A WebSocket of a client whose session another node has: bytes both ways, until either side ends.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::time::timeout;

use super::counts::Open;
use super::pool::NodeConnection;
use crate::net::scratch::with_input;
use crate::net::{ByteStream, ConnWriter};

/// How long the other side may take to end when one has.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Carries bytes between a client and the owner of its session. `to_client` and `to_owner` were read before. It
/// has no clock of its own: the owner's heartbeat ends the session of a client that is gone, and a client does so
/// if the owner is silent.
pub(super) async fn splice(
    client: Arc<ConnWriter>,
    to_owner: Vec<u8>,
    owner: NodeConnection,
    to_client: Vec<u8>,
    open: Open,
) {
    let counts = open.counts();
    let up = std::pin::pin!(
        carry(client.stream(), &owner.stream, to_owner, |bytes| counts.to_owner(bytes))
    );
    let down = std::pin::pin!(
        carry(&owner.stream, client.stream(), to_client, |bytes| counts.to_client(bytes))
    );
    let broken = match select(up, down).await {
        Either::Left((Ok(()), down)) => !matches!(timeout(LAST_WORDS, down).await, Ok(Ok(()))),
        Either::Right((Ok(()), up)) => !matches!(timeout(LAST_WORDS, up).await, Ok(Ok(()))),
        Either::Left((Err(_), _)) | Either::Right((Err(_), _)) => true,
    };
    if broken {
        // As the owner does with a reader that is too slow, and the system with what is lost.
        client.cut();
        owner.stream.cut();
    }
}

/// Carries bytes one way, and the end of them. Holds nothing while there are none.
async fn carry(
    from: &ByteStream,
    to: &ByteStream,
    first: Vec<u8>,
    count: impl Fn(usize),
) -> io::Result<()> {
    to.write_all(&first).await?;
    count(first.len());
    drop(first);
    let (mut left, mut at) = (Vec::new(), 0);
    poll_fn(|cx| {
        loop {
            while at < left.len() {
                at += ready!(to.poll_write(cx, &left[at..]))?;
            }
            if at > 0 {
                (left, at) = (Vec::new(), 0);
            }
            // TLS may still hold bytes.
            ready!(to.poll_flush(cx))?;
            let read = with_input(|room| {
                let length = ready!(from.poll_read(cx, room))?;
                count(length);
                let written = match to.poll_write(cx, &room[..length]) {
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
    to.shut_down().await
}
