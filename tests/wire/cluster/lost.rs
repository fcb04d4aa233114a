//! What counts as lost while Redis is away: what people and applications say, and nothing that nodes say of
//! themselves again.

use std::time::Duration;

use parlance::cluster::redis::{
    PubSubSettings, Redis, RedisPubSub, RedisSharded, RedisStreams, RedisUrl, ShardedSettings,
    StreamSettings,
};
use parlance::socketio::{Args, Flags, Io, Packet, Selector};
use serde_json::json;

use crate::support::process::{Folder, Process, parlance};
use crate::support::redis::RedisServer;
use crate::support::soon;

pub const ADAPTERS: [&str; 3] = ["redis", "redis-sharded", "redis-streams"];

/// A node by one of the adapters.
pub fn node(adapter: &str, redis: &Redis) -> Io {
    let redis = redis.clone();
    let io = Io::builder();
    match adapter {
        "redis" => {
            let cluster = RedisPubSub::new(redis, PubSubSettings::default());
            io.adapter(move |node| cluster.adapter(node)).build()
        }
        "redis-sharded" => {
            let cluster = RedisSharded::new(redis, ShardedSettings::default());
            io.adapter(move |node| cluster.adapter(node)).build()
        }
        _ => {
            let cluster = RedisStreams::new(redis, StreamSettings::default());
            io.adapter(move |node| cluster.adapter(node)).build()
        }
    }
}

#[tokio::test]
async fn only_what_somebody_says_counts_as_lost() {
    for adapter in ADAPTERS {
        let mut server = RedisServer::start().await;
        let redis = Redis::connect(server.url().parse::<RedisUrl>().unwrap());
        let root = node(adapter, &redis).of("/");
        soon("connected", redis.until(true)).await;
        server.stop();
        soon("it is away", redis.until(false)).await;
        let lost = || root.adapter().status().lost;
        let packet = || Packet { name: "x".to_owned(), args: Args::from(vec![json!(1)]) };
        let (nodes, wait) = (root.adapter(), Duration::from_millis(10));
        nodes.server_side_renew(packet());
        let flags = Flags { timeout: Some(wait), ..Flags::default() };
        let _ = soon("the end", nodes.fetch(Selector::default(), flags)).await;
        let _ = soon("the end", nodes.server_side_emit_with_ack(packet(), wait)).await;
        let _ = soon("a number", nodes.server_count()).await;
        assert_eq!(lost(), 0, "{adapter}");
        nodes.server_side_emit(packet());
        assert_eq!(lost(), 1, "{adapter}");
        root.emit("m", 1);
        // At a stream, it waits.
        assert_eq!(lost(), if adapter == "redis-streams" { 1 } else { 2 }, "{adapter}");
    }
}

/// A node tells others of itself as soon as it is there, connected or not.
#[tokio::test]
async fn a_node_that_starts_has_lost_nothing() {
    let redis = RedisServer::start().await;
    for adapter in ADAPTERS {
        let folder = Folder::new();
        let mut command = parlance(folder.path());
        command.args(["--port", "0", "--cluster", &redis.url(), "--cluster-adapter", adapter]);
        let mut server = Process::start(command);
        server.listening();
        let line = server.said("connected to Redis");
        assert!(line.contains("lost=0"), "{line}");
    }
}
