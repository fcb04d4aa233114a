//! The connection to Redis: how it is made, and that it comes back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use parlance::cluster::redis::{Redis, RedisSettings, RedisUrl, Subscription, Topic};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::process::Folder;
use crate::support::redis::{RedisServer, free_port};
use crate::support::{soon, until};

async fn connected(url: &str) -> Redis {
    let redis = Redis::connect(url.parse::<RedisUrl>().unwrap());
    soon("connected", redis.until(true)).await;
    redis
}

type Heard = UnboundedReceiver<(String, Bytes)>;

/// Listens, until Redis knows it.
async fn listen(redis: &Redis, topic: Topic) -> (Subscription, Heard) {
    let (sender, heard) = unbounded_channel();
    let subscription = redis.subscribe(topic.clone(), move |channel, payload| {
        let _ = sender.send((channel.to_owned(), payload));
    });
    if let Topic::Pattern(_) = topic {
        return (subscription, heard);
    }
    let known = async { while redis.listeners(&topic).await.unwrap_or(0) == 0 {} };
    soon("it is subscribed", known).await;
    (subscription, heard)
}

/// What is said comes, and is in order, in text and in bytes.
async fn carries(redis: &Redis) {
    let (_subscription, mut heard) = listen(redis, Topic::channel("news")).await;
    for number in 0..1000_u32 {
        assert!(redis.publish(Topic::channel("news"), number.to_be_bytes().to_vec().into()));
    }
    for number in 0..1000_u32 {
        let said = soon("a message", heard.recv()).await.unwrap();
        assert_eq!(said, ("news".to_owned(), number.to_be_bytes().to_vec().into()));
    }
}

#[tokio::test]
async fn messages_come_by_channels_patterns_and_shards() {
    let server = RedisServer::start().await;
    let redis = connected(&server.url()).await;
    carries(&redis).await;
    let (one, mut shard) = listen(&redis, Topic::shard("shard")).await;
    let (pattern, mut by_pattern) = listen(&redis, Topic::pattern("a\\*#*")).await;
    let (other, mut channel) = listen(&redis, Topic::channel("a*#x")).await;
    let (again, mut twice) = listen(&redis, Topic::channel("a*#x")).await;
    for topic in [Topic::channel("ab#x"), Topic::channel("a*#x"), Topic::shard("shard")] {
        redis.publish(topic, Bytes::from_static(b"hi"));
    }
    let hi = |channel: &str| Some((channel.to_owned(), Bytes::from_static(b"hi")));
    assert_eq!(soon("it", by_pattern.recv()).await, hi("a*#x"), "and not ab#x");
    assert_eq!(soon("it", channel.recv()).await, hi("a*#x"));
    assert_eq!(soon("it", twice.recv()).await, hi("a*#x"));
    assert_eq!(soon("it", shard.recv()).await, hi("shard"));
    // Redis is told once, whoever listens, and when nobody does any more.
    assert_eq!(server.cli(&["PUBSUB", "NUMSUB", "a*#x"]), "a*#x\n1");
    assert_eq!(server.cli(&["PUBSUB", "NUMPAT"]), "1");
    drop((pattern, again));
    until("it is told", || server.cli(&["PUBSUB", "NUMPAT"]) == "0").await;
    assert_eq!(server.cli(&["PUBSUB", "NUMSUB", "a*#x"]), "a*#x\n1", "one still listens");
    soon("all is out", redis.flush()).await;
    assert_eq!((redis.counts().published(), redis.counts().lost()), (1003, 0));
    drop((redis, one, other));
    until("it has left", || server.cli(&["CLIENT", "LIST"]).lines().count() == 1).await;
}

#[tokio::test]
async fn it_logs_in_and_selects_a_database_over_each_kind_of_socket() {
    let folder = Folder::new();
    let socket = folder.path().join("redis.sock");
    let server = RedisServer::with(&[
        "--requirepass",
        "s3cret/+=",
        "--user",
        "ann",
        "on",
        ">ann's",
        "+@all",
        "~*",
        "&*",
        "--unixsocket",
        socket.to_str().unwrap(),
    ])
    .await;
    let port = server.port;
    for url in [
        format!("redis://:s3cret/+=@127.0.0.1:{port}/3"),
        format!("redis://ann:ann%27s@127.0.0.1:{port}/3"),
        format!("unix://{}?db=3&pass=s3cret/%2B%3D", socket.display()),
    ] {
        let redis = connected(&url).await;
        carries(&redis).await;
        let list = server.cli(&["-a", "s3cret/+=", "CLIENT", "LIST"]);
        assert_eq!(list.matches(" db=3 ").count(), 2, "{list}");
        drop(redis);
        let gone = || !server.cli(&["-a", "s3cret/+=", "CLIENT", "LIST"]).contains(" db=3 ");
        until("it has left", gone).await;
    }
    for (url, error) in [
        (format!("redis://127.0.0.1:{port}"), "NOAUTH"),
        (format!("redis://:wrong@127.0.0.1:{port}"), "WRONGPASS"),
        (format!("redis://127.0.0.1:{}", free_port()), "refused"),
    ] {
        let redis = Redis::connect(url.parse::<RedisUrl>().unwrap());
        until("it says why", || redis.status().error.is_some()).await;
        let said = redis.status().error.unwrap();
        assert!(said.to_lowercase().contains(&error.to_lowercase()), "{said}");
    }
}

#[tokio::test]
async fn it_speaks_tls_to_whom_its_authority_vouches_for() {
    let folder = Folder::new();
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new([]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::CertifiedIssuer::self_signed(ca, ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    for (name, text) in
        [("ca.pem", issuer.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let _server = RedisServer::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("cert.pem"),
        "--tls-key-file",
        &file("key.pem"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "no",
    ])
    .await;
    let settings = |host: &str, ca: Option<String>| RedisSettings {
        url: format!("rediss://{host}:{port}").parse().unwrap(),
        ca: ca.map(Bytes::from),
    };
    let redis = Redis::connect(settings("localhost", Some(issuer.pem())));
    soon("connected", redis.until(true)).await;
    carries(&redis).await;
    // Another name, and an authority that nobody knows.
    for bad in [settings("127.0.0.1", Some(issuer.pem())), settings("localhost", None)] {
        let redis = Redis::connect(bad);
        until("it says why", || redis.status().error.is_some()).await;
        let said = redis.status().error.unwrap();
        assert!(said.contains("certificate"), "{said}");
    }
}

#[tokio::test]
async fn it_comes_back_with_all_subscriptions_however_it_was_lost() {
    let mut server = RedisServer::start().await;
    let redis = connected(&server.url()).await;
    let (_a, mut heard) = listen(&redis, Topic::channel("news")).await;
    let (_b, mut shard) = listen(&redis, Topic::shard("s")).await;
    let (_c, mut pattern) = listen(&redis, Topic::pattern("n*")).await;
    for how in ["CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal", "restart"] {
        let outages = redis.counts().outages();
        if how == "restart" {
            server.stop();
            soon("it knows", redis.until(false)).await;
            let lost = redis.counts().lost();
            assert!(!redis.publish(Topic::channel("news"), Bytes::from_static(b"lost")));
            assert_eq!(redis.counts().lost(), lost + 1);
            assert!(redis.command(&redis::cmd("PING")).await.is_err());
            server.go_on().await;
        } else {
            server.cli(&how.split(' ').collect::<Vec<_>>());
        }
        until("the outage is counted", || redis.counts().outages() > outages).await;
        soon(how, redis.until(true)).await;
        redis.publish(Topic::channel("news"), Bytes::from_static(b"back"));
        redis.publish(Topic::shard("s"), Bytes::from_static(b"back"));
        for heard in [&mut heard, &mut shard, &mut pattern] {
            assert_eq!(soon(how, heard.recv()).await.unwrap().1, "back");
        }
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_any_more_is_away() {
    let server = RedisServer::start().await;
    let redis = connected(&server.url()).await;
    let (_subscription, mut heard) = listen(&redis, Topic::channel("news")).await;
    server.signal("STOP");
    // One that is on its way when the connection is given up is lost, and counted.
    redis.publish(Topic::channel("news"), Bytes::from_static(b"hi"));
    let away = async { redis.until(false).await };
    tokio::time::timeout(Duration::from_secs(15), away).await.expect("it is seen");
    assert_eq!(redis.counts().lost(), 1);
    server.signal("CONT");
    tokio::time::timeout(Duration::from_secs(20), redis.until(true)).await.expect("it is back");
    redis.publish(Topic::channel("news"), Bytes::from_static(b"back"));
    assert_eq!(soon("a message", heard.recv()).await.unwrap().1, "back");
}

#[tokio::test]
async fn it_follows_the_sentinels_to_another_server() {
    let mut first = RedisServer::start().await;
    let second = RedisServer::with(&["--replicaof", &format!("127.0.0.1 {}", first.port)]).await;
    let linked = || second.cli(&["INFO", "replication"]).contains("master_link_status:up");
    until("the second follows the first", linked).await;
    let sentinel = RedisServer::sentinel(first.port).await;
    let knows = || sentinel.cli(&["SENTINEL", "replicas", "chat"]).contains("127.0.0.1");
    let knows = async {
        while !knows() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // A sentinel asks its servers every ten seconds.
    tokio::time::timeout(Duration::from_secs(25), knows).await.expect("it knows both");
    let url = format!("redis+sentinel://127.0.0.1:{}/chat", sentinel.port);
    let redis = connected(&url).await;
    carries(&redis).await;
    let (_subscription, mut heard) = listen(&redis, Topic::channel("news")).await;
    first.stop();
    soon("the first is lost", redis.until(false)).await;
    tokio::time::timeout(Duration::from_secs(30), redis.until(true)).await.expect("the other");
    assert!(second.cli(&["INFO", "replication"]).contains("role:master"));
    redis.publish(Topic::channel("news"), Bytes::from_static(b"back"));
    assert_eq!(soon("a message", heard.recv()).await.unwrap().1, "back");
}

#[tokio::test]
async fn a_redis_cluster_carries_channels_and_shards_and_counts_them_all() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        // The bus between the servers has a port of its own.
        let (port, bus) = (free_port(), free_port());
        let args = ["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()];
        let args = args.iter().map(|it| (*it).to_owned()).collect();
        servers.push(RedisServer::at(port, args).await);
    }
    let ports: Vec<String> = servers.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
    let mut create = vec!["--cluster", "create"];
    create.extend(ports.iter().map(String::as_str));
    create.push("--cluster-yes");
    servers[0].cli(&create);
    let ready = || servers.iter().all(|it| it.cli(&["CLUSTER", "INFO"]).contains("state:ok"));
    until("the cluster is made", ready).await;
    let redis = connected(&format!("redis+cluster://{}", ports[0])).await;
    let other = connected(&format!("redis+cluster://{}", ports[2])).await;
    carries(&redis).await;
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let mut subscriptions = Vec::new();
    for number in 0..20 {
        let heard = Arc::clone(&heard);
        let topic = Topic::shard(format!("s{number}"));
        subscriptions.push(other.subscribe(topic, move |channel, _| {
            heard.lock().unwrap().push(channel.to_owned());
        }));
    }
    for number in 0..20 {
        let topic = Topic::shard(format!("s{number}"));
        let known = async { while redis.listeners(&topic).await.unwrap_or(0) == 0 {} };
        soon("it is known", known).await;
        redis.publish(topic, Bytes::from_static(b"x"));
    }
    until("all came", || heard.lock().unwrap().len() == 20).await;
    let (_one, _) = listen(&redis, Topic::channel("all")).await;
    let (_two, _) = listen(&other, Topic::channel("all")).await;
    let both = async { while redis.listeners(&Topic::channel("all")).await.unwrap_or(0) < 2 {} };
    soon("both are counted", both).await;
}

#[tokio::test]
async fn what_redis_refuses_is_counted_and_the_rest_goes_on() {
    let server = RedisServer::start().await;
    server.cli(&["ACL", "SETUSER", "bob", "on", ">x", "+@all", "~*", "resetchannels", "&news"]);
    let redis = connected(&server.url().replace("//", "//bob:x@")).await;
    redis.publish(Topic::channel("other"), Bytes::from_static(b"no"));
    carries(&redis).await;
    soon("all is out", redis.flush()).await;
    assert_eq!((redis.counts().published(), redis.counts().lost()), (1000, 1));
    assert_eq!(redis.counts().outages(), 0);
}

#[tokio::test]
async fn who_may_not_listen_to_all_is_not_connected() {
    let server = RedisServer::start().await;
    let rules = |more| ["ACL", "SETUSER", "bob", "on", ">x", "+@all", "~*", "resetchannels", more];
    server.cli(&rules("&news"));
    let redis = connected(&server.url().replace("//", "//bob:x@")).await;
    let (_news, _) = listen(&redis, Topic::channel("news")).await;
    assert!(redis.status().connected);
    let other = redis.subscribe(Topic::pattern("other*"), |_, _| ());
    let status = soon("it is told", redis.until(false)).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("NoPerm")), "{status:?}");
    // Once it may, it is back by itself.
    server.cli(&rules("allchannels"));
    soon("it is back", redis.until(true)).await;
    soon("it listens", other.settled()).await;
}
