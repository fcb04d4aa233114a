//! Nodes that meet at a stream: there is one order, and clients come back to their sessions on any node.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use parlance::cluster::redis::{Redis, RedisStreams, RedisUrl, StreamSettings};
use parlance::socketio::{Io, Namespace, RecoverySettings, Taken};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::redis::RedisServer;
use crate::support::server::{Setup, TestServer};
use crate::support::{soon, until};

/// A message that a node heard: who said it, which of theirs it is, and when it was said if it is late.
pub type Heard = (String, u64, Option<SystemTime>);

/// A node, and what it heard, in order.
pub struct Node {
    pub io: Io,
    pub redis: Redis,
    pub streams: RedisStreams,
    heard: Arc<Mutex<Vec<Heard>>>,
    pub name: String,
}

impl Node {
    pub async fn new(name: &str, url: &str, settings: StreamSettings) -> Self {
        let redis = Redis::connect(url.parse::<RedisUrl>().unwrap());
        let streams = RedisStreams::new(redis.clone(), settings);
        let adapters = streams.clone();
        let io = Io::builder().adapter(move |node| adapters.adapter(node)).build();
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let hears = Arc::clone(&heard);
        io.of("/").take_broadcasts("m", move |taken: Taken| {
            let name = taken.packet.args.get(0).unwrap();
            let number = taken.packet.args.get(1).unwrap();
            hears.lock().unwrap().push((name, number, taken.flags.late));
        });
        soon("connected", redis.until(true)).await;
        Node { io, redis, streams, heard, name: name.to_owned() }
    }

    pub fn root(&self) -> Namespace {
        self.io.of("/")
    }

    pub fn say(&self, number: u64) {
        self.root().emit("m", (&self.name, number));
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// What it heard, without times.
    pub fn said(&self) -> Vec<(String, u64)> {
        self.heard().into_iter().map(|(name, number, _)| (name, number)).collect()
    }

    pub fn count_of(&self, name: &str) -> u64 {
        self.heard.lock().unwrap().iter().filter(|(of, ..)| of == name).count() as u64
    }

    pub fn is_alone(&self) -> bool {
        self.root().adapter().status().is_alone()
    }
}

pub async fn nodes(server: &RedisServer, names: &[&str], settings: &StreamSettings) -> Vec<Node> {
    nodes_at(&server.url(), names, settings).await
}

/// Nodes that all know each other.
pub async fn nodes_at(url: &str, names: &[&str], settings: &StreamSettings) -> Vec<Node> {
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(Node::new(name, url, settings.clone()).await);
    }
    for node in &nodes {
        let root = node.root();
        let known = async { while root.server_count().await < names.len() {} };
        soon("they know each other", known).await;
        // Each has begun to read.
        node.say(0);
        until("it hears itself", || node.count_of(&node.name) == 1).await;
    }
    // All nodes read by the time the last one speaks. Who has heard that has heard all that came before it.
    let last = names.last().unwrap();
    until("all hear the last", || nodes.iter().all(|node| node.count_of(last) > 0)).await;
    for node in &nodes {
        node.heard.lock().unwrap().clear();
    }
    nodes
}

#[tokio::test]
async fn all_nodes_hear_all_in_one_order() {
    let server = RedisServer::start().await;
    let nodes = nodes(&server, &["a", "b", "c"], &StreamSettings::default()).await;
    for number in 1..=200 {
        nodes.iter().for_each(|node| node.say(number));
        tokio::task::yield_now().await;
        // In small parts: a node delivers early, and so out of order, what takes more than a second to come back.
        if number % 20 == 0 {
            let all = 3 * number as usize;
            until("all is heard", || nodes.iter().all(|node| node.heard().len() == all)).await;
        }
    }
    let first = nodes[0].said();
    assert!(nodes.iter().all(|node| node.said() == first));
    for node in &nodes {
        let of = first.iter().filter(|(name, _)| *name == node.name).map(|(_, number)| *number);
        assert!(of.eq(1..=200), "each in its own order");
        assert!(node.heard().iter().all(|(.., late)| late.is_none()));
        assert_eq!(node.streams.counts().waiting, 0);
    }
}

#[tokio::test]
async fn what_was_said_meanwhile_is_marked_and_in_the_order_of_time() {
    let mut server = RedisServer::start().await;
    let nodes = nodes(&server, &["a", "b", "c"], &StreamSettings::default()).await;
    let [a, b, c] = &nodes[..] else { panic!() };
    server.stop();
    let mut expected = Vec::new();
    for number in 1..=5 {
        for node in [a, b] {
            node.say(number);
            expected.push((node.name.clone(), number));
            until("it is heard here", || node.count_of(&node.name) == number).await;
            sleep(Duration::from_millis(2)).await;
        }
    }
    assert!(a.is_alone() && a.root().server_count().await == 1);
    assert_eq!(a.root().fetch_sockets().await.unwrap().len(), 0, "nobody is asked");
    sleep(Duration::from_millis(1100)).await;
    let before = SystemTime::now();
    server.go_on().await;
    until("all is heard", || nodes.iter().all(|node| node.heard().len() == 10)).await;
    assert_eq!(c.said(), expected);
    assert!(c.heard().iter().all(|(.., late)| late.is_some_and(|late| late < before)));
    // Their own were heard before.
    assert_eq!(a.count_of("a"), 5);
    assert!(a.heard().iter().all(|(name, _, late)| late.is_some() == (name == "b")));
    until("all is as before", || !nodes.iter().any(Node::is_alone)).await;
    b.say(6);
    until("it is heard", || nodes.iter().all(|node| node.heard().len() == 11)).await;
    assert!(nodes.iter().all(|node| node.heard()[10] == ("b".to_owned(), 6, None)));
}

/// A node was killed when it had put what it had said to what is merged. The user may do what docs/cluster.md says.
#[tokio::test]
async fn what_a_node_has_left_to_be_merged_is_merged_by_another() {
    const RULES: &str = "on >x resetchannels &* +@pubsub +@connection +@stream +eval +zadd +zrange \
                         +zremrangebyrank ~socket.io ~{socket.io}#late";
    // More than is moved at once, all of one millisecond.
    const LEFT: u64 = 1001;
    let server = RedisServer::start().await;
    let rules: Vec<&str> = ["ACL", "SETUSER", "eve"].into_iter().chain(RULES.split(' ')).collect();
    assert_eq!(server.cli(&rules), "OK");
    let url = server.url().replace("//", "//eve:x@");
    let nodes = nodes_at(&url, &["a"], &StreamSettings::default()).await;
    let script = "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], 7, string.format('%020d', i) .. cjson.encode({ \
                  'uid', 'u', 'nsp', '/', 'type', '3', 'serial', 'gone.' .. i, 'data', \
                  '{\"packet\":{\"type\":2,\"data\":[\"m\",\"x\",' .. i .. ']},\"opts\":{\"rooms\":[]}}' })) end";
    server.cli(&["EVAL", script, "1", "{socket.io}#late", &LEFT.to_string()]);
    until("all is heard", || nodes[0].count_of("x") == LEFT).await;
    assert!(nodes[0].said().into_iter().map(|(_, number)| number).eq(1..=LEFT));
    assert_eq!(server.cli(&["EXISTS", "{socket.io}#late"]), "0");
    // Its own goes that way, too.
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    until("it is alone", || nodes[0].is_alone()).await;
    nodes[0].say(1);
    until("it is there", || nodes[0].streams.counts().waiting == 0).await;
    let last = server.cli(&["XREVRANGE", "socket.io", "+", "-", "COUNT", "1"]);
    assert!(last.contains("\"late\":"), "{last}");
}

#[tokio::test]
async fn too_much_that_waits_and_what_was_gone_too_soon_is_counted() {
    let mut server = RedisServer::start().await;
    let settings = StreamSettings { max_waiting: 3, ..StreamSettings::default() };
    let nodes = nodes(&server, &["a", "b"], &settings).await;
    let [a, b] = &nodes[..] else { panic!() };
    server.stop();
    (1..=5).for_each(|number| a.say(number));
    until("all is heard here", || a.count_of("a") == 5).await;
    assert_eq!((a.streams.counts().lost, a.streams.counts().waiting), (2, 3));
    assert_eq!(a.root().adapter().status().lost, 2);
    server.go_on().await;
    until("three are heard there", || b.count_of("a") == 3).await;
    until("all is well", || !a.is_alone() && !b.is_alone()).await;
    // Five entries come and go at once.
    let mut script = String::new();
    for number in 0..5 {
        script += &format!(
            "redis.call('XADD', 'socket.io', '*', 'uid', 'u', 'nsp', '/', 'type', '3', 'data', '{number}') "
        );
    }
    script += "redis.call('XTRIM', 'socket.io', 'MAXLEN', 0)";
    server.cli(&["EVAL", &script, "0"]);
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    until("it is counted", || nodes.iter().all(|node| node.streams.counts().missed == 5)).await;
    b.say(1);
    until("it goes on", || a.count_of("b") == 1).await;
}

#[tokio::test]
async fn what_is_no_message_is_counted_and_what_comes_twice_does_nothing() {
    let server = RedisServer::start().await;
    let nodes = nodes(&server, &["a"], &StreamSettings::default()).await;
    let (a, root) = (&nodes[0], nodes[0].root());
    let good = r#"{"packet":{"type":2,"data":["m","x",1]},"opts":{"rooms":[]}}"#;
    let all: [&[&str]; 6] = [
        &["uid", "u", "nsp", "/", "type", "3", "data", good],
        &["uid", "u", "nsp", "/", "type", "3", "data", "{"],
        &["uid", "u", "nsp", "/", "type", "99"],
        &["uid", "u", "nsp", "/"],
        &["uid", "u", "nsp", "/", "type", "3", "data", good, "serial", "other.7"],
        &["uid", "u", "nsp", "/", "type", "3", "data", good, "serial", "other.7"],
    ];
    for fields in all {
        server.cli(&[&["XADD", "socket.io", "*"], fields].concat());
    }
    server.cli(&["PUBLISH", "socket.io#/#", "no message"]);
    root.emit("m", ("a", 1));
    until("the last is heard", || a.count_of("a") == 1).await;
    until("the bad are counted", || a.streams.counts().malformed == 4).await;
    assert_eq!((a.count_of("x"), a.streams.counts().doubled), (2, 1));
}

#[tokio::test]
async fn servers_of_0_2_are_heard_and_what_else_they_say_does_no_harm() {
    let server = RedisServer::start().await;
    let nodes = nodes(&server, &["a"], &StreamSettings::default()).await;
    // By @socket.io/redis-streams-adapter 0.2.3, which says all of it on the stream: that it is there, questions, answers,
    // and that it goes.
    for (kind, data) in [
        ("1", ""),
        ("2", ""),
        (
            "3",
            r#"{"packet":{"type":2,"data":["m","old",1]},"opts":{"rooms":[],"except":[],"flags":{}}}"#,
        ),
        (
            "3",
            r#"{"packet":{"type":2,"data":["asked"]},"requestId":"5e1f","opts":{"rooms":[],"except":[],"flags":{"timeout":1000}}}"#,
        ),
        ("7", r#"{"opts":{"rooms":[],"except":[]},"requestId":"8a2c"}"#),
        ("8", r#"{"requestId":"8a2c","sockets":[]}"#),
        ("9", r#"{"packet":["hello"]}"#),
        ("11", r#"{"requestId":"5e1f","clientCount":0}"#),
        ("13", ""),
    ] {
        let data = if data.is_empty() { vec![] } else { vec!["data", data] };
        let fields =
            ["XADD", "socket.io", "*", "uid", "37dfd1dc26b8a3d5", "nsp", "/", "type", kind];
        server.cli(&[&fields[..], &data].concat());
    }
    nodes[0].say(1);
    until("all came", || nodes[0].count_of("a") == 1).await;
    assert_eq!(nodes[0].count_of("old"), 1);
    assert_eq!(nodes[0].streams.counts().malformed, 0);
    // They wait for answers, and get them there.
    let answers = || server.cli(&["XRANGE", "socket.io", "-", "+"]);
    let answered = || {
        let all = answers();
        let (sockets, count) = (r#"{"requestId":"8a2c","sockets":[]}"#, r#""clientCount":0"#);
        all.matches(sockets).count() == 2 && all.matches(count).count() == 2
    };
    until("it is answered", answered).await;
}

#[tokio::test]
async fn when_all_is_dropped_redis_is_left() {
    let server = RedisServer::start().await;
    let nodes = nodes(&server, &["a"], &StreamSettings::default()).await;
    assert!(nodes[0].redis.status().connected);
    drop(nodes);
    until("it has left", || server.cli(&["CLIENT", "LIST"]).lines().count() == 1).await;
}

/// A node with clients, which recovers sessions.
struct Stage {
    server: TestServer,
    io: Io,
}

impl Stage {
    async fn new(redis: &RedisServer) -> Self {
        let connection = Redis::connect(redis.url().parse::<RedisUrl>().unwrap());
        let recovery = Some(RecoverySettings::default());
        let settings = StreamSettings { recovery, ..StreamSettings::default() };
        let streams = RedisStreams::new(connection, settings);
        let io = Io::builder().adapter(move |node| streams.adapter(node)).build();
        let server = Setup::default().start_io(io.clone(), |io| drop(io.of("/"))).await;
        until("connected", || !io.of("/").adapter().status().is_alone()).await;
        let begun = async || {
            while {
                let (told, begun) = std::sync::mpsc::channel();
                io.of("/").adapter().between_events(Box::new(move |at| {
                    let _ = told.send(at.is_some());
                }));
                !begun.recv().unwrap()
            } {
                tokio::task::yield_now().await;
            }
        };
        soon("it reads", begun()).await;
        Stage { server, io }
    }

    async fn join(&self, auth: &Value) -> Client {
        let mut client = Client::open(&self.server, Eio::V4, Via::WebSocket).await;
        client.send(&format!("40{auth}")).await;
        client
    }
}

fn connected(text: &str) -> (String, String) {
    let answer: Value = serde_json::from_str(text.strip_prefix("40").expect(text)).unwrap();
    (answer["sid"].as_str().unwrap().to_owned(), answer["pid"].as_str().unwrap().to_owned())
}

fn offset(text: &str) -> String {
    let event: Vec<Value> = serde_json::from_str(text.trim_start_matches(|c| c != '[')).unwrap();
    event.last().unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_comes_back_on_another_node_and_gets_what_it_missed() {
    let redis = RedisServer::start().await;
    let (one, other) = (Stage::new(&redis).await, Stage::new(&redis).await);
    let (root, elsewhere) = (one.io.of("/"), other.io.of("/"));
    let mut ann = one.join(&json!({})).await;
    let (sid, pid) = connected(&ann.text().await);
    let socket = root.socket(&sid).unwrap();
    socket.join("r");
    socket.set_data(json!({ "name": "ann" }));
    elsewhere.emit("seen", 1);
    let text = ann.text().await;
    assert!(text.starts_with("42[\"seen\",1,\""), "{text}");
    let seen = offset(&text);
    socket.emit("hers alone", ());
    let alone = ann.text().await;
    assert!(alone.starts_with("42[\"hers alone\",\""), "{alone}");
    ann.kill();
    until("she is lost", || root.socket(&sid).is_none()).await;
    for namespace in [&root, &elsewhere] {
        namespace.emit("missed", 2);
        namespace.to("r").emit("room", bytes::Bytes::from_static(&[7]));
        namespace.to("other").emit("not hers", ());
        namespace.except("r").emit("not hers either", ());
        namespace.volatile().emit("volatile", ());
        namespace.to(&sid).emit("hers", ());
        // In this order.
        assert_eq!(namespace.fetch_sockets().await.unwrap().len(), 0);
    }
    let mut back = other.join(&json!({ "pid": pid, "offset": seen })).await;
    let text = back.text().await;
    assert!(text.starts_with("42[\"hers alone\",\""), "{text}");
    let mut last = String::new();
    for _ in 0..2 {
        let text = back.text().await;
        assert!(text.starts_with("42[\"missed\",2,\""), "{text}");
        let text = back.text().await;
        assert!(text.starts_with("451-[\"room\",{\"_placeholder\":true,\"num\":0},\""), "{text}");
        back.next().await;
        last = back.text().await;
        assert!(last.starts_with("42[\"hers\",\""), "{last}");
    }
    assert_eq!(connected(&back.text().await), (sid.clone(), pid.clone()));
    let again = elsewhere.socket(&sid).unwrap();
    assert!(again.is_recovered());
    assert_eq!(again.data(), json!({ "name": "ann" }));
    root.to("r").emit("live", ());
    assert!(back.text().await.starts_with("42[\"live\",\""));
    // A session is given once, and not with a place that Redis does not know.
    let mut twice = one.join(&json!({ "pid": pid, "offset": offset(&last) })).await;
    assert_ne!(connected(&twice.text().await).0, sid);
    back.kill();
    until("she is lost again", || elsewhere.socket(&sid).is_none()).await;
    until("the session is kept", || redis.cli(&["EXISTS", &format!("sio:session:{pid}")]) == "1")
        .await;
    let ttl: u64 = redis.cli(&["PTTL", &format!("sio:session:{pid}")]).parse().unwrap();
    assert!((100_000..=120_000).contains(&ttl), "{ttl}");
    let mut unknown = one.join(&json!({ "pid": pid, "offset": "1-7" })).await;
    assert_ne!(connected(&unknown.text().await).0, sid);
}

#[tokio::test]
async fn who_has_seen_nothing_or_all_comes_back_and_who_missed_what_is_gone_does_not() {
    let redis = RedisServer::start().await;
    let stage = Stage::new(&redis).await;
    let root = stage.io.of("/");
    for (events, seen, trim, recovers) in
        [(0, 0, false, true), (2, 2, true, true), (2, 1, true, false), (1, 0, false, true)]
    {
        let mut ann = stage.join(&json!({})).await;
        let (sid, pid) = connected(&ann.text().await);
        let mut places = Vec::new();
        for number in 0..events {
            root.to(&sid).emit("e", number);
            places.push(offset(&ann.text().await));
        }
        root.to("others").emit("busy", ());
        root.fetch_sockets().await.unwrap();
        ann.kill();
        until("she is lost", || root.socket(&sid).is_none()).await;
        root.to(&sid).emit("missed", ());
        root.fetch_sockets().await.unwrap();
        if trim {
            // All but the last two: what she saw is not there any more, what she missed is.
            redis.cli(&["XTRIM", "socket.io", "MAXLEN", "2"]);
        }
        let auth = match seen {
            0 => json!({ "pid": pid }),
            _ => json!({ "pid": pid, "offset": places[seen - 1] }),
        };
        let mut back = stage.join(&auth).await;
        let mut text = back.text().await;
        while text.starts_with("42") {
            text = back.text().await;
        }
        assert_eq!(connected(&text).0 == sid, recovers, "{events} {seen} {trim}");
    }
}
