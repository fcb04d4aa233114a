//! Nodes find each other at a Redis.

use std::sync::Arc;
use std::time::Duration;

use parlance::cluster::redis::{Redis, RedisNodes, RedisUrl};
use parlance::relay::{Directory as _, Node};

use crate::support::pair::KEY;
use crate::support::redis::RedisServer;
use crate::support::until;

/// So long a node is there without a word.
const LEASE: Duration = Duration::from_millis(1500);

fn node(address: &str) -> Arc<Node> {
    Arc::new(Node::new(KEY, address, None).unwrap())
}

async fn at(server: &RedisServer, prefix: &str, node: &Arc<Node>) -> RedisNodes {
    join(server, prefix, node, LEASE).await
}

async fn join(server: &RedisServer, prefix: &str, node: &Arc<Node>, lease: Duration) -> RedisNodes {
    let redis = Redis::connect(server.url().parse::<RedisUrl>().unwrap());
    RedisNodes::join(redis, prefix, Arc::clone(node), lease).await
}

#[tokio::test]
async fn a_new_node_says_so_to_all_others() {
    // By themselves, they look every minute.
    const LONG: Duration = Duration::from_secs(300);
    let mut server = RedisServer::start().await;
    let (a, b) = (node("10.0.0.1:1"), node("10.0.0.2:1"));
    let at_a = join(&server, "chat", &a, LONG).await;
    let at_b = join(&server, "chat", &b, LONG).await;
    until("the first knows the second", || at_a.count() == 2).await;
    assert_eq!(at_b.count(), 2);
    // To a Redis that has forgotten all, both say it again.
    server.stop();
    server.go_on().await;
    let both = || server.cli(&["SCARD", "{chat#nodes}"]) == "2";
    until("they are there", both).await;
}

#[tokio::test]
async fn a_node_is_known_for_its_lease_though_redis_has_forgotten_it() {
    const LONG: Duration = Duration::from_secs(300);
    let server = RedisServer::start().await;
    let (a, b, c) = (node("10.0.0.1:1"), node("10.0.0.2:1"), node("10.0.0.3:1"));
    let at_a = join(&server, "chat", &a, LONG).await;
    // It says nothing any more.
    drop(join(&server, "chat", &b, LONG).await);
    until("a knows b", || at_a.address(b.id()).is_some()).await;
    server.cli(&["DEL", "{chat#nodes}", "{chat#nodes}:10.0.0.2:1"]);
    let at_c = join(&server, "chat", &c, LONG).await;
    until("a has looked again", || at_a.address(c.id()).is_some()).await;
    assert_eq!(at_a.address(b.id()).as_deref(), Some("10.0.0.2:1"));
    assert_eq!(at_c.address(b.id()), None, "who comes later cannot know it");
}

#[tokio::test]
async fn nodes_are_there_until_their_lease_ends_or_longer_while_redis_is_away() {
    let mut server = RedisServer::start().await;
    let (a, b) = (node("10.0.0.1:1"), node("[::1]:2"));
    let at_a = at(&server, "chat", &a).await;
    assert_eq!((at_a.count(), at_a.address(b.id())), (1, None));
    // Neither another chat's node, nor what is none.
    let _other = at(&server, "other", &node("10.0.0.3:1")).await;
    server.cli(&["SADD", "{chat#nodes}", &"x".repeat(1000)]);
    let at_b = at(&server, "chat", &b).await;
    assert_eq!(at_b.address(a.id()).as_deref(), Some("10.0.0.1:1"), "at once");
    until("a knows b", || at_a.address(b.id()).as_deref() == Some("[::1]:2")).await;
    let lease: u64 = server.cli(&["PTTL", "{chat#nodes}:[::1]:2"]).parse().unwrap();
    assert!((1..=1500).contains(&lease), "{lease}");

    // One that says nothing any more goes with its lease.
    drop(at_b);
    until("b is gone", || at_a.count() == 1).await;
    assert_eq!(server.cli(&["SISMEMBER", "{chat#nodes}", "[::1]:2"]), "0");

    let at_b = at(&server, "chat", &b).await;
    until("a knows b again", || at_a.address(b.id()).is_some()).await;
    server.stop();
    assert!(at_a.address(b.id()).is_some() && at_b.address(a.id()).is_some());
    assert_eq!(at_a.address(node("10.0.0.9:1").id()), None);
    // It has forgotten all of them, and they come again.
    server.go_on().await;
    until("they are there", || server.cli(&["SCARD", "{chat#nodes}"]) == "2").await;
    until("a knows b", || at_a.address(b.id()).is_some()).await;
}
