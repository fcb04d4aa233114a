//! Files that contradict the settings, those next to them that do not, and the samples.

use super::time::{Unit, time, written};
use super::*;

fn needs() -> Needs {
    Needs {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        keep_alive: Duration::from_secs(130),
        stop: Duration::from_secs(10),
        files: 100_256,
        path: "/socket.io/".into(),
    }
}

/// Lines of findings, each with the beginning of its message.
fn found(text: &str) -> Vec<(usize, String)> {
    let kind = Kind::of(text).expect(text);
    let findings = inspect(kind, text, &needs()).into_iter();
    let begin = |message: &str| message.split(':').next().unwrap_or_default().to_owned();
    findings.map(|finding| (finding.line, begin(&finding.message))).collect()
}

#[test]
fn the_samples_fit_the_defaults() {
    for (kind, text) in [
        (Kind::Nginx, include_str!("../../../hosting/nginx.conf")),
        (Kind::HaProxy, include_str!("../../../hosting/haproxy.cfg")),
        (Kind::Apache, include_str!("../../../hosting/apache.conf")),
        (Kind::Caddy, include_str!("../../../hosting/Caddyfile")),
        (Kind::Systemd, include_str!("../../../hosting/parlance.service")),
    ] {
        assert_eq!(Kind::of(text), Some(kind));
        assert_eq!(inspect(kind, text, &needs()), [], "{kind}");
        // None of them is without a line that is read.
        let second = Duration::from_secs(1);
        let day = Duration::from_secs(24 * 3600);
        let greedy = Needs {
            ping_interval: day,
            keep_alive: second,
            stop: day,
            files: usize::MAX,
            ..needs()
        };
        assert!(!inspect(kind, text, &greedy).is_empty(), "{kind}");
    }
    for text in ["", "# nginx", "port = 3000", "FROM scratch", "<configuration/>", "\0\u{feff}{"] {
        assert_eq!(Kind::of(text), None, "{text}");
    }
}

#[test]
fn what_ends_connections_too_early_is_found() {
    let nginx = |location: &str| {
        format!(
            "server {{\n  location / {{\n    proxy_pass http://parlance;\n    {location}\n  }}\n}}\n"
        )
    };
    let proxy = |line: &str| format!("defaults\n  mode http\n  {line}\nfrontend web\n");
    let apache = |line: &str| {
        format!("<VirtualHost *:80>\nProxyPass / http://127.0.0.1:3000/\n{line}\n</VirtualHost>\n")
    };
    let caddy = |line: &str| {
        format!("chat.example {{\n reverse_proxy 127.0.0.1:3000 {{\n  {line}\n }}\n}}\n")
    };
    let unit = |line: &str| format!("[Unit]\n[Service]\n{line}\n");
    let cases: Vec<(String, &[(usize, &str)])> = vec![
        (nginx("proxy_read_timeout 25s;"), &[(4, "proxy_read_timeout 25s")]),
        (nginx("proxy_read_timeout 44;"), &[(4, "proxy_read_timeout 44")]),
        (nginx("proxy_read_timeout 45s;"), &[]),
        (nginx("proxy_read_timeout 1m30s;"), &[]),
        (nginx("proxy_read_timeout\n 500ms;"), &[(4, "proxy_read_timeout 500ms")]),
        (nginx("# proxy_read_timeout 5s;"), &[]),
        (nginx("return 200 \"proxy_read_timeout 5s; }\";"), &[]),
        (nginx("set $a ${b}; proxy_read_timeout 5s;"), &[(4, "proxy_read_timeout 5s")]),
        // The innermost counts.
        (format!("proxy_read_timeout 5s;\n{}", nginx("proxy_read_timeout 75s;")), &[]),
        (format!("proxy_read_timeout 5s;\n{}", nginx("")), &[(1, "proxy_read_timeout 5s")]),
        // Other locations are not for Socket.IO, the longest is.
        (
            nginx(
                "proxy_read_timeout 75s; } location /api/ { proxy_pass http://a; proxy_read_timeout 5s;",
            ),
            &[],
        ),
        (
            nginx(
                "proxy_read_timeout 75s; } location /socket.io/ { proxy_pass http://a; proxy_read_timeout 5s;",
            ),
            &[(4, "proxy_read_timeout 5s")],
        ),
        (
            nginx(
                "proxy_read_timeout 5s; } location ^~ /socket.io/ { proxy_pass http://a; proxy_read_timeout 75s;",
            ),
            &[],
        ),
        (nginx("} location = /x { proxy_pass http://a; proxy_read_timeout 5s;"), &[]),
        (
            format!(
                "upstream parlance {{ server a; keepalive 8; keepalive_timeout 130s; }}\n{}",
                nginx("")
            ),
            &[(1, "keepalive_timeout 130s")],
        ),
        (
            format!(
                "upstream parlance {{ server a; keepalive 8; keepalive_timeout 129s; }}\n{}",
                nginx("")
            ),
            &[],
        ),
        (format!("upstream parlance {{ server a; keepalive_timeout 1h; }}\n{}", nginx("")), &[]),
        (nginx("keepalive_timeout 1h;"), &[]),
        (proxy("timeout client 25s"), &[(3, "timeout client 25s")]),
        (proxy("timeout server   30000 # ms"), &[(3, "timeout server 30000")]),
        (proxy("timeout tunnel 45"), &[(3, "timeout tunnel 45")]),
        (proxy("timeout tunnel 1h"), &[]),
        (proxy("timeout connect 5s"), &[]),
        (proxy("timeout server 0"), &[]),
        (proxy("# timeout server 5s"), &[]),
        (apache("ProxyTimeout 20"), &[(3, "ProxyTimeout 20")]),
        (apache("Timeout 20"), &[(3, "Timeout 20")]),
        (apache("Timeout 20\nProxyTimeout 75"), &[]),
        (apache("ProxyPass /a http://b timeout=5 ttl=200"), &[(3, "timeout=5"), (3, "ttl=200")]),
        (apache(""), &[]),
        (caddy("transport http {\n keepalive 3m\n}"), &[(4, "keepalive 3m")]),
        (
            caddy("transport http {\n keepalive off\n read_timeout 30s\n}"),
            &[(5, "read_timeout 30s")],
        ),
        (unit("TimeoutStopSec=10"), &[(3, "TimeoutStopSec=10")]),
        (unit("TimeoutStopSec=1min 30s"), &[]),
        (unit("TimeoutStopSec=infinity"), &[]),
        (
            unit("LimitNOFILE=100255"),
            &[(3, "LimitNOFILE=100255 is less than the 100256 files of max-connections; fix")],
        ),
        (unit("LimitNOFILE=1024:100256"), &[]),
    ];
    for (text, expected) in cases {
        let found = found(&text);
        let found: Vec<_> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn each_finding_says_what_to_write() {
    let of = |text: &str| {
        let findings = inspect(Kind::of(text).unwrap(), text, &needs());
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        of("defaults\n timeout server 20s\n timeout client 30s"),
        "2: warning: timeout server 20s: each idle connection is cut, because it is silent for 25s between \
         two heartbeats (ping-interval); fix: above 45s, or lower ping-interval\n\
         3: warning: timeout client 30s: a connection is cut before ping-timeout is over; it may be silent \
         for 45s (ping-interval and ping-timeout); fix: 45s or more, or lower ping-interval"
    );
    assert_eq!(
        of("[Service]\nTimeoutStopSec=5"),
        "2: warning: TimeoutStopSec=5: a shutdown may take 10s (drain-delay and shutdown-timeout), and is \
         cut short; fix: above 10s"
    );
}

/// nginx waits 60 s, where nothing else is said.
#[test]
fn what_a_file_leaves_out_counts_as_well() {
    let slow = Needs {
        ping_interval: Duration::from_secs(60),
        keep_alive: Duration::from_secs(60),
        ..needs()
    };
    let nginx = "upstream a {\n server b;\n keepalive 8;\n}\nserver {\n location / {\n  proxy_pass http://a;\n }\n}";
    let findings: Vec<String> =
        inspect(Kind::Nginx, nginx, &slow).iter().map(ToString::to_string).collect();
    assert!(
        findings[0].starts_with("3: warning: no keepalive_timeout (60s): an idle"),
        "{findings:?}"
    );
    assert!(
        findings[1].starts_with("7: warning: no proxy_read_timeout (60s): each"),
        "{findings:?}"
    );
    let apache = "<VirtualHost *:80>\nProxyPass / http://a/\n</VirtualHost>";
    let findings = inspect(Kind::Apache, apache, &slow);
    assert!(findings[0].message.starts_with("no ProxyTimeout (60s): each"), "{findings:?}");
}

#[test]
fn times_of_all_kinds() {
    for (text, seconds) in [
        ("75", Some(75_000)),
        ("75s", Some(75_000)),
        ("1m30s", Some(90_000)),
        ("1min 30s", Some(90_000)),
        ("500ms", Some(500)),
        ("2h", Some(7_200_000)),
        ("1d", Some(86_400_000)),
        ("", None),
        ("s", None),
        ("-1", None),
        ("1.5s", None),
        ("infinity", None),
        ("99999999999999999999", None),
        ("18446744073709551615d", None),
    ] {
        assert_eq!(time(text, Unit::Second), seconds.map(Duration::from_millis), "{text}");
    }
    assert_eq!(time("75", Unit::Millisecond), Some(Duration::from_millis(75)));
    assert_eq!(time("75s", Unit::Millisecond), Some(Duration::from_secs(75)));
    assert_eq!(written(Duration::from_millis(1500)), "1500ms");
}

/// Files that end anywhere, or hold anything.
#[test]
fn no_file_is_too_odd() {
    for sample in ["nginx.conf", "haproxy.cfg", "apache.conf", "Caddyfile", "parlance.service"] {
        let path = format!("{}/hosting/{sample}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a sample");
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(7).collect();
        for end in ends {
            for kind in [Kind::Nginx, Kind::HaProxy, Kind::Apache, Kind::Caddy, Kind::Systemd] {
                inspect(kind, &text[..end], &needs());
                inspect(kind, &text[end..], &needs());
            }
        }
    }
    for text in
        ["}}}}", "{{{{", "\"", "a {", "\\", "${", "location", "server { location { x y; } }"]
    {
        inspect(Kind::Nginx, text, &needs());
    }
}
