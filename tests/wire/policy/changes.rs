//! A policy that changes while people talk.

use parlance::engine::CloseReason;
use parlance::policy::{Origins, Pattern, Policy, Rule, Transports};
use parlance::transport;

use serde_json::json;

use crate::support::apps::{Echo, stage, tap};
use crate::support::client::{Client, Via};
use crate::support::http::{Http, fetch};
use crate::support::packets::Eio;
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::{Setup, TestServer, target};
use crate::support::until;
use crate::support::v09::Session09;

fn only(server: &TestServer, transports: &str) -> Policy {
    let transports = Transports::parse(transports.split(','), &transport::names()).unwrap();
    Policy { transports, ..(*server.gate.policy()).clone() }
}

#[tokio::test]
async fn who_is_still_allowed_does_not_notice() {
    let server = Setup::default().start_app(stage().0).await;
    let mut ws = Client::join(&server, Eio::V4, Via::WebSocket).await;
    let mut upgraded = Client::join(&server, Eio::V3, Via::Upgraded).await;
    let polling = Client::join(&server, Eio::V4, Via::Polling).await;
    let changes = server.gate.apply(only(&server, "websocket"), &server.engine);
    assert_eq!(
        changes,
        ["transports: websocket,eventsource,htmlfile,xhr-polling,jsonp-polling -> websocket"]
    );
    polling.assert_closed().await;
    for client in [&mut ws, &mut upgraded] {
        client.emit(json!(["still here"])).await;
        assert_eq!(client.event().await, json!(["still here"]));
    }
    server.get("EIO=4&transport=polling").await.assert_error(400, 0, "Transport unknown");
    // And back: nobody has to go.
    server.gate.apply(only(&server, "polling,websocket"), &server.engine);
    ws.assert_quiet().await;
    let mut polling = Client::join(&server, Eio::V4, Via::Polling).await;
    polling.assert_quiet().await;
}

#[test]
fn a_policy_is_applied_from_any_thread() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, session) = runtime.block_on(async {
        let server = Setup::default().start(Echo).await;
        let session = Polls::open(&server, "EIO=4").await;
        (server, session)
    });
    let inner = server.engine.session(&session.sid).unwrap();
    // There is no runtime here.
    server.gate.apply(only(&server, "websocket"), &server.engine);
    runtime.block_on(until("it was told to go", || inner.close_reason().is_some()));
}

#[tokio::test]
async fn each_generation_is_told_to_come_back() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    let session = Session09::polling(&server).await;
    let parked = session.park(&server).await;
    server.gate.apply(only(&server, "websocket"), &server.engine);
    let mut parked = parked;
    assert_eq!(parked.answer().await.text(), "7:::1+0", "0.9 reconnects upon that");
    assert_eq!(heard.closed().await, CloseReason::Moved("transport"));

    for (query, farewell) in [("EIO=3&b64=1", "1:1"), ("EIO=4", "1")] {
        server.gate.apply(only(&server, "polling,websocket"), &server.engine);
        let mut session = Polls::open(&server, query).await;
        let inner = server.engine.session(&session.sid).unwrap();
        server.gate.apply(only(&server, "websocket"), &server.engine);
        until("it was told to go", || inner.close_reason().is_some()).await;
        // It still hears so, but nobody else comes in this way.
        let answer = session.get().await;
        assert!(answer.text().ends_with(farewell), "{}", answer.text());
        assert_eq!(heard.closed().await, CloseReason::Moved("transport"));
        session.get().await.assert_error(400, 0, "Transport unknown");
    }
}

#[tokio::test]
async fn who_waits_to_be_moved_goes_on_until_then() {
    let server = Setup::default().start(Echo).await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        sessions.push(Polls::open(&server, "EIO=4").await);
    }
    server.gate.apply(only(&server, "websocket"), &server.engine);
    until("some were told", || {
        server.engine.sessions().iter().any(|session| session.close_reason().is_some())
    })
    .await;
    let is_open = |session: &&mut Polls| {
        server.engine.session(&session.sid).is_some_and(|inner| inner.is_open())
    };
    let session = sessions.iter_mut().find(is_open).expect("they are not moved all at once");
    let polled = session.get().await;
    assert_eq!(polled.status, 200, "{}", polled.text());
    // But not from another page, nor by another transport.
    let target = session.target();
    let page = [("Origin", "http://a.example")];
    let answer = fetch(server.addr, "GET", &target, &page, b"").await;
    answer.assert_error(400, 0, "Transport unknown");
    let answer = fetch(server.addr, "GET", &format!("{target}&j=0"), &[], b"").await;
    answer.assert_error(400, 0, "Transport unknown");
}

#[tokio::test]
async fn many_are_moved_a_few_at_a_time_and_once() {
    let server = Setup::default().start(Echo).await;
    let mut sessions = Vec::new();
    for _ in 0..40 {
        sessions.push(Polls::open(&server, "EIO=4").await);
    }
    let began = tokio::time::Instant::now();
    server.gate.apply(only(&server, "websocket"), &server.engine);
    until("all were told", || {
        server.engine.sessions().iter().all(|session| session.close_reason().is_some())
    })
    .await;
    assert!(began.elapsed().as_millis() >= 300, "100 in a second");
}

#[tokio::test]
async fn pages_that_are_not_welcome_any_more_have_to_go() {
    let server = Setup::default().start(Echo).await;
    let query = "EIO=4&transport=polling";
    let page = [("Origin", "https://a.example")];
    let opened = server.fetch("GET", query, &page, b"").await;
    let sid = sid_of(&read_open(&opened.text().into()));
    let mut other = Polls::open(&server, "EIO=4").await;
    let origins = Origins::parse(["https://b.example"]).unwrap();
    let policy = Policy { origins, ..(*server.gate.policy()).clone() };
    server.gate.apply(policy, &server.engine);
    let session = server.engine.session(&sid).unwrap();
    until("it was told to go", || session.close_reason().is_some()).await;
    assert_eq!(session.close_reason(), Some(CloseReason::Moved("origin")));
    other.say("4a").await;
    assert_eq!(other.texts().await, ["4a"]);
}

#[tokio::test]
async fn namespaces_count_as_well() {
    let server = Setup::default().start_app(stage().0).await;
    let mut polling = Client::join(&server, Eio::V4, Via::Polling).await;
    let mut left = Client::join(&server, Eio::V4, Via::Polling).await;
    let mut elsewhere = Client::join(&server, Eio::V3, Via::Polling).await;
    let mut ws = Client::join(&server, Eio::V4, Via::WebSocket).await;
    for client in [&mut polling, &mut left, &mut ws] {
        client.send("40/chat,").await;
        assert!(client.text().await.starts_with("40/chat,"));
    }
    left.send("41/chat,").await;
    left.emit(json!(["it has left"])).await;
    left.event().await;
    let secret = Rule {
        name: "secret".into(),
        namespaces: vec![Pattern::new("/chat")],
        transports: Some(only(&server, "websocket").transports),
        ..Rule::default()
    };
    let policy = Policy { rules: vec![secret], ..(*server.gate.policy()).clone() };
    server.gate.apply(policy, &server.engine);
    polling.assert_closed().await;
    for client in [&mut left, &mut elsewhere, &mut ws] {
        client.emit(json!(["still here"])).await;
        assert_eq!(client.event().await, json!(["still here"]));
    }
}

/// A server whose settings are in a file.
pub(super) fn process(folder: &Folder, args: &[&str]) -> Process {
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0"]).args(args);
    Process::start(command)
}

pub(super) const TOKEN: &str = "a secret of sixteen and more";

#[tokio::test]
async fn signal_and_file_change_the_policy_and_mistakes_do_not() {
    let folder = Folder::new();
    folder.write("transports.toml", "transports = [\"websocket\", \"polling\"]\n");
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let status =
        async || Http::open(addr).await.get(&target("EIO=4&transport=polling")).await.status;
    assert_eq!(status().await, 200);
    // The file alone is enough.
    folder.write("transports.toml", "transports = [\"websocket\"]\n");
    let line = process.line("policy changed");
    assert!(
        line.contains("transports: websocket,xhr-polling,jsonp-polling -> websocket"),
        "{line}"
    );
    assert_eq!(status().await, 400);
    let client = Http::open(addr).await.get("/parlance.js").await;
    assert!(client.text().contains("/*transports*/[\"websocket\"]/*end*/"));
    // A mistake changes nothing.
    folder.write("transports.toml", "transports = [\"carrier-pigeon\"]\norigins = [\"*\"]\n");
    let line = process.line("policy not changed");
    assert!(line.contains("transports.toml:1:14: transports: unknown transport"), "{line}");
    assert_eq!(status().await, 400);
    // A signal does not wait for the next look at the file.
    folder.write("transports.toml", "transports = [\"polling\"]\nmax-websockets = 5\n");
    process.signal("HUP");
    let line = process.line("policy changed");
    assert!(line.contains("max-websockets: 0 -> 5"), "{line}");
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn what_takes_a_restart_is_named() {
    let folder = Folder::new();
    folder.write("transports.toml", "ping-interval = \"20s\"\n");
    let mut process = process(&folder, &["--max-payload", "2MB"]);
    process.listening();
    // Flags win over the file: nothing would change.
    folder.write(
        "transports.toml",
        "ping-interval = \"21s\"\nbase-path = \"/chat/\"\nadmin-token = \"another secret, a long one\"\nmax-payload = \"1MB\"\n",
    );
    process.signal("HUP");
    let line = process.line("these settings change with a restart only");
    assert!(
        line.contains("WARN") && line.contains("keys=\"admin-token, base-path, ping-interval\""),
        "{line}"
    );
    let seen = process.log.len();
    folder.write("transports.toml", "ping-interval = \"20s\"\ntransports = [\"polling\"]\n");
    process.signal("HUP");
    process.line("policy changed");
    assert!(!process.log[seen..].iter().any(|line| line.contains("restart")), "back as it was");
}

#[tokio::test]
async fn a_file_that_is_gone_changes_nothing() {
    let folder = Folder::new();
    folder.write("transports.toml", "transports = [\"websocket\"]\n");
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let status =
        async || Http::open(addr).await.get(&target("EIO=4&transport=polling")).await.status;
    std::fs::remove_file(folder.path().join("transports.toml")).unwrap();
    let line = process.line("the file is gone, the old one stays");
    assert!(line.contains("WARN"), "{line}");
    assert_eq!(status().await, 400);
    // It is there again, as editors do it.
    folder.write("transports.toml", "transports = [\"polling\"]\n");
    process.line("policy changed");
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn advice_is_given_once_and_again_after_a_change() {
    let folder = Folder::new();
    let settings = "trusted-proxies = [\"loopback\"]\norigins = [\"https://own.example\"";
    folder.write("transports.toml", &format!("{settings}]\n"));
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let visit = async |origin: &str, headers: &[(&str, &str)]| {
        let headers = [headers, &[("Origin", origin)]].concat();
        let path = target("EIO=4&transport=polling");
        fetch(addr, "GET", &path, &headers, b"").await.status
    };
    for _ in 0..3 {
        assert_eq!(visit("https://evil.example", &[]).await, 403);
        assert_eq!(visit("https://own.example", &[]).await, 200);
        let lies = [("Forwarded", "for=192.0.2.66"), ("X-Forwarded-For", "192.0.2.7")];
        assert_eq!(visit("https://own.example", &lies).await, 200);
    }
    let refused = "origins = [\\\"https://own.example\\\", \\\"https://evil.example\\\"]";
    folder.write("transports.toml", &format!("{settings}, \"https://other.example\"]\n"));
    process.signal("HUP");
    process.line("policy changed");
    assert_eq!(visit("https://evil.example", &[]).await, 403);
    let line = process.line("origin refused");
    assert!(
        line.contains("\\\"https://other.example\\\", \\\"https://evil.example\\\"]"),
        "{line}"
    );
    let told = |text: &str| process.log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(told(refused), 1, "{}", process.log.join("\n"));
    assert_eq!(told("match-origin-protocol would refuse this"), 1);
    assert_eq!(told("contradict each other"), 1);
    // With match-origin-protocol it is a refusal, and the advice is the same.
    folder.write("transports.toml", &format!("{settings}]\nmatch-origin-protocol = true\n"));
    process.signal("HUP");
    process.line("policy changed");
    assert_eq!(visit("https://own.example", &[]).await, 403);
    process.line("differ in scheme: refused by match-origin-protocol");
}

#[tokio::test]
async fn pages_are_kept_to_their_scheme() {
    let folder = Folder::new();
    let mut process = process(&folder, &["--admin-token", TOKEN, "--trusted-proxies", "loopback"]);
    let addr = process.listening();
    let sockets = async |scheme: &str| {
        let headers = [("X-Forwarded-Proto", scheme)];
        let answer = fetch(addr, "GET", "/", &headers, b"").await;
        let policy = answer.header("content-security-policy").expect("a policy").to_owned();
        let connect = policy.split(';').find_map(|part| part.trim().strip_prefix("connect-src "));
        connect.expect("where it connects").to_owned()
    };
    assert_eq!(sockets("https").await, "'self' ws: wss:");
    let bearer = format!("Bearer {TOKEN}");
    let key = [("Authorization", bearer.as_str())];
    let matching =
        fetch(addr, "POST", "/admin/policy", &key, b"match-origin-protocol = true").await;
    assert_eq!(matching.status, 200, "{}", matching.text());
    assert_eq!(sockets("https").await, "'self' wss:");
    assert_eq!(sockets("http").await, "'self' ws:");
}
