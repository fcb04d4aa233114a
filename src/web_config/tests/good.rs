//! Files that work pass, and each kind of request reaches the server.

use super::super::{Module, Report};
use super::{checked, files};

/// Whether nothing is wrong, and all requests of the engine arrive.
fn passes(report: &Report) -> bool {
    let others = ["client library: ", "page: "];
    let engine = |request: &str| !others.iter().any(|other| request.starts_with(other));
    let mut lines = report.lines.iter().filter(|line| engine(&line.request));
    report.errors() == 0 && report.module.is_some() && lines.all(|line| line.arrives)
}

fn file(folder: &str, name: &str) -> Vec<u8> {
    let found = files(folder).into_iter().find(|(file, _)| file == name);
    found.unwrap_or_else(|| panic!("no {folder}/{name}")).1
}

#[test]
fn files_that_work_pass() {
    let files = files("good");
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|(name, bytes)| {
            let report = checked(bytes, &[]);
            (!passes(&report)).then(|| format!("{name}: {report:#?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.len() >= 40, "{}", files.len());
}

#[test]
fn who_hosts_the_server() {
    for (name, module) in [
        ("http_platform", Module::HttpPlatform),
        ("asp_net_core", Module::AspNetCore),
        ("arr_before_spa", Module::ReverseProxy),
        ("iisnode_js", Module::IisNode),
        // Upgrades go one way, all else another: both lead to the same module.
        ("arr_two_rules", Module::ReverseProxy),
    ] {
        assert_eq!(checked(&file("good", name), &[]).module, Some(module), "{name}");
    }
    assert_eq!(checked(&file("bad", "no_handler"), &[]).module, None);
}

#[test]
fn the_shipped_file_passes_without_advice() {
    let report = checked(include_bytes!("../../../web.config"), &[]);
    assert_eq!(report.module, Some(Module::HttpPlatform));
    assert_eq!(report.findings, []);
    assert_eq!(report.lines.len(), 9);
    assert!(report.lines.iter().all(|line| line.arrives), "{:#?}", report.lines);
}

/// What the server is set to decides which files work.
#[test]
fn the_settings_of_the_server_count() {
    const CHAT: &[&str] = &["--base-path", "/chat/"];
    const IO: &[&str] = &["--path", "/io/"];
    const QUICK: &[&str] = &["--ping-interval", "5s", "--ping-timeout", "5s"];
    for (folder, name, flags, expected) in [
        // The proxy leaves the base path, or takes it away.
        ("bad", "arr_chat_path", CHAT, Some("/")),
        ("good", "arr", CHAT, Some("/")),
        ("good", "http_platform", CHAT, Some("/")),
        ("bad", "other_prefix", &["--base-path", "/app/"], Some("/app/")),
        // In the root of the site this rule takes nothing below /chat/; in that folder it takes all.
        ("good", "spa_look_ahead", CHAT, Some("/chat/")),
        ("good", "exemption_empty_conditions", CHAT, Some("/chat/")),
        ("bad", "spa", CHAT, None),
        ("good", "exemption_empty_conditions", IO, None),
        ("good", "arr_before_spa", IO, None),
        ("bad", "hidden_segment", IO, Some("/")),
        ("bad", "max_url", &["--path", "/io/"], None),
        ("bad", "timeout_short", QUICK, Some("/")),
        ("good", "http_platform", &["--ping-interval", "3m"], None),
        ("good", "filtering", &["--max-payload", "64MB"], None),
        ("bad", "websocket_off", &["--transports", "polling"], Some("/")),
        ("bad", "abort_upgrades", &["--transports", "polling"], Some("/")),
        // The file's own arguments come first.
        ("bad", "heartbeat_over_timeout", QUICK, None),
        ("good", "arguments", &["--ping-interval", "10m"], Some("/")),
    ] {
        let report = checked(&file(folder, name), flags);
        let folder = passes(&report).then_some(report.folder.as_str());
        assert_eq!(folder, expected, "{name} {flags:?}: {report:#?}");
    }
}

/// One line says for each request where it ends.
#[test]
fn each_request_has_a_line() {
    for (folder, name, expected) in [
        (
            "good",
            "http_platform",
            "poll: GET /socket.io/?EIO=4&transport=polling&t=PfXk3aB.0&sid=0123456789abcdefghij → passed on by HttpPlatformHandler, handler parlance",
        ),
        (
            "good",
            "arr_before_spa",
            "WebSocket: GET /socket.io/?EIO=4&transport=websocket, Upgrade: websocket → passed to 127.0.0.1:3000 by the rule to the chat, as /socket.io/?EIO=4&transport=websocket",
        ),
        ("good", "arr_before_spa", "page: GET / → answered by IIS, which looks for a file: 404"),
        (
            "good",
            "arr_of_a_host",
            "handshake of 0.9: GET /socket.io/1/?t=1700000000000 → passed to 127.0.0.1:3000 by the rule to the chat, as /socket.io/1/?t=1700000000000, if the conditions of the rule to the chat hold",
        ),
        (
            "good",
            "redirect_of_http",
            "preflight: OPTIONS /socket.io/?EIO=4&transport=polling → passed on by HttpPlatformHandler, handler parlance; by http: redirected by the rule https to https://{HTTP_HOST}/{R:1}",
        ),
        (
            "bad",
            "custom_response",
            "POST: POST /socket.io/?EIO=4&transport=polling&t=PfXk3aB.0&sid=0123456789abcdefghij → answered 403 by the rule shield",
        ),
        (
            "bad",
            "abort_upgrades",
            "WebSocket of 0.9: GET /socket.io/1/websocket/01234567890123456789, Upgrade: websocket → cut off by the rule no upgrades",
        ),
        (
            "bad",
            "verbs_get",
            "preflight: OPTIONS /socket.io/?EIO=4&transport=polling → refused: request filtering refuses what <verbs> does not name",
        ),
        (
            "bad",
            "http_redirect",
            "page: GET / → redirected to https://www.chat.example by httpRedirect",
        ),
        (
            "bad",
            "static_before",
            "client library: GET /socket.io/socket.io.js → answered by IIS, handler files (StaticFileModule,DefaultDocumentModule)",
        ),
        (
            "bad",
            "websocket_off",
            "WebSocket: GET /socket.io/?EIO=4&transport=websocket, Upgrade: websocket → passed on by HttpPlatformHandler, handler parlance, without its Upgrade",
        ),
        (
            "bad",
            "spa",
            "handshake: GET /socket.io/?EIO=4&transport=polling → passed on by HttpPlatformHandler, handler parlance, as /index.html?EIO=4&transport=polling",
        ),
    ] {
        let report = checked(&file(folder, name), &[]);
        let lines: Vec<String> = report.lines.iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line == expected), "{name}: {lines:#?}");
    }
}

#[test]
fn a_folder_of_its_own_shows_in_the_addresses() {
    let report = checked(&file("good", "spa_look_ahead"), &["--base-path", "/chat/"]);
    let first = &report.lines[0].request;
    assert_eq!(first, "handshake: GET /chat/socket.io/?EIO=4&transport=polling");
}
