//! Upgrades that fail, at each step, while everybody talks: no message may be lost or doubled, in
//! either direction, and the session must live on (engineio.md §8).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use parlance::dialect::Message;
use parlance::engine::{CloseReason, Limits, Session};
use tokio::task::JoinHandle;

use crate::support::apps::{Heard, Notes, tap};
use crate::support::packets::{Packet, read_answer};
use crate::support::polls::{Polls, read_open};
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{Frame, UPGRADE, Ws};
use crate::support::{soon, until};

/// One session of each kind that can be upgraded.
const QUERIES: [&str; 4] = ["EIO=4", "EIO=3", "EIO=3&b64=1", "EIO=4&j=0"];

/// Messages that have to get through before and after what is tried.
const SOME: usize = 25;

/// Says `0`, `1`, `2`… to a set of sessions until it is stopped.
struct Broadcast {
    stop: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Broadcast {
    fn start(sessions: Vec<Arc<Session>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                for session in &sessions {
                    session.send(Message::Text(count.to_string()));
                }
                count += 1;
                // The pace of the traffic, not a wait for anything.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            count
        });
        Broadcast { stop, task }
    }

    /// Stops; returns how many messages there were.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the broadcast")
    }
}

/// A client under traffic: it notes what it hears, and says numbered things itself.
struct Talker {
    polls: Polls,
    session: Arc<Session>,
    heard: Vec<usize>,
    said: usize,
    notes: Notes,
    broadcast: Broadcast,
    server: TestServer,
    bystander: JoinHandle<Vec<usize>>,
}

/// The number that a message packet is.
fn number(packet: &Packet) -> Option<usize> {
    match packet {
        // Between messages polls are released.
        Packet::Text(text) if text == "6" => None,
        Packet::Text(text) => {
            let number = text.strip_prefix('4').and_then(|number| number.parse().ok());
            Some(number.unwrap_or_else(|| panic!("unexpected {text}")))
        }
        other => panic!("unexpected {other:?}"),
    }
}

/// Where the server is to lose patience; a client that means well is far quicker.
const BRIEF: Duration = Duration::from_secs(2);

fn brief() -> Limits {
    Limits { upgrade_timeout: BRIEF, ..Limits::default() }
}

/// Runs the same for all kinds of sessions at once, each on a server of its own.
async fn for_each_query(scenario: impl AsyncFn(&'static str)) {
    join_all(QUERIES.iter().map(|query| scenario(query))).await;
}

impl Talker {
    async fn new(query: &str) -> Self {
        Self::limited(query, Limits::default()).await
    }

    async fn limited(query: &str, limits: Limits) -> Self {
        let (tap, notes) = tap();
        let server = Setup::limits(limits).start(tap).await;
        let polls = Polls::open(&server, query).await;
        // Somebody on a good connection, whom none of this concerns.
        let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
        let open = read_open(&ws.text().await.as_str().into());
        let other = server.engine.session(open["sid"].as_str().unwrap()).unwrap();
        let bystander = tokio::spawn(async move {
            let mut heard = Vec::new();
            loop {
                match ws.next().await {
                    Frame::Text(text) if text == "4end" => return heard,
                    Frame::Text(text) => heard.extend(number(&text.as_str().into())),
                    other => panic!("unexpected {other:?}"),
                }
            }
        });
        let session = server.engine.session(&polls.sid).unwrap();
        let broadcast = Broadcast::start(vec![Arc::clone(&session), other]);
        let mut talker = Talker {
            polls,
            session,
            heard: Vec::new(),
            said: 0,
            notes,
            broadcast,
            server,
            bystander,
        };
        talker.talk().await;
        talker
    }

    /// One exchange by polling: something up, and all there is down.
    async fn exchange(&mut self) {
        self.polls.say(&format!("4up {}", self.said)).await;
        self.said += 1;
        let packets = self.polls.poll().await;
        self.heard.extend(packets.iter().filter_map(number));
    }

    /// Polls until some messages went by in each direction.
    async fn talk(&mut self) {
        let (heard, said) = (self.heard.len() + SOME, self.said + SOME);
        while self.heard.len() < heard || self.said < said {
            self.exchange().await;
        }
    }

    /// Goes on polling while something happens elsewhere.
    async fn talk_while<T>(&mut self, elsewhere: JoinHandle<T>) -> T {
        while !elsewhere.is_finished() {
            self.exchange().await;
        }
        elsewhere.await.expect("no panic elsewhere")
    }

    /// Waits until an upgrade that was to fail is over.
    async fn failed(&mut self) {
        let session = Arc::clone(&self.session);
        let over = async move { until("the attempt is over", || !session.is_upgrading()).await };
        self.talk_while(tokio::spawn(over)).await;
    }

    /// Asserts that all went well: first by polling, then across an upgrade that succeeds.
    async fn finish(mut self) {
        assert!(self.session.is_open());
        self.talk().await;
        let mut ws = self.polls.websocket().await;
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
        self.exchange().await;
        ws.send("5").await;
        for _ in 0..SOME {
            ws.send(&format!("4up {}", self.said)).await;
            self.said += 1;
        }
        let enough = self.heard.len() + SOME;
        while self.heard.len() < enough {
            let text = ws.text().await;
            self.heard.extend(number(&text.as_str().into()));
        }
        let total = self.broadcast.stop().await;
        while self.heard.len() < total {
            let text = ws.text().await;
            self.heard.extend(number(&text.as_str().into()));
        }
        let all: Vec<usize> = (0..total).collect();
        assert_eq!(self.heard, all, "each once, in order");
        for n in 0..self.said {
            assert_eq!(self.notes.next().await, Heard::Text(format!("up {n}")));
        }
        assert_eq!(self.notes.now(), None, "nothing came twice");
        for session in self.server.engine.sessions() {
            session.send(Message::Text("end".into()));
        }
        assert_eq!(soon("the bystander", self.bystander).await.unwrap(), all);
    }
}

/// What a doomed WebSocket does last.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The connection breaks.
    Reset,
    /// The connection ends, without a close frame.
    HangUp,
    /// A close frame.
    Close,
    /// It says something that it should not.
    Say(&'static str),
}

const ENDS: [End; 6] =
    [End::Reset, End::HangUp, End::Close, End::Say("4not now"), End::Say("1"), End::Say("garbage")];

impl End {
    async fn happen(self, mut ws: Ws) {
        match self {
            End::Reset => ws.abort(),
            End::HangUp => drop(ws),
            End::Close => ws.close().await,
            End::Say(text) => {
                ws.send(text).await;
                ws.closed().await;
            }
        }
    }
}

#[tokio::test]
async fn before_the_101() {
    for_each_query(async |query| {
        let mut talker = Talker::new(query).await;
        let (addr, target) = (talker.server.addr, talker.polls.upgrade_target());
        for missing in 0..UPGRADE.len() {
            let target = target.clone();
            let attempt = tokio::spawn(async move {
                let mut headers = UPGRADE.to_vec();
                headers.remove(missing);
                let (ws, answer) = Ws::attempt(addr, &target, &headers).await;
                assert!(ws.is_none());
                assert_eq!((answer.status, answer.body.is_empty()), (400, false));
            });
            talker.talk_while(attempt).await;
        }
        talker.finish().await;
    })
    .await;
}

#[tokio::test]
async fn after_the_101() {
    for_each_query(async |query| {
        let mut talker = Talker::new(query).await;
        for end in ENDS {
            let ws = talker.polls.websocket().await;
            talker.talk_while(tokio::spawn(end.happen(ws))).await;
            talker.failed().await;
        }
        talker.finish().await;
    })
    .await;
}

#[tokio::test]
async fn after_the_probe() {
    for_each_query(async |query| {
        let mut talker = Talker::new(query).await;
        for end in ENDS {
            let ws = talker.polls.probed().await;
            talker.talk_while(tokio::spawn(end.happen(ws))).await;
            talker.failed().await;
        }
        talker.finish().await;
    })
    .await;
}

#[tokio::test]
async fn after_a_probe_whose_answer_is_lost() {
    for_each_query(async |query| {
        let mut talker = Talker::new(query).await;
        for end in [End::Reset, End::HangUp] {
            let mut ws = talker.polls.websocket().await;
            ws.send("2probe").await;
            talker.talk_while(tokio::spawn(end.happen(ws))).await;
            talker.failed().await;
        }
        talker.finish().await;
    })
    .await;
}

#[tokio::test]
async fn before_or_after_the_probe_frames_are_silently_dropped() {
    for_each_query(async |query| {
        let mut talker = Talker::limited(query, brief()).await;
        for probed in [false, true] {
            let mut ws = match probed {
                false => talker.polls.websocket().await,
                true => talker.polls.probed().await,
            };
            // Until the server loses patience.
            talker.talk_while(tokio::spawn(async move { ws.closed().await })).await;
        }
        talker.finish().await;
    })
    .await;
}

/// Sends packet 5, and hears nothing of what the server says from then on.
async fn settled(talker: &mut Talker) -> Ws {
    let mut ws = talker.polls.probed().await;
    // The client stops polling here.
    ws.pongs = false;
    ws.send("5").await;
    let session = Arc::clone(&talker.session);
    until("the upgrade", || session.transport() == "websocket").await;
    ws
}

#[tokio::test]
async fn after_packet_5_the_connection_dies_unconfirmed() {
    for_each_query(async |query| {
        for end in [End::Reset, End::HangUp] {
            let mut talker = Talker::new(query).await;
            for _ in 0..3 {
                let ws = settled(&mut talker).await;
                end.happen(ws).await;
                let session = Arc::clone(&talker.session);
                until("polling takes over", || session.transport() != "websocket").await;
                talker.talk().await;
            }
            talker.finish().await;
        }
    })
    .await;
}

#[tokio::test]
async fn after_packet_5_messages_had_gone_out() {
    for_each_query(async |query| {
        for end in [End::Reset, End::HangUp] {
            let mut talker = Talker::new(query).await;
            let mut ws = settled(&mut talker).await;
            // They came as far as this machine, and no further: nobody confirms them.
            ws.peek(100).await;
            end.happen(ws).await;
            let session = Arc::clone(&talker.session);
            until("polling takes over", || session.transport() != "websocket").await;
            talker.finish().await;
        }
    })
    .await;
}

#[tokio::test]
async fn after_packet_5_frames_are_silently_dropped() {
    for_each_query(async |query| {
        let mut talker = Talker::limited(query, brief()).await;
        let _black_hole = settled(&mut talker).await;
        // To the client the upgrade has failed. It asks until it is heard.
        let accepted = async {
            loop {
                let answer = talker.polls.get().await;
                if answer.status == 200 {
                    return read_answer(talker.polls.eio, &answer);
                }
                answer.assert_error(400, 3, "Bad request");
                // A pause between two attempts, within the bound of `soon`.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let packets = soon("polling is accepted again", accepted).await;
        talker.heard.extend(packets.iter().filter_map(number));
        talker.finish().await;
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_that_was_confirmed_is_not_taken_back() {
    for_each_query(async |query| {
        let mut talker = Talker::new(query).await;
        let mut ws = settled(&mut talker).await;
        ws.send("4confirmed").await;
        until("that came", || {
            std::iter::from_fn(|| talker.notes.now())
                .any(|note| note == Heard::Text("confirmed".into()))
        })
        .await;
        ws.abort();
        assert_eq!(talker.notes.closed().await, CloseReason::TransportLost);
        talker.server.assert_gone(&talker.polls.sid).await;
        talker.bystander.abort();
    })
    .await;
}

#[tokio::test]
async fn nobody_returns_from_an_upgrade_that_died() {
    let (tap, mut notes) = tap();
    let server = Setup::limits(brief()).start(tap).await;
    let session = Polls::open(&server, "EIO=4").await;
    let mut ws = session.probed().await;
    ws.pongs = false;
    ws.send("5").await;
    until("the upgrade", || {
        server.engine.session(&session.sid).is_none_or(|session| session.transport() == "websocket")
    })
    .await;
    ws.abort();
    assert_eq!(notes.closed().await, CloseReason::TransportLost);
    server.assert_gone(&session.sid).await;
}

#[tokio::test]
async fn upgrades_that_succeed_under_traffic() {
    for_each_query(async |query| {
        for _ in 0..5 {
            Talker::new(query).await.finish().await;
        }
    })
    .await;
}
