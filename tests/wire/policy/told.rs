//! What the log of the binary tells of who is refused, and why.

use crate::support::http::fetch;
use crate::support::packets::Eio;
use crate::support::polls::{read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;

/// A server whose settings are in a file.
fn process(folder: &Folder, args: &[&str]) -> Process {
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0"]).args(args);
    Process::start(command)
}

#[tokio::test]
async fn a_proxy_that_is_not_named_is_warned_of_once() {
    let folder = Folder::new();
    folder.write("transports.toml", "trusted-proxies = [\"192.0.2.0/24\"]\n");
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let path = target("EIO=4&transport=polling");
    // Who says nothing for others is no proxy.
    fetch(addr, "GET", &path, &[], b"").await;
    process.signal("HUP");
    process.line("nothing changed");
    assert!(process.log.iter().all(|line| !line.contains("does not name")), "{:?}", process.log);
    for header in ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto"] {
        fetch(addr, "GET", &path, &[(header, "x")], b"").await;
    }
    let line = process.line("that trusted-proxies does not name");
    assert!(line.contains("WARN") && line.contains("address=127.0.0.1"), "{line}");
    let setting = "trusted-proxies = [\\\"192.0.2.0/24\\\", \\\"127.0.0.1\\\"]";
    assert!(line.contains(setting), "{line}");
    // What comes next is something else.
    folder.write("transports.toml", "trusted-proxies = [\"192.0.2.0/24\", \"127.0.0.1\"]\n");
    process.signal("HUP");
    process.line("policy changed");
    fetch(addr, "GET", &path, &[("X-Forwarded-For", "x")], b"").await;
    process.line("is no address");
    let told = process.log.iter().filter(|line| line.contains("does not name")).count();
    assert_eq!(told, 1, "{}", process.log.join("\n"));
}

#[tokio::test]
async fn a_header_that_is_not_believed_is_told_of_once() {
    let folder = Folder::new();
    folder.write("transports.toml", "trusted-proxies = [\"loopback\"]\n");
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let path = target("EIO=4&transport=polling");
    for _ in 0..3 {
        for name in ["X-Forwarded-For", "CF-Connecting-IP", "x-real-ip"] {
            fetch(addr, "GET", &path, &[(name, "192.0.2.7")], b"").await;
        }
    }
    let line = process.said("header=\"X-Real-IP\"");
    let setting = "proxy-headers = [\\\"Forwarded\\\", \\\"X-Forwarded-For\\\", \\\"X-Forwarded-Proto\\\", \\\"X-Forwarded-Host\\\", \\\"X-Real-IP\\\"]";
    assert!(line.contains("proxy=127.0.0.1") && line.contains(setting), "{line}");
    folder.write(
        "transports.toml",
        "trusted-proxies = [\"loopback\"]\nproxy-headers = [\"x-real-ip\"]",
    );
    process.signal("HUP");
    process.line("policy changed");
    fetch(addr, "GET", &path, &[("X-Real-IP", "192.0.2.7"), ("X-Forwarded-For", "x")], b"").await;
    process.line("header=\"X-Forwarded-For\"");
    let told = |text: &str| process.log.iter().filter(|line| line.contains(text)).count();
    for (header, times) in [("X-Real-IP", 1), ("CF-Connecting-IP", 1), ("X-Forwarded-For", 1)] {
        let header = format!("header=\"{header}\"");
        assert_eq!(told(&header), times, "{header} {}", process.log.join("\n"));
    }
}

#[tokio::test]
async fn scripts_that_name_no_page_are_told_of_once() {
    let folder = Folder::new();
    let mut process = process(&folder, &["--origins", "same-host", "--log", "debug"]);
    let addr = process.listening();
    for path in [target("EIO=3&transport=polling&j=0"), "/socket.io/1/?jsonp=0".into()] {
        fetch(addr, "GET", &path, &[], b"").await;
        process.line("label=\"unnamed\"");
    }
    let told = |text: &str| process.log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(told("that names no page was refused"), 1, "{}", process.log.join("\n"));
}

#[tokio::test]
async fn a_namespace_that_a_rule_refuses_is_told_of() {
    let folder = Folder::new();
    let rule = "[[rules]]\nname = \"room\"\nnamespaces = [\"/\"]\ntransports = [\"websocket\"]\n";
    folder.write("transports.toml", rule);
    let mut process = process(&folder, &["--log", "debug"]);
    let addr = process.listening();
    let opened = fetch(addr, "GET", &target("EIO=4&transport=polling"), &[], b"").await;
    let sid = sid_of(&read_open(&opened.text().into()));
    let post = target(&format!("{}&transport=polling&sid={sid}", Eio::V4.query()));
    assert_eq!(fetch(addr, "POST", &post, &[], b"40").await.status, 200);
    let line = process.line("namespace refused");
    for part in [&*format!("sid={sid}"), "transport=\"xhr-polling\"", "(rule room)"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_handshake_of_0_9_in_a_shutdown_is_told_of() {
    let folder = Folder::new();
    let mut process = process(&folder, &["--log", "debug"]);
    let addr = process.listening();
    // Somebody who is still to be told keeps the listener open for a while.
    fetch(addr, "GET", &target("EIO=4&transport=polling"), &[], b"").await;
    process.signal("TERM");
    process.line("stopping");
    let mut status = 200;
    while status == 200 {
        status = fetch(addr, "GET", "/socket.io/1/", &[], b"").await.status;
    }
    assert_eq!(status, 503);
    let line = process.line("request refused");
    assert!(line.contains("reason=the server is shutting down"), "{line}");
}
