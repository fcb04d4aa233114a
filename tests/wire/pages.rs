//! Pages and other answers, and readers that take them slowly or not at all: they cost little, they end, and
//! nobody waits for them.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parlance::site::Pages;
use parlance::site::admin::Admin;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::support::MACHINE;
use crate::support::apps::stage;
use crate::support::http::{Http, fetch, request};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::{Setup, TestServer};
use crate::support::soon;

/// A file that is sent in pieces, and one that is not.
const LARGE: u64 = 4 << 20;
const SMALL: u64 = 64 * 1024;

fn folder() -> Folder {
    let folder = Folder::new();
    for (name, length) in [("large", LARGE), ("small", SMALL)] {
        let file = File::create(folder.path().join(name)).expect("a file");
        file.set_len(length).expect("room");
    }
    folder
}

/// A connection from one of the addresses of this machine, whose system takes as little as it can.
async fn narrow(addr: SocketAddr, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    socket.bind((Ipv4Addr::from(from), 0).into()).expect("an address");
    socket.connect(addr).await.expect("the server accepts")
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const THERE: [u8; 4] = [127, 0, 0, 2];

fn get(target: &str) -> Vec<u8> {
    request("GET", target, &[], b"")
}

/// Whoever asks for a page and reads nothing costs little, whatever it asks for.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn readers_that_take_nothing_cost_little() {
    const READERS: usize = 400;
    // What a connection costs in a build without optimization, for the most part.
    const COST: usize = 64 * 1024;
    // (what is asked for, how often)
    let rows = [("/large", 1), ("/small", 8), ("/socket.io/socket.io.js", 12)];
    let _among_others = MACHINE.read().await;
    for (target, times) in rows {
        let folder = folder();
        let mut command = parlance(folder.path());
        command.args(["--port", "0", "--static-dir", "."]);
        let mut process = Process::start(command);
        let addr = process.listening();
        let ask = async || {
            let mut http = Http::from_stream(narrow(addr, HERE).await);
            http.send(&get(target).repeat(times)).await;
            http.head().await;
            http
        };
        // A few at a time: what they cost while they are answered is not what is measured.
        let crowd = async |readers: usize| {
            let mut crowd = Vec::new();
            while crowd.len() < readers {
                crowd.extend(join_all((0..50).map(async |_| ask().await)).await);
            }
            crowd
        };
        // The first make the process what it is.
        drop(crowd(200).await);
        let before = process.resident();
        let held = crowd(READERS).await;
        for target in ["/small", "/parlance.js"] {
            let answer = fetch(addr, "GET", target, &[], b"").await;
            assert_eq!(answer.status, 200, "{target}");
        }
        let growth = process.resident().saturating_sub(before);
        assert!(growth <= READERS * COST, "{target}: {growth} bytes for {READERS}");
        drop(held);
    }
}

/// A stranger that asks for all large files at once has its share of the places. Small files take none.
#[tokio::test]
async fn who_reads_nothing_keeps_nobody_from_pages() {
    let folder = folder();
    let pages = Some(Pages::new(Some(folder.path()), None));
    let server = Setup { pages, ..Setup::default() }.start_app(stage().0).await;
    let strangers = (0..40).map(async |_| {
        let mut http = Http::from_stream(narrow(server.addr, HERE).await);
        http.send(&get("/large")).await;
        let head = http.head().await;
        (head, http)
    });
    let strangers = join_all(strangers).await;
    let served = strangers.iter().filter(|(head, _)| head.status == 200);
    assert_eq!(served.count(), 16);
    for (head, _) in strangers.iter().filter(|(head, _)| head.status != 200) {
        assert_eq!(head.status, 503);
        assert_eq!(head.header("retry-after"), Some("10"));
    }
    let refused = fetch(server.addr, "GET", "/large", &[], b"").await;
    assert_eq!(refused.json()["reason"], "all places for large files are taken");
    for (from, target, length) in
        [(HERE, "/small", SMALL), (THERE, "/small", SMALL), (THERE, "/large", LARGE)]
    {
        let mut http = Http::from_stream(narrow(server.addr, from).await);
        let answer = http.get(target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("content-length"), Some(length.to_string().as_str()));
        assert_eq!(answer.body.len() as u64, length, "{target}");
        // The connection goes on.
        assert_eq!(http.get("/small").await.status, 200);
        let head = http.request("HEAD", "/large", &[], b"").await;
        assert_eq!(head.header("content-length"), Some(LARGE.to_string().as_str()));
        let etag = head.header("etag").expect("a version");
        let known = http.request("GET", "/large", &[("If-None-Match", etag)], b"").await;
        assert_eq!((known.status, known.header("etag")), (304, Some(etag)));
    }
    drop(strangers);
    let again =
        async { while fetch(server.addr, "GET", "/large", &[], b"").await.status != 200 {} };
    soon("the places are free again", again).await;
}

/// Whoever is sent a file that changes meanwhile is told that it did not get it, and so is the operator.
#[tokio::test]
async fn a_file_that_changes_while_it_is_sent() {
    let folder = folder();
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--static-dir", ".", "--log", "debug"]);
    let mut process = Process::start(command);
    let mut reader = narrow(process.listening(), HERE).await;
    reader.write_all(&get("/large")).await.expect("the server reads");
    reader.read_exact(&mut [0; 12]).await.expect("an answer");
    let file = File::options().write(true).open(folder.path().join("large")).expect("the file");
    file.set_len(LARGE + 1).expect("room");
    let mut rest = Vec::new();
    let read = soon("the end", reader.read_to_end(&mut rest)).await;
    assert!(rest.len() < LARGE as usize, "{read:?}");
    let line = process.line("not sent to its end");
    assert!(line.ends_with("reason=the file was changed while it was sent"), "{line}");
}

const TOKEN: &str = "sixteen characters";

async fn server(folder: &Folder) -> TestServer {
    let admin = Admin {
        token: TOKEN.into(),
        handler: Arc::new(|_| {
            Box::pin(std::future::ready(Ok(json!({ "much": "x".repeat(4000) }))))
        }),
    };
    let pages = Some(Pages::new(Some(folder.path()), admin));
    Setup { pages, ..Setup::default() }.start_app(stage().0).await
}

/// Everything that is answered, more of it than the systems of both sides keep.
fn answers() -> [(&'static str, Vec<u8>); 5] {
    let token = format!("Bearer {TOKEN}");
    let admin = request("GET", "/admin/policy", &[("Authorization", &token)], b"");
    [
        ("a large file", get("/large")),
        ("small files", get("/small").repeat(8)),
        ("nothing found", get("/nothing").repeat(1000)),
        ("an administrator's answers", admin.repeat(100)),
        ("the engine's answers", get("/socket.io/?EIO=4&transport=nothing").repeat(1000)),
    ]
}

/// Reads so many bytes at a time until the server ends it. Returns how many that were, and how long it took.
async fn reading(
    addr: SocketAddr,
    ask: Vec<u8>,
    bytes: usize,
    every: Duration,
) -> (usize, Duration) {
    let start = Instant::now();
    let (mut read, mut asking) = narrow(addr, HERE).await.into_split();
    // Not all of it is read before there are answers to it.
    let asking = tokio::spawn(async move { (asking.write_all(&ask).await, asking) });
    let (mut room, mut taken) = (vec![0; bytes], 0);
    // It ends with a reset; what came before can be read after it, too.
    while read.as_ref().take_error().expect("a socket").is_none() {
        tokio::time::sleep(every).await;
        match read.read(&mut room).await {
            Ok(0) if bytes > 0 => break,
            Ok(count) => taken += count,
            Err(_) => break,
        }
    }
    asking.abort();
    (taken, start.elapsed())
}

/// Every answer has a clock, whoever gives it: for who takes nothing, and for who takes it in drops.
#[tokio::test]
async fn who_takes_too_little_is_let_go() {
    let folder = folder();
    let server = server(&folder).await;
    tokio::time::pause();
    for (what, ask) in answers() {
        // Of many short answers each has a clock of its own.
        let slow = [(0, 1), (100, 1), (4096, 20)];
        let slow = if what == "a large file" { &slow[..] } else { &slow[..2] };
        // (bytes at a time, seconds between)
        for (bytes, every) in slow {
            let end = reading(server.addr, ask.clone(), *bytes, Duration::from_secs(*every));
            // This clock does not wait for the system, which may take some more meanwhile: so long is for ever.
            let (taken, time) = timeout(Duration::from_secs(3600), end).await.expect("an end");
            let how = format!("{what}: {bytes} bytes every {every} s: {taken} in {time:?}");
            assert!(time >= Duration::from_secs(30), "{how}");
        }
    }
    let (ask, second) = (get("/large"), Duration::from_secs(1));
    let (taken, time) = reading(server.addr, ask, 1 << 20, second).await;
    assert!(taken as u64 > LARGE, "who is slow, but no slower than that, stays: {time:?}");
}
