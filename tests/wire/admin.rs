//! What an administrator sees of sessions and of what happens to them, and how one is ended.

mod command;
mod moderation;

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::{Answer, Http, fetch};
use crate::support::packets::{Eio, read_answer};
use crate::support::polls::{read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;
use crate::support::soon;

const TOKEN: &str = "sixteen characters";

struct Administered {
    process: Process,
    addr: SocketAddr,
    _folder: Folder,
}

impl Administered {
    fn start(args: &[&str]) -> Self {
        let folder = Folder::new();
        let mut command = parlance(folder.path());
        command.args(["--port", "0", "--admin-token", TOKEN]).args(args);
        let mut process = Process::start(command);
        let addr = process.listening();
        Administered { process, addr, _folder: folder }
    }

    async fn ask(&self, method: &str, below: &str) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        let key = [("Authorization", bearer.as_str())];
        fetch(self.addr, method, &format!("/admin/{below}"), &key, b"").await
    }

    async fn get(&self, below: &str) -> Value {
        let answer = self.ask("GET", below).await;
        assert_eq!(answer.status, 200, "{below}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    }

    /// Waits until there is an event of that name.
    async fn until_event(&self, name: &str) {
        let mut after = Value::from(0);
        loop {
            let page = self.get(&format!("events?after={after}")).await;
            if page["events"].as_array().unwrap().iter().any(|event| event["event"] == name) {
                return;
            }
            after = page["next"].clone();
        }
    }

    /// Opens a session by polling, and returns its id.
    async fn open(&self, headers: &[(&str, &str)]) -> String {
        let query = target("EIO=4&transport=polling");
        let answer = fetch(self.addr, "GET", &query, headers, b"").await;
        sid_of(&read_open(&read_answer(Eio::V4, &answer)[0]))
    }

    async fn post(&self, sid: &str, packet: &str) {
        let target = target(&format!("EIO=4&transport=polling&sid={sid}"));
        fetch(self.addr, "POST", &target, &[], packet.as_bytes()).await.assert_ok();
    }

    async fn poll(&self, sid: &str) -> Answer {
        let target = target(&format!("EIO=4&transport=polling&sid={sid}"));
        fetch(self.addr, "GET", &target, &[], b"").await
    }

    async fn sids(&self, query: &str) -> (Vec<String>, Value) {
        let page = self.get(&format!("sessions{query}")).await;
        let sids = page["sessions"].as_array().unwrap().iter();
        let sids = sids.map(|session| session["sid"].as_str().unwrap().to_owned()).collect();
        (sids, page["next"].clone())
    }
}

#[tokio::test]
async fn without_the_token_there_is_nothing_to_see() {
    let server = Administered::start(&[]);
    let sid = server.open(&[]).await;
    for (method, below) in [
        ("GET", "sessions".to_owned()),
        ("GET", format!("sessions/{sid}")),
        ("DELETE", format!("sessions/{sid}")),
        ("GET", "events".into()),
        ("GET", "causes".into()),
    ] {
        let target = format!("/admin/{below}");
        for headers in [&[][..], &[("Authorization", "Bearer sixteen characterS")]] {
            let answer = fetch(server.addr, method, &target, headers, b"").await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (401, &json!("token")),
                "{target}"
            );
        }
    }
    assert_eq!(server.sids("").await.0, [sid]);
    // Without one in the settings, nothing of it exists.
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--port", "0"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    for below in ["", "/", "/sessions", "/sessions/x", "/events", "/causes"] {
        let answer = fetch(addr, "GET", &format!("/admin{below}"), &[], b"").await;
        assert_eq!(answer.status, 404, "{below}");
    }
}

#[tokio::test]
async fn sessions_are_listed_found_and_told_of() {
    let server = Administered::start(&["--trusted-proxies", "loopback"]);
    let anna = server.open(&[("X-Forwarded-For", "203.0.113.7"), ("Via", "1.1 squid")]).await;
    server.post(&anna, "40").await;
    server.post(&anna, "42[\"add user\",\"Änna\"]").await;
    let named = async { while server.sids("?text=%C3%84NN").await.0.is_empty() {} };
    soon("the name is known", named).await;
    let other = server.open(&[("X-Forwarded-For", "198.51.100.9")]).await;
    assert_eq!(server.sids("").await, (vec![other.clone(), anna.clone()], Value::Null));
    for (text, found) in [
        ("%C3%84NN", Some(&anna)),
        ("203.0.113", Some(&anna)),
        ("squid", Some(&anna)),
        ("198.51", Some(&other)),
        (&*other, Some(&other)),
        ("nobody", None),
    ] {
        let (sids, _) = server.sids(&format!("?text={text}")).await;
        assert_eq!(sids.iter().collect::<Vec<_>>(), Vec::from_iter(found), "{text}");
    }
    for text in ["xhr-polling", "4.x", "not-tried", "XHR"] {
        let (sids, _) = server.sids(&format!("?text={text}")).await;
        let expected = if text == "not-tried" { server.cause(&anna).await == text } else { true };
        assert_eq!(sids.len(), if expected { 2 } else { 0 }, "{text}");
    }
    let page = server.get("sessions?text=203").await;
    let session = &page["sessions"][0];
    assert_eq!(page["total"], 2);
    for (key, value) in [
        ("name", json!("Änna")),
        ("address", json!("203.0.113.7")),
        ("generation", json!("3.x-4.x")),
        ("transport", json!("xhr-polling")),
        ("proxy", json!("127.0.0.1 (1.1 squid)")),
        ("open", json!(true)),
    ] {
        assert_eq!(session[key], value, "{key}");
    }
    assert!(session["since"].as_u64() > Some(1_600_000_000_000), "{session}");
    assert!(session["queue-bytes"].as_u64() > Some(0), "{session}");
    assert!(session["verdict"]["remedy"].is_string(), "why not by WebSocket: {session}");
    let one = server.get(&format!("sessions/{anna}")).await;
    assert_eq!((&one["name"], &one["network"]), (&json!("Änna"), &json!("203.0.113.7")));
    assert_eq!(one["timeline"][0]["event"], "opened");
    assert_eq!(one["scheme"], "http");
}

impl Administered {
    async fn cause(&self, sid: &str) -> String {
        let one = self.get(&format!("sessions/{sid}")).await;
        one["verdict"]["cause"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn lists_come_page_by_page() {
    let server = Administered::start(&[]);
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.insert(0, server.open(&[]).await);
    }
    let (first, next) = server.sids("?limit=2").await;
    // Those that come meanwhile move nothing.
    let newest = server.open(&[]).await;
    let (second, after) = server.sids(&format!("?limit=2&before={next}")).await;
    let (third, end) = server.sids(&format!("?limit=2&before={after}")).await;
    assert_eq!([first, second, third].concat(), sids);
    assert_eq!(end, Value::Null);
    for limit in ["0", "1"] {
        let (page, _) = server.sids(&format!("?limit={limit}")).await;
        assert_eq!(page, [newest.as_str()], "a page has one at least");
    }
    assert_eq!(server.sids("?limit=999999").await.0.len(), 6);
    for query in ["limit=x", "before=-1", "pages=1", "before="] {
        let answer = server.ask("GET", &format!("sessions?{query}")).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("query")), "{query}");
    }
}

#[tokio::test]
async fn one_is_disconnected_and_remembered() {
    let mut server = Administered::start(&[]);
    let (one, other) = (server.open(&[]).await, server.open(&[]).await);
    server.post(&one, "40").await;
    assert!(server.poll(&one).await.text().starts_with("40{"));
    server.post(&one, "42[\"add user\",\"Bob\"]").await;
    assert!(server.poll(&one).await.text().starts_with("42[\"login\""));
    let answer = server.ask("DELETE", &format!("sessions/{one}")).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "disconnected": one })));
    server.process.line("session ended by an administrator");
    // It is told by whom, so that a client of Socket.IO stays away.
    assert_eq!(server.poll(&one).await.text(), "41\u{1e}1");
    let ended = server.get(&format!("sessions/{one}")).await;
    let (open, name, reason) = (&ended["open"], &ended["name"], &ended["reason"]);
    assert_eq!((open, name), (&json!(false), &json!("Bob")), "{ended}");
    assert_eq!(reason, "forced server close");
    let last = ended["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!(last["event"], "closed");
    assert_eq!(server.sids("").await.0, [other.as_str()]);
    assert_eq!(server.sids("?ended=true").await.0, [one.as_str()]);
    assert_eq!(server.sids("?ended=true&text=bob").await.0, [one.as_str()]);
    assert!(server.sids("?ended=true&text=nobody").await.0.is_empty());
    // Once is enough; and what never was cannot be ended.
    for (method, sid) in [("DELETE", &*one), ("DELETE", "AAAAAAAAAAAAAAAAAAAA"), ("GET", "x")] {
        let answer = server.ask(method, &format!("sessions/{sid}")).await;
        assert_eq!((answer.status, &answer.json()["error"]), (410, &json!("session")), "{sid}");
    }
}

#[tokio::test]
async fn those_who_watch_see_what_happens() {
    let server = Administered::start(&[]);
    let start = server.get("events").await["next"].as_u64().unwrap();
    let target = format!("/admin/events?after={start}");
    let bearer = format!("Bearer {TOKEN}");
    let waiting = crate::support::http::request("GET", &target, &[("Authorization", &bearer)], b"");
    let mut watchers = Vec::new();
    for _ in 0..9 {
        let mut http = Http::open(server.addr).await;
        http.send(&waiting).await;
        watchers.push(http);
    }
    // Nine are one too many: the last to arrive, whichever that is.
    let answers = watchers.iter_mut().map(|http| Box::pin(http.answer()));
    let (refused, at, _) = soon("a refusal", futures::future::select_all(answers)).await;
    watchers.remove(at);
    assert_eq!((refused.status, &refused.json()["error"]), (503, &json!("busy")));
    let sid = server.open(&[]).await;
    for http in &mut watchers {
        let answer = http.answer().await.json();
        let event = &answer["events"][0];
        assert_eq!((&event["event"], &event["sid"]), (&json!("opened"), &json!(sid)), "{answer}");
        assert_eq!((&event["address"], &answer["lost"]), (&json!("127.0.0.1"), &json!(0)));
        assert!(answer["next"].as_u64() > Some(start));
    }
    let answer = server.ask("GET", "events?after=x").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn causes_are_counted_over_time_with_what_they_follow_from() {
    let server = Administered::start(&["--max-websockets", "1"]);
    let causes = server.get("causes").await;
    assert_eq!((&causes["causes"], &causes["marks"]), (&json!([]), &json!([])));
    let bearer = format!("Bearer {TOKEN}");
    let key = [("Authorization", bearer.as_str())];
    let moved = server.open(&[]).await;
    let change = b"transports = [\"websocket\"]";
    fetch(server.addr, "POST", "/admin/policy", &key, change).await;
    server.poll(&moved).await;
    // The client may hear of it before the administrator does.
    server.until_event("cause").await;
    let causes = server.get("causes").await;
    let change = &causes["marks"][0]["what"];
    assert!(change.as_str().unwrap().starts_with("transports: "), "{causes}");
    let cause = &causes["causes"][0];
    assert_eq!((&cause["cause"], &cause["total"]), (&json!("policy-changed"), &json!(1)));
    assert_eq!((&cause["hour"], &cause["count"]), (&json!(1), &json!(1)));
    assert_eq!(&cause["after"]["what"], change, "it began after that");
    assert_eq!(cause["networks"], json!([{ "name": "127.0.0.1", "count": 1 }]));
    assert_eq!(causes["minutes"][0]["causes"], json!({ "policy-changed": 1 }));
    let events = server.get("events").await;
    let names: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert!(names.contains(&"policy") && names.contains(&"cause"), "{names:?}");
}

#[tokio::test]
async fn with_an_address_of_its_own_it_is_nowhere_else() {
    let mut server = Administered::start(&["--admin-address", "127.0.0.1:0", "--base-path", "/a"]);
    let line = server.process.line("administrators at ");
    let place = line.split_once("http://").unwrap().1;
    let place: SocketAddr = place.strip_suffix("/a/admin").unwrap().parse().unwrap();
    let bearer = format!("Bearer {TOKEN}");
    let key = [("Authorization", bearer.as_str())];
    for (method, path, everybody, administrators) in [
        ("GET", "/admin", 404, 200),
        ("GET", "/a/admin", 404, 200),
        ("GET", "/admin/admin.js", 404, 200),
        ("GET", "/%61dmin/admin.js", 404, 404),
        ("GET", "//admin", 404, 404),
        ("GET", "/admin/sessions", 404, 200),
        ("POST", "/admin/policy", 405, 200),
        ("DELETE", "/admin/sessions/x", 405, 410),
        ("GET", "/metrics", 404, 200),
        ("GET", "/a/metrics", 404, 200),
        ("GET", "/", 200, 404),
        ("GET", "/parlance.js", 200, 404),
        ("GET", "/administration", 404, 404),
        ("GET", "/healthz", 200, 404),
        ("GET", "/socket.io/?EIO=4&transport=polling", 200, 404),
        ("GET", "/socket.io/socket.io.js", 200, 404),
    ] {
        for (addr, status) in [(server.addr, everybody), (place, administrators)] {
            let answer = fetch(addr, method, path, &key, b"").await;
            assert_eq!(answer.status, status, "{method} {path} at {addr}");
        }
    }
    // The token is asked for there, too.
    for path in ["/admin/sessions", "/metrics"] {
        assert_eq!(fetch(place, "GET", path, &[], b"").await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn what_is_refused_before_there_is_a_session_has_its_place() {
    for (args, path, cause, certainty) in [
        (["--max-sessions", "1"], target("EIO=4&transport=polling"), "server-full", "certain"),
        (["--max-sessions-per-address", "1"], "/socket.io/1/".into(), "address-full", "certain"),
        (
            ["--transports", "xhr-polling"],
            target("EIO=4&transport=websocket"),
            "transport-not-allowed",
            "certain",
        ),
        (
            ["--max-sessions", "9"],
            target("EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA"),
            "session-forgotten",
            "likely",
        ),
    ] {
        let server = Administered::start(&args);
        server.open(&[]).await;
        fetch(server.addr, "GET", &path, &[], b"").await;
        server.until_event("refused").await;
        let events = server.get("events").await;
        let refused: Vec<&Value> = events["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|e| e["event"] == "refused")
            .collect();
        let last = refused.last().unwrap();
        assert_eq!((&last["cause"], &last["certainty"]), (&json!(cause), &json!(certainty)));
        let causes = server.get("causes").await;
        let found = causes["causes"].as_array().unwrap().iter().find(|it| it["cause"] == cause);
        let found = found.unwrap_or_else(|| panic!("{cause}: {causes}"));
        assert_eq!(found["certainty"], certainty);
        assert!(found["total"].as_u64().unwrap() >= 1);
        assert_ne!(found["evidence"], "");
    }
}

#[tokio::test]
async fn its_address_answers_when_all_other_connections_are_taken() {
    let mut server =
        Administered::start(&["--admin-address", "localhost:0", "--max-connections", "1"]);
    let line = server.process.line("administrators at ");
    let port = line.rsplit_once(':').unwrap().1.strip_suffix("/admin").unwrap();
    let place: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let mut only = Http::open(server.addr).await;
    assert_eq!(only.get("/healthz").await.status, 200);
    let bearer = format!("Bearer {TOKEN}");
    let key = [("Authorization", bearer.as_str())];
    assert_eq!(fetch(place, "GET", "/admin/sessions", &key, b"").await.status, 200);
    assert_eq!(fetch(server.addr, "GET", "/healthz", &[], b"").await.status, 503);
}

#[tokio::test]
async fn a_session_without_websocket_by_the_settings_says_so() {
    let server = Administered::start(&["--transports", "xhr-polling"]);
    let sid = server.open(&[]).await;
    let seen = server.get(&format!("sessions/{sid}")).await;
    assert_eq!(seen["verdict"]["cause"], "transport-not-allowed", "{seen}");
    assert_eq!(seen["timeline"][1]["event"], "not offered", "{seen}");
}
