//! Whoever makes the server answer, or is told something, and takes none of it: in every dialect, by every
//! transport, for everything that the server says. What waits for it is bounded, and it ends for a named
//! reason.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::http::{Answer, Http, request};
use crate::support::packets::{Eio, Packet, form, text_payload};
use crate::support::process::{Folder, Process, parlance};
use crate::support::v09::framed;
use crate::support::ws::{FIN, PING, TEXT, UPGRADE, frame};
use crate::support::{MACHINE, until};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wire {
    V4,
    V3,
    V09,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    WebSocket,
    Xhr,
    Jsonp,
    EventSource,
    HtmlFile,
}

impl Way {
    /// Sessions that flood at once. Buffers of the system have to fill first where connections stay open.
    fn flooders(self) -> usize {
        if matches!(self, Way::Xhr | Way::Jsonp) { 8 } else { 2 }
    }

    fn name(self, wire: Wire) -> &'static str {
        match (self, wire) {
            (Way::WebSocket, _) => "websocket",
            (Way::Xhr, Wire::V09) => "xhr-polling",
            (Way::Jsonp, Wire::V09) => "jsonp-polling",
            (Way::Xhr | Way::Jsonp, _) => "polling",
            (Way::EventSource, _) => "eventsource",
            (Way::HtmlFile, _) => "htmlfile",
        }
    }
}

/// What makes the server say something: packets of the flooder itself, or of others.
struct Cause {
    name: &'static str,
    wires: &'static [Wire],
    /// Sent first, and then again and again.
    first: &'static [&'static str],
    again: &'static [&'static str],
    /// Somebody else sends it, in the words of the 4.x page.
    others: bool,
}

const ENGINEIO: &[Wire] = &[Wire::V4, Wire::V3];
const LONG: &str = "42[\"new message\",\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"]";

const CAUSES: &[Cause] = &[
    Cause { name: "heartbeats", wires: &[Wire::V3], first: &[], again: &["2"], others: false },
    Cause {
        name: "acknowledgements",
        wires: ENGINEIO,
        first: &["42[\"add user\",\"ann\"]"],
        again: &["427[\"who\"]", "428[\"latency\"]"],
        others: false,
    },
    Cause {
        name: "errors",
        wires: ENGINEIO,
        first: &[],
        again: &["42[\"new message\",5]", "42[\"typing\"]"],
        others: false,
    },
    Cause {
        name: "refused namespaces",
        wires: ENGINEIO,
        first: &[],
        again: &["40/no room,"],
        others: false,
    },
    Cause {
        name: "coming and going",
        wires: &[Wire::V4],
        first: &[],
        again: &["41", "40", "42[\"add user\",\"ann\"]"],
        others: false,
    },
    Cause {
        name: "its own words",
        wires: ENGINEIO,
        first: &[],
        again: &["42[\"chat message\",\"what comes back to who said it, and to everybody else\"]"],
        others: false,
    },
    Cause {
        name: "messages",
        wires: &[Wire::V4, Wire::V3, Wire::V09],
        first: &[],
        again: &[LONG],
        others: true,
    },
    Cause {
        name: "typing",
        wires: ENGINEIO,
        first: &[],
        again: &["42[\"typing\"]", "42[\"stop typing\"]"],
        others: true,
    },
    Cause {
        name: "acknowledgements of 0.9",
        wires: &[Wire::V09],
        first: &["5:1+::{\"name\":\"nickname\",\"args\":[\"ann\"]}"],
        again: &["5:2+::{\"name\":\"latency\"}", "5:3::{\"name\":\"nothing\"}", "3:4::hello"],
        others: false,
    },
    Cause {
        name: "announcements",
        wires: &[Wire::V09],
        first: &["5:::{\"name\":\"nickname\",\"args\":[\"ann\"]}"],
        again: &["5:::{\"name\":\"user message\",\"args\":[5]}"],
        others: false,
    },
    Cause {
        name: "endpoints",
        wires: &[Wire::V09],
        first: &[],
        again: &["1::/nothing", "1::/nothing?a=b"],
        others: false,
    },
];

/// What is tried by each transport in each dialect. All the rest goes the same way to the queue of a session: it is
/// tried by WebSocket in one dialect, and by all transports in all with FULL=1.
const BY_EVERY_WAY: &[&str] =
    &["heartbeats", "acknowledgements", "messages", "acknowledgements of 0.9"];

/// Bytes that a debug build of many threads takes and gives back by itself: code that it reads in, and
/// memory of each thread.
const NOISE: usize = 16 << 20;
/// Packets between two looks.
const BURST: usize = 512;
const QUEUE_BYTES: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(120);

/// A client that takes nothing.
struct Flooder {
    addr: SocketAddr,
    wire: Wire,
    way: Way,
    sid: String,
    /// What it does not read from.
    unread: Option<TcpStream>,
    posts: Option<Http>,
}

/// The first sid in an answer, however that is wrapped.
fn sid_in(text: &str, wire: Wire) -> String {
    let behind = match wire {
        Wire::V09 => text,
        _ => text.split_once("sid").expect("a sid").1.trim_start_matches(['"', '\\', ':']),
    };
    let sid: String =
        behind.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    assert_eq!(sid.len(), 20, "{text}");
    sid
}

impl Flooder {
    async fn open(addr: SocketAddr, wire: Wire, way: Way) -> Self {
        let mut flooder =
            Flooder { addr, wire, way, sid: String::new(), unread: None, posts: None };
        let streams = !matches!(way, Way::Xhr | Way::Jsonp);
        let mut first = String::new();
        if wire == Wire::V09 {
            let mut http = Http::open(addr).await;
            flooder.sid = sid_in(http.get("/socket.io/1/?t=1").await.text(), wire);
        }
        if streams {
            let stream = narrow(addr).await;
            let mut http = Http::from_stream(stream);
            let headers = if way == Way::WebSocket { &UPGRADE[..] } else { &[] };
            http.send(&request("GET", &flooder.target(), headers, b"")).await;
            let answer = http.head().await;
            assert!(matches!(answer.status, 101 | 200), "{wire:?} {way:?}: {}", answer.status);
            let (mut stream, input) = http.into_parts();
            first.push_str(&String::from_utf8_lossy(&input));
            while wire != Wire::V09 && !first.contains("maxPayload") {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).await.expect("a stream");
                assert!(count > 0, "{first}");
                first.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            flooder.unread = Some(stream);
        } else {
            let answer = poll(addr, &flooder.target()).await;
            first = String::from_utf8_lossy(&answer.body).into_owned();
        }
        if wire != Wire::V09 {
            flooder.sid = sid_in(&first, wire);
        }
        if way != Way::WebSocket {
            flooder.posts = Some(Http::open(addr).await);
        }
        flooder
    }

    fn target(&self) -> String {
        let name = self.way.name(self.wire);
        match self.wire {
            Wire::V09 => format!("/socket.io/1/{name}/{}?t=1&i=0", self.sid),
            wire => {
                let eio = if wire == Wire::V4 { 4 } else { 3 };
                let j = if self.way == Way::Jsonp { "&j=0" } else { "" };
                let sid =
                    if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
                format!("/socket.io/?EIO={eio}&transport={name}{j}{sid}")
            }
        }
    }

    /// Sends packets. False if nobody takes them any more.
    async fn send(&mut self, packets: &[&str]) -> bool {
        let bytes = match self.posts {
            None => {
                packets.iter().flat_map(|packet| frame(FIN | TEXT, packet.as_bytes())).collect()
            }
            Some(_) => self.body(packets),
        };
        let target = self.target();
        match &mut self.posts {
            None => self.raw(&bytes).await,
            Some(posts) => {
                let sent = posts.request("POST", &target, &[], &bytes);
                let answer = tokio::time::timeout(PATIENCE, sent).await.expect("an answer");
                if answer.header("connection") == Some("close") {
                    // Refused before all of it was read.
                    *posts = Http::open(self.addr).await;
                }
                answer.status == 200
            }
        }
    }

    async fn raw(&mut self, bytes: &[u8]) -> bool {
        let stream = self.unread.as_mut().expect("a WebSocket");
        let sent = tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await;
        sent.expect("somebody reads").is_ok()
    }

    fn body(&self, packets: &[&str]) -> Vec<u8> {
        let all: Vec<Packet> = packets.iter().map(|packet| (*packet).into()).collect();
        let body = match self.wire {
            Wire::V4 => text_payload(Eio::V4, &all),
            Wire::V3 => text_payload(Eio::V3, &all),
            Wire::V09 => framed(packets),
        };
        let body = match (self.way, self.wire) {
            (Way::Jsonp, Wire::V09) => {
                let quoted = json!(body).to_string();
                let encoded: String = form_urlencoded::byte_serialize(quoted.as_bytes()).collect();
                format!("d={encoded}")
            }
            (Way::Jsonp, _) => form(&body),
            _ => body,
        };
        body.into_bytes()
    }
}

async fn poll(addr: SocketAddr, target: &str) -> Answer {
    let mut http = Http::open(addr).await;
    let answer = http.get(target).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// A connection whose system takes as little as it can before it is read.
async fn narrow(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    socket.connect(addr).await.expect("the server accepts")
}

/// Starts a server that lets everybody say as much as they like.
fn server(folder: &Folder) -> (Process, SocketAddr) {
    let mut command = parlance(folder.path());
    command.args([
        "--port",
        "0",
        "--message-rate",
        "0",
        "--byte-rate",
        "0",
        "--handshake-rate",
        "0",
    ]);
    command.args(["--ping-interval", "1s", "--ping-timeout", "4s"]);
    command.args(["--log", "info,parlance::engine=debug", "--queue-bytes"]);
    command.arg(QUEUE_BYTES.to_string());
    let mut process = Process::start(command);
    let addr = process.listening();
    (process, addr)
}

/// Floods a server of its own with one cause.
async fn flood_server(wire: Wire, way: Way, cause: &Cause) {
    let _among_others = MACHINE.read().await;
    let folder = Folder::new();
    let (mut process, addr) = server(&folder);
    // The first make the process what it is.
    flood(&mut process, addr, (wire, way, cause), 1).await;
    let growth = flood(&mut process, addr, (wire, way, cause), way.flooders()).await;
    let what = format!("{} by {way:?} in {wire:?}", cause.name);
    assert!(growth <= way.flooders() * 2 * QUEUE_BYTES + NOISE, "{what}: {growth} bytes");
}

/// Lets so many clients flood until each of them is gone, for a named reason. Returns the bytes by which
/// the process grew.
async fn flood(
    process: &mut Process,
    addr: SocketAddr,
    (wire, way, cause): (Wire, Way, &Cause),
    count: usize,
) -> usize {
    let what = format!("{} by {way:?} in {wire:?}", cause.name);
    let mut flooders = Vec::new();
    for _ in 0..count {
        let mut flooder = Flooder::open(addr, wire, way).await;
        if wire == Wire::V4 {
            flooder.send(&["40"]).await;
        }
        if !cause.first.is_empty() {
            flooder.send(cause.first).await;
        }
        flooders.push(flooder);
    }
    let mut speaker = Flooder::open(addr, Wire::V4, Way::WebSocket).await;
    speaker.send(&["40", "42[\"add user\",\"bob\"]"]).await;
    // A speaker reads what it is told.
    let heard = speaker.unread.take().expect("a WebSocket");
    let (mut heard, spoken) = heard.into_split();
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while heard.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    });
    let mut spoken = spoken;
    let burst: Vec<&str> = cause.again.iter().copied().cycle().take(BURST).collect();
    let before = process.resident();
    let (mut most, start) = (before, Instant::now());
    let mut reasons = vec![None; count];
    while reasons.iter().any(Option::is_none) {
        if cause.others {
            let bytes: Vec<u8> =
                burst.iter().flat_map(|packet| frame(FIN | TEXT, packet.as_bytes())).collect();
            spoken.write_all(&bytes).await.expect("the server reads");
            // Alive, each in its way, and taking nothing.
            for (flooder, reason) in flooders.iter_mut().zip(&reasons) {
                if reason.is_none() {
                    let beat = match wire {
                        Wire::V4 => "3",
                        Wire::V3 => "2",
                        Wire::V09 => "2::",
                    };
                    flooder.send(&[beat]).await;
                }
            }
        } else {
            for (flooder, reason) in flooders.iter_mut().zip(&reasons) {
                if reason.is_none() {
                    flooder.send(&burst).await;
                }
            }
        }
        most = most.max(process.resident());
        for (flooder, reason) in flooders.iter().zip(&mut reasons) {
            let ours = |line: &str| is_end(line, &flooder.sid);
            if reason.is_none() {
                *reason = process.told(ours);
            }
        }
        assert!(start.elapsed() < PATIENCE, "{what}: still there: {reasons:?}");
    }
    for reason in reasons.into_iter().flatten() {
        let named = ["slow reader", "ping timeout"].iter().any(|known| reason.contains(known));
        assert!(named, "{what}: {reason}");
    }
    most - before
}

async fn flood_all(way: Way) {
    for wire in [Wire::V4, Wire::V3, Wire::V09] {
        if (way, wire) == (Way::EventSource, Wire::V09) {
            // There is none.
            continue;
        }
        let full = std::env::var_os("FULL").is_some();
        let causes = CAUSES.iter().filter(|cause| cause.wires.contains(&wire));
        for cause in causes {
            let once = way == Way::WebSocket && cause.wires[0] == wire;
            if full || once || BY_EVERY_WAY.contains(&cause.name) {
                flood_server(wire, way, cause).await;
            }
        }
    }
}

#[tokio::test]
async fn by_websocket() {
    flood_all(Way::WebSocket).await;
}

#[tokio::test]
async fn by_xhr_polling() {
    flood_all(Way::Xhr).await;
}

#[tokio::test]
async fn by_jsonp_polling() {
    flood_all(Way::Jsonp).await;
}

#[tokio::test]
async fn by_eventsource() {
    flood_all(Way::EventSource).await;
}

#[tokio::test]
async fn by_htmlfile() {
    flood_all(Way::HtmlFile).await;
}

#[tokio::test]
async fn pings_of_websockets_themselves() {
    for wire in [Wire::V4, Wire::V3, Wire::V09] {
        let folder = Folder::new();
        let (mut process, addr) = server(&folder);
        let mut flooder = Flooder::open(addr, wire, Way::WebSocket).await;
        let before = process.resident();
        let pings = frame(FIN | PING, &[b'x'; 125]).repeat(BURST);
        while flooder.raw(&pings).await {}
        let reason = loop {
            let ours = |line: &str| is_end(line, &flooder.sid);
            match process.told(ours) {
                Some(reason) => break reason,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert!(reason.contains("slow reader"), "{wire:?}: {reason}");
        assert!(process.resident() <= before + 2 * QUEUE_BYTES + NOISE, "{wire:?}");
    }
}

/// Whether a line of the log tells that this session was closed.
fn is_end(line: &str, sid: &str) -> bool {
    line.contains(sid) && line.contains(": closed ") && line.contains("reason=")
}

/// Bodies that do not come to their end: they count, few may come at once, and they end with their session.
#[tokio::test]
async fn bodies_on_their_way() {
    const LENGTH: usize = 900_000;
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--port", "0", "--handshake-rate", "0", "--log", "info,parlance::engine=debug"]);
    command.args(["--queue-bytes-total", "8MiB", "--max-sessions-per-address", "0"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    let before = process.resident();
    let mut waiting = Vec::new();
    for wire in [Wire::V4, Wire::V3, Wire::V09] {
        for _ in 0..20 {
            let flooder = Flooder::open(addr, wire, Way::Xhr).await;
            for nth in 0..8 {
                let mut http = Http::open(addr).await;
                let length = LENGTH.to_string();
                let headers = [("Content-Length", length.as_str())];
                http.send_perhaps(&request("POST", &flooder.target(), &headers, b"")).await;
                http.send_perhaps(&vec![b'x'; LENGTH - 1]).await;
                waiting.push(http);
                if wire != Wire::V09 && nth == 0 {
                    // A second one ends the session.
                    break;
                }
            }
        }
    }
    process.line("reason=slow reader: all queues together are full");
    // There would be 180 MB of bodies. They may come faster than a busy machine ends their sessions, and the
    // allocator does not give back at once what was there.
    until("most of the memory is given back", || {
        process.resident().saturating_sub(before) <= 96 << 20
    })
    .await;
}
