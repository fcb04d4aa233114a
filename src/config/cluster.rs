//! How nodes of a cluster meet.

use std::str::FromStr;

/// The setting `cluster-adapter`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClusterAdapter {
    /// By Pub/Sub, with Node's servers that have `@socket.io/redis-adapter` or `socket.io-redis`.
    #[default]
    Redis,
    /// By sharded Pub/Sub, with Node's servers that have that.
    RedisSharded,
    /// At a stream, with Node's servers that have `@socket.io/redis-streams-adapter`.
    RedisStreams,
}

impl FromStr for ClusterAdapter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "redis" => Ok(ClusterAdapter::Redis),
            "redis-sharded" => Ok(ClusterAdapter::RedisSharded),
            "redis-streams" => Ok(ClusterAdapter::RedisStreams),
            other => {
                let other: String = other.chars().take(64).collect();
                Err(format!("expected redis, redis-sharded or redis-streams, not {other:?}"))
            }
        }
    }
}

/// The setting `cluster-oldest`: the oldest adapter of Node's servers in the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClusterOldest {
    /// `socket.io-redis` 0.1.
    V0_1,
    /// `socket.io-redis` 0.2 to 2.
    V0_2,
    /// `socket.io-redis` 3 to 5.
    V3,
    /// `socket.io-redis` 6.
    V6,
    /// `@socket.io/redis-adapter` 7 and 8.
    #[default]
    V7,
}

/// By the number of a version. Of one since 1, what comes after the first number is no matter.
impl FromStr for ClusterOldest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match parts.as_deref() {
            Ok([0, 1, ..]) => Ok(ClusterOldest::V0_1),
            Ok([0, 2, ..] | [1 | 2, ..]) => Ok(ClusterOldest::V0_2),
            Ok([3..=5, ..]) => Ok(ClusterOldest::V3),
            Ok([6, ..]) => Ok(ClusterOldest::V6),
            Ok([7 | 8, ..]) => Ok(ClusterOldest::V7),
            _ => Err("expected the version of an adapter: 0.1, 0.2, or 1 to 8".into()),
        }
    }
}

/// Characters of a prefix of channels.
const LONGEST_PREFIX: usize = 128;

/// Checks with what the names of channels may begin.
pub(super) fn check_prefix(prefix: &str) -> Result<(), String> {
    let fits = !prefix.is_empty() && prefix.len() <= LONGEST_PREFIX;
    match fits && prefix.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        true => Ok(()),
        false => Err(format!(
            "expected 1 to {LONGEST_PREFIX} characters of ASCII, with neither a space nor a #"
        )),
    }
}
