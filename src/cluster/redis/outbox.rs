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
    waiting: VecDeque<(Topic, Bytes)>,
    bytes: usize,
    /// On their way.
    sent: usize,
}

impl Outbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if the message is lost.
    pub fn put(&self, topic: Topic, payload: Bytes) -> bool {
        let mut queue = self.queue();
        if !queue.is_open || queue.waiting.len() >= MESSAGES || queue.bytes + payload.len() > BYTES
        {
            return false;
        }
        queue.bytes += payload.len();
        queue.waiting.push_back((topic, payload));
        self.filled.notify_one();
        true
    }

    /// The connection is there.
    pub fn open(&self) {
        self.queue().is_open = true;
    }

    /// It is no more. Returns how many messages are lost. Of those that were on their way it is not known
    /// whether they came.
    pub fn close(&self) -> usize {
        let mut queue = self.queue();
        let lost = queue.waiting.len() + queue.sent;
        *queue = Queue::default();
        self.emptied.notify_waiters();
        lost
    }

    /// Waits for messages to send.
    pub async fn next(&self) -> Vec<(Topic, Bytes)> {
        loop {
            let filled = self.filled.notified();
            {
                let mut queue = self.queue();
                let (mut batch, mut bytes) = (Vec::new(), 0);
                while batch.len() < BATCH && bytes < BATCH_BYTES {
                    let Some(message) = queue.waiting.pop_front() else { break };
                    bytes += message.1.len();
                    batch.push(message);
                }
                queue.bytes -= bytes;
                queue.sent = batch.len();
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
        queue.sent = 0;
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_lost_is_known() {
        let outbox = Outbox::default();
        let put = |size| outbox.put(Topic::channel("c"), vec![0; size].into());
        assert!(!put(1), "there is no connection");
        outbox.open();
        assert!(put(BYTES) && !put(1));
        assert_eq!(outbox.close(), 1);
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
