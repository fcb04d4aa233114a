//! Messages that wait to be published.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::topics::Topic;

/// Messages and bytes that may wait. Beyond that, messages are lost: nobody waits for Redis.
const MESSAGES: usize = 65_536;
const BYTES: usize = 64 << 20;
/// Messages and bytes that are sent at once.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// How much it matters if a message does not reach Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// Something that somebody said. It is counted.
    Counted,
    /// Nothing: it is said again, or who asked hears that not all have answered.
    Renewed,
}

/// A message that is to be published.
#[derive(Debug)]
pub struct Outgoing {
    pub topic: Topic,
    pub payload: Bytes,
    pub worth: Worth,
}

/// A queue to one connection. It takes nothing while there is none: who listens later would get old news.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    is_open: bool,
    waiting: VecDeque<Outgoing>,
    bytes: usize,
    /// On their way, and those among them that are counted if they are lost.
    sent: usize,
    sent_counted: usize,
}

impl Outbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if the message is lost.
    pub fn put(&self, message: Outgoing) -> bool {
        let mut queue = self.queue();
        let bytes = queue.bytes + message.payload.len();
        if !queue.is_open || queue.waiting.len() >= MESSAGES || bytes > BYTES {
            return false;
        }
        queue.bytes = bytes;
        queue.waiting.push_back(message);
        self.filled.notify_one();
        true
    }

    /// The connection is there.
    pub fn open(&self) {
        self.queue().is_open = true;
    }

    /// It is no more. Returns how many messages are lost that count. Of those that were on their way it is not known
    /// whether they came.
    pub fn close(&self) -> usize {
        let mut queue = self.queue();
        let lost = counted(&queue.waiting) + queue.sent_counted;
        *queue = Queue::default();
        self.emptied.notify_waiters();
        lost
    }

    /// Waits for messages to send.
    pub async fn next(&self) -> Vec<Outgoing> {
        loop {
            let filled = self.filled.notified();
            {
                let mut queue = self.queue();
                let (mut batch, mut bytes) = (Vec::new(), 0);
                while batch.len() < BATCH && bytes < BATCH_BYTES {
                    let Some(message) = queue.waiting.pop_front() else { break };
                    bytes += message.payload.len();
                    batch.push(message);
                }
                queue.bytes -= bytes;
                (queue.sent, queue.sent_counted) = (batch.len(), counted(&batch));
                if !batch.is_empty() {
                    return batch;
                }
            }
            filled.await;
        }
    }

    /// What [`Outbox::next`] gave has come.
    pub fn sent(&self) {
        let mut queue = self.queue();
        (queue.sent, queue.sent_counted) = (0, 0);
        if queue.waiting.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Waits until there is nothing more to send.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            {
                let queue = self.queue();
                if queue.waiting.is_empty() && queue.sent == 0 {
                    return;
                }
            }
            emptied.await;
        }
    }
}

/// How many messages are counted if they are lost.
fn counted<'a>(messages: impl IntoIterator<Item = &'a Outgoing>) -> usize {
    messages.into_iter().filter(|message| message.worth == Worth::Counted).count()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_lost_is_known() {
        let outbox = Outbox::default();
        let message = |size: usize, worth| {
            let (topic, payload) = (Topic::channel("c"), vec![0; size].into());
            Outgoing { topic, payload, worth }
        };
        let put = |size| outbox.put(message(size, Worth::Counted));
        let renew = || outbox.put(message(1, Worth::Renewed));
        assert!(!put(1), "there is no connection");
        outbox.open();
        assert!(put(BYTES) && !put(1) && !renew());
        assert_eq!(outbox.close(), 1);
        outbox.open();
        assert!(renew() && put(1) && renew());
        assert_eq!(outbox.next().await.len(), 3);
        assert!(renew());
        assert_eq!(outbox.close(), 1, "what is said again is no loss");
        outbox.open();
        assert!((0..MESSAGES).all(|_| put(0)) && !put(0));
        assert_eq!(outbox.next().await.len(), BATCH);
        assert!(put(0), "there is room again");
        assert_eq!(outbox.close(), MESSAGES + 1, "those on their way as well");
        outbox.empty().await;
        outbox.open();
        assert!(put(BATCH_BYTES) && put(1));
        assert_eq!(outbox.next().await.len(), 1);
        outbox.sent();
        assert!(outbox.empty().now_or_never().is_none(), "one waits");
        assert_eq!(outbox.next().await.len(), 1);
        let mut is_empty = Box::pin(outbox.empty());
        assert!(is_empty.as_mut().now_or_never().is_none(), "it is on its way");
        outbox.sent();
        is_empty.await;
    }
}
