//! Changes by an administrator, and that the file stays what it was meanwhile.

use std::net::SocketAddr;

use serde_json::json;

use super::changes::{TOKEN, process};
use crate::support::http::{Http, fetch};
use crate::support::process::{Folder, Process, parlance, run};
use crate::support::server::target;

#[tokio::test]
async fn an_administrator_changes_the_policy() {
    let folder = Folder::new();
    let mut process = process(&folder, &["--admin-token", TOKEN]);
    let addr = process.listening();
    let bearer = format!("Bearer {TOKEN}");
    let key = [("Authorization", bearer.as_str())];
    let ask = async |method: &'static str, headers: &[(&str, &str)], body: &str| {
        fetch(addr, method, "/admin/policy", headers, body.as_bytes()).await
    };
    for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", TOKEN)]] {
        let answer = ask("POST", headers, "transports = [\"polling\"]").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    // Nobody waits for what a stranger does not send; odd bytes in the header are no way round.
    for headers in [&[][..], &[("Authorization", "Bearer wröng")], &[("X", "Y")]] {
        let unsaid = [headers, &[("Content-Length", "100")]].concat();
        let answer = ask("POST", &unsaid, "").await;
        assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("token")));
    }
    // The scheme is of any case, the token is not.
    for (value, status) in [
        (format!("bearer {TOKEN}"), 200),
        (format!("BEARER  {TOKEN} "), 200),
        (format!("Bearer{TOKEN}"), 401),
        (format!("Basic {TOKEN}"), 401),
        (format!("Bearer {}", TOKEN.to_uppercase()), 401),
        ("Bearer".into(), 401),
    ] {
        let answer = ask("GET", &[("Authorization", &value)], "").await;
        assert_eq!(answer.status, status, "{value}");
    }
    let answer = ask("GET", &key, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["transports"][0], "websocket");
    assert_eq!(answer.json()["refused"]["transport"], 0);
    assert_eq!(
        (&answer.json()["breaker-rest"], &answer.json()["breaker-failures"]),
        (&json!("600s"), &json!(5))
    );
    let answer = ask("POST", &key, "transports = [\"polling\"]\nmax-sessions = 3\n").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["changes"][1], "max-sessions: 30000 -> 3");
    process.line("policy changed");
    let refused = Http::open(addr).await.get(&target("EIO=4&transport=htmlfile")).await;
    refused.assert_error(400, 0, "Transport unknown");
    let answer = ask("GET", &key, "").await;
    assert_eq!(answer.json()["refused"]["transport"], 1);
    assert_eq!(answer.json()["max-sessions"], 3);
    for (body, reason) in [
        ("transports = [\"pigeon\"]", "body:1:14: transports: unknown transport"),
        ("port = 1", "body:1:1: port: it changes with a restart only"),
        ("transports", "body:1:"),
        ("\u{0}", "body:1:"),
    ] {
        let answer = ask("POST", &key, body).await;
        assert_eq!(answer.status, 400, "{body}");
        let said = answer.json()["reason"].as_str().unwrap().to_owned();
        assert!(said.starts_with(reason), "{said}");
    }
    assert_eq!(ask("GET", &key, "").await.json()["max-sessions"], 3, "mistakes change nothing");
    // Empty: the file is read again, and what was sent stays.
    let answer = ask("POST", &key, "").await;
    assert_eq!(answer.json()["changes"], json!([]), "{}", answer.text());
    let answer = ask("DELETE", &key, "").await;
    assert_eq!(answer.json()["changes"][1], "max-sessions: 3 -> 30000");
    let large = "#".repeat(300 * 1024);
    let answer = ask("POST", &key, &large).await;
    assert_eq!((answer.status, &answer.json()["error"]), (413, &json!("too-large")));
}

/// A server with an administrator, and how to ask it.
struct Administered {
    process: Process,
    addr: SocketAddr,
}

impl Administered {
    fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut process = process(folder, &[&["--admin-token", TOKEN], args].concat());
        let addr = process.listening();
        Administered { process, addr }
    }

    async fn ask(&self, method: &str, below: &str, body: &str) -> (u16, serde_json::Value) {
        let bearer = format!("Bearer {TOKEN}");
        let target = format!("/admin/policy{below}");
        let key = [("Authorization", bearer.as_str())];
        let answer = fetch(self.addr, method, &target, &key, body.as_bytes()).await;
        (answer.status, answer.json())
    }

    /// `origins`, `max-websockets`, and the administrator's layer.
    async fn facts(&self) -> serde_json::Value {
        let (_, status) = self.ask("GET", "", "").await;
        json!([status["origins"], status["max-websockets"], status["administrator"]])
    }
}

#[tokio::test]
async fn what_an_administrator_sends_is_a_layer_of_its_own() {
    let folder = Folder::new();
    let file = |more: &str| {
        let text = format!("origins = [\"https://a.example\"]\n{more}");
        folder.write("transports.toml", &text);
    };
    file("max-websockets = 1\n");
    let mut server = Administered::start(&folder, &["--max-websockets", "2"]);
    let a = ["https://a.example"];
    assert_eq!(server.facts().await, json!([a, 2, {}]));
    let (status, answer) = server.ask("POST", "", "max-websockets = 50\n").await;
    let expected = json!({ "changes": ["max-websockets: 2 -> 50"], "administrator": { "max-websockets": 50 } });
    assert_eq!((status, answer), (200, expected));
    server.ask("POST", "", "max-sessions = 5\n").await;
    let both = json!({ "max-sessions": 5, "max-websockets": 50 });
    assert_eq!(server.facts().await, json!([a, 50, both]), "one adds to the other");
    // Neither a signal nor the file takes it back.
    file("max-websockets = 3\nhandshake-rate = 7\n");
    server.process.signal("HUP");
    let line = server.process.line("SIGHUP");
    assert!(line.contains("handshake-rate: 100 -> 7"), "{line}");
    assert_eq!(server.facts().await, json!([a, 50, both]));
    // Nor does it matter what became of the file.
    std::fs::remove_file(folder.path().join("transports.toml")).unwrap();
    let (status, answer) = server.ask("POST", "", "").await;
    assert_eq!((status, &answer["error"]), (409, &json!("file")), "{answer}");
    assert_eq!(answer["reason"], "transports.toml is gone");
    let (_, answer) = server.ask("GET", "", "").await;
    assert_eq!(
        answer["file"],
        json!({ "path": "transports.toml", "problem": "transports.toml is gone" })
    );
    let (status, _) = server.ask("POST", "", "max-websockets = 51\n").await;
    assert_eq!(status, 200);
    assert_eq!(server.facts().await[1], 51);
    // Key by key, and all of it.
    let (status, answer) = server.ask("DELETE", "/max-websockets", "").await;
    let expected =
        json!({ "changes": ["max-websockets: 51 -> 2"], "administrator": { "max-sessions": 5 } });
    assert_eq!((status, answer), (200, expected));
    let (status, answer) = server.ask("DELETE", "/max-websockets", "").await;
    assert_eq!((status, &answer["changes"]), (200, &json!([])), "once more changes nothing");
    let (status, answer) = server.ask("DELETE", "/port", "").await;
    assert_eq!((status, &answer["error"]), (400, &json!("settings")), "{answer}");
    let (status, answer) = server.ask("DELETE", "", "").await;
    assert_eq!((status, &answer["administrator"]), (200, &json!({})));
    assert_eq!(server.facts().await, json!([a, 2, {}]));
}

#[cfg(unix)]
#[tokio::test]
async fn what_stands_in_the_place_of_the_file_opens_nothing_and_holds_nothing_up() {
    let folder = Folder::new();
    let path = folder.path().join("transports.toml");
    let put = |what: &str| {
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_dir(&path);
        match what {
            "nothing" => {}
            "a folder" => std::fs::create_dir(&path).unwrap(),
            "a FIFO" => {
                let made = std::process::Command::new("mkfifo").arg(&path).status();
                assert!(made.expect("mkfifo").success());
            }
            "a device" => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            "a socket" => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            "too much" => std::fs::write(&path, "#".repeat(2 << 20)).unwrap(),
            "no text" => std::fs::write(&path, b"origins = [\"\xff\"]").unwrap(),
            text => std::fs::write(&path, text).unwrap(),
        }
    };
    let sound = "origins = [\"https://a.example\"]\n";
    put(sound);
    let mut server = Administered::start(&folder, &[]);
    let a = ["https://a.example"];
    for (what, problem) in [
        ("", "has no settings any more"),
        ("# origins = [\"https://a.example\"]\n\n", "has no settings any more"),
        ("nothing", "is gone"),
        ("a folder", "cannot be read: it is a folder"),
        ("a FIFO", "cannot be read: it is no regular file"),
        ("a device", "cannot be read: it is no regular file"),
        ("a socket", "cannot be read: it is no regular file"),
        ("too much", "cannot be read: it is longer than 1048576 bytes"),
        ("no text", "cannot be read: it is no text in UTF-8"),
        ("origins = [", "transports.toml:1:"),
    ] {
        put(what);
        server.process.signal("HUP");
        let line = server.process.line("policy not changed");
        assert!(line.contains("WARN") && line.contains("SIGHUP"), "{what}: {line}");
        let (status, answer) = server.ask("POST", "", "").await;
        assert_eq!((status, &answer["error"]), (409, &json!("file")), "{what}: {answer}");
        let (_, answer) = server.ask("GET", "", "").await;
        let told = answer["file"]["problem"].as_str().unwrap_or_default();
        assert!(told.contains(problem), "{what}: {answer}");
        let (status, answer) = server.ask("POST", "", "max-websockets = 50\n").await;
        assert_eq!(status, 200, "{what}: {answer}");
        assert_eq!(server.facts().await, json!([a, 50, { "max-websockets": 50 }]), "{what}");
        server.ask("DELETE", "", "").await;
        // As if it had been there from the start.
        if !matches!(what, "" | "nothing") && !what.starts_with('#') {
            for arguments in [&["check"][..], &["--port", "0"]] {
                let mut command = parlance(folder.path());
                command.args(arguments);
                let finished = run(command);
                assert_eq!(finished.status.code(), Some(1), "{what}");
                assert_eq!(finished.stderr.lines().count(), 1, "{what}: {}", finished.stderr);
                assert!(finished.stderr.contains(problem), "{what}: {}", finished.stderr);
            }
        }
        put(sound);
        server.process.signal("HUP");
        server.process.line("nothing changed");
    }
    // To a process that begins, half a file is a file: it says so.
    put("# nothing\n");
    let mut second = Administered::start(&folder, &[]);
    second.process.said("no settings in this file");
    put(sound);
    second.process.line("policy changed");
    assert_eq!(second.facts().await, json!([a, 0, {}]));
    // Nobody has to say anything: it is looked at.
    put("");
    let line = server.process.line("has no settings any more");
    assert!(line.contains("the file changed"), "{line}");
    assert_eq!(server.facts().await, json!([a, 0, {}]));
}

#[tokio::test]
async fn without_a_token_there_is_no_administrator() {
    let folder = Folder::new();
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let headers = [("Authorization", "Bearer ")];
    assert_eq!(fetch(addr, "GET", "/admin/policy", &headers, b"").await.status, 404);
    let posted = fetch(addr, "POST", "/admin/policy", &headers, b"").await.status;
    assert_eq!(posted, fetch(addr, "POST", "/nothing", &headers, b"").await.status);
}
