//! Nodes that meet at a Redis.
//!
//! [`Redis`] is the connection: it publishes, listens, asks, and connects again.

mod connection;
mod directory;
mod keeper;
mod link;
mod outbox;
mod pubsub;
mod sharded;
mod streams;
mod topics;
mod url;

use bytes::Bytes;

pub use connection::{Redis, RedisCounts, RedisStatus, Subscription};
pub use directory::RedisNodes;
pub use link::Link;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use pubsub::any_bytes;
pub use pubsub::{OldestAdapter, PubSubSettings, RedisPubSub};
pub use sharded::{RedisSharded, ShardedSettings};
pub use streams::{RedisStreams, StreamCounts, StreamSettings};
pub use topics::{Listener, Topic, escaped};
pub use url::RedisUrl;

/// How Redis is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Where it is.
    pub url: RedisUrl,
    /// Whose certificates are good, in PEM form; `None` for those that the system trusts.
    pub ca: Option<Bytes>,
}

impl From<RedisUrl> for RedisSettings {
    fn from(url: RedisUrl) -> Self {
        RedisSettings { url, ca: None }
    }
}
