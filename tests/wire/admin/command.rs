//! `parlance admin` against a real server.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Administered, TOKEN};
use crate::support::process::{Finished, Folder, Process, parlance, run};
use crate::support::redis::free_port;

/// The command with the token in the environment.
fn command(addr: SocketAddr, args: &[&str]) -> Command {
    let mut command = parlance(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")));
    let url = format!("http://{addr}");
    command.env("PARLANCE_ADMIN_TOKEN", TOKEN).args(["admin", "--url", &url]).args(args);
    command
}

/// What it prints, if all is well.
fn said(addr: SocketAddr, args: &[&str]) -> String {
    let Finished { status, stdout, stderr } = run(command(addr, args));
    assert_eq!((status.code(), &*stderr), (Some(0), ""), "{args:?}: {stdout}");
    stdout
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}

/// Status, and what it says to that.
fn failed(command: Command) -> (Option<i32>, String) {
    let Finished { status, stdout, stderr } = run(command);
    assert_eq!(stdout, "");
    (status.code(), stderr)
}

#[tokio::test]
async fn sessions_are_shown_page_by_page_and_one_in_full() {
    let server = Administered::start(&["--base-path", "/chat", "--trusted-proxies", "loopback"]);
    let anna = server.open(&[("X-Forwarded-For", "203.0.113.7"), ("Via", "1.1 squid")]).await;
    server.post(&anna, "40").await;
    assert!(server.poll(&anna).await.text().starts_with("40{"));
    server.post(&anna, "42[\"add user\",\"Annä\"]").await;
    assert!(server.poll(&anna).await.text().starts_with("42[\"login\""));
    let other = server.open(&[]).await;
    let addr = server.addr;
    let list = said(addr, &["sessions"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[0].starts_with("ID ") && lines[1].starts_with(&other), "{list}");
    for part in [&*anna, "203.0.113.7", "xhr-polling", "not-tried: ", "Annä"] {
        assert!(lines[2].contains(part), "{part}: {list}");
    }
    let first = said(addr, &["sessions", "--limit", "1"]);
    let more = first.lines().last().unwrap();
    assert!(more.ends_with("2 in all") && !first.contains(&anna), "{first}");
    let number = more.split(' ').find_map(|word| word.trim_end_matches(';').parse::<u64>().ok());
    let second = said(addr, &["sessions", "--before", &number.unwrap().to_string()]);
    assert!(second.contains(&anna) && !second.contains(&other), "{second}");
    let pages = said(addr, &["sessions", "--limit", "1", "--all", "--json"]);
    let sids: Vec<Value> =
        pages.lines().map(|page| json(page)["sessions"][0]["sid"].clone()).collect();
    assert_eq!(sids, [&*other, &*anna]);
    let found = said(addr, &["sessions", "--text", "SQUID", "--json"]);
    assert_eq!(json(&found)["sessions"][0]["sid"], *anna);
    // The base path may be named, and that of the page.
    for path in ["/chat", "/chat/admin", "/admin/"] {
        let place = format!("http://{addr}{path}");
        let text = said(addr, &["session", &anna, "--url", &place]);
        for part in ["203.0.113.7", "1.1 squid", "not-tried", "remedy", "0 ms  opened"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(json(&said(addr, &["--json", "session", &anna]))["address"], "203.0.113.7");
}

#[tokio::test]
async fn one_is_ended_and_then_it_is_gone() {
    let server = Administered::start(&[]);
    let sid = server.open(&[]).await;
    assert_eq!(said(server.addr, &["disconnect", &sid]), format!("disconnected {sid}\n"));
    let again = failed(command(server.addr, &["disconnect", &sid]));
    assert_eq!(again.0, Some(1), "{}", again.1);
    let ended = said(server.addr, &["sessions", "--ended"]);
    assert!(ended.contains(&sid) && ended.contains("ended-by-server: "), "{ended}");
    let unknown = failed(command(server.addr, &["session", "AAAAAAAAAAAAAAAAAAAA"]));
    assert_eq!(unknown.0, Some(1));
    assert!(unknown.1.starts_with("parlance: no session has this id"), "{}", unknown.1);
    assert_ne!(run(command(server.addr, &["session", "../policy"])).status.code(), Some(0));
    // An id may look like a flag.
    let odd = failed(command(server.addr, &["session", "-bAAAAAAAAAAAAAAAAA-"]));
    assert!(odd.1.starts_with("parlance: no session has this id"), "{}", odd.1);
}

#[tokio::test]
async fn causes_and_policy_are_texts() {
    let server = Administered::start(&["--max-websockets", "7"]);
    let none = said(server.addr, &["causes"]);
    assert!(none.starts_with("nothing was found since the start") && none.contains("diagnose"));
    server.open(&[]).await;
    let bearer = format!("Bearer {TOKEN}");
    let key = [("Authorization", bearer.as_str())];
    let change = b"transports = [\"websocket\"]";
    crate::support::http::fetch(server.addr, "POST", "/admin/policy", &key, change).await;
    server.until_event("cause").await;
    let causes = said(server.addr, &["causes"]);
    for part in ["policy-changed", "1 in the last hour", "after     transports: ", "remedy"] {
        assert!(causes.contains(part), "{part}: {causes}");
    }
    let policy = said(server.addr, &["policy"]);
    for part in ["websocket (set by an administrator)", "max-websockets", "refused since the start"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert_eq!(json(&said(server.addr, &["policy", "--json"]))["max-websockets"], 7);
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn events_are_followed() {
    let server = Administered::start(&[]);
    let sid = server.open(&[]).await;
    let latest = said(server.addr, &["events", "--no-follow"]);
    assert!(latest.contains(&sid) && latest.contains("opened: xhr-polling"), "{latest}");
    let mut following = command(server.addr, &["events", "--json", "--text", "CLOSED"]);
    let child = following.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = Running(child);
    let out = BufReader::new(child.0.stdout.take().unwrap());
    let first = tokio::task::spawn_blocking(move || out.lines().next().unwrap().unwrap());
    server.post(&sid, "1").await;
    let event = json(&crate::support::soon("an event", first).await.unwrap());
    assert_eq!((&event["event"], &event["sid"]), (&"closed".into(), &sid.into()));
}

#[tokio::test]
async fn the_token_comes_from_a_file_or_the_environment() {
    let server = Administered::start(&[]);
    let folder = Folder::new();
    folder.write("token", &format!("{TOKEN}\n"));
    folder.write("empty", "\n");
    let url = format!("http://{}", server.addr);
    let ask = |args: &[&str], variable: Option<&str>| {
        let mut command = parlance(folder.path());
        command.args(["admin", "--url", &url, "sessions"]).args(args);
        if let Some(token) = variable {
            command.env("PARLANCE_ADMIN_TOKEN", token);
        }
        let Finished { status, stderr, .. } = run(command);
        (status.code().unwrap(), stderr)
    };
    let wrong = "sixteen characterS";
    for (args, variable, status, told) in [
        (&["--token-file", "token"][..], None, 0, ""),
        // The file is what was asked for.
        (&["--token-file", "token"], Some(wrong), 0, ""),
        (&[], Some(TOKEN), 0, ""),
        (&[], Some(wrong), 1, "its token is wrong"),
        (&[], None, 2, "no token: set PARLANCE_ADMIN_TOKEN"),
        (&["--token-file", "none"], None, 2, "none cannot be read"),
        (&["--token-file", "empty"], None, 2, "has no token"),
        (&["--admin-token", TOKEN], None, 0, "can read the token in the command line"),
    ] {
        let (code, stderr) = ask(args, variable);
        assert_eq!(code, status, "{args:?}: {stderr}");
        assert!(stderr.contains(told) && stderr.is_empty() == told.is_empty(), "{stderr}");
        assert!(!stderr.contains(TOKEN), "{stderr}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_is_told_from_one_that_refuses() {
    let folder = Folder::new();
    let mut without = parlance(folder.path());
    without.args(["--port", "0"]);
    let mut without = Process::start(without);
    let (status, why) = failed(command(without.listening(), &["sessions"]));
    assert_eq!(status, Some(2));
    assert!(why.contains("has no admin API at /admin/ (404)"), "{why}");
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (status, why) = failed(command(nobody, &["events"]));
    assert_eq!(status, Some(2));
    assert!(why.contains("nothing listens there"), "{why}");
}

#[tokio::test]
async fn the_token_goes_to_no_server_that_is_not_trusted() {
    let folder = Folder::new();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("cert.pem", &pair.cert.pem());
    folder.write("key.pem", &pair.signing_key.serialize_pem());
    let mut server = parlance(folder.path());
    server.args(["--port", "0", "--admin-token", TOKEN]);
    server.args(["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let mut server = Process::start(server);
    let port = server.listening().port();
    let ask = |host: &str, trusted: bool| {
        let mut command = parlance(folder.path());
        command.env("PARLANCE_ADMIN_TOKEN", TOKEN);
        command.args(["admin", "sessions", "--url", &format!("https://{host}:{port}")]);
        if trusted {
            command.env("SSL_CERT_FILE", folder.path().join("cert.pem"));
        }
        run(command)
    };
    let good = ask("localhost", true);
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    for (host, trusted, why) in [("localhost", false, "(untrusted)"), ("127.0.0.1", true, "(name)")]
    {
        let refused = ask(host, trusted);
        assert_eq!(refused.status.code(), Some(2), "{host}");
        assert!(refused.stderr.contains(why), "{host}: {}", refused.stderr);
    }
}
