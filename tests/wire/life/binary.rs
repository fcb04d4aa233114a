//! The real binary as its operator runs it: settings and where they come from, pages, signals, and
//! what its log says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;

use tokio::net::TcpStream;

use crate::support::http::{Http, request};
use crate::support::polls::{read_open, sid_of};
use crate::support::process::{Finished, Folder, Process, parlance, run};
use crate::support::server::target;
use crate::support::ws::Ws;

/// A server on any port of this machine alone.
fn command(folder: &Folder, args: &[&str]) -> Command {
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0"]).args(args);
    command
}

/// Opens a polling session; returns the target of its requests.
async fn polling(http: &mut Http) -> (String, String) {
    let answer = http.get(&target("EIO=4&transport=polling")).await;
    let sid = sid_of(&read_open(&answer.text().into()));
    (target(&format!("EIO=4&transport=polling&sid={sid}")), sid)
}

async fn joined(addr: std::net::SocketAddr) -> Ws {
    let mut ws = Ws::open(addr, &target("EIO=4&transport=websocket")).await;
    ws.text().await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    ws
}

/// Runs a command that ends by itself.
fn run_with(args: &[&str]) -> Finished {
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(args);
    run(command)
}

/// Asserts that a command failed, and said why in one line.
fn assert_one_line(finished: &Finished, start: &str) {
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.starts_with(start), "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
}

#[test]
fn what_does_not_fit_is_a_warning_with_what_to_change() {
    let fine = run_with(&["check", "--strict"]);
    assert!(fine.status.success() && !fine.stdout.contains("warning"), "{}", fine.stdout);
    let odd = ["--transports", "websocket", "--hsts", "1d"];
    let lines = |finished: &Finished| -> Vec<String> {
        let warnings = finished.stdout.lines().filter(|line| line.starts_with("warning     "));
        warnings.map(str::to_owned).collect()
    };
    let warned = run_with(&[&["check"], &odd[..]].concat());
    assert!(warned.status.success(), "{}", warned.stderr);
    assert_eq!(
        lines(&warned),
        [
            "warning     transports: published clients of 1.x to 4.x begin with polling, which is not allowed \
             (allowed: websocket); fix: add polling, or have every client set transports: ['websocket']",
            "warning     hsts: it goes out over https only, and there is none here; fix: set tls-cert and \
             tls-key, or let the proxy that ends TLS send it",
        ]
    );
    let strict = run_with(&[&["check", "--strict"], &odd[..]].concat());
    assert_eq!(lines(&strict), lines(&warned));
    assert_one_line(&strict, "parlance: strict: 2 warnings\n");
    let one = run_with(&["check", "--strict", "--hsts", "1d"]);
    assert_one_line(&one, "parlance: strict: 1 warning\n");
}

#[test]
fn files_of_what_is_in_front_are_looked_through() {
    let hosting = |name: &str| format!("{}/hosting/{name}", env!("CARGO_MANIFEST_DIR"));
    let [nginx, haproxy] = ["nginx.conf", "haproxy.cfg"].map(hosting);
    let fine = run_with(&["check", "--strict", "--hosting", &nginx, "--hosting", &haproxy]);
    assert!(fine.status.success(), "{}", fine.stdout);
    assert!(
        fine.stdout.contains(&format!("{nginx}: nginx, fits the settings\n")),
        "{}",
        fine.stdout
    );
    assert!(
        fine.stdout.contains(&format!("{haproxy}: HAProxy, fits the settings\n")),
        "{}",
        fine.stdout
    );
    let slow = ["check", "--ping-interval", "60s", "--hosting", &nginx, "--hosting", &haproxy];
    let warned = run_with(&slow);
    assert!(warned.status.success(), "{}", warned.stderr);
    let line = "warning: proxy_read_timeout 75s: a connection is cut before ping-timeout is over";
    assert!(warned.stdout.contains(line), "{}", warned.stdout);
    assert!(
        warned.stdout.contains("warning: timeout tunnel 75s: a connection"),
        "{}",
        warned.stdout
    );
    assert_one_line(
        &run_with(&[&slow[..], &["--strict"]].concat()),
        "parlance: strict: 4 warnings\n",
    );
    let folder = Folder::new();
    folder.write("unknown", "port = 3000\n");
    let unknown = folder.path().join("unknown");
    for (path, expected) in [
        (unknown.to_str().unwrap(), "is no file of nginx, HAProxy, Apache, Caddy or systemd"),
        ("nowhere", "cannot be read"),
        ("/dev/zero", "cannot be read"),
    ] {
        let finished = run_with(&["check", "--hosting", path]);
        assert_one_line(&finished, "parlance: hosting: ");
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
}

/// The binary under a limit of open files of 2000.
#[cfg(target_os = "linux")]
#[test]
fn more_than_open_files_allow_is_a_warning() {
    let folder = Folder::new();
    let binary = parlance(folder.path()).get_program().to_owned();
    for (flags, expected) in [
        ("", vec![]),
        ("--max-sessions 1744", vec![]),
        ("--max-sessions 1745", vec!["max-sessions: each session needs a connection"]),
        (
            "--max-connections 1745 --max-sessions 1745",
            vec![
                "max-sessions: each session needs a connection",
                "max-connections: the system allows fewer open files than max-connections needs: there \
                 are fewer connections (1744 of 1745)",
            ],
        ),
        ("--max-connections 1744 --max-sessions 1744", vec![]),
    ] {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n 2000; exec \"$0\" check {flags}");
        command.arg("-c").arg(script).arg(&binary).current_dir(folder.path());
        let finished = run(command);
        let warnings = finished.stdout.lines().filter_map(|line| line.strip_prefix("warning     "));
        let warnings: Vec<&str> = warnings.collect();
        assert_eq!(warnings.len(), expected.len(), "{flags}: {warnings:#?} {}", finished.stderr);
        for (warning, expected) in warnings.iter().zip(&expected) {
            assert!(warning.starts_with(expected), "{flags}: {warning}");
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_is_logged_once() {
    let folder = Folder::new();
    folder.write("transports.toml", "hsts = \"1d\"\n");
    let mut process = Process::start(command(&folder, &[]));
    process.listening();
    let line = process.said("settings do not fit each other");
    let expected = "WARN settings do not fit each other key=\"hsts\" reason=it goes out over https only, and \
                    there is none here fix=\"set tls-cert and tls-key, or let the proxy that ends TLS send it\"";
    assert!(line.ends_with(expected), "{line}");
    // What a new policy brings is told then; what needs a restart is not in force.
    for transports in ["[\"websocket\"]", "[\"polling\"]", "[\"websocket\"]"] {
        let text = format!("hsts = \"1d\"\ntransports = {transports}\nport = 443\n");
        folder.write("transports.toml", &text);
        process.signal("HUP");
        process.line("policy changed");
    }
    process.signal("TERM");
    let (_, log) = process.wait();
    let told = |key: &str| {
        let key = format!("fit each other key={key:?}");
        log.iter().filter(|line| line.contains(&key)).count()
    };
    assert_eq!([told("hsts"), told("transports"), told("port")], [1, 1, 0], "{log:#?}");
}

#[test]
fn wrong_settings_are_one_line_and_stop_the_start() {
    let folder = Folder::new();
    folder.write("bad.toml", "port = 3000\nping-intervall = \"25s\"\n");
    let path = folder.path().join("bad.toml");
    let path = path.to_str().unwrap();
    let unknown = format!("parlance: {path}:2:1: unknown field");
    assert_one_line(&run_with(&["--config", path]), &unknown);
    let finished = run_with(&["--transports", "websocket,carrier-pigeon"]);
    let known = "unknown transport \"carrier-pigeon\": known are websocket";
    assert!(finished.stderr.contains(known), "{}", finished.stderr);
    assert_one_line(&finished, "parlance: ");
    let mut command = parlance(folder.path());
    command.env("PORT", "http");
    assert_one_line(&run(command), "parlance: PORT: `http` is no port number\n");
    for key in ["--static-dir", "--client-dir"] {
        assert_one_line(&run_with(&[key, "no-such-folder"]), "parlance: ");
    }
    assert_one_line(
        &run_with(&["--ping-interval", "25"]),
        "parlance: --ping-interval: `25` is no time, expected a whole number with a unit",
    );
    for (variable, value, start) in [
        ("PARLANCE_PING_INTERVAL", "25", "--ping-interval (or PARLANCE_PING_INTERVAL): `25` is"),
        (
            "PARLANCE_PORT",
            "70000",
            "--port (or PARLANCE_PORT): `70000` is no port, expected a number from 0",
        ),
        ("PARLANCE_PORT", "80x", "--port (or PARLANCE_PORT): `80x` is no port, expected a number"),
        ("PARLANCE_PORT", "-1", "--port (or PARLANCE_PORT): `-1` is no port, expected a number"),
        (
            "PARLANCE_REDIRECT_PORT",
            "x",
            "--redirect-port (or PARLANCE_REDIRECT_PORT): `x` is no port",
        ),
        (
            "PARLANCE_MAX_SESSIONS",
            "x",
            "--max-sessions (or PARLANCE_MAX_SESSIONS): `x` is no whole number",
        ),
        (
            "PARLANCE_HANDSHAKE_RATE",
            "1.5",
            "--handshake-rate (or PARLANCE_HANDSHAKE_RATE): `1.5` is no",
        ),
        (
            "PARLANCE_QUEUE_MESSAGES",
            "9".repeat(30).as_str(),
            "--queue-messages (or PARLANCE_QUEUE_MESSAGES): `99",
        ),
        ("PARLANCE_LOG_DIR", "", "--log-dir (or PARLANCE_LOG_DIR): a value is missing"),
        ("PARLANCE_DUPLICATE_NAMES", "1", "--duplicate-names (or PARLANCE_DUPLICATE_NAMES): `1`"),
    ] {
        let mut command = parlance(folder.path());
        command.env(variable, value);
        assert_one_line(&run(command), &format!("parlance: {start}"));
    }
    folder.write("file", "");
    let file = folder.path().join("file");
    let start = format!("parlance: log-dir: cannot log to {}: ", file.display());
    assert_one_line(&run_with(&["--log-dir", file.to_str().unwrap()]), &start);
    assert_one_line(
        &run_with(&["check", "--log-dir", file.to_str().unwrap()]),
        "parlance: log-dir: ",
    );
}

#[test]
fn what_cannot_be_is_found_by_the_check_and_by_the_start() {
    for (args, start) in [
        (&["--host", "999.1.1.1"][..], "--host (or PARLANCE_HOST): `999.1.1.1` is no address"),
        (&["--host", "127.0.0.1:80"], "--host (or PARLANCE_HOST): `127.0.0.1:80` has a port"),
        (&["--max-payload", "257MiB"], "--max-payload (or PARLANCE_MAX_PAYLOAD): expected 256MiB"),
        (&["--max-headers", "4000000000"], "--max-headers (or PARLANCE_MAX_HEADERS): expected"),
        (&["--queue-bytes", "1TiB"], "--queue-bytes: `1TiB` is no size"),
        (&["--message-max", "1MB"], "message-max: 1000000 bytes of a message do not come in by a "),
        (&["--max-payload", "10kB"], "message-max: 65536 bytes of a message do not come in by a "),
        (&["--byte-rate", "10"], "message-max: 65536 bytes of a message are more than the 20 "),
        (&["--queue-bytes-total", "2kB"], "queue-bytes-total: 2000 bytes for all clients are less"),
    ] {
        for command in ["check", "serve"] {
            let finished = run_with(&[&[command, "--port", "0"], args].concat());
            assert_one_line(&finished, &format!("parlance: {start}"));
        }
    }
}

#[test]
fn a_port_that_was_chosen_is_enough() {
    let folder = Folder::new();
    for (name, value) in [("PORT", "99999"), ("PORT", "http"), ("PARLANCE_PORT", "99999")] {
        let mut check = parlance(folder.path());
        check.args(["check", "--port", "8080"]).env(name, value);
        let finished = run(check);
        assert_eq!(finished.status.code(), Some(0), "{name}={value}: {}", finished.stderr);
        assert!(finished.stdout.contains("port 8080\n"), "{}", finished.stdout);
    }
    let mut check = parlance(folder.path());
    check.arg("check").envs([("PORT", "http"), ("PARLANCE_PORT", "8081")]);
    let finished = run(check);
    assert!(finished.stdout.contains("port 8081\n"), "{}", finished.stderr);
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let start = format!("parlance: cannot listen on 127.0.0.1:{port}: it is in use");
    let args = ["--host", "127.0.0.1"];
    assert_one_line(&run_with(&[&args[..], &["--port", &port]].concat()), &start);
    // The same where the environment names it.
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(args).env("PORT", &port);
    assert_one_line(&run(command), &start);
}

#[tokio::test]
async fn a_host_is_listened_on_at_all_its_addresses() {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let has_v6 = std::net::TcpListener::bind((v6, 0)).is_ok();
    if !has_v6 {
        eprintln!("this machine has no IPv6: tested without");
    }
    let folder = Folder::new();
    for (host, reached) in [
        ("localhost", &[v4, v6][..]),
        ("LocalHost.", &[v4, v6]),
        ("127.0.0.1", &[v4]),
        ("::1", &[v6]),
        ("[::1]", &[v6]),
    ] {
        if reached == [v6] && !has_v6 {
            continue;
        }
        let mut command = parlance(folder.path());
        command.args(["--host", host, "--port", "0"]);
        let mut process = Process::start(command);
        let port = process.listening().port();
        let started = process.said("started");
        for address in [v4, v6] {
            let address = SocketAddr::new(address, port);
            let expected = reached.contains(&address.ip()) && (address.is_ipv4() || has_v6);
            assert_eq!(started.contains(&address.to_string()), expected, "{host}: {started}");
            match TcpStream::connect(address).await {
                Ok(stream) if expected => {
                    assert_eq!(Http::from_stream(stream).get("/healthz").await.status, 200)
                }
                connected => assert_eq!(connected.is_ok(), expected, "{host} {address}"),
            }
        }
    }
}

#[test]
fn the_address_that_cannot_be_listened_on_is_named() {
    for (host, taken) in [
        ("localhost", "127.0.0.1:0"),
        ("localhost", "[::1]:0"),
        ("[::1]", "[::1]:0"),
        ("127.0.0.1", "127.0.0.1:0"),
    ] {
        let Ok(taken) = std::net::TcpListener::bind(taken) else { continue };
        let address = taken.local_addr().unwrap();
        let port = address.port().to_string();
        let finished = run_with(&["--host", host, "--port", &port]);
        let start = format!("parlance: cannot listen on {address}: it is in use");
        assert_one_line(&finished, &start);
    }
    let finished = run_with(&["--host", "192.0.2.1", "--port", "0"]);
    let start = "parlance: cannot listen on 192.0.2.1:0: this machine has no such address";
    assert_one_line(&finished, start);
}

#[test]
fn check_only_validates() {
    let finished = run_with(&["check", "--transports", "polling"]);
    assert_eq!(finished.status.code(), Some(0));
    assert!(finished.stdout.contains("transports  xhr-polling, jsonp-polling"));
}

#[test]
fn mistyped_variables_are_told_of() {
    let folder = Folder::new();
    let mistyped = ("PARLANCE_PING_INTERVALL", "5s");
    let mut check = parlance(folder.path());
    check.arg("check").envs([mistyped]);
    let finished = run(check);
    assert_eq!(finished.status.code(), Some(0));
    assert!(finished.stdout.contains("ignored     PARLANCE_PING_INTERVALL"), "{}", finished.stdout);
    let mut server = command(&folder, &[]);
    server.envs([mistyped]);
    let mut process = Process::start(server);
    let line = process.line("this variable is ignored");
    assert!(line.contains("name=\"PARLANCE_PING_INTERVALL\""), "{line}");
    let right = run_with(&["check"]).stdout;
    assert!(!right.contains("ignored"), "{right}");
}

#[test]
fn layers_win_in_their_order() {
    let folder = Folder::new();
    folder.write("transports.toml", "port = 1\ntransports = [\"websocket\"]\n");
    let checked = |env: &[(&str, &str)], args: &[&str]| {
        let mut command = parlance(folder.path());
        command.args(args).envs(env.iter().copied());
        run(command).stdout
    };
    let port_and_transports = |stdout: String, port: u16, transports: &str| {
        assert!(stdout.contains(&format!("port {port}\n")), "{stdout}");
        assert!(stdout.contains(&format!("transports  {transports}\n")), "{stdout}");
    };
    port_and_transports(checked(&[], &["check"]), 1, "websocket");
    port_and_transports(checked(&[("PORT", "2")], &["check"]), 2, "websocket");
    let env = [("PORT", "2"), ("PARLANCE_PORT", "3")];
    port_and_transports(checked(&env, &["check"]), 3, "websocket");
    // Flags may stand on either side of the command.
    for args in [
        ["--port", "4", "check", "--transports", "htmlfile"],
        ["check", "--port", "4", "--transports", "htmlfile"],
    ] {
        port_and_transports(checked(&env, &args), 4, "htmlfile");
    }
}

#[tokio::test]
async fn pages_and_their_client() {
    let folder = Folder::new();
    let args = ["--transports", "xhr-polling,websocket"];
    let mut process = Process::start(command(&folder, &args));
    let mut http = Http::open(process.listening()).await;
    let policy = http.get("/").await;
    let policy = policy.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    for (target, kind) in [
        ("/", "text/html"),
        ("/parlance.js", "text/javascript"),
        ("/socket.io/socket.io.js", "text/javascript"),
        ("/socket.io/socket.io.min.js", "text/javascript"),
        ("/socket.io/socket.io+websocket+xhr-polling.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/diagnostics", "text/html"),
    ] {
        let answer = http.get(target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{target}");
    }
    let nowhere = http.get("/nope").await;
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.text().contains("Socket.IO is at /socket.io/"), "{}", nowhere.text());
    let client = http.get("/parlance.js").await;
    let told = "/*transports*/[\"xhr-polling\",\"websocket\"]/*end*/";
    assert!(client.text().contains(told), "the page is told the policy");
    let etag = client.header("etag").unwrap();
    let again = http.request("GET", "/parlance.js", &[("If-None-Match", etag)], b"").await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn signals_end_it_after_everybody_was_told() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let mut process = Process::start(command(&folder, &[]));
        let addr = process.listening();
        let mut ws = joined(addr).await;
        let mut http = Http::open(addr).await;
        let (target, _) = polling(&mut http).await;
        http.send(&request("GET", &target, &[], b"")).await;
        process.signal(signal);
        ws.closed().await;
        // Held or just arriving, it is told; if it came too late, the connection ends.
        let rest = String::from_utf8(http.rest().await).unwrap();
        assert!(rest.is_empty() || rest.ends_with("\r\n\r\n1"), "{rest}");
        let (status, log) = process.wait();
        assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
        assert!(log.iter().any(|line| line.contains("stopping") && line.contains("sessions=2")));
        assert!(log.last().unwrap().contains("stopped"), "{}", log.join("\n"));
    }
}

#[tokio::test]
async fn who_is_between_two_polls_is_told_by_the_next() {
    let folder = Folder::new();
    let mut process = Process::start(command(&folder, &[]));
    let addr = process.listening();
    let (target, _) = polling(&mut Http::open(addr).await).await;
    process.signal("TERM");
    process.line("stopping");
    let answer = Http::open(addr).await.get(&target).await;
    assert_eq!((answer.status, answer.text()), (200, "1"));
    let (status, log) = process.wait();
    assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
}

#[tokio::test]
async fn who_never_comes_does_not_hold_it_up() {
    let folder = Folder::new();
    let mut process = Process::start(command(&folder, &["--shutdown-timeout", "100ms"]));
    let mut http = Http::open(process.listening()).await;
    polling(&mut http).await;
    process.signal("TERM");
    process.line("stopped before all clients were told");
    let (status, _) = process.wait();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn who_asks_twice_does_not_wait() {
    let folder = Folder::new();
    let patience = ["--shutdown-timeout", "1h", "--body-timeout", "1h"];
    let mut process = Process::start(command(&folder, &patience));
    let addr = process.listening();
    // A request whose body never ends.
    let mut http = Http::open(addr).await;
    let (target, _) = polling(&mut http).await;
    let whole = request("POST", &target, &[], b"40");
    http.send(&whole[..whole.len() - 1]).await;
    // Anything after it: the server has seen it by then.
    assert_eq!(Http::open(addr).await.get("/nope").await.status, 404);
    process.signal("TERM");
    process.line("stopping");
    process.signal("TERM");
    let (status, _) = process.wait();
    assert_eq!(status.code(), Some(0));
}

/// What the log says at that level of one client that polls, upgrades, talks and leaves.
async fn log_of_a_life(level: &str, folder: &Folder) -> (Vec<String>, String) {
    let logs = folder.path().join("logs");
    let args = ["--log", level, "--log-dir", logs.to_str().unwrap()];
    let mut process = Process::start(command(folder, &args));
    let addr = process.listening();
    let mut http = Http::open(addr).await;
    let (polling, sid) = polling(&mut http).await;
    let upgrade = polling.replace("polling", "websocket");
    // An attempt that fails, and one that does not.
    let mut ws = Ws::open(addr, &upgrade).await;
    ws.send("4wrong").await;
    ws.closed().await;
    let mut ws = Ws::open(addr, &upgrade).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    ws.send("5").await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    for event in ["[\"add user\",\"alice\"]", "[\"new message\",\"a secret text\"]"] {
        ws.send(&format!("421{event}")).await;
        while !ws.text().await.starts_with("431") {}
    }
    ws.send("1").await;
    ws.closed().await;
    assert_eq!(http.get(&target("EIO=4&transport=foo")).await.status, 400);
    process.signal("TERM");
    let (status, log) = process.wait();
    assert_eq!(status.code(), Some(0));
    let first = log.iter().find(|line| !line.contains(" INFO ")).map(String::as_str);
    assert!(first.is_some_and(|line| line.starts_with("listening on ")), "{}", log.join("\n"));
    let mut files = std::fs::read_dir(&logs).unwrap();
    let file = std::fs::read_to_string(files.next().expect("a file").unwrap().path()).unwrap();
    assert!(files.next().is_none(), "one file a day");
    for line in file.lines() {
        assert!(!line.contains('\u{1b}'), "no colours in a file: {line}");
    }
    let of_session = format!("sid={sid}");
    let lines: Vec<String> =
        log.iter().filter(|line| line.contains(&of_session)).cloned().collect();
    let filed: Vec<&str> = file.lines().filter(|line| line.contains(&of_session)).collect();
    assert_eq!(filed.len(), lines.len(), "stderr and file say the same");
    (lines, log.join("\n"))
}

#[tokio::test]
async fn the_log_tells_an_upgrade_step_by_step() {
    let (lines, log) = log_of_a_life("debug", &Folder::new()).await;
    let mut rest = lines.iter();
    for step in
        ["handshake", "probing", "failed", "probing", "probe answered", "upgraded", "closed"]
    {
        assert!(rest.any(|line| line.contains(step)), "{step} is missing, or out of order:\n{log}");
    }
    let session = "session{sid=";
    let client = " generation=\"3.x-4.x\" remote=127.0.0.1}";
    let spanned = |line: &String| line.contains(session) && line.contains(client);
    assert!(lines.iter().all(spanned), "each under its span:\n{log}");
    assert!(lines[0].contains("transport=\"xhr-polling\""), "{log}");
    let closed = |line: &String| line.contains("closed reason=transport close");
    assert!(lines.iter().any(closed), "{log}");
    let refused = "request refused remote=127.0.0.1 transport=\"foo\" sid=\"\" code=0";
    assert!(log.contains(refused), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test]
async fn texts_of_messages_are_told_at_trace_alone() {
    let (_, log) = log_of_a_life("trace", &Folder::new()).await;
    assert!(log.contains("a secret text"), "{log}");
}

#[tokio::test]
async fn by_default_the_log_is_quiet_about_sessions() {
    let (lines, log) = log_of_a_life("info", &Folder::new()).await;
    assert!(lines.is_empty(), "{log}");
}

#[test]
fn a_web_config_is_looked_through() {
    let folder = Folder::new();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/web.config");
    let finished = run_with(&["check", "--web-config", shipped]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stdout);
    assert!(finished.stdout.contains("hosted by HttpPlatformHandler"), "{}", finished.stdout);
    let lines: Vec<&str> = finished.stdout.lines().filter(|line| line.contains(" → ")).collect();
    assert_eq!(lines.len(), 9, "{}", finished.stdout);
    let text = std::fs::read_to_string(shipped).unwrap();
    folder.write(
        "web.config",
        &text.replace("requestTimeout=\"00:02:00\"", "requestTimeout=\"00:00:20\""),
    );
    let path = folder.path().join("web.config");
    let finished = run_with(&["check", "--web-config", path.to_str().unwrap()]);
    let at = format!("{}:", path.display());
    let finding =
        finished.stdout.lines().find(|line| line.starts_with(&at) && line.contains("error"));
    assert!(
        finding.is_some_and(|line| line.contains("fix: requestTimeout")),
        "{}",
        finished.stdout
    );
    assert_one_line(&finished, "parlance: web-config: 1 error");
    // What the server is to be like counts.
    let args = ["check", "--web-config", path.to_str().unwrap()];
    let quick = ["--ping-interval", "5s", "--ping-timeout", "5s"];
    assert_eq!(run_with(&[&args[..], &quick].concat()).status.code(), Some(0));
    // The command line in the file is read as the server reads it.
    let odd = text.replace("--port %HTTP", "--ports %HTTP");
    folder.write("web.config", &odd);
    let finished = run_with(&args);
    let says = "the server does not start with this: unexpected argument '--ports'";
    assert!(finished.stdout.contains(says), "{}", finished.stdout);
    // A part of the file below a path of its own.
    folder.write("web.config", &text);
    let finished = run_with(&[&args[..], &["--base-path", "/chat/", "--path", "/io/"]].concat());
    let line =
        "  handshake: GET /chat/io/?EIO=4&transport=polling → passed on by HttpPlatformHandler";
    assert!(finished.stdout.contains(line), "{}", finished.stdout);
    folder.write("web.config", &" ".repeat(2 << 20));
    assert_one_line(&run_with(&args), "parlance: web-config: ");
    assert_one_line(&run_with(&["check", "--web-config", "nowhere"]), "parlance: web-config: ");
    assert_one_line(&run_with(&["check", "--web-config", "/dev/zero"]), "parlance: web-config: ");
}
