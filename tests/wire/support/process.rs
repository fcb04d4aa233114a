//! The real binary as a child process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A running server.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// What it wrote to stderr so far.
    pub log: Vec<String>,
}

/// What a command said that ended by itself.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// The binary with nothing of this environment that it would look at, in an empty folder.
pub fn parlance(folder: &Path) -> Command {
    // Another one, as that of a release, can be named.
    let other = std::env::var_os("TEST_BINARY");
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_parlance").into()));
    let ours = |name: &str| name == "PORT" || name.starts_with("PARLANCE_");
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Finished {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
    let status = wait(&mut child);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut stdout).expect("text");
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("text");
    Finished { status, stdout, stderr }
}

impl Process {
    /// Starts the server. Its address is that of [`Process::listening`].
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary");
        let stderr = child.stderr.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { child, lines, log: Vec::new() }
    }

    /// Waits until it listens; returns where.
    pub fn listening(&mut self) -> SocketAddr {
        // It is written at once, and the lines of the log by a thread of their own.
        let said = self.log.iter().find(|line| line.starts_with("listening on ")).cloned();
        let line = said.unwrap_or_else(|| self.line("listening on "));
        let port = line.rsplit_once(':').map(|(_, port)| port.split('/').next().unwrap_or(port));
        let port = port.and_then(|port| port.parse().ok());
        SocketAddr::from(([127, 0, 0, 1], port.expect("a port")))
    }

    /// Waits for a line of stderr that holds that text.
    pub fn line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {text:?} in\n{}", self.log.join("\n")),
            }
        }
    }

    /// A line of stderr with that in it, of those that came so far or of those to come.
    pub fn said(&mut self, text: &str) -> String {
        self.told(|line| line.contains(text)).unwrap_or_else(|| self.line(text))
    }

    /// The first line of stderr so far of which `which` holds.
    pub fn told(&mut self, which: impl Fn(&str) -> bool) -> Option<String> {
        self.log.extend(self.lines.try_iter());
        self.log.iter().find(|line| which(line)).cloned()
    }

    /// Bytes of memory that it has.
    #[cfg(target_os = "linux")]
    pub fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for its end; the rest of what it wrote is in [`Process::log`].
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = wait(&mut self.child);
        self.log.extend(self.lines.iter());
        (status, std::mem::take(&mut self.log))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the process does not end");
        }
        // A pause between two looks, within the bound.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder that goes away with this value.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("parlance-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.join(name), content).expect("a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
