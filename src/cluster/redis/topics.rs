//! What is listened to, and who takes what comes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

/// What is published to, or subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A channel.
    Channel(Arc<str>),
    /// All channels whose names match a pattern with `*`, `?` and `[…]`: only to subscribe to.
    Pattern(Arc<str>),
    /// A channel of sharded Pub/Sub, which Redis has since 7.0.
    Shard(Arc<str>),
}

impl Topic {
    /// A channel.
    pub fn channel(name: impl Into<Arc<str>>) -> Self {
        Topic::Channel(name.into())
    }

    /// A pattern.
    pub fn pattern(name: impl Into<Arc<str>>) -> Self {
        Topic::Pattern(name.into())
    }

    /// A channel of sharded Pub/Sub.
    pub fn shard(name: impl Into<Arc<str>>) -> Self {
        Topic::Shard(name.into())
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Topic::Channel(name) | Topic::Pattern(name) | Topic::Shard(name) => name,
        }
    }

    pub(super) fn command(&self, on: bool) -> &'static str {
        match (self, on) {
            (Topic::Channel(_), true) => "SUBSCRIBE",
            (Topic::Channel(_), false) => "UNSUBSCRIBE",
            (Topic::Pattern(_), true) => "PSUBSCRIBE",
            (Topic::Pattern(_), false) => "PUNSUBSCRIBE",
            (Topic::Shard(_), true) => "SSUBSCRIBE",
            (Topic::Shard(_), false) => "SUNSUBSCRIBE",
        }
    }

    pub(super) fn publish(&self) -> &'static str {
        match self {
            Topic::Shard(_) => "SPUBLISH",
            _ => "PUBLISH",
        }
    }

    pub(super) fn count(&self) -> &'static str {
        match self {
            Topic::Shard(_) => "SHARDNUMSUB",
            _ => "NUMSUB",
        }
    }
}

/// A name in which nothing means more than itself in a pattern.
pub fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Takes a message: the channel, and what it says. It does not block: while it runs, nothing else is read
/// from Redis, so that messages are taken in order, and what is not taken waits there.
pub type Listener = dyn Fn(&str, Bytes) + Send + Sync;

/// All topics that are listened to.
#[derive(Default)]
pub struct Topics {
    entries: Mutex<Entries>,
    /// Notified when there are changes to be told to Redis.
    changed: Notify,
    /// Notified when Redis was told.
    settled: Notify,
}

#[derive(Default)]
struct Entries {
    listeners: HashMap<Topic, Vec<(u64, Arc<Listener>)>>,
    changes: Vec<Topic>,
    /// What Redis was told, on the present connection.
    told: HashSet<Topic>,
    last: u64,
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries().listeners.keys()).finish()
    }
}

impl Topics {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, topic: &Topic, listener: Arc<Listener>) -> u64 {
        let mut entries = self.entries();
        entries.last += 1;
        let id = entries.last;
        let listeners = entries.listeners.entry(topic.clone()).or_default();
        listeners.push((id, listener));
        if listeners.len() == 1 {
            entries.changes.push(topic.clone());
            self.changed.notify_one();
        }
        id
    }

    pub fn remove(&self, topic: &Topic, id: u64) {
        let mut entries = self.entries();
        if let Entry::Occupied(mut entry) = entries.listeners.entry(topic.clone()) {
            entry.get_mut().retain(|(other, _)| *other != id);
            if entry.get().is_empty() {
                entry.remove();
                entries.changes.push(topic.clone());
                self.changed.notify_one();
            }
        }
    }

    /// All topics: for a new connection, which listens to none.
    pub fn all(&self) -> Vec<Topic> {
        let mut entries = self.entries();
        entries.changes.clear();
        entries.listeners.keys().cloned().collect()
    }

    /// Waits for changes, and gives those that are to be listened to, and those that are not any more.
    pub async fn changes(&self) -> (Vec<Topic>, Vec<Topic>) {
        loop {
            let changed = self.changed.notified();
            {
                let mut entries = self.entries();
                let changes: HashSet<Topic> =
                    std::mem::take(&mut entries.changes).into_iter().collect();
                let wanted = |topic: &Topic| entries.listeners.contains_key(topic);
                let told = |topic: &Topic| entries.told.contains(topic);
                let changes = changes.into_iter().filter(|topic| wanted(topic) != told(topic));
                let (on, off): (Vec<_>, Vec<_>) = changes.partition(wanted);
                if !on.is_empty() || !off.is_empty() {
                    return (on, off);
                }
            }
            changed.await;
        }
    }

    /// Redis was told.
    pub fn told(&self, on: Vec<Topic>, off: &[Topic]) {
        let mut entries = self.entries();
        entries.told.extend(on);
        off.iter().for_each(|topic| {
            entries.told.remove(topic);
        });
        drop(entries);
        self.settled.notify_waiters();
    }

    /// The connection is no more.
    pub fn forget(&self) {
        self.entries().told.clear();
    }

    /// Waits until Redis knows that a topic is listened to.
    pub async fn settled(&self, topic: &Topic) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.entries().told.contains(topic) {
                return;
            }
            settled.await;
        }
    }

    /// Hands a message to who listens. Returns false if it is no message.
    pub fn take(&self, PushInfo { kind, data }: PushInfo) -> bool {
        let mut data = data.into_iter().map(|value| match value {
            Value::BulkString(bytes) => Some(Bytes::from(bytes)),
            Value::SimpleString(text) => Some(Bytes::from(text)),
            _ => None,
        });
        let mut next = || data.next().flatten();
        let text =
            |bytes: Option<Bytes>| Some(Arc::<str>::from(std::str::from_utf8(&bytes?).ok()?));
        let (topic, channel) = match kind {
            PushKind::Message => (text(next()).map(Topic::Channel), None),
            PushKind::SMessage => (text(next()).map(Topic::Shard), None),
            PushKind::PMessage => (text(next()).map(Topic::Pattern), text(next())),
            _ => return false,
        };
        if let (Some(topic), Some(payload)) = (topic, next()) {
            let listeners = self.entries().listeners.get(&topic).cloned().unwrap_or_default();
            let channel = channel.as_deref().unwrap_or(topic.name());
            listeners.iter().for_each(|(_, listener)| listener(channel, payload.clone()));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_patterns_mean_themselves() {
        assert_eq!(escaped("socket.io#/a*[b]?^\\#"), "socket.io#/a\\*\\[b\\]\\?\\^\\\\#");
    }
}
