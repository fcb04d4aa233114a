//! A real Redis: `redis-server` of this machine, on a port of its own, which keeps nothing.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::process::Folder;
use super::until;

/// A server; it ends with the test.
pub struct RedisServer {
    child: Option<Child>,
    /// Where its files are.
    pub folder: Folder,
    pub port: u16,
    args: Vec<String>,
}

/// A port that nobody has, and that nobody gets by chance: below those that systems give to connections and to who asks
/// for any.
pub fn free_port() -> u16 {
    loop {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        let port = 10_000 + u16::from_ne_bytes(random) % 22_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl RedisServer {
    /// A server as it is without settings.
    pub async fn start() -> Self {
        RedisServer::with(&[]).await
    }

    /// A server with these arguments besides.
    pub async fn with(args: &[&str]) -> Self {
        let args = args.iter().map(|it| (*it).to_owned()).collect();
        RedisServer::run(args, free_port(), Folder::new()).await
    }

    /// A sentinel that watches a server at that port as the service `chat`.
    pub async fn sentinel(master: u16) -> Self {
        let settings = format!(
            "sentinel monitor chat 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds chat 1500\n\
             sentinel failover-timeout chat 2000\n"
        );
        RedisServer::sentinel_with(&settings).await
    }

    /// A sentinel with these lines of settings.
    pub async fn sentinel_with(settings: &str) -> Self {
        let folder = Folder::new();
        std::fs::write(folder.path().join("sentinel.conf"), settings).unwrap();
        let args = vec!["sentinel.conf".into(), "--sentinel".into()];
        RedisServer::run(args, free_port(), folder).await
    }

    /// A server with these arguments, on that port.
    pub async fn at(port: u16, args: Vec<String>) -> Self {
        RedisServer::run(args, port, Folder::new()).await
    }

    async fn run(args: Vec<String>, port: u16, folder: Folder) -> Self {
        let mut server = RedisServer { child: None, folder, port, args };
        server.go_on().await;
        server
    }

    /// Starts again after [`RedisServer::stop`], on the same port.
    pub async fn go_on(&mut self) {
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path());
        command.args(&self.args).args(["--port", &self.port.to_string()]);
        if !self.args.iter().any(|arg| arg == "--sentinel") {
            command.args(["--save", "", "--bind", "127.0.0.1"]);
        }
        command.stdout(Stdio::null());
        let child = command.spawn().expect("redis-server: `make setup` installs it");
        self.child = Some(child);
        until("redis answers", || self.answers()).await;
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut answer = [0; 1];
        // An error is an answer as well: it wants a password, say.
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    /// Ends it at once.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill").success());
    }

    /// Has the official command ask it something.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "--no-auth-warning"])
            .args(args)
            .output()
            .expect("redis-cli");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Publishes any bytes.
    pub fn publish(&self, channel: &str, payload: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        for part in [
            b"*3\r\n$7\r\nPUBLISH\r\n",
            &format!("${}\r\n{channel}\r\n${}\r\n", channel.len(), payload.len()).into_bytes()[..],
            payload,
            b"\r\n",
        ] {
            stream.write_all(part).unwrap();
        }
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b":");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
