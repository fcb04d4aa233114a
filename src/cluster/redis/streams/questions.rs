//! Questions to other nodes, and their answers: by Pub/Sub, as MessagePack.
//!
//! A question says up to which place its sender has read the stream: what was said before takes place before
//! it is answered. Node's servers do not know that, and ignore it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use tracing::debug;

use super::hub::Hub;
use crate::cluster::adapter::ClusterAdapter;
use crate::cluster::bus::Bus;
use crate::cluster::message::{Content, Message};
use crate::cluster::node_format::{read_after, write_binary_after};
use crate::cluster::redis::outbox::Worth;
use crate::cluster::redis::{Subscription, Topic};
use crate::socketio::ClusterStatus;

/// Messages that wait to be taken.
const WAITING: usize = 10_000;
/// A question waits so long for what was said before it.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Line {
    hub: Arc<Hub>,
    /// The channel of all nodes; those of single nodes have their names behind it.
    channel: Arc<str>,
    subscriptions: Mutex<Vec<Subscription>>,
}

impl Line {
    pub fn new(hub: Arc<Hub>, namespace: Arc<str>) -> Self {
        let channel = format!("{}#{namespace}#", hub.settings.channel_prefix).into();
        Line { hub, channel, subscriptions: Mutex::default() }
    }

    fn topic(&self, node: Option<&str>) -> Topic {
        match node {
            Some(node) => Topic::channel(format!("{}{node}#", self.channel)),
            None => Topic::channel(Arc::clone(&self.channel)),
        }
    }

    /// Passes what comes to the adapter.
    pub fn listen(&self, adapter: &Arc<ClusterAdapter>) {
        let (sender, messages) = channel(WAITING);
        let topics = [self.topic(None), self.topic(Some(adapter.uid()))];
        let subscriptions = topics.map(|topic| {
            let (sender, hub) = (sender.clone(), Arc::clone(&self.hub));
            self.hub.redis.subscribe(topic, move |_, message| {
                if sender.try_send(message).is_err() {
                    hub.count_missed(1);
                }
            })
        });
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).extend(subscriptions);
        tokio::spawn(pass_on(Arc::clone(&self.hub), messages, Arc::downgrade(adapter)));
    }

    fn send(&self, topic: Topic, message: &Message, after: Option<&str>, worth: Worth) {
        match write_binary_after(message, after) {
            Ok(bytes) => drop(self.hub.redis.publish_as(topic, bytes.into(), worth)),
            Err(error) => self.hub.redis.give_up(&error),
        }
    }

    fn ask(&self, message: &Message, worth: Worth) {
        let after = self.hub.own().map(|id| id.to_string());
        // Only questions are for all; the rest is said on the stream.
        debug_assert!(!matches!(message.content, Content::SocketsJoin { .. }));
        self.send(self.topic(None), message, after.as_deref(), worth);
    }
}

async fn pass_on(hub: Arc<Hub>, mut messages: Receiver<Bytes>, adapter: Weak<ClusterAdapter>) {
    while let Some(bytes) = messages.recv().await {
        let (message, after) = match read_after(&bytes) {
            Ok(read) => read,
            Err(error) => {
                debug!(%error, "a message of another node cannot be understood");
                hub.count_malformed();
                continue;
            }
        };
        let Some(adapter) = adapter.upgrade() else { return };
        if message.uid == *adapter.uid() {
            continue;
        }
        if let Some(after) = after.and_then(|after| after.parse().ok()) {
            let _ = timeout(PATIENCE, hub.reached(after)).await;
        }
        adapter.receive(message);
    }
}

impl Bus for Line {
    fn publish(&self, message: Message) {
        self.ask(&message, Worth::Counted);
    }

    fn publish_renewed(&self, message: Message) {
        self.ask(&message, Worth::Renewed);
    }

    fn publish_to(&self, node: &str, message: Message) {
        self.send(self.topic(Some(node)), &message, None, Worth::Renewed);
    }

    fn status(&self) -> ClusterStatus {
        ClusterStatus::UP
    }

    fn counts(&self) -> bool {
        true
    }

    fn count(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { self.hub.redis.listeners(&self.topic(None)).await.unwrap_or(1).max(1) })
    }

    fn close(&self) {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
