//! The nodes that this one meets at a Redis, from the settings.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;

use crate::cluster::redis::{
    OldestAdapter, PubSubSettings, Redis, RedisPubSub, RedisSettings, RedisSharded, RedisStreams,
    RedisUrl, ShardedSettings, StreamSettings,
};
use crate::config::{ClusterAdapter, ClusterOldest, Settings};
use crate::files;
use crate::socketio::{Adapter, LocalNode};

/// More is no file of certificates.
const LARGEST_CA: u64 = 1 << 20;

/// Makes the adapter of a namespace.
pub(super) type Make = Box<dyn Fn(&Arc<LocalNode>) -> Arc<dyn Adapter> + Send + Sync>;

/// How nodes meet.
pub(super) struct Cluster {
    redis: RedisSettings,
    adapter: ClusterAdapter,
    prefix: String,
    oldest: OldestAdapter,
    stream_length: usize,
    stream_count: usize,
}

impl Cluster {
    /// `None` if this is a server alone.
    ///
    /// # Errors
    /// If the URL or the authority cannot be used. The error is one line, names the setting, and has no
    /// password in it.
    pub fn of(settings: &Settings) -> Result<Option<Self>> {
        let Some(url) = &settings.cluster else { return Ok(None) };
        let url: RedisUrl = url.parse().map_err(anyhow::Error::msg).context("cluster")?;
        let ca = match &settings.cluster_ca {
            Some(_) if !url.is_tls() => {
                bail!("cluster-ca: {url} is without TLS: it takes rediss://")
            }
            Some(path) => {
                let read = files::read(path, LARGEST_CA);
                let read =
                    read.with_context(|| format!("cluster-ca: {} cannot be read", path.display()))?;
                Some(Bytes::from(read))
            }
            None => None,
        };
        let prefix = settings.cluster_prefix.clone();
        let oldest = match settings.cluster_oldest {
            ClusterOldest::V0_1 => OldestAdapter::V0_1,
            ClusterOldest::V0_2 => OldestAdapter::V0_2,
            ClusterOldest::V3 => OldestAdapter::V3,
            ClusterOldest::V6 => OldestAdapter::V6,
            ClusterOldest::V7 => OldestAdapter::V7,
        };
        let redis = RedisSettings { url, ca };
        Ok(Some(Cluster {
            redis,
            adapter: settings.cluster_adapter,
            prefix,
            oldest,
            stream_length: settings.cluster_stream_length,
            stream_count: settings.cluster_stream_count,
        }))
    }

    /// Where they meet, without the password.
    pub fn url(&self) -> &RedisUrl {
        &self.redis.url
    }

    /// Connects, and makes what has namespaces meet those of other nodes.
    pub fn connect(self) -> (Make, Redis) {
        let redis = Redis::connect(self.redis);
        let make: Make = match self.adapter {
            ClusterAdapter::Redis => {
                let settings = PubSubSettings { channel_prefix: self.prefix, oldest: self.oldest };
                let cluster = RedisPubSub::new(redis.clone(), settings);
                Box::new(move |node| cluster.adapter(node))
            }
            ClusterAdapter::RedisSharded => {
                let channel_prefix = self.prefix;
                let settings = ShardedSettings { channel_prefix, ..ShardedSettings::default() };
                let cluster = RedisSharded::new(redis.clone(), settings);
                Box::new(move |node| cluster.adapter(node))
            }
            ClusterAdapter::RedisStreams => {
                let (stream, channel_prefix) = (self.prefix.clone(), self.prefix.clone());
                // Servers of Node do not know these positions: they have sessions of their own.
                let session_prefix = format!("{}#session:", self.prefix);
                let settings = StreamSettings {
                    stream,
                    channel_prefix,
                    session_prefix,
                    max_entries: self.stream_length,
                    count: self.stream_count,
                    ..StreamSettings::default()
                };
                let cluster = RedisStreams::new(redis.clone(), settings);
                Box::new(move |node| cluster.adapter(node))
            }
        };
        (make, redis)
    }
}
