//! The binary as its operator runs it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A command whose settings come from this test alone.
fn parlance(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlance"));
    command.args(args).current_dir(folder("empty")).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name == "PORT" || name.starts_with("PARLANCE_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A folder of its own for each use.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("process").join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "ended before it listened");
            if let Some(address) = line.trim().strip_prefix("listening on http://") {
                break address.to_owned();
            }
        };
        Running { child, stderr, address }
    }

    fn request(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, target: &str) -> String {
        self.request(&format!("GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"))
    }

    /// Ends it as the system would; returns the exit code and what it still said.
    fn terminate(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ANY_PORT: [&str; 4] = ["--host", "127.0.0.1", "--port", "0"];

#[test]
fn wrong_settings_are_one_line_and_stop_the_start() {
    let config = folder("config").join("bad.toml");
    std::fs::write(&config, "port = 3000\nping-intervall = \"25s\"\n").unwrap();
    let path = config.to_str().unwrap();
    let (code, _, stderr) = run(&mut parlance(&["--config", path]));
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with(&format!("parlance: {path}:2:1: unknown field")), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let (code, _, stderr) = run(&mut parlance(&["--transports", "websocket,carrier-pigeon"]));
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("unknown transport \"carrier-pigeon\": known are websocket"),
        "{stderr}"
    );
    let (code, _, stderr) = run(parlance(&[]).env("PORT", "http"));
    assert_eq!((code, stderr.as_str()), (Some(1), "parlance: PORT: `http` is no port number\n"));
    let (code, _, stderr) = run(&mut parlance(&["--static-dir", "no-such-folder"]));
    assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, stderr) =
        run(&mut parlance(&["--host", "127.0.0.1", "--port", &port, "--log", "warn"]));
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with(&format!("parlance: cannot listen on port {port}: it is in use")),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn check_only_validates() {
    let (code, stdout, _) = run(&mut parlance(&["check", "--transports", "polling"]));
    assert_eq!(code, Some(0));
    assert!(stdout.contains("transports  xhr-polling, jsonp-polling"), "{stdout}");
}

#[test]
fn layers_win_in_their_order() {
    let config = folder("layers").join("transports.toml");
    std::fs::write(&config, "port = 1\ntransports = [\"websocket\"]\n").unwrap();
    let mut command = parlance(&["check"]);
    command.current_dir(config.parent().unwrap());
    let (_, stdout, _) = run(&mut command);
    assert!(stdout.contains("port 1\n") && stdout.contains("transports  websocket\n"), "{stdout}");
    let (_, stdout, _) = run(command.env("PORT", "2"));
    assert!(stdout.contains("port 2\n"), "{stdout}");
    let (_, stdout, _) = run(command.env("PARLANCE_PORT", "3"));
    assert!(stdout.contains("port 3\n"), "{stdout}");
    let before = ["--port", "4", "check", "--transports", "htmlfile"];
    let (_, stdout, _) = run(parlance(&before).env("PARLANCE_PORT", "3"));
    assert!(stdout.contains("port 4\n") && stdout.contains("transports  htmlfile\n"), "{stdout}");
    let (_, stdout, _) = run(command.args(["--port", "4", "--transports", "htmlfile"]));
    assert!(stdout.contains("port 4\n") && stdout.contains("transports  htmlfile\n"), "{stdout}");
}

#[test]
fn it_serves_until_it_is_told_to_end() {
    let server = Running::start(&mut parlance(&ANY_PORT));
    let page = server.get("/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<!"), "{page}");
    assert!(
        page.to_lowercase()
            .contains("content-security-policy: default-src 'none'; script-src 'self'")
    );
    for (target, kind) in [
        ("/parlance.js", "application/javascript"),
        ("/socket.io/socket.io.js", "application/javascript"),
        ("/style.css", "text/css"),
        ("/diagnostics", "text/html"),
    ] {
        let answer = server.get(target);
        assert!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
        assert!(answer.to_lowercase().contains(&format!("content-type: {kind}")), "{target}");
    }
    assert!(server.get("/nope").contains("Socket.IO is at /socket.io/"));
    let client = server.get("/parlance.js");
    let etag = client.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let again = server.request(&format!(
        "GET /parlance.js HTTP/1.1\r\nHost: t\r\nConnection: close\r\nIf-None-Match: {etag}\r\n\r\n"
    ));
    assert!(again.starts_with("HTTP/1.1 304"), "{again}");
    let (code, _) = server.terminate();
    assert_eq!(code, Some(0));
}

#[test]
fn the_page_is_told_the_policy() {
    let server =
        Running::start(parlance(&ANY_PORT).args(["--transports", "xhr-polling,websocket"]));
    assert!(
        server.get("/parlance.js").contains("/*transports*/[\"xhr-polling\",\"websocket\"]/*end*/")
    );
}

#[test]
fn the_log_tells_each_step_and_no_texts() {
    let logs = folder("logs");
    for old in std::fs::read_dir(&logs).unwrap() {
        std::fs::remove_file(old.unwrap().path()).unwrap();
    }
    let server = Running::start(parlance(&ANY_PORT).args([
        "--log",
        "debug",
        "--log-dir",
        logs.to_str().unwrap(),
    ]));
    let open = server.get("/socket.io/?EIO=4&transport=polling");
    let sid = open.split("\"sid\":\"").nth(1).unwrap()[..20].to_owned();
    let post = |body: &str| {
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let length = body.len();
        let answer = server.request(&format!("POST {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"));
        assert!(answer.ends_with("ok"), "{answer}");
    };
    post("40");
    post("42[\"add user\",\"alice\"]");
    post("42[\"new message\",\"the secret text\"]");
    post("1");
    server.get("/socket.io/?EIO=4&transport=foo");
    let (code, stderr) = server.terminate();
    assert_eq!(code, Some(0));
    let file = std::fs::read_dir(&logs).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_to_string(file).unwrap();
    for log in [&stderr, &file] {
        let span = format!("session{{sid={sid} generation=\"3.x-4.x\" remote=127.0.0.1}}");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&span)).collect();
        assert!(
            lines[0].contains("handshake") && lines[0].contains("transport=\"xhr-polling\""),
            "{log}"
        );
        assert!(lines.last().unwrap().contains("closed reason=transport close"), "{log}");
        assert!(
            log.contains("request refused remote=127.0.0.1 code=0 error=Transport unknown"),
            "{log}"
        );
        assert!(!log.contains("secret"), "{log}");
    }
}
