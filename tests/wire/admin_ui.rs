//! The namespace of the Socket.IO Admin UI: who may join it, what it tells, and that all of it is bounded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parlance::admin_ui::{self, Hub, Mode, NAMESPACE, WATCHERS};
use parlance::admission::Gate;
use parlance::socketio::{ConnectError, Socket};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::http::fetch;
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::{Setup, TestServer};
use crate::support::until;
use crate::support::ws::{Frame, Ws};

const TOKEN: &str = "sixteen characters";
const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

struct Administered {
    process: Process,
    addr: SocketAddr,
    _folder: Folder,
}

impl Administered {
    fn start(args: &[&str]) -> Self {
        let folder = Folder::new();
        let mut command = parlance(folder.path());
        command.args(["--port", "0", "--handshake-rate", "0", "--max-sessions-per-address", "0"]);
        let mut process = Process::start({
            command.args(args);
            command
        });
        let addr = process.listening();
        Administered { process, addr, _folder: folder }
    }

    fn development() -> Self {
        Administered::start(&["--admin-token", TOKEN, "--admin-ui", "development"])
    }

    /// A session that has asked for a namespace, and the first packet of the answer.
    async fn join(&self, packet: &str) -> (Ws, String) {
        let mut socket = Ws::open(self.addr, PATH).await;
        socket.text().await;
        socket.send(packet).await;
        let answer = socket.text().await;
        (socket, answer)
    }

    /// What somebody with these credentials is told first.
    async fn login(&self, auth: &Value) -> String {
        self.join(&format!("40/admin,{auth}")).await.1
    }

    async fn watch(&self) -> Watcher {
        let password = json!({ "username": "anybody", "password": TOKEN });
        let (socket, answer) = self.join(&format!("40/admin,{password}")).await;
        assert!(answer.starts_with(r#"40/admin,{"sid":""#), "{answer}");
        Watcher(socket)
    }

    /// A client that is in the chat for sure, and its id.
    async fn client(&self) -> (Ws, String) {
        let (mut socket, answer) = self.join("40").await;
        socket.send(r#"420["anything"]"#).await;
        let acknowledged = socket.text().await;
        assert!(acknowledged.starts_with("430["), "{acknowledged}");
        let joined: Value = serde_json::from_str(&answer[2..]).expect("JSON");
        (socket, joined["sid"].as_str().expect("an id").to_owned())
    }
}

/// The page of an administrator.
struct Watcher(Ws);

impl Watcher {
    /// The next event: its name and its arguments.
    async fn next(&mut self) -> Value {
        loop {
            let packet = self.0.text().await;
            match packet.strip_prefix("42/admin,") {
                Some(event) => return serde_json::from_str(event).expect("JSON"),
                None => {
                    assert_eq!(packet, "2", "a heartbeat");
                    self.0.send("3").await;
                }
            }
        }
    }

    /// The next event of that name.
    async fn until(&mut self, name: &str) -> Value {
        loop {
            let event = self.next().await;
            if event[0] == name {
                return event;
            }
        }
    }

    /// The names of events up to one, without those that come by the clock.
    async fn names_until(&mut self, name: &str) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let event = self.next().await;
            let is = event[0].as_str().expect("a name").to_owned();
            if is != "server_stats" {
                names.push(is.clone());
            }
            if is == name {
                return names;
            }
        }
    }

    async fn command(&mut self, command: Value) {
        self.0.send(&format!("42/admin,{command}")).await;
    }
}

const INVALID: &str = r#"44/admin,{"message":"invalid credentials"}"#;

#[tokio::test]
async fn only_who_knows_the_token_may_watch() {
    let mut server = Administered::start(&["--admin-token", TOKEN]);
    for auth in [
        json!({}),
        json!({ "sessionId": null }),
        json!({ "sessionId": "bogus" }),
        json!({ "username": TOKEN }),
        json!({ "username": "admin", "password": null }),
        json!({ "username": "admin", "password": "" }),
        json!({ "username": "admin", "password": "sixteen characterS" }),
        json!({ "username": "admin", "password": "sixteen character" }),
    ] {
        assert_eq!(server.login(&auth).await, INVALID, "{auth}");
    }
    let line = server.process.said("logins refused");
    assert!(line.contains("label=\"login\"") && line.contains("refused=1"), "{line}");

    let mut watcher = server.watch().await;
    let session = watcher.next().await;
    assert_eq!(session[0], "session");
    let config = watcher.next().await;
    assert_eq!(config, json!(["config", { "supportedFeatures": ["AGGREGATED_EVENTS"] }]));
    // A later visit comes with the session, and gets no other.
    let (again, answer) =
        server.join(&format!("40/admin,{}", json!({ "sessionId": session[1] }))).await;
    assert!(answer.starts_with("40/admin,"), "{answer}");
    assert_eq!(Watcher(again).next().await[0], "config");
    assert_eq!(server.login(&json!({ "sessionId": "bogus" })).await, INVALID);
    // Whoever guesses on has to wait, and so does everybody at that address.
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(server.login(&json!({ "password": "a guess of sixteen" })).await);
    }
    assert_eq!(answers[0], INVALID);
    let hasty = r#"44/admin,{"message":"too many wrong passwords from this address: wait "#;
    assert!(answers[11].starts_with(hasty), "{}", answers[11]);
    assert!(server.login(&json!({ "password": TOKEN })).await.starts_with(hasty));
}

#[tokio::test]
async fn without_the_token_or_switched_off_there_is_no_such_namespace() {
    let off: [&[&str]; 2] =
        [&["--admin-ui", "development"], &["--admin-token", TOKEN, "--admin-ui", "off"]];
    for args in off {
        let server = Administered::start(args);
        let answer = server.login(&json!({ "password": TOKEN })).await;
        assert_eq!(answer, r#"44/admin,{"message":"Invalid namespace"}"#, "{args:?}");
    }
}

#[tokio::test]
async fn in_production_there_are_numbers_alone() {
    let server = Administered::start(&["--admin-token", TOKEN]);
    let mut watcher = server.watch().await;
    let (mut client, id) = server.client().await;
    client.send(r#"42["add user","Anna"]"#).await;
    watcher.command(json!(["_disconnect", "/", true, id])).await;
    watcher.command(json!(["emit", "/", null, "hello"])).await;
    let mut told = Vec::new();
    loop {
        let event = watcher.next().await;
        told.push(event[0].clone());
        let stats = &event[1];
        let namespaces =
            json!([{ "name": "/", "socketsCount": 1 }, { "name": "/admin", "socketsCount": 1 }]);
        if event[0] == "server_stats" && stats["namespaces"] == namespaces {
            assert_eq!(stats["clientsCount"], 2);
            assert_eq!(stats["pollingClientsCount"], 0);
            assert!(stats["uptime"].as_f64().is_some_and(|uptime| uptime > 0.0), "{stats}");
            assert!(stats["pid"].is_u64());
            let host = stats["hostname"].as_str().expect("a name");
            assert_eq!(stats["serverId"], format!("{host}:{}", server.addr.port()));
            break;
        }
    }
    assert!(
        told.iter().all(|name| ["session", "config", "server_stats"].iter().any(|it| name == it)),
        "{told:?}"
    );
    let answer = client.text().await;
    assert!(answer.starts_with(r#"42["login""#), "it was left alone: {answer}");
    // What happened is told by the second: this client has come and gone while somebody watched.
    client.close().await;
    loop {
        let stats = watcher.until("server_stats").await;
        let happened = stats[1]["aggregatedEvents"].as_array().expect("a list").clone();
        if let Some(end) = happened.iter().find(|it| it["type"] == "rawDisconnection") {
            assert_eq!((&end["subType"], &end["count"]), (&json!("transport close"), &json!(1)));
            break;
        }
    }
}

#[tokio::test]
async fn in_development_each_socket_is_there_and_can_be_disconnected() {
    let server = Administered::development();
    let (mut anna, anna_id) = server.client().await;
    let mut watcher = server.watch().await;
    assert_eq!(watcher.next().await[0], "session");
    let config = watcher.next().await;
    let features = [
        "EMIT",
        "JOIN",
        "LEAVE",
        "DISCONNECT",
        "MJOIN",
        "MLEAVE",
        "MDISCONNECT",
        "AGGREGATED_EVENTS",
        "ALL_EVENTS",
    ];
    assert_eq!(config[1]["supportedFeatures"], json!(features));
    let all = watcher.until("all_sockets").await;
    let all = all[1].as_array().expect("a list");
    let of = |namespace: &str| all.iter().find(|socket| socket["nsp"] == namespace).expect("one");
    let shown = of("/");
    assert_eq!((all.len(), of("/admin")["transport"].as_str()), (2, Some("websocket")));
    assert_eq!(shown["id"], anna_id);
    assert_eq!(shown["rooms"], json!([anna_id]));
    assert_eq!(shown["clientId"].as_str().map(str::len), Some(12));
    assert_eq!(shown["data"]["generation"], "3.x-4.x");
    assert_eq!(shown["handshake"]["address"], "127.0.0.1");
    assert!(shown["handshake"]["issued"].as_u64().is_some_and(|ms| ms > 1_500_000_000_000));

    // What comes, says something and goes is told in the order of the official server.
    let (mut eva, eva_id) = server.client().await;
    eva.send(r#"42["add user","Eva"]"#).await;
    assert_eq!(
        watcher.names_until("event_received").await,
        ["room_joined", "socket_connected", "event_received"]
    );
    watcher.command(json!(["_disconnect", "/", false, eva_id])).await;
    loop {
        let packet = eva.text().await;
        if packet == "41" {
            break;
        }
        assert!(packet.starts_with("42"), "{packet}");
    }
    let left = watcher.until("socket_disconnected").await;
    assert_eq!(
        (&left[1], &left[2], &left[3]),
        (&json!("/"), &json!(eva_id), &json!("server namespace disconnect"))
    );
    let next = async {
        loop {
            let next = watcher.next().await;
            // The statistics come every two seconds, between whatever else is told.
            if next[0] != "server_stats" {
                break next;
            }
        }
    };
    let left = next.await;
    assert_eq!(
        (&left[0], &left[2], &left[3]),
        (&json!("room_left"), &json!(eva_id), &json!(eva_id))
    );

    watcher.command(json!(["join", "/", "a room"])).await;
    watcher.until("room_joined").await;
    let token = format!("Bearer {TOKEN}");
    let metrics =
        fetch(server.addr, "GET", "/metrics", &[("Authorization", token.as_str())], b"").await;
    for line in ["parlance_rooms 1", "parlance_recoveries_total 0"] {
        assert!(metrics.text().lines().any(|it| it == line), "{line} in\n{}", metrics.text());
    }

    // One by its room of its own, all, and those that do not exist.
    watcher.command(json!(["emit", "/", anna_id, "hello", { "a": 1 }])).await;
    loop {
        let packet = anna.text().await;
        if packet == r#"42["hello",{"a":1}]"# {
            break;
        }
        assert!(packet.starts_with("42"), "{packet}");
    }
    for command in [
        json!(["_disconnect", "/", true, "nobody"]),
        json!(["_disconnect", "/nowhere", true]),
        json!(["join", "/", "room", "nobody"]),
        json!(["join", "/nowhere", "room"]),
        json!(["join", "/", anna_id, anna_id]),
        json!(["join", "/", "x".repeat(300)]),
        json!(["leave", "/", anna_id]),
        json!(["_disconnect"]),
        json!(["no such command", 1]),
    ] {
        watcher.command(command).await;
    }
    watcher.command(json!(["emit", "/", null, "still here"])).await;
    assert_eq!(anna.text().await, r#"42["still here"]"#);
    watcher.command(json!(["_disconnect", "/", true])).await;
    let mut last = Frame::End;
    loop {
        match anna.next().await {
            Frame::End => break,
            frame => last = frame,
        }
    }
    assert!(matches!(last, Frame::Close(_)), "{last:?}");
}

/// The namespace for an application of the library.
fn hub() -> Arc<Hub> {
    let gate = Gate::new(Setup::default().policy());
    Hub::new(TOKEN.into(), Mode::Development, gate, 3000)
}

#[tokio::test]
async fn rooms_are_those_of_the_application_and_of_the_page() {
    let hub = hub();
    let server = Setup::default()
        .start_app(|io| {
            admin_ui::serve(io, &hub);
            let root = io.of("/");
            root.use_middleware(|socket| {
                socket.join("early");
                std::future::ready(Ok(()))
            });
            root.on("join", async |socket: Socket, room: String| socket.join(room));
            root.on("leave", async |socket: Socket, room: String| socket.leave(room));
        })
        .await;
    let server = Stage { addr: server.addr, _server: server };
    let (mut anna, anna_id) = server.join().await;
    anna.send(r#"42["join","lobby"]"#).await;
    let mut watcher = server.watch().await;
    let all = watcher.until("all_sockets").await;
    let shown = all[1].as_array().expect("a list").iter().find(|it| it["nsp"] == "/");
    assert_eq!(shown.expect("one")["rooms"], json!([anna_id, "early", "lobby"]));

    // Of who comes, the page has all rooms; then it hears of each.
    let (mut eva, eva_id) = server.join().await;
    let came = watcher.until("socket_connected").await;
    assert_eq!((&came[1]["id"], &came[1]["rooms"]), (&json!(eva_id), &json!([eva_id, "early"])));
    let change = async |watcher: &mut Watcher, what: &str, room: &str, id: &str| {
        let told = loop {
            let told = watcher.next().await;
            if told[0] != "event_received" && told[0] != "server_stats" {
                break told;
            }
        };
        assert_eq!(
            told.as_array().expect("a list")[..4],
            *json!([what, "/", room, id]).as_array().unwrap()
        );
        assert!(told[4].as_str().is_some_and(|time| time.ends_with('Z')), "{told}");
    };
    eva.send(r#"42["join","lobby"]"#).await;
    change(&mut watcher, "room_joined", "lobby", &eva_id).await;
    eva.send(r#"42["leave","early"]"#).await;
    change(&mut watcher, "room_left", "early", &eva_id).await;

    // What the page has them do: one, those in a room, all.
    watcher.command(json!(["join", "/", "vip", anna_id])).await;
    change(&mut watcher, "room_joined", "vip", &anna_id).await;
    watcher.command(json!(["join", "/", "all of vip", "vip"])).await;
    change(&mut watcher, "room_joined", "all of vip", &anna_id).await;
    watcher.command(json!(["leave", "/", "early"])).await;
    change(&mut watcher, "room_left", "early", &anna_id).await;
    watcher.command(json!(["join", "/", "vip", null])).await;
    change(&mut watcher, "room_joined", "vip", &eva_id).await;
    watcher.command(json!(["leave", "/", "vip", anna_id])).await;
    change(&mut watcher, "room_left", "vip", &anna_id).await;
    watcher.command(json!(["emit", "/", "vip", "hello"])).await;
    assert_eq!(watcher.until("event_sent").await[3], json!(["hello"]));
    assert_eq!(eva.text().await, r#"42["hello"]"#);
    // Those in a room go, in the order of the official server.
    watcher.command(json!(["_disconnect", "/", false, "vip"])).await;
    assert_eq!(eva.text().await, "41");
    let left = watcher.until("socket_disconnected").await;
    assert_eq!((&left[2], &left[3]), (&json!(eva_id), &json!("server namespace disconnect")));
    for room in [&*eva_id, "lobby", "vip"] {
        change(&mut watcher, "room_left", room, &eva_id).await;
    }
    watcher.command(json!(["emit", "/", null, "all"])).await;
    assert_eq!(anna.text().await, r#"42["all"]"#);
}

#[tokio::test]
async fn what_is_sent_is_told_once_for_each_who_gets_it() {
    let (hub, mut io) = (hub(), None);
    let server = Setup::default()
        .start_app(|it| {
            admin_ui::serve(it, &hub);
            it.of("/");
            io = Some(it.clone());
        })
        .await;
    let (server, io) = (Stage { addr: server.addr, _server: server }, io.expect("it was started"));
    let (mut anna, anna_id) = server.join().await;
    let (_eva, eva_id) = server.join().await;
    let mut watcher = server.watch().await;
    watcher.until("all_sockets").await;
    let root = io.of("/");
    root.emit("to all", ("secret", vec![7; 3], bytes::Bytes::from_static(b"12345")));
    let mut told = Vec::new();
    for _ in 0..2 {
        let event = watcher.until("event_sent").await;
        assert_eq!(event[1], "/");
        assert_eq!(event[3], json!(["to all", "secret", [7, 7, 7], "(5 bytes)"]));
        told.push(event[2].as_str().expect("an id").to_owned());
    }
    told.sort();
    let mut expected = [anna_id.clone(), eva_id];
    expected.sort();
    assert_eq!(told, expected);
    // One alone, with an acknowledgement; then far more than is told.
    let socket = root.socket(&anna_id).expect("it is there");
    drop(socket.emit_with_ack::<()>("question", 1));
    let event = watcher.until("event_sent").await;
    assert_eq!((&event[2], &event[3]), (&json!(anna_id), &json!(["question", 1])));
    (0..2000).for_each(|n| socket.emit("many", n));
    anna.close().await;
    let names = watcher.names_until("socket_disconnected").await;
    let sent = names.iter().filter(|name| *name == "event_sent").count();
    assert!((100..1500).contains(&sent), "{sent}");
}

/// A server of the library.
struct Stage {
    addr: SocketAddr,
    _server: TestServer,
}

impl Stage {
    async fn open(&self, packet: &str) -> (Ws, String) {
        let mut socket = Ws::open(self.addr, PATH).await;
        socket.text().await;
        socket.send(packet).await;
        let answer = socket.text().await;
        (socket, answer)
    }

    async fn join(&self) -> (Ws, String) {
        let (socket, answer) = self.open("40").await;
        let joined: Value = serde_json::from_str(&answer[2..]).expect("JSON");
        (socket, joined["sid"].as_str().expect("an id").to_owned())
    }

    async fn watch(&self) -> Watcher {
        let (socket, answer) =
            self.open(&format!("40/admin,{}", json!({ "password": TOKEN }))).await;
        assert!(answer.starts_with("40/admin,{"), "{answer}");
        Watcher(socket)
    }
}

#[tokio::test]
async fn who_arrives_together_is_counted_together() {
    let (asked, go) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
    let server = Setup::default()
        .start_app(|io| {
            admin_ui::serve(io, &hub());
            let (asked, go) = (Arc::clone(&asked), Arc::clone(&go));
            io.of(NAMESPACE).use_middleware(move |socket| {
                asked.fetch_add(1, Ordering::SeqCst);
                let go = Arc::clone(&go);
                async move {
                    drop(go.acquire().await);
                    match socket.auth()["unwanted"] == true {
                        true => Err(ConnectError::new("unwanted")),
                        false => Ok(()),
                    }
                }
            });
        })
        .await;
    let come = async |auth: Value| {
        let mut socket = Ws::open(server.addr, PATH).await;
        socket.text().await;
        socket.send(&format!("40/admin,{auth}")).await;
        socket
    };
    // All places are taken by those who are still being asked about, and one more comes.
    let mut pages = vec![
        come(json!({ "password": TOKEN, "unwanted": true })).await,
        come(json!({ "password": TOKEN })).await,
    ];
    while pages.len() < WATCHERS {
        pages.push(come(json!({ "password": TOKEN })).await);
    }
    until("all are asked about", || asked.load(Ordering::SeqCst) == WATCHERS).await;
    let full = r#"44/admin,{"message":"16 others are watching already"}"#;
    assert_eq!(come(json!({ "password": TOKEN })).await.text().await, full);
    // Who goes while it is asked about, and who is refused, leaves a place.
    drop(pages.remove(1));
    go.add_permits(100);
    for (at, page) in pages.iter_mut().enumerate() {
        let answer = page.text().await;
        let expected = if at == 0 { r#"44/admin,{"message":"unwanted"}"# } else { "40/admin,{" };
        assert!(answer.starts_with(expected), "{at}: {answer}");
    }
    for _ in 0..2 {
        let page = loop {
            let mut page = come(json!({ "password": TOKEN })).await;
            if page.text().await != full {
                break page;
            }
        };
        pages.push(page);
    }
    assert_eq!(come(json!({ "password": TOKEN })).await.text().await, full);
}

#[tokio::test]
async fn a_socket_says_which_transport_it_moved_to() {
    use crate::support::packets::{Eio, read_answer};
    use crate::support::polls::{read_open, sid_of};
    let server = Administered::development();
    let mut watcher = server.watch().await;
    watcher.until("all_sockets").await;
    let target = "/socket.io/?EIO=4&transport=polling";
    let open = fetch(server.addr, "GET", target, &[("User-Agent", "Test/1")], b"").await;
    let sid = sid_of(&read_open(&read_answer(Eio::V4, &open)[0]));
    fetch(server.addr, "POST", &format!("{target}&sid={sid}"), &[], b"40").await.assert_ok();
    let connected = loop {
        let event = watcher.until("socket_connected").await;
        if event[1]["nsp"] == "/" {
            break event;
        }
    };
    assert_eq!(connected[1]["transport"], "polling");
    assert_eq!(connected[1]["handshake"]["headers"]["user-agent"], "Test/1");
    let mut socket = Ws::open(server.addr, &format!("{PATH}&sid={sid}")).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.send("5").await;
    let updated = watcher.until("socket_updated").await;
    let expected = json!({ "id": connected[1]["id"], "nsp": "/", "transport": "websocket" });
    assert_eq!(updated[1], expected);
}

#[tokio::test]
async fn what_is_told_and_who_is_told_is_bounded() {
    let server = Administered::start(&[
        "--admin-token",
        TOKEN,
        "--admin-ui",
        "development",
        "--queue-bytes",
        "64KiB",
    ]);
    // More than fits into the queue of the page.
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(server.client().await);
    }
    let mut watcher = server.watch().await;
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 301 {
        let event = watcher.next().await;
        match event[0].as_str() {
            Some("all_sockets") => {
                let all = event[1].as_array().expect("a list");
                seen.extend(all.iter().map(|socket| socket["id"].to_string()));
            }
            Some("socket_connected") => {
                seen.insert(event[1]["id"].to_string());
            }
            _ => {}
        }
    }
    assert!(clients.iter().all(|(_, id)| seen.contains(&json!(id).to_string())));
    // A text of 60 000 characters, and far more events than a page is told of.
    let long = json!(["new message", "x".repeat(60_000)]);
    clients[0].0.send(&format!("42{long}")).await;
    let told = watcher.until("event_received").await;
    assert!(told.to_string().len() < 1000, "{}", told.to_string().len());
    let begin = Instant::now();
    for _ in 0..3000 {
        clients[0].0.send(r#"42["typing"]"#).await;
    }
    clients[0].0.close().await;
    let mut typing = 0;
    loop {
        let event = watcher.next().await;
        match event[0].as_str() {
            Some("event_received") => typing += 1,
            Some("socket_disconnected") if event[2] == json!(clients[0].1) => break,
            _ => {}
        }
    }
    // 400 at once, and 200 a second.
    let most = 400 + 200 * (begin.elapsed().as_secs() + 1);
    assert!((100..=most).contains(&typing), "{typing} of {most}");
    // As many pages as may be, and one more.
    let mut watchers = vec![watcher];
    while watchers.len() < 16 {
        let mut one = server.watch().await;
        one.until("config").await;
        watchers.push(one);
    }
    let refused = server.login(&json!({ "password": TOKEN })).await;
    assert_eq!(refused, r#"44/admin,{"message":"16 others are watching already"}"#);
    // One leaves, and its place is free.
    let mut gone = watchers.remove(5);
    gone.0.send("41/admin,").await;
    watchers[0].until("socket_disconnected").await;
    server.watch().await;
}
