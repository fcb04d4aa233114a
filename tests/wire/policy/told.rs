//! What the log of the binary tells of who is refused, and why.

use crate::support::http::fetch;
use crate::support::packets::Eio;
use crate::support::polls::{read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;
use crate::support::ws::Ws;

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

/// Lines of kinds of refusals.
fn kinds(process: &Process) -> Vec<&String> {
    let of = ["requests refused", "namespaces refused", "WebSocket not offered"];
    process.log.iter().filter(|line| of.iter().any(|text| line.contains(text))).collect()
}

#[tokio::test]
async fn each_kind_of_refusal_is_a_line_for_each_network() {
    let poll = || target("EIO=4&transport=polling");
    let from = async |addr, address: &str, path: &str| {
        fetch(
            addr,
            "GET",
            path,
            &[("X-Forwarded-For", address), ("Origin", "https://a.example")],
            b"",
        )
        .await;
    };
    let room = "[[rules]]\nname = \"room\"\nnamespaces = [\"/\"]\ntransports = [\"websocket\"]\n";
    for (settings, label, cause, reason) in [
        (
            "transports = [\"websocket\"]",
            "transport",
            "transport-not-allowed",
            "transport xhr-polling is not allowed here; allowed: websocket",
        ),
        (
            "origins = [\"https://b.example\"]",
            "origin",
            "origin-not-allowed",
            "origin https://a.example is not allowed here",
        ),
        (
            "match-origin-protocol = true",
            "scheme",
            "scheme-mismatch",
            "the page was loaded by https and this connection came by http: they must be the same",
        ),
        (
            "max-sessions-per-address = 1",
            "sessions-per-address",
            "address-full",
            "there are 1 sessions from this address already",
        ),
    ] {
        let folder = Folder::new();
        folder.write("transports.toml", &format!("trusted-proxies = [\"loopback\"]\n{settings}\n"));
        let mut process = process(&folder, &[]);
        let addr = process.listening();
        for address in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"] {
            from(addr, address, &poll()).await;
        }
        // Neither is a refusal by the policy: a client comes back after a restart, and one asks for what is not there.
        from(addr, "192.0.2.3", &target("EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA"))
            .await;
        from(addr, "192.0.2.3", &target("EIO=4&transport=none")).await;
        process.signal("TERM");
        process.line("stopped");
        let lines = kinds(&process);
        let named = format!("cause=\"{cause}\" certainty=\"certain\"");
        let first = |network: &str| {
            let of =
                format!("network={network} label=\"{label}\" reason={reason} refused=1 {named}");
            lines
                .iter()
                .filter(|line| line.contains(" INFO requests refused") && line.ends_with(&of))
                .count()
        };
        // The first of a network is told of at once, and the rest at the end: how often one is told of.
        let ones = if label == "sessions-per-address" { [2, 1] } else { [1, 2] };
        for (network, ones) in ["192.0.2.1", "2001:db8::/64"].into_iter().zip(ones) {
            assert_eq!(first(network), ones, "{network} {label}: {:#?}", process.log);
        }
        let of_others =
            lines.iter().filter(|line| line.contains("192.0.2.3") && !line.contains(label));
        assert_eq!(of_others.count(), 0, "{:#?}", process.log);
    }
    // A new policy is told of at once, and so is what was counted before.
    let folder = Folder::new();
    folder.write("transports.toml", &format!("max-sessions = 1\n{room}"));
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let opened = fetch(addr, "GET", &poll(), &[], b"").await;
    let sid = sid_of(&read_open(&opened.text().into()));
    let post = target(&format!("{}&transport=polling&sid={sid}", Eio::V4.query()));
    assert_eq!(fetch(addr, "POST", &post, &[], b"40").await.status, 200);
    let line = process.said("namespaces refused network=127.0.0.1 label=\"transport\"");
    assert!(line.contains("(rule room)") && line.contains(" refused=1 cause="), "{line}");
    for _ in 0..3 {
        assert_eq!(fetch(addr, "GET", &poll(), &[], b"").await.status, 503);
    }
    folder.write("transports.toml", "max-sessions = 1\n");
    process.signal("HUP");
    process.line("policy changed");
    let told = |process: &Process, refused: u32| {
        let of = format!("label=\"sessions\" reason=all 1 sessions are taken refused={refused} ");
        kinds(process).iter().filter(|line| line.contains(&of)).count()
    };
    assert_eq!((told(&process, 1), told(&process, 2)), (1, 1), "{:#?}", process.log);
    assert_eq!(fetch(addr, "GET", &poll(), &[], b"").await.status, 503);
    process.signal("TERM");
    process.line("stopped");
    assert_eq!(told(&process, 1), 2, "{:#?}", process.log);
}

#[tokio::test]
async fn a_websocket_that_is_not_offered_is_told_of() {
    let folder = Folder::new();
    let mut process = process(&folder, &["--max-websockets", "1"]);
    let addr = process.listening();
    let polling = [
        target("EIO=4&transport=polling"),
        target("EIO=3&transport=polling"),
        "/socket.io/1/".into(),
    ];
    for path in &polling {
        assert_eq!(fetch(addr, "GET", path, &[], b"").await.status, 200);
    }
    let _taken = Ws::open(addr, &target("EIO=4&transport=websocket")).await;
    for path in &polling {
        assert_eq!(fetch(addr, "GET", path, &[], b"").await.status, 200);
    }
    let line = process.line("WebSocket not offered");
    let end = "network=127.0.0.1 label=\"websockets\" reason=all 1 WebSockets are taken refused=1 \
        cause=\"websockets-full\" certainty=\"certain\"";
    assert!(line.contains(" INFO ") && line.ends_with(end), "{line}");
    process.signal("HUP");
    process.line("nothing changed");
    assert_eq!(kinds(&process).len(), 1, "{:#?}", process.log);
}

#[tokio::test]
async fn settings_without_websocket_are_told_of_once() {
    let folder = Folder::new();
    folder.write("transports.toml", "transports = [\"xhr-polling\"]\n");
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let polling = [
        target("EIO=4&transport=polling"),
        target("EIO=3&transport=polling"),
        "/socket.io/1/".into(),
    ];
    for path in &polling {
        assert_eq!(fetch(addr, "GET", path, &[], b"").await.status, 200);
    }
    let line = process.line("the settings leave WebSocket out");
    let end = "label=\"transport\" reason=transport websocket is not allowed here; allowed: xhr-polling \
        cause=\"transport-not-allowed\" certainty=\"certain\"";
    assert!(line.contains(" INFO ") && line.ends_with(end), "{line}");
    process.signal("TERM");
    process.line("stopped");
    let told = process.log.iter().filter(|line| line.contains("leave WebSocket out")).count();
    assert_eq!(told, 1, "{:#?}", process.log);
    assert!(kinds(&process).is_empty(), "nothing was refused: {:#?}", process.log);
}

#[tokio::test]
async fn sessions_that_are_not_here_are_told_of_once() {
    let folder = Folder::new();
    let mut process = process(&folder, &[]);
    let addr = process.listening();
    let opened = fetch(addr, "GET", &target("EIO=4&transport=polling"), &[], b"").await;
    let sid = sid_of(&read_open(&opened.text().into()));
    let of = |sid: &str| target(&format!("EIO=4&transport=polling&sid={sid}"));
    assert_eq!(fetch(addr, "POST", &of(&sid), &[], b"1").await.status, 200);
    // It left, so that it is known why it is not here.
    assert_eq!(fetch(addr, "GET", &of(&sid), &[], b"").await.status, 400);
    assert!(!process.log.iter().any(|line| line.contains("not here")), "{:#?}", process.log);
    for last in 0..5 {
        let sid = format!("AAAAAAAAAAAAAAAAAAA{last}");
        assert_eq!(fetch(addr, "GET", &of(&sid), &[], b"").await.status, 400);
    }
    let line = process.line("requests of sessions that are not here");
    let end = "refused=1 cause=\"session-forgotten\" certainty=\"likely\"";
    assert!(line.contains(" INFO ") && line.ends_with(end), "{line}");
    process.signal("TERM");
    process.line("stopped");
    let told = |refused: u32| {
        let count = format!("refused={refused} ");
        let lines = process.log.iter().filter(|line| line.contains("sessions that are not here"));
        lines.filter(|line| line.contains(&count)).count()
    };
    assert_eq!((told(1), told(4)), (1, 1), "{:#?}", process.log);
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
