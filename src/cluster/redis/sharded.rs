//! Nodes that meet by sharded Pub/Sub, which Redis has since 7.0, as those with `createShardedAdapter` of
//! Node's `@socket.io/redis-adapter`.
//!
//! All nodes listen to one channel for each namespace, each to one for the answers that it waits for, and to
//! one for each room that has members there. Messages that are lost are lost: Redis does not keep them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::outbox::Worth;
use super::{Redis, Subscription, Topic};
use crate::cluster::adapter::ClusterAdapter;
use crate::cluster::bus::Bus;
use crate::cluster::message::{Content, Message};
use crate::cluster::node_format::{read, write};
use crate::socketio::{Adapter, ClusterStatus, LocalNode, RoomEvent, Selector};

/// Characters of a socket's id.
const ID: usize = 20;
/// After a node has had others join a room, so long it tells all nodes what is for the room: they need a
/// moment to listen to its channel.
const JOINING: Duration = Duration::from_secs(5);
/// Rooms of which that is known.
const MAX_JOINING: usize = 10_000;

/// How the channels are used. All nodes of a cluster have the same names.
#[derive(Debug, Clone)]
pub struct ShardedSettings {
    /// What the names of channels begin with.
    pub channel_prefix: String,
    /// Whether what is for one room is told only to the nodes that have members of it: Node's
    /// `subscriptionMode: "dynamic"`. Without it each node hears all.
    pub by_room: bool,
}

impl Default for ShardedSettings {
    /// As Node's adapter has it.
    fn default() -> Self {
        ShardedSettings { channel_prefix: "socket.io".to_owned(), by_room: true }
    }
}

/// A cluster that meets by sharded Pub/Sub.
///
/// ```no_run
/// use parlance::cluster::redis::{Redis, RedisSharded, RedisUrl, ShardedSettings};
/// use parlance::socketio::Io;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let redis = Redis::connect("redis://127.0.0.1".parse::<RedisUrl>().unwrap());
/// let sharded = RedisSharded::new(redis, ShardedSettings::default());
/// let io = Io::builder().adapter(move |node| sharded.adapter(node)).build();
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RedisSharded(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    redis: Redis,
    settings: ShardedSettings,
}

impl RedisSharded {
    /// A cluster by that connection.
    pub fn new(redis: Redis, settings: ShardedSettings) -> Self {
        RedisSharded(Arc::new(Shared { redis, settings }))
    }

    /// Makes the adapter of one namespace. To be called on a tokio runtime.
    pub fn adapter(&self, node: &Arc<LocalNode>) -> Arc<dyn Adapter> {
        let shared = Arc::clone(&self.0);
        let channel = format!("{}#{}#", shared.settings.channel_prefix, node.namespace());
        let line = Arc::new(Line {
            shared,
            channel: channel.into(),
            listening: Mutex::default(),
            joining: Mutex::default(),
        });
        let adapter = ClusterAdapter::new(node, Arc::clone(&line) as _);
        line.listen(&adapter, node);
        adapter
    }
}

/// The channels of one namespace.
#[derive(Debug)]
struct Line {
    shared: Arc<Shared>,
    channel: Arc<str>,
    /// By the last part of the channel's name; `None` once the node has left.
    listening: Mutex<Option<HashMap<Arc<str>, Subscription>>>,
    /// Rooms that others were had to join, and when.
    joining: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Line {
    fn topic(&self, part: &str) -> Topic {
        match part {
            "" => Topic::shard(Arc::clone(&self.channel)),
            part => Topic::shard(format!("{}{part}#", self.channel)),
        }
    }

    fn listen(self: &Arc<Self>, adapter: &Arc<ClusterAdapter>, node: &Arc<LocalNode>) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(HashMap::new());
        let adapter_weak = Arc::downgrade(adapter);
        for part in ["", adapter.uid()] {
            self.add(part.into(), &adapter_weak);
        }
        if self.shared.settings.by_room {
            let line = Arc::downgrade(self);
            node.on_room(move |event| {
                let Some(line) = line.upgrade() else { return };
                match event {
                    RoomEvent::Created(room) => line.add(Arc::clone(room), &adapter_weak),
                    RoomEvent::Deleted(room) => line.remove(room),
                    RoomEvent::Joined(..) | RoomEvent::Left(..) => {}
                }
            });
        }
    }

    fn add(&self, part: Arc<str>, adapter: &Weak<ClusterAdapter>) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(listening) = &mut *listening else { return };
        let (adapter, shared) = (adapter.clone(), Arc::downgrade(&self.shared));
        let topic = self.topic(&part);
        let listener = move |channel: &str, bytes: Bytes| match (read(&bytes), adapter.upgrade()) {
            (Ok(message), Some(adapter)) => adapter.receive(message),
            (Err(error), _) => {
                if let Some(shared) = shared.upgrade() {
                    shared.redis.ignore(channel, &error);
                }
            }
            _ => {}
        };
        let subscription = self.shared.redis.subscribe(topic, listener);
        listening.insert(part, subscription);
    }

    fn remove(&self, part: &str) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listening) = &mut *listening {
            listening.remove(part);
        }
    }

    fn send(&self, part: &str, message: &Message, worth: Worth) {
        match write(message) {
            Ok(bytes) => drop(self.shared.redis.publish_as(self.topic(part), bytes.into(), worth)),
            Err(error) => self.shared.redis.give_up(&error),
        }
    }

    /// The room on whose channel a message goes, if it does not go to all.
    fn room<'a>(&self, content: &'a Content) -> Option<&'a Arc<str>> {
        let Content::Broadcast { selector, request: None, .. } = content else { return None };
        let Selector { rooms, .. } = selector;
        let [room] = &rooms[..] else { return None };
        let is_alone = self.shared.settings.by_room && !is_id(room);
        (is_alone && !self.is_joining(room)).then_some(room)
    }

    fn is_joining(&self, room: &Arc<str>) -> bool {
        let joining = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        joining.len() >= MAX_JOINING || joining.get(room).is_some_and(|at| at.elapsed() < JOINING)
    }

    fn note(&self, rooms: &[Arc<str>]) {
        let mut joining = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        if joining.len() >= MAX_JOINING {
            joining.retain(|_, at| at.elapsed() < JOINING);
        }
        let now = Instant::now();
        let room = MAX_JOINING.saturating_sub(joining.len());
        joining.extend(rooms.iter().take(room).map(|room| (Arc::clone(room), now)));
    }
}

/// Whether nodes do not listen to a channel of that name: the ids of sockets, also as old clients have them.
fn is_id(room: &str) -> bool {
    let id = match room.strip_prefix('/') {
        Some(rest) => rest.rsplit_once('#').map_or(rest, |(_, id)| id),
        None => room,
    };
    // As JavaScript counts.
    id.encode_utf16().count() == ID
}

impl Bus for Line {
    fn publish(&self, message: Message) {
        if let Content::SocketsJoin { rooms, .. } = &message.content {
            self.note(rooms);
        }
        let room = self.room(&message.content).cloned();
        self.send(room.as_deref().unwrap_or(""), &message, Worth::Counted);
    }

    fn publish_renewed(&self, message: Message) {
        self.send("", &message, Worth::Renewed);
    }

    fn publish_to(&self, node: &str, message: Message) {
        self.send(node, &message, Worth::Renewed);
    }

    fn status(&self) -> ClusterStatus {
        self.shared.redis.cluster_status()
    }

    fn counts(&self) -> bool {
        true
    }

    fn count(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { self.shared.redis.listeners(&self.topic("")).await.unwrap_or(1).max(1) })
    }

    fn close(&self) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn ids_of_sockets_are_known_by_their_form() {
        for (room, expected) in [
            ("Uy_IabcdefghijklAAAB", true),
            ("/chat#Uy_IabcdefghijklAAAB", true),
            ("r1", false),
            ("", false),
            ("/chat#r1", false),
            ("#Uy_IabcdefghijklAAAB", false),
            ("ääääääääääääääääääää", true),
        ] {
            assert_eq!(is_id(room), expected, "{room}");
        }
    }
}
