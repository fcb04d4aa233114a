//! Nodes that meet at a stream of Redis, as those with Node's `@socket.io/redis-streams-adapter` 0.3: nothing
//! is lost while a node or Redis is away, all nodes have one order, and clients who come back get what they
//! missed, on any node. Of 0.2 it hears events, and answers what is asked.
//!
//! What changes something for clients is added to the stream, and takes place when it is read from there:
//! events, and who joins, leaves and is sent away. Questions and answers go by Pub/Sub.
//!
//! ```text
//! adapter ── put ──► outgoing ── writer ──► stream of Redis ── reader ──► adapter of each node
//! ```
//!
//! While Redis is away, a node delivers to its own clients at once. When Redis is back, what all nodes have
//! said meanwhile is merged by time, and added to the stream with the time at which it was said.

mod adapter;
mod entry;
mod hub;
mod merge;
mod older;
mod outgoing;
mod questions;
mod reader;
mod replay;
mod sessions;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use redis::RedisError;
use tokio::task::AbortHandle;
use tracing::{debug, warn};

use super::Redis;
use crate::relay::Seldom;
use crate::socketio::{Adapter, LocalNode, RecoverySettings};

use adapter::StreamAdapter;
use hub::Hub;

/// How the stream is used. All nodes of a cluster have the same names.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// The name of the stream; of several, with what their names begin.
    pub stream: String,
    /// How many streams there are, 1 at least: Node's `streamCount`. Each namespace has one of them, so that each is in
    /// order; several can be on several servers of a Redis Cluster.
    pub count: usize,
    /// What the names of channels begin with.
    pub channel_prefix: String,
    /// What the keys of sessions begin with.
    pub session_prefix: String,
    /// Entries that a stream keeps, about: for as long as it takes to add so many, a node may be away, and
    /// a client.
    pub max_entries: usize,
    /// Whether clients who were lost come back to their sessions, and how long those are kept. Their number,
    /// and events, are bounded by Redis.
    pub recovery: Option<RecoverySettings>,
    /// Messages that wait while Redis is away; those that are too many are lost for other nodes, and counted.
    pub max_waiting: usize,
    /// Bytes of them.
    pub max_waiting_bytes: usize,
}

impl Default for StreamSettings {
    /// The names of Node's adapter and its 10 000 entries, without recovery; 10 000 messages and 32 MiB may
    /// wait.
    fn default() -> Self {
        StreamSettings {
            stream: "socket.io".to_owned(),
            count: 1,
            channel_prefix: "socket.io".to_owned(),
            session_prefix: "sio:session:".to_owned(),
            max_entries: 10_000,
            recovery: None,
            max_waiting: 10_000,
            max_waiting_bytes: 32 << 20,
        }
    }
}

/// A cluster that meets at a stream of Redis.
///
/// ```no_run
/// use parlance::cluster::redis::{Redis, RedisStreams, RedisUrl, StreamSettings};
/// use parlance::socketio::Io;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let redis = Redis::connect("redis://127.0.0.1".parse::<RedisUrl>().unwrap());
/// let streams = RedisStreams::new(redis, StreamSettings::default());
/// let io = Io::builder().adapter(move |node| streams.adapter(node)).build();
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RedisStreams(Arc<Streams>);

#[derive(Debug)]
struct Streams {
    redis: Redis,
    settings: StreamSettings,
    /// By name, those that a namespace has.
    running: Mutex<HashMap<String, Arc<Running>>>,
}

/// The tasks of one stream, which end when nobody needs them.
#[derive(Debug)]
struct Running {
    hub: Arc<Hub>,
    tasks: [AbortHandle; 3],
}

impl Running {
    fn start(redis: Redis, settings: StreamSettings) -> Self {
        let hub = Hub::new(redis, settings);
        let tasks = [
            tokio::spawn(reader::read(Arc::clone(&hub))).abort_handle(),
            tokio::spawn(writer::write(Arc::clone(&hub))).abort_handle(),
            tokio::spawn(writer::watch(Arc::clone(&hub))).abort_handle(),
        ];
        Running { hub, tasks }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Messages of this node that others did not get: too many waited, or Redis refused them.
    pub lost: u64,
    /// Entries that were gone before this node could read them.
    pub missed: u64,
    /// Entries and messages that could not be understood.
    pub malformed: u64,
    /// Entries that were there a second time, and did nothing.
    pub doubled: u64,
    /// Messages of this node that are not in the stream yet.
    pub waiting: usize,
}

impl RedisStreams {
    /// Reads and writes in tasks of its own, as long as it or one of its adapters is there. To be called on a
    /// tokio runtime.
    pub fn new(redis: Redis, settings: StreamSettings) -> Self {
        RedisStreams(Arc::new(Streams { redis, settings, running: Mutex::default() }))
    }

    /// Makes the adapter of one namespace.
    pub fn adapter(&self, node: &Arc<LocalNode>) -> Arc<dyn Adapter> {
        let running = self.stream_of(node.namespace());
        let adapter = StreamAdapter::new(Arc::clone(&running), node);
        let mut adapters = running.hub.adapters.lock().unwrap_or_else(PoisonError::into_inner);
        adapters.retain(|_, adapter| adapter.strong_count() > 0);
        adapters.insert(Arc::clone(node.namespace()), Arc::downgrade(&adapter));
        adapter
    }

    /// The stream that a namespace has. It is read from the first namespace on.
    fn stream_of(&self, namespace: &str) -> Arc<Running> {
        let Streams { redis, settings, running } = &*self.0;
        let stream = stream_name(&settings.stream, settings.count, namespace);
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        let of = running.entry(stream.clone()).or_insert_with(|| {
            let settings = StreamSettings { stream, ..settings.clone() };
            Arc::new(Running::start(redis.clone(), settings))
        });
        Arc::clone(of)
    }

    /// What was counted, of all its streams.
    pub fn counts(&self) -> StreamCounts {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().map(|it| it.hub.counts()).fold(StreamCounts::default(), |sum, of| {
            StreamCounts {
                lost: sum.lost + of.lost,
                missed: sum.missed + of.missed,
                malformed: sum.malformed + of.malformed,
                doubled: sum.doubled + of.doubled,
                waiting: sum.waiting + of.waiting,
            }
        })
    }
}

/// The name of a namespace's stream, of `count` of them, as Node's adapter makes it. It counts in 32 bits with a sign, so
/// that some numbers are negative; its own servers do not read those streams, ours do.
fn stream_name(prefix: &str, count: usize, namespace: &str) -> String {
    let Some(count) = i32::try_from(count).ok().filter(|count| *count > 1) else {
        return prefix.to_owned();
    };
    let hash = namespace
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    format!("{prefix}-{}", hash % count)
}

/// One of the two connections that the stream is used by has ended. What Redis says no to once, it will again.
fn tell_end(connection: &str, error: &RedisError) {
    static REFUSED: Seldom = Seldom::new();
    match error.code() {
        Some(_) if REFUSED.count(1).is_some() => {
            warn!(%error, "Redis does not let this node use the stream: it is alone");
        }
        _ => debug!(%error, "the connection that {connection} the stream has ended"),
    }
}

/// The adapters by namespace.
type Adapters = HashMap<Arc<str>, std::sync::Weak<StreamAdapter>>;

#[cfg(test)]
mod tests {
    use super::stream_name;

    #[test]
    fn streams_have_the_names_that_nodes_adapter_gives_them() {
        // By @socket.io/redis-streams-adapter 0.3.1.
        for (count, namespace, name) in [
            (1, "/", "s"),
            (4, "/", "s-3"),
            (4, "/chat", "s-3"),
            (3, "/support", "s--1"),
            (7, "/raum-ä", "s-1"),
        ] {
            assert_eq!(stream_name("s", count, namespace), name, "{namespace}");
        }
    }
}
