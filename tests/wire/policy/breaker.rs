//! The circuit breaker for WebSockets: what it takes for evidence, and what comes of it.

use std::time::Duration;

use parlance::engine::Limits;
use parlance::negotiate::Negotiator;
use parlance::policy::breaker::{MAX_FAILURES, State};
use parlance::policy::{BreakerSettings, Caps};

use crate::support::apps::Echo;
use crate::support::http::{Http, fetch};
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::{Setup, TestServer, target};
use crate::support::until;
use crate::support::v09::Session09;
use crate::support::ws::{UPGRADE, Ws};

const SOCKET: &str = "EIO=4&transport=websocket";

async fn server(failures: usize, rest: Duration) -> TestServer {
    let breaker = BreakerSettings { failures, rest, ..BreakerSettings::default() };
    Setup { breaker, trusted_proxies: &["loopback"], ..Setup::default() }.start(Echo).await
}

/// One that opens at the first evidence there is.
async fn nervous() -> TestServer {
    server(1, Duration::from_secs(600)).await
}

/// The upgrades that are offered to a client of that kind and address.
async fn offered(server: &TestServer, kind: &str, address: &str) -> Vec<String> {
    let query = format!("{kind}&transport=polling&b64=1");
    let answer = server.fetch("GET", &query, &[("X-Forwarded-For", address)], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let packet = answer.text().trim_start_matches(|c: char| c != '{').to_owned();
    let packet = packet.split_inclusive('}').next().unwrap();
    serde_json::from_str::<serde_json::Value>(packet).unwrap()["upgrades"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

fn open(server: &TestServer) -> usize {
    server.gate.breakers().count()
}

fn state(server: &TestServer) -> Option<State> {
    let mut state = None;
    server.gate.breakers().report(1, |_, breaker| state = Some(breaker.state));
    state
}

/// Kills a WebSocket, and returns when the server has noticed.
async fn kill(server: &TestServer, ws: Ws) {
    let before = server.gate.counters().websockets();
    ws.abort();
    until("the end was noticed", || server.gate.counters().websockets() < before).await;
}

/// The client's WebSocket opens and carries nothing, and it goes on by polling.
async fn fails(server: &TestServer, client: &mut Polls) {
    let ws = client.websocket().await;
    kill(server, ws).await;
    client.say("4a").await;
    assert_eq!(client.texts().await, ["4a"]);
}

#[tokio::test]
async fn what_opens_it_and_what_closes_it() {
    let server = server(3, Duration::from_secs(600)).await;
    let mut clients = Vec::new();
    for n in 0..3 {
        assert_eq!(open(&server), 0, "after {n}");
        let mut client = Polls::open(&server, "EIO=4").await;
        assert_eq!(client.open["upgrades"][0], "websocket");
        fails(&server, &mut client).await;
        clients.push(client);
    }
    assert_eq!(open(&server), 1);
    assert_eq!(offered(&server, "EIO=4", "127.0.0.1").await, [""; 0]);
    assert_eq!(offered(&server, "EIO=4", "192.0.2.1").await, ["websocket"], "another network");
    assert_eq!(offered(&server, "EIO=3", "127.0.0.1").await, ["websocket"], "another kind");
    // Who was offered one before is told why not, and goes on.
    let client = clients.last_mut().unwrap();
    let (ws, answer) = Ws::attempt(server.addr, &client.upgrade_target(), &UPGRADE).await;
    assert!(ws.is_none());
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("the circuit breaker is open: the next test is in "));
    assert!(answer.header("retry-after").is_some_and(|wait| wait.parse::<u32>().unwrap() > 500));
    let refused = server.gate.counters().refusals().find(|(label, _)| *label == "breaker");
    assert_eq!(refused, Some(("breaker", 1)));
    client.say("4b").await;
    assert_eq!(client.texts().await, ["4b"]);
    // Who knows nothing else may still come by it directly, and of another kind by an upgrade. That
    // one carries packets closes the breaker, also for those who were refused.
    let mut ws = Polls::open(&server, "EIO=3").await.upgrade(&server).await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
    assert_eq!(open(&server), 0);
    assert_eq!(offered(&server, "EIO=4", "127.0.0.1").await, ["websocket"]);
    let _upgraded = client.upgrade(&server).await;
}

#[tokio::test]
async fn a_direct_success_closes_it() {
    let server = nervous().await;
    let mut client = Polls::open(&server, "EIO=4").await;
    fails(&server, &mut client).await;
    assert_eq!(open(&server), 1);
    let mut ws = Ws::open(server.addr, &target(SOCKET)).await;
    ws.text().await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
    assert_eq!(open(&server), 0);
}

#[tokio::test]
async fn what_is_no_evidence() {
    // Visits that talked both ways and then were killed, as phones do it; by each way in.
    let server = nervous().await;
    for _ in 0..5 {
        let mut direct = Ws::open(server.addr, &target(SOCKET)).await;
        direct.text().await;
        direct.send("4a").await;
        assert_eq!(direct.text().await, "4a");
        let client = Polls::open(&server, "EIO=4").await;
        let mut upgraded = client.upgrade(&server).await;
        upgraded.send("4b").await;
        assert_eq!(upgraded.text().await, "4b");
        let session = Session09::open(&server).await;
        let mut old = session.websocket().await;
        old.send("5:::{\"name\":\"a\"}").await;
        for ws in [direct, upgraded, old] {
            kill(&server, ws).await;
        }
        let _comes_back = Polls::open(&server, "EIO=4").await;
        assert_eq!(open(&server), 0);
    }

    // Resets by somebody who never comes back otherwise.
    let server = nervous().await;
    for _ in 0..5 {
        kill(&server, Ws::open(server.addr, &target(SOCKET)).await).await;
        let client = Polls::open(&server, "EIO=3").await;
        kill(&server, client.websocket().await).await;
        assert_eq!(open(&server), 0);
    }

    // Clients that leave before they have said anything, but in good order.
    let server = nervous().await;
    for _ in 0..5 {
        let mut ws = Ws::open(server.addr, &target(SOCKET)).await;
        ws.text().await;
        ws.close().await;
        ws.closed().await;
        let mut client = Polls::open(&server, "EIO=4").await;
        let mut ws = client.websocket().await;
        ws.close().await;
        ws.closed().await;
        client.say("4a").await;
        assert_eq!(open(&server), 0);
    }
    // Nor have these shown that anything comes through.
    fails(&server, &mut Polls::open(&server, "EIO=4").await).await;
    assert_eq!(open(&server), 1);

    // Failures while another WebSocket of the network does well.
    let server = nervous().await;
    let mut well = Ws::open(server.addr, &target("EIO=3&transport=websocket")).await;
    well.send("2").await;
    while well.text().await != "3" {}
    for _ in 0..5 {
        let mut client = Polls::open(&server, "EIO=4").await;
        fails(&server, &mut client).await;
        assert_eq!(open(&server), 0);
    }
}

#[tokio::test]
async fn one_client_is_one_however_often_it_fails() {
    let server = server(2, Duration::from_secs(600)).await;
    // By one session,
    let mut client = Polls::open(&server, "EIO=4").await;
    for _ in 0..5 {
        fails(&server, &mut client).await;
    }
    client.say("1").await;
    // and by one session after the other.
    for _ in 0..5 {
        until("it has left", || server.engine.session_count() == 0).await;
        let mut client = Polls::open(&server, "EIO=4").await;
        fails(&server, &mut client).await;
        client.say("1").await;
        assert_eq!(open(&server), 0);
    }
    let mut first = Polls::open(&server, "EIO=4").await;
    let mut second = Polls::open(&server, "EIO=4").await;
    fails(&server, &mut first).await;
    assert_eq!(open(&server), 0);
    fails(&server, &mut second).await;
    assert_eq!(open(&server), 1, "two at once are two");
}

#[tokio::test]
async fn a_client_that_lost_its_websocket_is_seen_to_come_back() {
    // By the session, to which the upgrade is reverted.
    let server = nervous().await;
    let mut client = Polls::open(&server, "EIO=4").await;
    let ws = client.upgrade(&server).await;
    kill(&server, ws).await;
    assert_eq!(open(&server), 0, "nobody has come back");
    client.say("4a").await;
    assert_eq!(open(&server), 1);

    // By another session, as published clients do it; and one that had a WebSocket from the start.
    for query in ["EIO=4", "EIO=3"] {
        let server = nervous().await;
        if query == "EIO=4" {
            let client = Polls::open(&server, query).await;
            let ws = client.upgrade(&server).await;
            kill(&server, ws).await;
        } else {
            let target = target(&format!("{query}&transport=websocket"));
            kill(&server, Ws::open(server.addr, &target).await).await;
        }
        assert_eq!(open(&server), 0, "{query}");
        let _again = Polls::open(&server, query).await;
        assert_eq!(open(&server), 1, "{query}");
    }

    // 0.9: by another transport of the session, while its WebSocket is still there.
    let server = nervous().await;
    let session = Session09::open(&server).await;
    let mut ws = session.websocket().await;
    assert_eq!(session.poll().await, "1::");
    until("it is given up", || open(&server) == 1).await;
    let answer = fetch(server.addr, "GET", "/socket.io/1/", &[], b"").await;
    assert!(answer.text().ends_with(":htmlfile,xhr-polling,jsonp-polling"), "{}", answer.text());
    ws.close().await;
}

/// A server of the library has a breaker, and all else of a policy, only if it asks for it: by itself, and in
/// another server.
#[tokio::test]
async fn who_allows_all_gets_no_policy() {
    for embedded in [false, true] {
        let setup = Setup { embedded, ..Setup::default() };
        let server = setup.start_with(Echo, Negotiator::allow_all).await;
        let mut clients = Vec::new();
        for n in 0..=MAX_FAILURES {
            let mut client = Polls::open(&server, "EIO=4").await;
            assert_eq!(client.open["upgrades"][0], "websocket", "after {n}");
            fails(&server, &mut client).await;
            clients.push(client);
        }
        assert_eq!(open(&server), 0);
        clients.pop().unwrap().websocket().await;
        let elsewhere = [("Origin", "https://elsewhere.example")];
        let answer = server.fetch("GET", "EIO=4&transport=polling", &elsewhere, b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let policy = server.gate.policy();
        assert_eq!((policy.caps, policy.rules.len()), (Caps::default(), 0));
        assert!(policy.transports.names().iter().copied().eq(parlance::transport::names()));
    }
}

/// Nobody ends the WebSocket but the server's own clocks: something on the way swallows all.
#[tokio::test]
async fn silence_is_evidence_when_the_servers_clock_has_run_out() {
    let swallowing = async |limits: Limits| {
        let breaker = BreakerSettings { failures: 3, ..BreakerSettings::default() };
        Setup { limits, breaker, ..Setup::default() }.start(Echo).await
    };
    let short = Duration::from_secs(1);

    let limits = Limits { ping_interval: short, ping_timeout: short, ..Limits::default() };
    for query in ["EIO=3", "EIO=4"] {
        let server = swallowing(limits.clone()).await;
        let target = target(&format!("{query}&transport=websocket"));
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(Ws::open(server.addr, &target).await);
        }
        until("they are given up", || open(&server) == 1).await;
    }

    let limits = Limits { upgrade_timeout: short, ..Limits::default() };
    for settles in [false, true] {
        let server = swallowing(limits.clone()).await;
        let (mut clients, mut sockets) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let client = Polls::open(&server, "EIO=4").await;
            sockets.push(match settles {
                true => client.upgrade(&server).await,
                false => client.websocket().await,
            });
            clients.push(client);
        }
        for client in &clients {
            let session = server.engine.session(&client.sid).unwrap();
            until("it is given up", || {
                session.transport() == "xhr-polling" && !session.is_upgrading()
            })
            .await;
        }
        until("the server has let go", || server.gate.counters().websockets() == 3).await;
        assert_eq!(open(&server), 0, "nobody is seen to be there");
        for client in &mut clients {
            client.say("4a").await;
        }
        until("they are seen", || open(&server) == 1).await;
    }
}

#[tokio::test]
async fn half_open_lets_one_through() {
    let server = server(1, Duration::from_millis(1)).await;
    let mut client = Polls::open(&server, "EIO=4").await;
    fails(&server, &mut client).await;
    until("the rest is over", || state(&server) == Some(State::HalfOpen)).await;
    let (mut tester, mut other) =
        (Polls::open(&server, "EIO=4").await, Polls::open(&server, "EIO=4").await);
    let attempt =
        async |client: &Polls| Ws::attempt(server.addr, &client.upgrade_target(), &UPGRADE).await;
    assert_eq!(offered(&server, "EIO=4", "127.0.0.1").await, ["websocket"]);
    let test = tester.websocket().await;
    let (ws, answer) = attempt(&other).await;
    assert!(ws.is_none(), "one at a time");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")));
    assert_eq!(offered(&server, "EIO=4", "127.0.0.1").await, [""; 0]);
    // It fails.
    kill(&server, test).await;
    assert!(attempt(&other).await.0.is_none(), "it is not known yet");
    tester.say("4a").await;
    // Twice as long, which is soon over again. The next tells nothing,
    until("the rest is over", || state(&server) == Some(State::HalfOpen)).await;
    let mut test = other.websocket().await;
    test.close().await;
    test.closed().await;
    until("it has left", || server.gate.counters().websockets() == 0).await;
    other.say("4a").await;
    assert_eq!(state(&server), Some(State::HalfOpen));
    // and the one after that does well.
    let mut test = other.upgrade(&server).await;
    test.send("4b").await;
    assert_eq!(test.text().await, "4a");
    assert_eq!(test.text().await, "4b");
    assert_eq!(state(&server), None, "closed");
    let _free = tester.upgrade(&server).await;
}

#[tokio::test]
async fn the_log_and_the_administrator_hear_of_it() {
    const TOKEN: &str = "a secret of sixteen and more";
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0", "--admin-token", TOKEN]);
    command.args(["--breaker-failures", "1", "--breaker-rest", "30m"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    let agent = ("User-Agent", "Old Browser/1.0");
    let bearer = format!("Bearer {TOKEN}");
    let look = async || {
        let answer = fetch(addr, "GET", "/admin/policy", &[("Authorization", &bearer)], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    assert_eq!(look().await["breakers"], serde_json::json!([]));
    let polling = target("EIO=4&transport=polling");
    let answer = fetch(addr, "GET", &polling, &[agent], b"").await;
    let sid = sid_of(&read_open(&answer.text().into()));
    let polling = format!("{polling}&sid={sid}");
    let joined = fetch(addr, "POST", &polling, &[agent], b"40").await;
    assert_eq!(joined.status, 200);
    Ws::open(addr, &polling.replace("polling", "websocket")).await.abort();
    let mut http = Http::open(addr).await;
    let breaker = loop {
        // The server may not have noticed the end when the first of these comes. A pong asks for no answer, so that
        // nothing waits for this client, which does not read.
        assert_eq!(http.request("POST", &polling, &[agent], b"3").await.status, 200);
        if let Some(breaker) = look().await["breakers"].as_array().and_then(|all| all.first()) {
            break breaker.clone();
        }
    };
    for (key, value) in [
        ("network", "127.0.0.1"),
        ("generation", "3.x-4.x"),
        ("agent", "Old Browser/1.0"),
        ("state", "open"),
    ] {
        assert_eq!(breaker[key], value, "{breaker}");
    }
    assert_eq!((&breaker["clients"], &breaker["silent"]), (&1.into(), &1.into()));
    let left = breaker["left"].as_str().and_then(|left| left.strip_suffix('s'));
    assert!(left.is_some_and(|left| left.parse::<u32>().unwrap() > 1700), "{breaker}");
    assert_eq!(look().await["now"]["breakers"], 1);
    assert!(look().await["now"]["queue-bytes"].is_u64());
    let line = process.line("WebSocket circuit breaker open");
    for part in [
        "network=127.0.0.1",
        "generation=\"3.x-4.x\"",
        "agent=\"Old Browser/1.0\"",
        "clients=1",
        "silent=1",
        "seconds=1800",
        "breaker-failures = 0 switches",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let mut ws = Ws::open(addr, &target(SOCKET)).await;
    ws.send("40").await;
    process.line("WebSocket circuit breaker closed");
    assert!(process.log.iter().all(|line| !line.contains("half-open")), "{:?}", process.log);
    assert_eq!(look().await["breakers"], serde_json::json!([]));
}
