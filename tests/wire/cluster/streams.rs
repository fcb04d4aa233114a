//! Nodes that meet at a stream: nothing is lost or doubled whatever becomes of Redis, there is one order, and
//! clients come back to their sessions on any node.
//!
//! `CHAOS=60 cargo test --test wire chaos` has each fault for so many seconds.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use parlance::cluster::redis::{Redis, RedisStreams, RedisUrl, StreamSettings};
use parlance::socketio::{Io, Namespace, RecoverySettings, Taken};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::process::Folder;
use crate::support::redis::RedisServer;
use crate::support::server::{Setup, TestServer};
use crate::support::{soon, until};

/// A message that a node heard: who said it, which of theirs it is, and when it was said if it is late.
type Heard = (String, u64, Option<SystemTime>);

/// A node, and what it heard, in order.
struct Node {
    io: Io,
    redis: Redis,
    streams: RedisStreams,
    heard: Arc<Mutex<Vec<Heard>>>,
    name: String,
}

impl Node {
    async fn new(name: &str, server: &RedisServer, settings: StreamSettings) -> Self {
        let redis = Redis::connect(server.url().parse::<RedisUrl>().unwrap());
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

    fn root(&self) -> Namespace {
        self.io.of("/")
    }

    fn say(&self, number: u64) {
        self.root().emit("m", (&self.name, number));
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// What it heard, without times.
    fn said(&self) -> Vec<(String, u64)> {
        self.heard().into_iter().map(|(name, number, _)| (name, number)).collect()
    }

    fn count_of(&self, name: &str) -> u64 {
        self.heard.lock().unwrap().iter().filter(|(of, ..)| of == name).count() as u64
    }

    fn is_alone(&self) -> bool {
        self.root().adapter().status().is_alone()
    }
}

async fn nodes(server: &RedisServer, names: &[&str], settings: &StreamSettings) -> Vec<Node> {
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(Node::new(name, server, settings.clone()).await);
    }
    for node in &nodes {
        let root = node.root();
        let known = async { while root.server_count().await < names.len() {} };
        soon("they know each other", known).await;
        // Each has begun to read.
        node.say(0);
        until("it hears itself", || node.count_of(&node.name) == 1).await;
    }
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
    }
    until("all is heard", || nodes.iter().all(|node| node.heard().len() == 600)).await;
    let first = nodes[0].said();
    assert!(nodes.iter().all(|node| node.said() == first));
    for node in &nodes {
        let of = first.iter().filter(|(name, _)| *name == node.name).map(|(_, number)| *number);
        assert!(of.eq(1..=200), "each in its own order");
        assert!(node.heard().iter().all(|(.., late)| late.is_none()));
        assert_eq!(node.streams.counts().waiting, 0);
    }
}

/// What may become of Redis.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Restart,
    RestartWithoutItsData,
    Stopped,
    Cut,
    CutAgainAndAgain,
}

/// Two nodes say something all the time, while something becomes of Redis for some time.
async fn chaos(fault: Fault, lasts: Duration) {
    let keeps = fault != Fault::RestartWithoutItsData;
    let folder = Folder::new();
    let args: &[&str] = match keeps {
        true => &["--appendonly", "yes", "--appendfsync", "always"],
        false => &[],
    };
    let mut server = RedisServer::with(args).await;
    let nodes = nodes(&server, &["a", "b"], &StreamSettings::default()).await;
    drop(folder);
    let (start, mut number, mut healed) = (Instant::now(), 0, None);
    let mut slowest = Duration::ZERO;
    let (mut broken, mut cut) = (false, Instant::now());
    loop {
        number += 1;
        sleep(Duration::from_millis(2)).await;
        nodes.iter().for_each(|node| node.say(number));
        let said = Instant::now();
        let here = async {
            while nodes.iter().any(|node| node.count_of(&node.name) < number) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), here).await.expect("it is heard where it is said");
        slowest = slowest.max(said.elapsed());
        let since = start.elapsed();
        if !broken && since > Duration::from_millis(300) {
            broken = true;
            match fault {
                Fault::Restart | Fault::RestartWithoutItsData => server.stop(),
                Fault::Stopped => server.signal("STOP"),
                Fault::Cut | Fault::CutAgainAndAgain => {
                    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
                    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
                }
            }
        }
        if fault == Fault::CutAgainAndAgain && healed.is_none() && cut.elapsed().as_millis() > 100 {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            cut = Instant::now();
        }
        if broken && healed.is_none() && since > lasts {
            match fault {
                Fault::Restart | Fault::RestartWithoutItsData => server.go_on().await,
                Fault::Stopped => server.signal("CONT"),
                Fault::Cut | Fault::CutAgainAndAgain => {}
            }
            healed = Some(Instant::now());
        }
        let is_back = nodes.iter().all(|node| !node.is_alone());
        if healed.is_some_and(|healed| is_back && healed.elapsed() > Duration::from_millis(500)) {
            break;
        }
        assert!(since < lasts + Duration::from_secs(40), "it does not come back");
    }
    let whole = || nodes.iter().all(|node| node.heard().len() as u64 == 2 * number);
    let arrived = async {
        while !whole() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let all = timeout(Duration::from_secs(20), arrived).await;
    for node in &nodes {
        let counts = node.streams.counts();
        let late = node.heard().iter().filter(|(.., late)| late.is_some()).count();
        eprintln!(
            "{fault:?} {}: {number} said, slowest {slowest:?}, {late} late, {counts:?}",
            node.name
        );
        let mut said = node.said();
        said.sort();
        let before = said.len();
        said.dedup();
        assert_eq!(said.len(), before, "nothing is doubled");
        assert!(all.is_ok(), "nothing is lost: {} of {}", said.len(), 2 * number);
        for name in ["a", "b"] {
            let of: Vec<u64> = node
                .heard()
                .iter()
                .filter(|(of, ..)| of == name)
                .map(|(_, number, _)| *number)
                .collect();
            assert!(of.is_sorted(), "in the order of who says it");
        }
        assert_eq!((counts.lost, counts.missed), (0, 0));
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}: what is said here is heard here");
}

/// How long each fault is there.
fn lasts(short: u64) -> Duration {
    let seconds = std::env::var("CHAOS").ok().and_then(|seconds| seconds.parse().ok());
    seconds.map_or(Duration::from_millis(short), Duration::from_secs)
}

#[tokio::test]
async fn chaos_redis_restarts() {
    chaos(Fault::Restart, lasts(1500)).await;
}

#[tokio::test]
async fn chaos_redis_restarts_and_has_forgotten_all() {
    chaos(Fault::RestartWithoutItsData, lasts(1500)).await;
}

#[tokio::test]
async fn chaos_redis_stops_for_a_while() {
    chaos(Fault::Stopped, lasts(3000)).await;
}

#[tokio::test]
async fn chaos_connections_are_cut() {
    chaos(Fault::Cut, lasts(600)).await;
    chaos(Fault::CutAgainAndAgain, lasts(2000)).await;
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
