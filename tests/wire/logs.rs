//! What is logged has a bound, and a log that cannot be written is not the end of anything.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::http::{Answer, fetch};
use crate::support::process::{Folder, Process, parlance, run};
use crate::support::{soon, until};

const TOKEN: &str = "Bearer sixteen characters";

fn start(folder: &Folder) -> Process {
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--log-dir", "logs", "--admin-token", &TOKEN[7..]]);
    Process::start(command)
}

/// All that is in the log files.
fn logged(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect()
}

async fn status(addr: std::net::SocketAddr) -> Value {
    let answer = fetch(addr, "GET", "/admin/policy", &[("Authorization", TOKEN)], b"").await;
    serde_json::from_str::<Value>(answer.text()).expect("JSON")["log"].clone()
}

#[tokio::test]
async fn log_files_come_back() {
    let folder = Folder::new();
    let logs = folder.path().join("logs");
    let mut process = start(&folder);
    let addr = process.listening();
    until("the start is logged", || logged(&logs).contains("started")).await;
    assert_eq!(status(addr).await["problem"], Value::Null);
    // Removed: there is a new one, with the next line in it.
    fs::remove_dir_all(&logs).expect("a folder");
    process.signal("HUP");
    process.line("the log file was removed or renamed");
    until("the line is logged", || logged(&logs).contains("policy read again")).await;
    // And something else in its place: that is told once, and can be asked for.
    fs::remove_dir_all(&logs).expect("a folder");
    fs::write(&logs, "").expect("a file");
    process.signal("HUP");
    process.line("log files cannot be written");
    for _ in 0..2 {
        process.signal("HUP");
        process.line("policy read again");
    }
    let trouble = status(addr).await;
    assert!(trouble["problem"].is_string(), "{trouble}");
    assert!(trouble["lost"].as_u64() >= Some(1), "{trouble}");
    assert!(trouble["path"].as_str().is_some_and(|path| path.ends_with("logs")), "{trouble}");
    fs::remove_file(&logs).expect("a file");
    // It is tried once a second, when there is something to be written.
    let back = async {
        while !logged(&logs).contains("log files are written again") {
            process.signal("HUP");
            // A pause between two looks, within the bound of `soon`.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    soon("the files are back", back).await;
    assert_eq!(status(addr).await["problem"], Value::Null);
    process.signal("TERM");
    let (_, log) = process.wait();
    let told = log.iter().filter(|line| line.contains("log files cannot be written")).count();
    assert_eq!(told, 1, "{log:#?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_need_be_able_to_read_stderr() {
    let folder = Folder::new();
    let logs = folder.path().join("logs");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--log-dir", "logs"]).stdout(Stdio::null()).stderr(full);
    let mut child = command.spawn().expect("the binary");
    until("the start is logged", || logged(&logs).contains("started")).await;
    let log = logged(&logs);
    let port = log.split("address=").nth(1).and_then(|rest| rest.split(' ').next());
    let port =
        port.and_then(|address| address.trim_matches('"').rsplit(':').next()?.parse::<u16>().ok());
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], port.expect("a port")));
    let up = async {
        while std::net::TcpStream::connect(addr).is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon("it listens", up).await;
    let answer = fetch(addr, "GET", "/", &[], b"").await;
    let running = child.try_wait().expect("our child").is_none();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!((answer.status, running), (200, true));
}

/// One line of a log in JSON, with keys that are always the same.
fn parsed(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(|k| &**k).collect();
    keys.retain(|key| *key != "span");
    assert_eq!(keys, ["timestamp", "level", "fields", "target"], "{line}");
    assert!(value["fields"]["message"].is_string(), "{line}");
    assert!(value["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    assert!(value["level"].as_str().is_some_and(|level| levels.contains(&level)), "{line}");
    value
}

#[tokio::test]
async fn every_line_is_an_object_of_json() {
    let folder = Folder::new();
    folder.write("transports.toml", "log-format = \"json\"\nlog-dir = \"logs\"\nlog = \"trace\"");
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0"]).env("PARLANCE_TYPO", "a \"b\"\n\u{1b}[1m");
    let mut process = Process::start(command);
    let line = parsed(&process.line("listening on "));
    let listening = line["fields"]["message"].as_str().expect("a text").to_owned();
    let port = listening.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let opened = fetch(addr, "GET", "/socket.io/?EIO=4&transport=polling", &[], b"").await;
    let handshake: Value = serde_json::from_str(&opened.text()[1..]).expect("JSON");
    let sid = handshake["sid"].as_str().expect("a sid");
    let session = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    fetch(addr, "POST", &session, &[], "40\u{1e}420[\"add user\",\"é\\\"\\n\"]".as_bytes()).await;
    // What strangers write gets into lines as well.
    let odd = [("Origin", "https://\"'\\{}.example"), ("User-Agent", "a\u{1}\"b")];
    for path in
        ["/socket.io/?EIO=4&transport=%22%0a%1b%00&sid=%ff%22", "/nowhere/?EIO=4&transport=polling"]
    {
        fetch(addr, "GET", path, &odd, b"").await;
    }
    report(addr, "192.0.2.1", b"\"\n\x00\xff\x1b[2J").await;
    // Text that is no HTTP.
    let mut strange = tokio::net::TcpStream::connect(addr).await.expect("a connection");
    strange.write_all(b"\"\n\x00\xff \r\n\r\n").await.expect("a write");
    let _ = strange.read_to_end(&mut Vec::new()).await;
    process.signal("TERM");
    let (_, lines) = process.wait();
    let lines: Vec<Value> = lines.iter().map(|line| parsed(line)).collect();
    let told = |text: &str| {
        let found = lines.iter().find(|line| line["fields"]["message"] == text);
        found.unwrap_or_else(|| panic!("no {text} in {lines:#?}")).clone()
    };
    let handshake = told("handshake");
    let span =
        json!({ "name": "session", "sid": sid, "generation": "3.x-4.x", "remote": "127.0.0.1" });
    assert_eq!(
        (&handshake["span"], &handshake["target"]),
        (&span, &"parlance::engine::event".into())
    );
    assert_eq!(handshake["fields"]["transport"], "xhr-polling");
    assert_eq!(
        (&told("started")["level"], &told("stopping")["fields"]["sessions"]),
        (&"INFO".into(), &1.into())
    );
    assert!(told("started").get("span").is_none());
    assert!(told("diagnostics report")["fields"]["report"].is_string());
    told("request refused");
    told(&listening);
    // The files have the same lines, each with a time of its own; threads may come in another order.
    let timeless = |mut line: Value| {
        line["timestamp"].take();
        line.to_string()
    };
    let files = logged(&folder.path().join("logs"));
    let mut files: Vec<String> = files.lines().map(parsed).map(timeless).collect();
    let mut lines = lines;
    lines.retain(|line| line["fields"]["message"] != listening.as_str());
    let mut lines: Vec<String> = lines.into_iter().map(timeless).collect();
    files.sort();
    lines.sort();
    assert_eq!(files, lines);
}

#[test]
fn a_start_that_fails_says_why_in_the_form_of_the_log() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (flags, expected) in [
        (["--log-format", "json"], "it is in use"),
        (["--log-format=json", "--static-dir=nowhere"], "static-dir: nowhere is no folder"),
    ] {
        let mut command = parlance(folder.path());
        command.args(["--host", "127.0.0.1", "--port", &port]).args(flags);
        let finished = run(command);
        assert!(!finished.status.success());
        let lines: Vec<Value> = finished.stderr.lines().map(parsed).collect();
        let last = lines.last().expect("a line");
        let said = last["fields"]["message"].as_str().expect("a text");
        assert!(said.contains(expected), "{said}");
        assert_eq!(last["level"], "ERROR");
    }
    let mut command = parlance(folder.path());
    command.args(["--log-format", "yaml"]);
    let wrong =
        "parlance: --log-format (or PARLANCE_LOG_FORMAT): expected text or json, not \"yaml\"\n";
    assert_eq!(run(command).stderr, wrong);
}

async fn report(addr: std::net::SocketAddr, from: &str, body: &[u8]) -> Answer {
    let headers = [("X-Forwarded-For", from)];
    fetch(addr, "POST", "/diagnostics/report", &headers, body).await
}

#[tokio::test]
async fn reports_are_bounded_by_address_and_as_they_are_logged() {
    let folder = Folder::new();
    let logs = folder.path().join("logs");
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--log-dir", "logs", "--trusted-proxies", "loopback"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    for taken in [200, 200, 200, 200, 200, 429, 429] {
        let answer = report(addr, "192.0.2.1", &[1; 16 * 1024]).await;
        assert_eq!(answer.status, taken, "{}", answer.text());
    }
    // Others are not kept from it; those of one /64 are one.
    assert_eq!(report(addr, "192.0.2.2", b"fine").await.status, 200);
    let all = |log: &str| log.matches("diagnostics report").count() == 6;
    until("all is logged", || all(&logged(&logs))).await;
    let log = logged(&logs);
    assert!(log.len() < 6 * 17 * 1024, "{} bytes", log.len());
    assert!(log.bytes().all(|byte| byte == b'\n' || byte >= b' '), "nothing but text");
}
