//! Memory of an idle session: starts the release build as a process of its own, opens many Socket.IO
//! sessions over WebSocket, and reads the resident memory of the process before and after.
//!
//! `cargo bench --bench idle [-- SESSIONS]`. Fails if a session costs more than 10 KB. Linux only,
//! because the figures come from `/proc`.

use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitCode, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Bytes of resident memory that one session may cost.
const BOUND: f64 = 10_000.0;
/// Connections from one source address, so that ports do not run out.
const PER_SOURCE: usize = 10_000;

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> io::Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_parlance"))
            .args(["--host", "127.0.0.1", "--port", "0", "--log", "error"])
            // All clients come from one machine, more than the limits of an address allow.
            .args([
                "--max-sessions",
                "0",
                "--max-sessions-per-address",
                "0",
                "--max-connections-per-address",
                "0",
            ])
            .args(["--handshake-rate", "0"])
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        for line in BufReader::new(stderr).lines() {
            if let Some(address) = line?.strip_prefix("listening on http://") {
                let address = address.parse().map_err(io::Error::other)?;
                return Ok(Server { child, address });
            }
        }
        Err(io::Error::other("the server ended before it listened"))
    }

    /// Resident memory, in bytes.
    fn resident(&self) -> io::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0).ok_or_else(|| io::Error::other("no VmRSS"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a session and waits until it is in the default namespace.
async fn open(address: SocketAddr, eio: u8, n: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(n / PER_SOURCE).unwrap_or(0));
    socket.bind((source, 0).into())?;
    let mut stream = socket.connect(address).await?;
    let request = format!(
        "GET /socket.io/?EIO={eio}&transport=websocket HTTP/1.1\r\nHost: bench\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut received = Vec::new();
    if eio == 4 {
        read_until(&mut stream, &mut received, b"0{").await?;
        // "40" in a frame masked with zeros.
        stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).await?;
        read_until(&mut stream, &mut received, b"40{").await?;
    } else {
        read_until(&mut stream, &mut received, b"\x81\x0240").await?;
    }
    Ok(stream)
}

async fn read_until(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
    wanted: &[u8],
) -> io::Result<()> {
    while !received.windows(wanted.len()).any(|window| window == wanted) {
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn measure(eio: u8, sessions: usize) -> io::Result<f64> {
    let server = Server::start()?;
    // The first sessions allocate memory that is needed only once: pages, code, the allocator's arenas.
    for n in 0..50 {
        drop(open(server.address, eio, n).await?);
    }
    let before = server.resident()?;
    let mut streams = Vec::with_capacity(sessions);
    while streams.len() < sessions {
        let batch = (streams.len()..sessions).take(64);
        streams.extend(
            futures::future::try_join_all(batch.map(|n| open(server.address, eio, n))).await?,
        );
    }
    let after = server.resident()?;
    let each = (after - before) / sessions as f64;
    drop(streams);
    println!(
        "EIO {eio}: {sessions} idle sessions, {:.2} KB each (resident memory {:.1} -> {:.1} MB)",
        each / 1000.0,
        before / 1e6,
        after / 1e6,
    );
    Ok(each)
}

fn main() -> ExitCode {
    let sessions = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(10_000);
    if let Err(error) = rlimit::increase_nofile_limit(sessions as u64 + 256) {
        eprintln!("cannot raise the limit of open files: {error}");
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let mut code = ExitCode::SUCCESS;
    for eio in [4, 3] {
        match runtime.block_on(measure(eio, sessions)) {
            Ok(each) if each <= BOUND => {}
            Ok(_) => {
                eprintln!("more than {:.0} KB each", BOUND / 1000.0);
                code = ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("EIO {eio}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
