//! Stock clients of 4.6 and later that come back to their session on another node, by a real Redis.

use std::time::Duration;

use parlance::chat::{Chat, ChatSettings, Farewell, ResumeKey};
use parlance::cluster::redis::{
    PubSubSettings, Redis, RedisPubSub, RedisStreams, RedisUrl, StreamSettings,
};
use parlance::socketio::Io;
use parlance::store::{Store, StoreSettings};
use serde_json::json;

use crate::recovered::{Kept, Stage, Stock, said};
use crate::support::redis::RedisServer;
use crate::support::server::{Setup, chat_settings};
use crate::support::{soon, until};

const MINUTE: Duration = Duration::from_secs(60);

struct Node {
    stage: Stage,
    farewell: Farewell,
    redis: Redis,
}

/// A node as the server makes one, whose user of Redis may do what docs/cluster.md says. Names are unique, and who is
/// lost is away for a while.
async fn node(redis: &RedisServer) -> Node {
    const RULES: &str = "on >x resetchannels &* +@pubsub +@connection +@stream ~socket.io \
                         ~{socket.io}#late +zadd +zrange +zremrangebyrank +eval +get +set +del +pexpire ~socket.io#session:*";
    let rules: Vec<&str> = ["ACL", "SETUSER", "eve"].into_iter().chain(RULES.split(' ')).collect();
    redis.cli(&rules);
    let link = Redis::connect(redis.url().replace("//", "//eve:x@").parse::<RedisUrl>().unwrap());
    soon("connected", link.until(true)).await;
    let session_prefix = "socket.io#session:".to_owned();
    let settings = StreamSettings { session_prefix, ..StreamSettings::default() };
    let streams = RedisStreams::new(link.clone(), settings);
    let settings = ChatSettings {
        store: Store::memory(StoreSettings::default()),
        resume_key: Some(ResumeKey::from_secret(b"the key of the cluster")),
        recovery: MINUTE,
        duplicate_names: false,
        leave_delay: MINUTE,
        ..chat_settings()
    };
    let (chat, room) = Chat::new(settings);
    tokio::spawn(room.run());
    let (farewell, moderation) = (chat.farewell(), chat.moderation());
    let io = chat.recovering_among(Io::builder(), move |node| streams.adapter(node)).build();
    let server = Setup::default().start_io(io.clone(), |io| chat.serve(io, |_| {})).await;
    Node { stage: Stage { server, io, moderation }, farewell, redis: link }
}

/// Two nodes that know each other, with somebody on each.
async fn two(redis: &RedisServer) -> ([Node; 2], [Stock; 2]) {
    let nodes = [node(redis).await, node(redis).await];
    let mut ann = Stock::user(&nodes[0].stage, "ann").await;
    let mut eve = Stock::join(&nodes[1].stage, None).await;
    // She hears of nobody who was there before her.
    while who(&mut eve).await[0]["numUsers"] != 1 {}
    eve.client.emit(json!(["add user", "eve"])).await;
    eve.until("login").await;
    ann.until("user joined").await;
    (nodes, [ann, eve])
}

/// What somebody hears up to that text of ann's.
async fn up_to(stock: &mut Stock, text: &str) -> Vec<serde_json::Value> {
    let mut heard = Vec::new();
    loop {
        heard.push(stock.event().await);
        if *heard.last().unwrap() == said("ann", text) {
            heard.pop();
            return heard;
        }
    }
}

async fn who(stock: &mut Stock) -> serde_json::Value {
    stock.client.emit_with_ack(7, json!(["who"])).await;
    loop {
        if let Some(answer) = stock.client.text().await.strip_prefix("437") {
            return serde_json::from_str(answer).unwrap();
        }
    }
}

#[tokio::test]
async fn who_comes_back_to_another_node_is_who_they_were() {
    let redis = RedisServer::start().await;
    let ([first, second], [mut ann, mut eve]) = two(&redis).await;
    let mut bob = Stock::user(&second.stage, "bob").await;
    ann.says("one").await;
    bob.until("new message").await;
    bob.says("own").await;
    let mut kept = bob.lost(&second.stage).await;
    up_to(&mut eve, "one").await;
    assert_eq!(eve.event().await, said("bob", "own"));
    ann.until("new message").await;
    for round in 0..4 {
        let text = format!("missed {round}");
        ann.says(&text).await;
        assert_eq!(up_to(&mut eve, &text).await, Vec::<serde_json::Value>::new());
        let node = [&first, &second][round % 2];
        let mut bob = Stock::join(&node.stage, Some(&kept)).await;
        assert_eq!((&bob.kept.sid, &bob.kept.pid), (&kept.sid, &kept.pid), "{round}");
        assert_eq!(bob.before, [said("ann", &text)]);
        // He has his name at once, and nobody has heard of it.
        bob.says("back").await;
        assert_eq!(ann.event().await, said("bob", "back"));
        assert_eq!(eve.event().await, said("bob", "back"));
        let people = json!([{ "numUsers": 3, "people": ["ann", "bob", "eve"], "more": false }]);
        // The numbers of people come by another way than messages.
        let all = async {
            loop {
                let seen = who(&mut eve).await;
                if seen[0]["numUsers"] == 3 {
                    break seen;
                }
            }
        };
        let mut seen = soon("all know of him", all).await;
        seen[0]["people"].as_array_mut().unwrap().sort_by_key(|it| it.to_string());
        assert_eq!(seen, people);
        kept = bob.lost(&node.stage).await;
    }
}

/// What a client has seen may be ahead of the node that it comes to: it waits.
#[tokio::test]
async fn nothing_is_missed_or_heard_twice_on_a_node_that_is_behind() {
    let redis = RedisServer::start().await;
    let ([first, second], [mut ann, _eve]) = two(&redis).await;
    let mut bob = Stock::user(&first.stage, "bob").await;
    for round in 0..20 {
        let (text, next) = (format!("seen {round}"), format!("missed {round}"));
        ann.says(&text).await;
        bob.until("new message").await;
        let [from, to] = if round % 2 == 0 { [&first, &second] } else { [&second, &first] };
        let kept = bob.lost(&from.stage).await;
        ann.says(&next).await;
        bob = Stock::join(&to.stage, Some(&kept)).await;
        assert_eq!(bob.kept.sid, kept.sid, "{round}");
        let heard = match bob.before.is_empty() {
            true => vec![bob.event().await],
            false => bob.before.clone(),
        };
        assert_eq!(heard, [said("ann", &next)], "{round}");
    }
}

#[tokio::test]
async fn sessions_outlive_their_node() {
    for is_meant in [true, false] {
        // Of its own: nodes of another turn and their people would be there for a while.
        let redis = RedisServer::start().await;
        let ([first, second], [_ann, mut eve]) = two(&redis).await;
        let mut bob = Stock::user(&first.stage, "bob").await;
        eve.until("user joined").await;
        eve.says("one").await;
        bob.until("new message").await;
        let kept = bob.kept.clone();
        if is_meant {
            first.farewell.say().await;
            first.stage.server.engine.shutdown(MINUTE).await;
            first.stage.io.of("/").adapter().close().await;
        }
        // Otherwise the session was kept as he got his name.
        drop((first.stage, first.redis));
        eve.says("two").await;
        let mut bob = Stock::join(&second.stage, Some(&kept)).await;
        assert_eq!(bob.kept.sid, kept.sid, "meant: {is_meant}");
        assert_eq!(bob.before, [said("eve", "two")]);
        bob.says("back").await;
        assert_eq!(eve.until("new message").await, said("bob", "back"));
    }
}

/// The older connection is dead, and its node does not know that yet.
#[tokio::test]
async fn who_comes_back_before_their_node_has_lost_them_has_the_name() {
    let redis = RedisServer::start().await;
    let ([first, second], [mut ann, _eve]) = two(&redis).await;
    let older = Stock::user(&first.stage, "bob").await;
    ann.until("user joined").await;
    let mut bob = Stock::join(&second.stage, Some(&older.kept)).await;
    assert_eq!(bob.kept.sid, older.kept.sid);
    bob.says("back").await;
    assert_eq!(ann.event().await, said("bob", "back"));
    older.lost(&first.stage).await;
    bob.says("still here").await;
    assert_eq!(ann.event().await, said("bob", "still here"));
    soon("all know of him", async { while who(&mut ann).await[0]["numUsers"] != 3 {} }).await;
}

#[tokio::test]
async fn who_cannot_come_back_joins_anew() {
    let redis = RedisServer::start().await;
    let ([first, second], [mut ann, mut eve]) = two(&redis).await;
    type Change = fn(&mut Kept);
    let changes: [(&str, Change); 4] = [
        ("another history", |kept| kept.offset = Some("AAAAAAAA.1".into())),
        ("a place that no node has", |kept| {
            kept.offset = kept.offset.as_ref().map(|it| format!("{it}0"));
        }),
        ("an unknown session", |kept| kept.pid = "A".repeat(20)),
        ("a long id", |kept| kept.pid = "A".repeat(10_000)),
    ];
    for (what, change) in changes {
        let mut bob = Stock::user(&first.stage, "bob").await;
        ann.says("one").await;
        bob.until("new message").await;
        let mut kept = bob.lost(&first.stage).await;
        let sid = kept.sid.clone();
        change(&mut kept);
        let mut bob = Stock::join(&second.stage, Some(&kept)).await;
        assert!(bob.kept.sid != sid && bob.before.is_empty(), "{what}");
        // Without a token nobody can show that it was they who were there: the next has the name.
        bob.client.emit(json!(["add user", "bob"])).await;
        bob.until("login").await;
        bob.says(what).await;
        while eve.until("new message").await != said("bob", what) {}
        bob.client.send("41").await;
        let id = bob.kept.sid.clone();
        until("bob has left", || second.stage.io.of("/").socket(&id).is_none()).await;
        while eve.until("user left").await[1]["numUsers"] != 2 {}
        // Who said goodbye does not come back.
        let again = Stock::join(&first.stage, Some(&bob.kept)).await;
        assert_ne!(again.kept.sid, id, "{what}");
        again.lost(&first.stage).await;
    }
}

/// They have no positions in common.
#[tokio::test]
async fn nodes_by_pub_sub_give_no_sessions_back() {
    let redis = RedisServer::start().await;
    let link = Redis::connect(redis.url().parse::<RedisUrl>().unwrap());
    let pub_sub = RedisPubSub::new(link, PubSubSettings::default());
    let (chat, room) = Chat::new(ChatSettings { recovery: MINUTE, ..chat_settings() });
    tokio::spawn(room.run());
    let moderation = chat.moderation();
    let io = chat.recovering_among(Io::builder(), move |node| pub_sub.adapter(node)).build();
    let server = Setup::default().start_io(io.clone(), |io| chat.serve(io, |_| {})).await;
    let ann = Stock::user(&Stage { server, io, moderation }, "ann").await;
    assert_eq!(ann.kept.pid, "");
}
