//! Nodes that meet by Pub/Sub, in the words of `@socket.io/redis-adapter` and of `socket.io-redis`.

mod adapter;
mod answer;
mod oldest;
mod pending;
mod wire;

use std::sync::Arc;

use super::connection::Redis;
use crate::socketio::{Adapter, LocalNode};
use adapter::PubSubAdapter;

pub use oldest::OldestAdapter;
#[cfg(any(test, feature = "fuzzing"))]
pub use wire::any_bytes;

/// How nodes meet by Pub/Sub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubSubSettings {
    /// With what the names of all channels begin: the `key` of Node's adapters.
    pub channel_prefix: String,
    /// What the oldest of Node's servers in the cluster has.
    pub oldest: OldestAdapter,
}

impl Default for PubSubSettings {
    fn default() -> Self {
        PubSubSettings { channel_prefix: "socket.io".into(), oldest: OldestAdapter::default() }
    }
}

/// Makes the adapters of one node that meets others by Pub/Sub: Parlance, and Node's servers with
/// `@socket.io/redis-adapter` or `socket.io-redis`. What is said while Redis is away does not reach the others.
///
/// Each node has a [`Redis`] of its own: nodes are counted by their connections.
///
/// ```no_run
/// use parlance::cluster::redis::{PubSubSettings, Redis, RedisPubSub, RedisUrl};
/// use parlance::socketio::Io;
///
/// # #[tokio::main] async fn main() -> Result<(), String> {
/// let redis = Redis::connect("redis://localhost".parse::<RedisUrl>()?);
/// let cluster = RedisPubSub::new(redis, PubSubSettings::default());
/// let io = Io::builder().adapter(move |node| cluster.adapter(node)).build();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RedisPubSub {
    redis: Redis,
    settings: PubSubSettings,
}

impl RedisPubSub {
    /// By a connection of this node's own.
    pub fn new(redis: Redis, settings: PubSubSettings) -> Self {
        RedisPubSub { redis, settings }
    }

    /// Makes the adapter of one namespace. To be called on a tokio runtime.
    pub fn adapter(&self, node: &Arc<LocalNode>) -> Arc<dyn Adapter> {
        PubSubAdapter::new(self, node)
    }
}
