//! Messages of other servers, byte by byte: what old ones send, and what nobody understands.

use bytes::Bytes;
use parlance::cluster::redis::{OldestAdapter, PubSubSettings, Redis, RedisPubSub, RedisUrl};
use parlance::socketio::Io;

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::redis::RedisServer;
use crate::support::server::{Setup, TestServer};
use crate::support::{soon, until};

/// A node with a client that is in some rooms.
async fn node(server: &RedisServer, rooms: &[&str]) -> (Redis, Io, TestServer, Client) {
    node_with(server, rooms, OldestAdapter::default()).await
}

async fn node_with(
    server: &RedisServer,
    rooms: &[&str],
    oldest: OldestAdapter,
) -> (Redis, Io, TestServer, Client) {
    let redis = Redis::connect(server.url().parse::<RedisUrl>().unwrap());
    let settings = PubSubSettings { oldest, ..PubSubSettings::default() };
    let cluster = RedisPubSub::new(redis.clone(), settings);
    let io = Io::builder().adapter(move |node| cluster.adapter(node)).build();
    let root = io.of("/");
    soon("connected", redis.until(true)).await;
    let here = Setup::default().start_io(io.clone(), |_| ()).await;
    let mut client = Client::open(&here, Eio::V4, Via::WebSocket).await;
    let id = client.join_default().await;
    rooms.iter().for_each(|room| root.socket(&id).unwrap().join(*room));
    (redis, io, here, client)
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// `["old123", {type: 2, data: [event], nsp: "/"}, {rooms: ["r1", "r2"], flags: {}}]`, with one letter as event.
fn to_two_rooms(event: u8) -> Vec<u8> {
    let mut message = bytes("93a66f6c64313233 83a474797065 02 a464617461 91a1");
    message.push(event);
    message.extend(bytes("a36e7370a12f 82a5726f6f6d7392a27231a27232 a5666c61677380"));
    message
}

#[tokio::test]
async fn old_servers_send_one_message_to_several_rooms_several_times() {
    let server = RedisServer::start().await;
    for (rooms, channels) in [
        (&["r1", "r2"][..], &["socket.io#/#r1#", "socket.io#/#r2#"][..]),
        (&["r2"], &["socket.io#/#r1#", "socket.io#/#r2#"]),
        // Newer ones send it once, to all.
        (&["r1", "r2"], &["socket.io#/#"]),
    ] {
        let (_redis, _io, _here, mut client) = node(&server, rooms).await;
        for event in [b'a', b'b'] {
            channels.iter().for_each(|channel| server.publish(channel, &to_two_rooms(event)));
        }
        assert_eq!(soon("it", client.text()).await, "42[\"a\"]", "{rooms:?} {channels:?}");
        assert_eq!(soon("and not twice", client.text()).await, "42[\"b\"]");
    }
}

#[tokio::test]
async fn binary_of_old_servers_is_binary() {
    let server = RedisServer::start().await;
    let (_redis, _io, _here, mut client) = node(&server, &[]).await;
    let message = "93a6674a57445a5083a47479706505a46461746192a362696ec4030102ffa36e7370a12f\
                   82a5726f6f6d7390a5666c61677380";
    server.publish("socket.io#/#", &bytes(message));
    let text = soon("it", client.text()).await;
    assert_eq!(text, "451-[\"bin\",{\"_placeholder\":true,\"num\":0}]");
}

#[tokio::test]
async fn what_nobody_understands_is_counted_and_not_answered() {
    let server = RedisServer::start().await;
    let (redis, io, _here, mut client) = node(&server, &[]).await;
    let whole = to_two_rooms(b'x');
    let mut count = 0;
    let mut bad = |channel: &str, payload: &[u8]| {
        server.publish(channel, payload);
        count += 1;
    };
    // Cut off anywhere; no list; of a type that is no event.
    (0..whole.len()).for_each(|end| bad("socket.io#/#", &whole[..end]));
    bad("socket.io#/#", b"{}");
    bad("socket.io#/#", b"null");
    bad("socket.io#/#", &bytes("93a175 83a47479706503a46461746191a161a36e7370a12f 80"));
    for request in
        ["", "{", "[]", "{}", "{\"type\":99,\"requestId\":\"a\"}", "{\"type\":7}", "\u{1}"]
    {
        bad("socket.io-request#/#", request.as_bytes());
    }
    until("all are counted", || redis.counts().ignored() == count).await;
    // Answers that nobody waits for are no mistakes.
    for answer in ["{\"requestId\":\"a\",\"sockets\":[]}", "{", "{\"requestid\":\"a\"}"] {
        server.publish("socket.io-response#/#", answer.as_bytes());
    }
    server.publish("socket.io#/other#", &whole);
    assert_eq!(redis.counts().published(), 0, "nothing is answered");
    io.of("/").emit("still here", Bytes::from_static(&[1]));
    assert!(soon("it goes on", client.text()).await.starts_with("451-[\"still here\""));
    assert_eq!(redis.counts().ignored(), count);
}

/// `[{type: 2, data: [event], nsp: "/"}, {rooms: ["r1"], flags: undefined}]` as socket.io-redis 0.1.3 has it.
fn of_0_1(event: u8) -> Vec<u8> {
    let mut message = bytes("92 83a474797065 02 a464617461 91a1");
    message.push(event);
    message.extend(bytes("a36e7370a12f 82a5726f6f6d7391a27231 a5666c616773c4"));
    message
}

#[tokio::test]
async fn servers_of_0_1_are_heard_once_and_only_if_they_are_to_be() {
    let server = RedisServer::start().await;
    let oldest = OldestAdapter::V0_1;
    let (redis, io, _here, mut client) = node_with(&server, &["r1"], oldest).await;
    let (other_redis, _io, _there, mut other) = node_with(&server, &["r1"], oldest).await;
    let (new_redis, _io, _elsewhere, mut new) = node(&server, &["r1"]).await;
    let whole = of_0_1(b'x');
    // Cut off anywhere; what newer servers say; what has lost its binary.
    (0..whole.len()).for_each(|end| server.publish("socket.io#wWFERR", &whole[..end]));
    server.publish("socket.io#wWFERR", &to_two_rooms(b'x'));
    let without = "92 83a474797065 05 a464617461 92a178 82ac5f706c616365686f6c646572c3a36e756d00
                   ab6174746163686d656e747301 80";
    server.publish("socket.io#emitter", &bytes(without));
    let count = whole.len() as u64 + 2;
    for redis in [&redis, &other_redis] {
        until("all are counted", || redis.counts().ignored() == count).await;
    }
    server.publish("socket.io#wWFERR", &of_0_1(b'a'));
    server.publish("socket.io#emitter", &of_0_1(b'b'));
    for client in [&mut client, &mut other] {
        assert_eq!(soon("a server's", client.text()).await, "42[\"a\"]");
        assert_eq!(soon("an emitter's", client.text()).await, "42[\"b\"]");
    }
    // Each node hears another by one channel alone, and nobody hears what is for old servers.
    io.of("/").to("r1").emit("c", ());
    io.of("/").emit("d", Bytes::from_static(&[1]));
    for client in [&mut client, &mut other, &mut new] {
        assert_eq!(soon("a node's", client.text()).await, "42[\"c\"]");
        assert!(soon("its next", client.text()).await.starts_with("451-[\"d\""));
    }
    until("all are counted, twice each", || redis.counts().published() == 4).await;
    assert_eq!(new_redis.counts().ignored(), 0);
    assert_eq!(other_redis.counts().ignored(), count);
}
