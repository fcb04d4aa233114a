//! What is logged has a bound, and a log that cannot be written is not the end of anything.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::http::{Answer, fetch};
use crate::support::process::{Folder, Process, parlance};
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
