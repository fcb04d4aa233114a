//! `/admin/moderation` of a real server: what operators do, what they are refused, and what a restart leaves.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::TOKEN;
use crate::support::http::{Answer, fetch};
use crate::support::packets::{Eio, read_answer};
use crate::support::polls::{read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;
use crate::support::soon;

struct Server {
    process: Process,
    addr: SocketAddr,
}

impl Server {
    fn start(folder: &Folder) -> Self {
        let mut command = parlance(folder.path());
        command.args(["--port", "0", "--admin-token", TOKEN, "--data-dir", "data"]);
        let mut process = Process::start(command);
        let addr = process.listening();
        Server { process, addr }
    }

    async fn send(&self, method: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        let key = [("Authorization", bearer.as_str())];
        fetch(self.addr, method, "/admin/moderation", &key, body).await
    }

    async fn done(&self, asked: Value) {
        let answer = self.send("POST", asked.to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "ok": true })), "{asked}");
    }

    async fn refused(&self, body: &[u8], error: &str) {
        let (answer, shown) = (self.send("POST", body).await, String::from_utf8_lossy(body));
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(error)), "{shown:.80}");
        assert!(answer.json()["reason"].as_str().unwrap().len() > 5, "{shown:.80}");
    }

    async fn sanctions(&self) -> Vec<Value> {
        let answer = self.send("GET", b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["sanctions"].as_array().unwrap().clone()
    }

    /// Opens a session by polling and enters a room with that packet. What comes back is read with [`until`](Self::until).
    async fn enter(&self, packet: &str) -> String {
        let answer = fetch(self.addr, "GET", &target("EIO=4&transport=polling"), &[], b"").await;
        let sid = sid_of(&read_open(&read_answer(Eio::V4, &answer)[0]));
        self.post(&sid, packet).await;
        sid
    }

    async fn post(&self, sid: &str, packet: &str) {
        let target = target(&format!("EIO=4&transport=polling&sid={sid}"));
        fetch(self.addr, "POST", &target, &[], packet.as_bytes()).await.assert_ok();
    }

    /// Polls until one answer has that text.
    async fn until(&self, sid: &str, text: &str) -> String {
        let target = target(&format!("EIO=4&transport=polling&sid={sid}"));
        let wait = async {
            loop {
                let answer = fetch(self.addr, "GET", &target, &[], b"").await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                if answer.text().contains(text) {
                    return answer.text().to_owned();
                }
            }
        };
        soon(text, wait).await
    }

    /// Our page of somebody of that name in a room: `""` is the lobby.
    async fn person(&self, room: &str, name: &str) -> String {
        let sid = self.enter(&format!("40{room}")).await;
        self.until(&sid, "40").await;
        self.post(&sid, &format!("42{room}1{}", json!(["add user", name, { "page": 1 }]))).await;
        self.until(&sid, "\"ok\":true").await;
        sid
    }

    /// Says something in a room, and returns the answer.
    async fn say(&self, sid: &str, room: &str, text: &str) -> Value {
        let event = json!(["new message", text, { "id": text }]);
        self.post(sid, &format!("42{room}7{event}")).await;
        let ack = format!("43{room}7");
        let answer = self.until(sid, &ack).await;
        let said = answer.split('\u{1e}').find_map(|it| it.strip_prefix(&*ack)).unwrap();
        serde_json::from_str::<Value>(said).unwrap()[0].take()
    }
}

#[tokio::test]
async fn each_action_does_what_it_says_in_the_room_that_is_named() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let room = "/support,";
    let (ann, bob) = (server.person("", "Ann").await, server.person(room, "Bob").await);
    let eve = server.person(room, "Eve").await;
    for (key, sid, space) in
        [(None, &ann, ""), (Some("support"), &bob, room), (Some("/support"), &bob, room)]
    {
        let of = |mut asked: Value| {
            asked.as_object_mut().unwrap().extend(key.map(|key| ("room".to_owned(), json!(key))));
            asked
        };
        let said = server.say(sid, space, &format!("bad {key:?}")).await;
        server.done(of(json!({ "action": "delete", "position": said["position"] }))).await;
        server.until(sid, "message deleted").await;
        server.done(of(json!({ "action": "announce", "message": format!("tea {key:?}") }))).await;
        server.until(sid, "announcement").await;
        let name = if space.is_empty() { "Ann" } else { "Bob" };
        server.done(of(json!({ "action": "mute", "username": name, "seconds": 600 }))).await;
        assert_eq!(server.say(sid, space, &format!("muted {key:?}")).await["reason"], "muted");
        let id = server.sanctions().await[0]["id"].clone();
        server.done(of(json!({ "action": "lift", "id": id }))).await;
        server.done(of(json!({ "action": "slow", "seconds": 60 }))).await;
        server.until(sid, "\"slow\":60").await;
        server.done(of(json!({ "action": "slow" }))).await;
        server.until(sid, "\"slow\":0").await;
        assert_eq!(server.say(sid, space, &format!("free {key:?}")).await["ok"], true);
    }
    server.done(json!({ "action": "kick", "username": "Eve", "room": "support" })).await;
    server.until(&eve, "\"kick\"").await;
    server.done(json!({ "action": "ban", "username": "Bob", "room": "support" })).await;
    server.until(&bob, "\"ban\"").await;
    server.process.signal("TERM");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name_and_changes_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let _ann = server.person("", "Ann").await;
    let long = "x".repeat(100_000);
    for (asked, error) in [
        (json!({}), "wrong"),
        (json!({ "action": "promote", "username": "Ann" }), "wrong"),
        (json!({ "action": "ban" }), "wrong"),
        (json!({ "action": "mute", "username": 7 }), "wrong"),
        (json!({ "action": "ban", "username": "Ann", "seconds": -1 }), "wrong"),
        (json!({ "action": "ban", "username": "Ann", "seconds": 1e12 }), "wrong"),
        (json!({ "action": "ban", "address": "not one" }), "wrong"),
        (json!({ "action": "kick", "address": "10.0.0.1" }), "wrong"),
        (json!({ "action": "delete" }), "wrong"),
        (json!({ "action": "lift" }), "wrong"),
        (json!({ "action": "slow", "seconds": 3601 }), "wrong"),
        (json!({ "action": "announce", "message": " " }), "wrong"),
        (json!({ "action": "announce", "message": long }), "too long"),
        (json!({ "action": "kick", "username": "Nobody" }), "gone"),
        (json!({ "action": "delete", "position": "abcdefgh.1" }), "gone"),
        (json!({ "action": "ban", "position": "abcdefgh.1" }), "gone"),
        (json!({ "action": "lift", "id": "x" }), "gone"),
        (json!({ "action": "kick", "username": "Ann", "room": "nowhere" }), "gone"),
    ] {
        server.refused(asked.to_string().as_bytes(), error).await;
    }
    for body in [&b""[..], b"{", b"action=ban", b"\xff", b"[]", b"null"] {
        server.refused(body, "wrong").await;
    }
    let large = vec![b' '; 256 * 1024 + 1];
    let answer = server.send("POST", &large).await;
    assert_eq!((answer.status, &answer.json()["error"]), (413, &json!("too-large")));
    assert_eq!(server.send("PUT", b"{}").await.status, 405);
    for headers in [&[][..], &[("Authorization", "Bearer sixteen characterS")]] {
        for method in ["GET", "POST"] {
            let body = br#"{"action": "kick", "username": "Ann"}"#;
            let answer = fetch(server.addr, method, "/admin/moderation", headers, body).await;
            assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("token")));
        }
    }
    assert_eq!(server.sanctions().await, [] as [Value; 0]);
}

#[tokio::test]
async fn bans_and_mutes_outlast_a_restart_until_they_are_lifted() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let ann = server.person("", "Ann").await;
    server.done(json!({ "action": "mute", "address": "127.0.0.1", "seconds": 600 })).await;
    server.done(json!({ "action": "ban", "address": "127.0.0.1", "seconds": 600 })).await;
    server.until(&ann, "\"ban\"").await;
    let before = server.sanctions().await;
    assert_eq!(before.len(), 2);
    server.process.signal("TERM");
    assert!(server.process.wait().0.success());
    let server = Server::start(&folder);
    let sid = server.enter("40").await;
    server.until(&sid, "banned").await;
    let after = server.sanctions().await;
    assert_eq!(after, before);
    let ban = after.iter().find(|it| it["action"] == "ban").unwrap();
    assert_eq!((&ban["address"], &ban["by"]), (&json!(true), &json!("operator")));
    server.done(json!({ "action": "lift", "id": ban["id"] })).await;
    let ann = server.person("", "Ann").await;
    assert_eq!(server.say(&ann, "", "hi").await["reason"], "muted");
    let mute = after.iter().find(|it| it["action"] == "mute").unwrap();
    server.done(json!({ "action": "lift", "id": mute["id"] })).await;
    assert_eq!(server.say(&ann, "", "hi again").await["ok"], true);
}
