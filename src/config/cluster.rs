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
