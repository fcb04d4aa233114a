//! The bound on what waits for all clients together: memory stays within it, and slow readers pay alone.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::MACHINE;
use crate::support::http::Http;
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;
use crate::support::ws::{Frame, UPGRADE, Ws};

const MIB: usize = 1 << 20;

/// Two rooms, as prefixes of their packets: nobody waits for all that is said, so that all queues together are full
/// before one of them is.
const ROOMS: [&str; 2] = ["", "/b,"];

/// A flood that is too much for many.
struct Flood {
    /// Who read nothing, or every second a little: each as many. Who is let go comes back.
    slow: usize,
    /// The bound of the process, if it is not to be the default.
    total: Option<usize>,
    /// That of one queue, likewise.
    queue: Option<usize>,
    /// How long six people, three in each room, talk at most: until so many of those who read nothing were let go.
    lasts: Duration,
    enough: usize,
}

/// What became of it.
struct Figures {
    /// Bytes of memory with all clients there and idle, and at most.
    idle: usize,
    most: usize,
    /// How long messages took to people on a WebSocket and by polling, in order.
    socket: Vec<Duration>,
    polling: Vec<Duration>,
    /// Connections of slow readers that ended, of those who read nothing and those who read a little.
    let_go: [usize; 2],
    /// Others that were closed.
    lost: usize,
    log: Vec<String>,
}

/// What the tasks of a flood share.
struct Shared {
    addr: SocketAddr,
    start: Instant,
    over: CancellationToken,
    let_go: RefCell<[usize; 2]>,
    lost: RefCell<usize>,
}

const SOCKET: &str = "EIO=4&transport=websocket";

/// Somebody in a room whose system takes little, if it is to be `slow`.
async fn join(addr: SocketAddr, room: &str, slow: bool) -> Ws {
    let http = if slow { Http::narrow(addr).await } else { Http::open(addr).await };
    let (ws, answer) = Ws::attempt_on(http, &target(SOCKET), &UPGRADE).await;
    let mut ws = ws.unwrap_or_else(|| panic!("{}", answer.text()));
    ws.text().await;
    ws.send(&format!("40{room}")).await;
    ws.text().await;
    ws
}

/// How long ago the messages in that text were sent.
fn ages(text: &str, start: Instant) -> impl Iterator<Item = Duration> {
    let now = start.elapsed();
    let sent = text.match_indices("sent at ").filter_map(move |(at, found)| {
        let digits = text.get(at + found.len()..)?.split(' ').next()?;
        Some(Duration::from_micros(digits.parse().ok()?))
    });
    sent.map(move |sent| now.saturating_sub(sent))
}

/// Talks as fast as what was said is accepted.
async fn talk(mut ws: Ws, room: &str, shared: Rc<Shared>) {
    let (filling, taken) = ("x".repeat(60_000), format!("43{room}1["));
    while !shared.over.is_cancelled() {
        let sent = shared.start.elapsed().as_micros();
        ws.send(&format!("42{room}1[\"new message\",\"sent at {sent} {filling}\"]")).await;
        loop {
            match ws.next().await {
                Frame::Text(text) if text.starts_with(&taken) => {
                    assert!(text.contains("true"), "{text}");
                    break;
                }
                Frame::Text(text) if text == "2" => ws.send("3").await,
                Frame::Text(_) => {}
                _ => return *shared.lost.borrow_mut() += 1,
            }
        }
    }
}

/// Hears all that is said.
async fn listen(mut ws: Ws, shared: Rc<Shared>) -> Vec<Duration> {
    let mut heard = Vec::new();
    while let Some(frame) = shared.over.run_until_cancelled(ws.next()).await {
        match frame {
            Frame::Text(text) if text == "2" => ws.send("3").await,
            Frame::Text(text) => heard.extend(ages(&text, shared.start)),
            _ => {
                *shared.lost.borrow_mut() += 1;
                break;
            }
        }
    }
    heard
}

/// Polls for all that is said.
async fn poll(shared: Rc<Shared>) -> Vec<Duration> {
    let (mut http, mut posts) = (Http::open(shared.addr).await, Http::open(shared.addr).await);
    let open = http.get(&target("EIO=4&transport=polling")).await;
    let (_, sid) = open.text().split_once("\"sid\":\"").expect("a sid");
    let target =
        target(&format!("EIO=4&transport=polling&sid={}", sid.split('"').next().expect("a sid")));
    posts.request("POST", &target, &[], b"40").await.assert_ok();
    let mut heard = Vec::new();
    while let Some(answer) = shared.over.run_until_cancelled(http.get(&target)).await {
        if answer.status != 200 {
            *shared.lost.borrow_mut() += 1;
            break;
        }
        if answer.text().split('\u{1e}').any(|packet| packet == "2") {
            posts.request("POST", &target, &[], b"3").await.assert_ok();
        }
        heard.extend(ages(answer.text(), shared.start));
    }
    heard
}

/// Reads nothing, or every second a little, and comes back when it is let go.
async fn dawdle(mut ws: Ws, room: &str, little: bool, shared: Rc<Shared>) {
    while !shared.over.is_cancelled() {
        // That is what makes it slow.
        sleep(Duration::from_millis(if little { 1000 } else { 100 })).await;
        if ws.is_reset() || little && !ws.drop_some(64 * 1024) {
            shared.let_go.borrow_mut()[usize::from(little)] += 1;
            ws = join(shared.addr, room, true).await;
        }
    }
}

async fn run(flood: Flood) -> Figures {
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0", "--message-rate", "0", "--byte-rate", "0"]);
    command.args(["--handshake-rate", "0", "--max-sessions-per-address", "0"]);
    // History has a bound of its own.
    command.args(["--log", "info,parlance::engine=debug", "--history", "0"]);
    // What is free goes back to the system at once, so that its memory is what it holds.
    command.env("MIMALLOC_PURGE_DELAY", "0");
    command.args(flood.total.map(|total| format!("--queue-bytes-total={total}B")));
    command.args(flood.queue.map(|bytes| format!("--queue-bytes={bytes}B")));
    let mut process = Process::start(command);
    let shared = Rc::new(Shared {
        addr: process.listening(),
        start: Instant::now(),
        over: CancellationToken::new(),
        let_go: RefCell::default(),
        lost: RefCell::default(),
    });
    let addr = shared.addr;
    let mut slow = Vec::new();
    for n in 0..flood.slow {
        let room = ROOMS[n / 2 % 2];
        slow.push((join(addr, room, true).await, room, n % 2 == 1));
    }
    let (listener, mut talkers) = (join(addr, ROOMS[0], false).await, Vec::new());
    for n in 0..6 {
        let room = ROOMS[n % 2];
        let mut ws = join(addr, room, false).await;
        ws.send(&format!("42{room}0[\"add user\",\"talker {n}\"]")).await;
        let there = format!("43{room}0[");
        while !ws.text().await.starts_with(&there) {}
        talkers.push((ws, room));
    }
    let idle = process.resident();
    let tasks = LocalSet::new();
    let (socket, polling, most) = tasks
        .run_until(async {
            let slow = slow
                .into_iter()
                .map(|(ws, room, little)| dawdle(ws, room, little, Rc::clone(&shared)));
            let mut all: Vec<_> = slow.map(spawn_local).collect();
            all.extend(
                talkers
                    .into_iter()
                    .map(|(ws, room)| spawn_local(talk(ws, room, Rc::clone(&shared)))),
            );
            let socket = spawn_local(listen(listener, Rc::clone(&shared)));
            let polling = spawn_local(poll(Rc::clone(&shared)));
            let (begin, mut most) = (Instant::now(), idle);
            while begin.elapsed() < flood.lasts && shared.let_go.borrow()[0] < flood.enough {
                sleep(Duration::from_millis(20)).await;
                most = most.max(process.resident());
            }
            shared.over.cancel();
            let heard = (socket.await.expect("it stays"), polling.await.expect("it stays"));
            for one in all {
                one.await.expect("it stays, or comes back");
            }
            (heard.0, heard.1, most)
        })
        .await;
    process.signal("TERM");
    let (_, log) = process.wait();
    let sorted = |mut ages: Vec<Duration>| {
        ages.sort_unstable();
        ages
    };
    let (socket, polling) = (sorted(socket), sorted(polling));
    Figures {
        idle,
        most,
        socket,
        polling,
        let_go: shared.let_go.take(),
        lost: shared.lost.take(),
        log,
    }
}

impl Figures {
    fn print(&self, total: usize) {
        let Figures { idle, most, socket, polling, let_go, lost, .. } = self;
        println!(
            "bound {} MiB: {} MiB idle, {} more at most; WebSocket {} heard, p99 {:?}, longest {:?}; polling \
             {} heard, p99 {:?}, longest {:?}; let go {let_go:?}, {} for their own queue, {} for all, and {lost} others; {} warnings",
            total / MIB,
            idle / MIB,
            (most - idle) / MIB,
            socket.len(),
            p99(socket),
            socket.last(),
            polling.len(),
            p99(polling),
            polling.last(),
            self.lines("slow reader: outbound queue full"),
            self.lines("slow reader: all queues together are full"),
            self.lines("WARN"),
        );
    }

    fn lines(&self, text: &str) -> usize {
        self.log.iter().filter(|line| line.contains(text)).count()
    }
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(Duration::MAX)
}

#[tokio::test]
async fn slow_readers_pay_for_what_they_hold() {
    const TOTAL: usize = 8 * MIB;
    // What six people who talk so fast cost besides, in buffers of the moment.
    const TALK: usize = 72 * MIB;
    // No queue is full on its own before all are together.
    let (total, queue, lasts) = (Some(TOTAL), Some(TOTAL), Duration::from_secs(120));
    // Others that take all there is of the machine would make honest readers slow.
    let _alone = MACHINE.write().await;
    let begin = Instant::now();
    let figures = run(Flood { slow: 60, total, queue, lasts, enough: 30 }).await;
    figures.print(TOTAL);
    assert_eq!(figures.lost, 0, "who reads stays");
    assert!(figures.let_go[0] >= 30, "those who read nothing have to go");
    // Some reach the bound of their own first.
    assert!(figures.lines("slow reader: all queues together are full") >= 5);
    let grown = figures.most - figures.idle;
    assert!(grown <= TOTAL + TOTAL / 4 + TALK, "{} KiB more than idle", grown / 1024);
    for heard in [&figures.socket, &figures.polling] {
        assert!(p99(heard) < Duration::from_secs(5), "{:?} of {}", p99(heard), heard.len());
    }
    let told = figures.lines("more waits for clients than queue-bytes-total");
    assert!((1..=begin.elapsed().as_secs() as usize + 2).contains(&told), "{told} lines");
}

/// The same in full: `TEST_BINARY=target/release/parlance cargo test --test wire -- --ignored --nocapture
/// life::budget`.
#[tokio::test]
#[ignore = "figures of a release build, a minute"]
async fn figures_of_500_slow_readers() {
    let lasts = Duration::from_secs(20);
    // Six people without a rate fill the queue of 1 MiB between two polls of anybody.
    let queue = Some(8 * MIB);
    for total in [None, Some(32 * MIB)] {
        let figures = run(Flood { slow: 500, total, queue, lasts, enough: usize::MAX }).await;
        figures.print(total.unwrap_or(256 * MIB));
    }
}
