//! A table of settings for each rule: those that it warns of, and those next to them that it does not.

use std::path::Path;

use super::*;

fn settings(text: &str) -> Settings {
    let known = crate::transport::names();
    let layer = Layer::from_text(text, Path::new("t.toml"), &known).expect(text);
    let settings = Settings::complete(layer, &known);
    settings.check_consistency().expect(text);
    settings
}

/// As they are printed, on a system that allows so many connections.
fn printed(text: &str, allowed: usize) -> Vec<String> {
    let settings = settings(text);
    let connections = settings.max_connections.min(allowed);
    warnings(&settings, connections).iter().map(ToString::to_string).collect()
}

const TLS: &str = "tls-cert = [\"a\"]\ntls-key = [\"a\"]\n";

#[test]
fn what_does_not_fit_is_warned_of_and_what_is_next_to_it_is_not() {
    let rule = |text: &str| format!("[[rules]]\nname = \"a\"\n{text}\n");
    let two =
        |first: &str, second: &str| format!("{}[[rules]]\nname = \"b\"\n{second}\n", rule(first));
    let tls = |text: &str| format!("{TLS}{text}");
    let matching = |text: &str| format!("match-origin-protocol = true\n{text}");
    let admin = |address: &str| {
        format!("admin-token = \"sixteen characters\"\nadmin-address = \"{address}\"\n")
    };
    let proxies = |text: &str| format!("trusted-proxies = [\"loopback\"]\n{text}");
    // The settings, and what they are warned of: key and values.
    let cases: Vec<(String, &[(&str, &str)])> = vec![
        (String::new(), &[]),
        ("transports = [\"websocket\"]".into(), &[("transports", "allowed: websocket")]),
        (
            "transports = [\"websocket\", \"eventsource\"]".into(),
            &[("transports", "allowed: websocket, eventsource")],
        ),
        (
            "transports = [\"websocket\", \"jsonp-polling\"]".into(),
            &[("transports", "allowed: websocket, jsonp-polling")],
        ),
        ("transports = [\"websocket\", \"polling\"]".into(), &[]),
        (admin("10.0.0.1:3001"), &[("admin-address", "10.0.0.1:3001")]),
        (admin("[::]:3001"), &[("admin-address", "[::]:3001")]),
        (admin("localhost:3001"), &[]),
        (tls(&admin("10.0.0.1:3001")), &[]),
        ("transports = [\"polling\"]".into(), &[]),
        (rule("namespaces = [\"/\"]\ntransports = [\"websocket\"]"), &[("rules", "rule a")]),
        (rule("namespaces = [\"*\"]\ntransports = [\"websocket\"]"), &[("rules", "rule a")]),
        (rule("namespaces = [\"/admin\"]\ntransports = [\"websocket\"]"), &[]),
        (rule("namespaces = [\"/\"]\ntransports = [\"websocket\", \"polling\"]"), &[]),
        (rule("agents = [\"MyApp/*\"]\ntransports = [\"websocket\"]"), &[]),
        (
            two(
                "networks = [\"10.0.0.0/8\"]\ntransports = [\"polling\"]",
                "networks = [\"10.1.0.0/16\"]\ntransports = [\"websocket\"]",
            ),
            &[("rules", "rule b, after rule a")],
        ),
        (
            two(
                "networks = [\"10.1.0.0/16\"]\ntransports = [\"polling\"]",
                "networks = [\"10.0.0.0/8\"]\ntransports = [\"websocket\"]",
            ),
            &[],
        ),
        (two("transports = [\"polling\"]", "eio3-polls = \"text\""), &[]),
        (
            rule("paths = [\"/rt/*\"]\ntransports = [\"polling\"]"),
            &[("rules", "rule a; Socket.IO is at /socket.io/")],
        ),
        (rule("paths = [\"/rt/*\", \"/socket.io/1/*\"]\ntransports = [\"polling\"]"), &[]),
        (
            format!("path = \"/rt\"\n{}", rule("paths = [\"/rt/*\"]\ntransports = [\"polling\"]")),
            &[],
        ),
        (
            format!(
                "base-path = \"/chat/\"\n{}",
                rule("paths = [\"/chat/socket.io/*\"]\ntransports = [\"polling\"]")
            ),
            &[("rules", "rule a; Socket.IO is at /socket.io/")],
        ),
        (
            "base-path = \"/chat\"\npath = \"/chat/socket.io/\"".into(),
            &[("path", "Socket.IO is at /chat/chat/socket.io/")],
        ),
        ("base-path = \"/chat/\"\npath = \"/chatter/\"".into(), &[]),
        ("path = \"/chat/socket.io/\"".into(), &[]),
        ("port = 443".into(), &[("port", "http at port 443")]),
        (tls("port = 80"), &[("port", "https at port 80")]),
        (tls("port = 443"), &[]),
        ("port = 80".into(), &[]),
        (proxies("port = 443"), &[]),
        ("hsts = \"1d\"".into(), &[("hsts", "")]),
        (tls("hsts = \"1d\""), &[]),
        (proxies("hsts = \"1d\"\nproxy-protocol = true"), &[]),
        (
            matching("origins = [\"http://a.example\", \"https://b.example\"]"),
            &[("match-origin-protocol", "https://b.example")],
        ),
        (matching("origins = [\"http://a.example\", \"b.example\"]"), &[]),
        (matching(&tls("origins = [\"https://a.example\"]")), &[]),
        (
            matching(&tls("origins = [\"http://a.example\"]")),
            &[("match-origin-protocol", "http://a.example")],
        ),
        (matching(&proxies("origins = [\"https://a.example\"]")), &[]),
        (
            matching(&proxies(
                "origins = [\"https://a.example\"]\nproxy-headers = [\"X-Real-IP\"]",
            )),
            &[("match-origin-protocol", "https://a.example")],
        ),
        ("origins = [\"https://a.example\"]".into(), &[]),
        ("proxy-headers = [\"X-Real-IP\"]".into(), &[("proxy-headers", "X-Real-IP")]),
        (proxies("proxy-headers = [\"X-Real-IP\"]"), &[]),
        (
            proxies("proxy-headers = [\"X-Forwarded-Proto\"]"),
            &[("proxy-headers", "X-Forwarded-Proto")],
        ),
        (proxies("proxy-headers = [\"X-Forwarded-Proto\"]\nproxy-protocol = true"), &[]),
        (
            "max-connections = 500\nmax-sessions = 500\nmax-websockets = 500".into(),
            &[("max-websockets", "500, of 500 connections")],
        ),
        ("max-connections = 500\nmax-sessions = 500\nmax-websockets = 499".into(), &[]),
        ("transports = [\"polling\"]\nmax-websockets = 9".into(), &[("max-websockets", "9")]),
        (
            format!(
                "transports = [\"polling\"]\nmax-websockets = 9\n{}",
                rule("agents = [\"x\"]\ntransports = [\"websocket\"]")
            ),
            &[],
        ),
        (
            "max-connections = 499\nmax-sessions = 500".into(),
            &[("max-sessions", "500 sessions, 499 connections by max-connections")],
        ),
        (
            "max-connections = 500".into(),
            &[("max-sessions", "30000 sessions, 500 connections by max-connections")],
        ),
        ("max-sessions = 0\nmax-connections = 500".into(), &[]),
        ("max-sessions = 100000".into(), &[]),
        (
            "max-sessions = 100001".into(),
            &[("max-sessions", "100001 sessions, 100000 connections by max-connections")],
        ),
        (
            "max-sessions = 1500\nmax-sessions-per-address = 2000\nhandshake-rate = 0".into(),
            &[("max-sessions-per-address", "2000 of 1500")],
        ),
        ("max-sessions = 500".into(), &[]),
        (
            "max-connections-per-address = 999".into(),
            &[("max-connections-per-address", "999 connections, 1000 sessions")],
        ),
        ("max-connections-per-address = 1000".into(), &[]),
        ("max-connections-per-address = 0".into(), &[]),
        (proxies("max-connections-per-address = 999"), &[]),
        (
            "max-connections-per-address = 50001".into(),
            &[("max-connections-per-address", "50001 of 100000")],
        ),
        ("max-connections-per-address = 50000".into(), &[]),
        (
            "handshake-rate = 99".into(),
            &[("handshake-rate", "1000 sessions, 990 handshakes at once, then 99 a second")],
        ),
        ("handshake-rate = 0".into(), &[]),
        ("max-sessions-per-address = 0\nhandshake-rate = 1".into(), &[]),
        ("upgrade-timeout = \"21s\"".into(), &[("upgrade-timeout", "21s, ping-timeout 20s")]),
        ("upgrade-timeout = \"20s\"".into(), &[]),
        ("body-timeout = \"46s\"".into(), &[("body-timeout", "46s, 45s")]),
        ("body-timeout = \"45s\"".into(), &[]),
        (
            "byte-rate = \"1MiB\"".into(),
            &[("queue-bytes", "2097152 bytes in two seconds of byte-rate, of 1048576")],
        ),
        ("byte-rate = \"512KiB\"".into(), &[]),
        ("byte-rate = 0".into(), &[]),
        (
            "message-rate = 2049".into(),
            &[("queue-messages", "4098 in two seconds of message-rate, of 4096")],
        ),
        ("message-rate = 2048".into(), &[]),
        ("message-rate = 0".into(), &[]),
        (
            "queue-bytes-total = \"1MiB\"\nmax-payload = \"2MiB\"".into(),
            &[("queue-bytes-total", "2097152 bytes, of 1048576")],
        ),
        ("queue-bytes-total = \"2MiB\"\nmax-payload = \"2MiB\"".into(), &[]),
        ("queue-bytes-total = 0\nmax-payload = \"2MiB\"".into(), &[]),
        ("stream-bytes = 65535".into(), &[("stream-bytes", "65535 bytes, message-max 65536")]),
        ("stream-bytes = 65536".into(), &[]),
        ("log-bytes = \"1MiB\"".into(), &[("log-bytes", "1048576")]),
        ("log-bytes = \"1MiB\"\nlog-dir = \"logs\"".into(), &[]),
        ("recovery = \"2m\"".into(), &[]),
        ("recovery = \"2m\"\ncluster = \"redis://r\"".into(), &[("recovery", "120s")]),
        ("cluster = \"redis://r\"".into(), &[]),
        (
            "recovery = \"2m\"\ncluster = \"redis://r\"\ncluster-adapter = \"redis-streams\""
                .into(),
            &[],
        ),
    ];
    let mut covered = HashSet::new();
    for (text, expected) in cases {
        let settings = settings(&text);
        let found = warnings(&settings, settings.max_connections);
        covered.extend(found.iter().map(|warning| (warning.key, warning.problem)));
        let found: Vec<_> = found.iter().map(|found| (found.key, found.values.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }
    let missing: Vec<_> =
        RULES.iter().filter(|rule| !covered.contains(&(rule.key, rule.problem))).collect();
    assert!(
        missing.is_empty(),
        "{:?}",
        missing.iter().map(|rule| rule.problem).collect::<Vec<_>>()
    );
}

#[test]
fn a_limit_of_open_files_counts_if_a_number_was_chosen() {
    assert_eq!(printed("", 1000), [""; 0], "most systems allow less than the defaults need");
    for chosen in ["max-sessions = 1001", "max-connections = 50000\nmax-sessions = 1001"] {
        assert_eq!(
            printed(chosen, 1000),
            [
                "max-sessions: each session needs a connection, and there are fewer: clients are refused for \
              want of one (1001 sessions, 1000 connections by the limit of open files); fix: lower it, or \
              raise max-connections and the limit of open files"
            ]
        );
    }
    assert_eq!(printed("max-sessions = 1000", 1000), [""; 0]);
    let no_values = printed("hsts = \"1d\"", 100_000);
    assert_eq!(
        no_values,
        [
            "hsts: it goes out over https only, and there is none here; fix: set tls-cert and tls-key, or \
          let the proxy that ends TLS send it"
        ]
    );
}

#[test]
fn each_problem_is_told_once() {
    let mut told = Told::default();
    let of = |text| warnings(&settings(text), 100_000);
    assert_eq!(told.new_ones(of("hsts = \"1d\"")).len(), 1);
    assert_eq!(told.new_ones(of("hsts = \"1d\"\nport = 443")).len(), 1);
    assert_eq!(told.new_ones(of("hsts = \"2d\"\nport = 443")), []);
}

#[test]
fn the_documentation_has_each_problem() {
    let docs = include_str!("../../../docs/troubleshooting.md");
    let rows: Vec<String> = RULES
        .iter()
        .map(|Rule { key, problem, fix, .. }| format!("| `{key}` | {problem} | {fix} |"))
        .collect();
    let missing: Vec<_> = rows.iter().filter(|row| !docs.contains(row.as_str())).cloned().collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md lacks:\n{}", missing.join("\n"));
}
