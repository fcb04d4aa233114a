//! The settings of a cluster, in the binary: what it says of them, and that no password is in it.

use crate::support::process::{Folder, Process, parlance, run};
use crate::support::redis::RedisServer;

const SECRET: &str = "s3cret/+=";

#[test]
fn check_says_where_nodes_meet_without_the_password() {
    let folder = Folder::new();
    let check = |url: &str, more: &[&str]| {
        let mut command = parlance(folder.path());
        command.env("PARLANCE_CLUSTER", url).arg("check").args(more);
        let said = run(command);
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(!all.contains("s3cret"), "{all}");
        (said.status.success(), all)
    };
    let url = format!("rediss://ann:{SECRET}@redis.example:6380");
    let (good, said) = check(&url, &["--cluster-adapter", "redis-streams"]);
    assert!(good && said.contains("cluster     rediss://ann:…@redis.example:6380"), "{said}");
    folder.write("ca.pem", "no matter");
    for (url, more, error) in [
        (format!("http://:{SECRET}@redis.example"), &[][..], "cluster: expected redis://HOST"),
        (format!("redis://:{SECRET}@redis.example:x"), &[], "cluster: expected a port"),
        (
            format!("redis://:{SECRET}@redis.example"),
            &["--cluster-ca", "ca.pem"],
            "cluster-ca: redis://:…@redis.example:6379 is without TLS",
        ),
        (url.clone(), &["--cluster-ca", "none.pem"], "cluster-ca: none.pem cannot be read"),
        (url, &["--cluster-adapter", "nats"], "expected redis, redis-sharded or redis-streams"),
        (String::new(), &["--cluster-ca", "ca.pem"], "cluster-ca: there is no cluster"),
    ] {
        let (good, said) = check(&url, more);
        assert!(!good && said.contains(error), "{said}");
    }
}

#[tokio::test]
async fn the_server_meets_others_by_each_adapter_and_goes_on_without_redis() {
    let mut redis = RedisServer::with(&["--requirepass", SECRET]).await;
    let folder = Folder::new();
    let url = redis.url().replace("//", &format!("//:{SECRET}@"));
    let ask = |args: &[&str]| redis.cli(&[&["-a", SECRET], args].concat());
    for adapter in ["redis", "redis-sharded", "redis-streams"] {
        let mut command = parlance(folder.path());
        command.env("PARLANCE_CLUSTER", &url).args(["--port", "0", "--cluster-prefix", "ours"]);
        command.args(["--log", "debug", "--cluster-adapter", adapter]);
        let mut server = Process::start(command);
        server.listening();
        server.said("connected to Redis");
        let channels = || match adapter {
            "redis" => ask(&["PUBSUB", "CHANNELS", "ours-request#/#"]),
            "redis-sharded" => ask(&["PUBSUB", "SHARDCHANNELS", "ours#/#"]),
            _ => ask(&["PUBSUB", "CHANNELS", "ours#/#"]),
        };
        crate::support::until(adapter, || !channels().is_empty()).await;
        server.signal("TERM");
        let (status, log) = server.wait();
        assert!(status.success() && !log.join("\n").contains("s3cret"), "{}", log.join("\n"));
    }
    redis.stop();
    let mut command = parlance(folder.path());
    command.env("PARLANCE_CLUSTER", url).args(["--port", "0"]);
    let mut server = Process::start(command);
    server.listening();
    server.said("Redis is away: this node is alone");
    redis.go_on().await;
    server.said("connected to Redis");
}
