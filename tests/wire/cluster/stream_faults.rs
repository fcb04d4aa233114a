//! Whatever becomes of Redis, nothing is lost or doubled at a stream: it restarts, stands still, goes on without what was
//! last, or at another server.
//!
//! `CHAOS=60 cargo test --test wire chaos` has each fault for so many seconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parlance::cluster::redis::StreamSettings;
use parlance::socketio::Taken;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::streams::{Node, nodes, nodes_at};
use crate::support::process::Folder;
use crate::support::redis::{RedisServer, free_port};
use crate::support::until;

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

/// Adds an entry as Node's servers do, at a place.
fn add(server: &RedisServer, place: &str, name: &str, number: u64) -> String {
    let data =
        json!({ "packet": { "type": 2, "data": ["m", name, number] }, "opts": { "rooms": [] } });
    let fields = ["uid", "u", "nsp", "/", "type", "3", "data", &data.to_string()];
    server.cli(&[&["XADD", "socket.io", place], &fields[..]].concat())
}

#[tokio::test]
async fn a_stream_that_goes_on_at_an_earlier_place_is_read_on() {
    let server = RedisServer::start().await;
    let nodes = nodes(&server, &["a", "b"], &StreamSettings::default()).await;
    let [a, b] = &nodes[..] else { panic!() };
    let kept = add(&server, "*", "node", 1);
    // As of a server whose clock is a day ahead; then of another one, which has not got its last entry.
    let ahead =
        format!("{}-0", kept.split_once('-').unwrap().0.parse::<u64>().unwrap() + 86_400_000);
    add(&server, &ahead, "node", 2);
    until("both came", || nodes.iter().all(|node| node.count_of("node") == 2)).await;
    server.cli(&["XDEL", "socket.io", &ahead]);
    server.cli(&["XSETID", "socket.io", &kept]);
    a.say(1);
    until("it is heard there", || b.count_of("a") == 1).await;
    until("all is as before", || !nodes.iter().any(Node::is_alone)).await;
    // And of one that has nothing at all.
    let later = ahead.replace("-0", "-1");
    add(&server, &later, "node", 3);
    until("it came", || nodes.iter().all(|node| node.count_of("node") == 3)).await;
    server.cli(&["DEL", "socket.io"]);
    add(&server, "*", "node", 4);
    b.say(1);
    // A node delivers its own message after a second, even if earlier ones of others have not come yet.
    until("all came", || nodes.iter().all(|it| (it.count_of("node"), it.count_of("b")) == (4, 1)))
        .await;
    for node in &nodes {
        assert_eq!(node.count_of("node"), 4, "{:?}", node.said());
        assert_eq!((node.count_of("a"), node.count_of("b")), (1, 1));
    }
}

/// A way to a Redis by which nothing comes while `deaf`. Returns its port.
async fn way_to(port: u16, deaf: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(redis) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let ((mut from_client, mut to_client), (mut from_redis, mut to_redis)) =
                (client.into_split(), redis.into_split());
            let deaf = Arc::clone(&deaf);
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_redis).await });
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = from_redis.read(&mut bytes).await {
                    if !deaf.load(Ordering::SeqCst) {
                        let _ = to_client.write_all(&bytes[..count]).await;
                    }
                }
            });
        }
    });
    own
}

#[tokio::test]
async fn what_one_node_has_read_and_another_has_not_is_not_lost_with_the_data_of_redis() {
    let mut server = RedisServer::start().await;
    let deaf = Arc::<AtomicBool>::default();
    let way = way_to(server.port, Arc::clone(&deaf)).await;
    let a = Node::new("a", &server.url(), StreamSettings::default()).await;
    let url = format!("redis://127.0.0.1:{way}");
    let b = Node::new("b", &url, StreamSettings::default()).await;
    for (number, node) in [&a, &b].into_iter().enumerate() {
        until("it reads", || {
            node.say(number as u64);
            node.count_of(&node.name) > 0
        })
        .await;
    }
    until("it is heard there", || b.count_of("a") > 0).await;
    deaf.store(true, Ordering::SeqCst);
    a.say(1000);
    until("it is heard here", || a.said().contains(&("a".to_owned(), 1000))).await;
    assert!(!b.said().contains(&("a".to_owned(), 1000)));
    server.stop();
    deaf.store(false, Ordering::SeqCst);
    server.go_on().await;
    a.say(1001);
    until("it is heard there", || b.said().contains(&("a".to_owned(), 1001))).await;
    until("all is as before", || !a.is_alone() && !b.is_alone()).await;
    for node in [&a, &b] {
        let last: Vec<u64> =
            node.said().iter().map(|(_, number)| *number).filter(|it| *it >= 1000).collect();
        assert_eq!(last, [1000, 1001], "{}", node.name);
    }
}

#[tokio::test]
async fn what_another_server_would_take_is_not_lost() {
    let server = RedisServer::start().await;
    let nodes = nodes(&server, &["a", "b"], &StreamSettings::default()).await;
    let [a, b] = &nodes[..] else { panic!() };
    // It becomes a replica, and is in charge again a moment later.
    for (number, (no, yes)) in [
        (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
        (
            ["CONFIG", "SET", "min-replicas-to-write 1"],
            ["CONFIG", "SET", "min-replicas-to-write 0"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let cli = |args: [&str; 3]| server.cli(&args.join(" ").split(' ').collect::<Vec<_>>());
        cli(no);
        a.say(number as u64);
        until("it is heard here", || a.count_of("a") == number as u64 + 1).await;
        cli(yes);
        until("it is heard there", || b.count_of("a") == number as u64 + 1).await;
        until("all is as before", || !nodes.iter().any(Node::is_alone)).await;
    }
    assert!(nodes.iter().all(|node| node.streams.counts().lost == 0 && node.heard().len() == 2));
}

/// Three namespaces over several streams.
#[tokio::test]
async fn namespaces_are_spread_over_several_streams() {
    let server = RedisServer::start().await;
    let settings = StreamSettings { count: 4, max_entries: 100, ..StreamSettings::default() };
    let nodes = nodes(&server, &["a", "b"], &settings).await;
    let [a, b] = &nodes[..] else { panic!() };
    a.say(1);
    until("it is heard there", || b.count_of("a") == 1).await;
    assert_eq!(server.cli(&["KEYS", "socket.io*"]), "socket.io-3", "as Node's adapter names it");
    let heard = Arc::<Mutex<Vec<u64>>>::default();
    let hears = Arc::clone(&heard);
    b.io.of("/support").take_broadcasts("m", move |taken: Taken| {
        hears.lock().unwrap().push(taken.packet.args.get(1).unwrap());
    });
    a.io.of("/support");
    until("both have it", || {
        let listeners = server.cli(&["PUBSUB", "NUMSUB", "socket.io#/support#"]);
        listeners.ends_with("\n2")
    })
    .await;
    let mut number = 0;
    until("it is heard there, in another stream", || {
        number += 1;
        a.io.of("/support").emit("m", ("a", number));
        !heard.lock().unwrap().is_empty()
    })
    .await;
    let mut streams: Vec<_> =
        server.cli(&["KEYS", "socket.io*"]).lines().map(str::to_owned).collect();
    streams.sort();
    assert_eq!(streams, ["socket.io-0", "socket.io-3"]);
    assert_eq!(b.count_of("a"), 1, "each namespace its own");
    // Each is cut to its length.
    for round in 1..=20 {
        (0..50).for_each(|number| a.say(number));
        until("all is heard", || b.count_of("a") == 1 + round * 50).await;
    }
    let length: u64 = server.cli(&["XLEN", "socket.io-3"]).parse().unwrap();
    assert!((100..400).contains(&length), "{length}");
}

#[tokio::test]
async fn a_stream_outlives_its_server_with_sentinels() {
    let mut first = RedisServer::start().await;
    let second = RedisServer::with(&["--replicaof", &format!("127.0.0.1 {}", first.port)]).await;
    let sentinel = RedisServer::sentinel(first.port).await;
    let knows = || {
        second.cli(&["INFO", "replication"]).contains("master_link_status:up")
            && sentinel.cli(&["SENTINEL", "replicas", "chat"]).contains("127.0.0.1")
    };
    at_last("the sentinel knows both", Duration::from_secs(25), knows).await;
    let url = format!("redis+sentinel://127.0.0.1:{}/chat", sentinel.port);
    let nodes = nodes_at(&url, &["a", "b"], &StreamSettings::default()).await;
    nodes.iter().for_each(|node| node.say(1));
    until("both are heard", || nodes.iter().all(|node| node.heard().len() == 2)).await;
    first.stop();
    nodes.iter().for_each(|node| node.say(2));
    let patience = Duration::from_secs(30);
    at_last("all is heard", patience, || nodes.iter().all(|node| node.heard().len() == 4)).await;
    assert!(second.cli(&["INFO", "replication"]).contains("role:master"));
    nodes.iter().for_each(|node| assert_eq!(node.count_of("a"), 2));
}

#[tokio::test]
async fn a_stream_outlives_its_server_in_a_redis_cluster() {
    let mut servers = Vec::new();
    for _ in 0..6 {
        // The bus between the servers has a port of its own.
        let (port, bus) = (free_port(), free_port().to_string());
        let args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "3000"];
        let args = args.iter().copied().chain(["--cluster-port", &bus]).map(str::to_owned);
        servers.push(RedisServer::at(port, args.collect()).await);
    }
    let ports: Vec<String> = servers.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
    let mut create = vec!["--cluster", "create"];
    create.extend(ports.iter().map(String::as_str));
    create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
    servers[0].cli(&create);
    let patience = Duration::from_secs(30);
    let ready = || {
        servers.iter().all(|it| {
            let replication = it.cli(&["INFO", "replication"]);
            let follows = ["role:master", "master_link_status:up"];
            it.cli(&["CLUSTER", "INFO"]).contains("state:ok")
                && follows.iter().any(|it| replication.contains(it))
        })
    };
    at_last("the cluster is made", patience, ready).await;
    let url = format!("redis+cluster://{}", ports.join(","));
    // Two streams, of which one server has one each.
    let settings = StreamSettings { count: 4, ..StreamSettings::default() };
    let nodes = nodes_at(&url, &["a", "b"], &settings).await;
    nodes.iter().for_each(|node| node.say(1));
    until("both are heard", || nodes.iter().all(|node| node.heard().len() == 2)).await;
    let holds = |it: &&mut RedisServer| {
        let replication = it.cli(&["INFO", "replication"]);
        replication.contains("role:master") && it.cli(&["KEYS", "socket.io-3"]) == "socket.io-3"
    };
    servers.iter_mut().find(holds).expect("one has it").stop();
    nodes.iter().for_each(|node| node.say(2));
    at_last("all is heard", patience, || nodes.iter().all(|node| node.heard().len() == 4)).await;
    at_last("all is well", patience, || !nodes.iter().any(Node::is_alone)).await;
    nodes.iter().for_each(|node| node.say(3));
    until("it goes on", || nodes.iter().all(|node| node.heard().len() == 6)).await;
    for node in &nodes {
        let of_a = node.said().into_iter().filter(|(of, _)| of == "a");
        assert!(of_a.map(|(_, number)| number).eq(1..=3), "each once, in order");
    }
}

/// Waits longer than tests do usually: others have to notice first.
async fn at_last(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(patience, wait).await.unwrap_or_else(|_| panic!("{what}: not in {patience:?}"));
}
