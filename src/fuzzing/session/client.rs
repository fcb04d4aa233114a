//! A client and its connections, which do what they are told.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::model::{Connection, Inbound, Opens, Outbound, Shared};
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::socketio09::SocketIo09;
use crate::dialect::{Dialect, Malformed, Packet, Requests, Wire};
use crate::engine::{
    CloseReason, Delivery, Drain, Drained, Engine, Handshake, Limits, NewSession, QueueLimits,
    Refused, SendOutcome, Session, TransportInfo,
};
use crate::fuzzing::input::Input;
use crate::transport::REGISTRY;

const DIALECTS: [&dyn Dialect; 3] = [&EngineIo4, &EngineIo3, &SocketIo09];

/// Bytes that wait for a client beyond the bound: packets of the session layer, of which there are a few.
const CONTROL: usize = 4096;
/// How late the clock may be.
const MOMENT: Duration = Duration::from_millis(10);
/// How much later than the shortest that can be a silent client may be noticed: calls may keep us.
const SLACK: Duration = Duration::from_secs(2);

pub struct Client {
    engine: Engine,
    session: Arc<Session>,
    outbound: Shared<Outbound>,
    inbound: Shared<Inbound>,
    /// Connections that drain the session, or did.
    drains: [Option<Drain>; 3],
    posting: Option<Box<dyn Any>>,
    submitting: Option<Submitting>,
    started: bool,
    /// The transport that had the session, and the packet that was next, when we last looked.
    seen: (&'static str, usize),
    /// When an upgrade was taken back, as long as the client has not come to the former transport.
    forsaken: Option<Instant>,
    /// When the client last gave a sign of life.
    alive: Instant,
}

/// Packets that wait to be taken.
struct Submitting {
    taken: BoxFuture<'static, Result<(), Refused>>,
    /// The messages among them.
    numbers: Vec<usize>,
}

fn limits() -> Limits {
    Limits {
        ping_interval: Duration::from_secs(2),
        ping_timeout: Duration::from_secs(1),
        upgrade_timeout: Duration::from_millis(1500),
        queue: QueueLimits { bytes: 8192, messages: 24 },
        linger: Duration::from_secs(2),
        ..Limits::default()
    }
}

fn info(choice: u8) -> &'static TransportInfo {
    REGISTRY[usize::from(choice) % REGISTRY.len()].info()
}

impl Client {
    pub fn new(input: &mut Input<'_>) -> Self {
        let (kind, transport) = (input.byte(), info(input.byte()));
        let inbound = Shared::default();
        let slow = Duration::from_millis(if kind & 4 != 0 { 30 } else { 0 });
        let engine = Engine::new(limits(), Opens { inbound: inbound.clone(), slow });
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let plan = NewSession {
            dialect: DIALECTS[usize::from(kind & 3) % 3],
            wire: Wire::default(),
            transport,
            upgrades: &[],
            handshake: Handshake {
                remote: Some(address),
                bucket: address,
                query: "".into(),
                generation: "test",
                extensions: Box::new(()),
            },
        };
        let session = engine.reserve(plan).expect("a session");
        if kind & 8 == 0 {
            engine.start(&session, transport);
        }
        Client {
            engine,
            seen: (session.transport(), 0),
            session,
            outbound: Shared::default(),
            inbound,
            drains: [None, None, None],
            posting: None,
            submitting: None,
            started: kind & 8 == 0,
            forsaken: None,
            alive: Instant::now(),
        }
    }

    fn is_lenient(&self) -> bool {
        self.session.dialect().rules().requests == Requests::Lenient
    }

    pub fn is_told(&mut self, kind: u8, size: u8) {
        if !self.started {
            return; // no application knows of it
        }
        let delivery = match kind {
            0 | 1 => Delivery::Reliable,
            2 => Delivery::Volatile,
            _ => Delivery::Conflated(u32::from(size % 2)),
        };
        let frames = self.outbound.get().packet(delivery, kind == 1, usize::from(size) * 8);
        self.session.push(&frames, delivery);
    }

    pub fn attaches(&mut self, choice: u8) {
        self.starts(info(choice));
        let drain = self.session.attach(info(choice)).ok();
        self.keeps(drain);
    }

    pub fn is_taken_up(&mut self, choice: u8) {
        self.starts(info(choice));
        let drain = self.session.take_up(info(choice)).ok();
        self.keeps(drain);
    }

    fn keeps(&mut self, drain: Option<Drain>) {
        let Some(drain) = drain else { return };
        if self.is_lenient() {
            self.alive = Instant::now();
        }
        let free = self.drains.iter().position(Option::is_none).unwrap_or(0);
        self.drains[free] = Some(drain);
        self.polls(free as u8);
    }

    /// One of the connections takes what there is for it, until it has to wait.
    pub fn polls(&mut self, choice: u8) {
        let Some(drain) = &mut self.drains[usize::from(choice) % 3] else { return };
        let mut batch = Vec::new();
        loop {
            let polled = drain.poll_next(&mut Context::from_waker(Waker::noop()), &mut batch);
            self.outbound.get().arrive(&batch);
            batch.clear();
            match polled {
                Poll::Ready(
                    Drained::Packets | Drained::Stuck | Drained::Promoted | Drained::Asks,
                ) => {}
                Poll::Ready(Drained::Released | Drained::Superseded | Drained::Closed(_))
                | Poll::Pending => return,
            }
        }
    }

    /// One of the connections ends: served, closed, or broken.
    pub fn lets_go(&mut self, choice: u8) {
        let Some(drain) = self.drains[usize::from(choice) % 3].take() else { return };
        match choice / 3 % 3 {
            0 => drain.finish(),
            1 => drain.closed_by_client(),
            _ => drop(drain),
        }
    }

    /// Packets go into one of the connections directly from here on.
    pub fn diverts(&mut self, choice: u8) {
        let Some(drain) = &self.drains[usize::from(choice) % 3] else { return };
        let outcome = match choice / 3 % 4 {
            0 => SendOutcome::Sent,
            1 => SendOutcome::Stuck,
            2 => SendOutcome::Answered { done: true },
            _ => SendOutcome::Answered { done: false },
        };
        drain.set_direct_writer(Arc::new(Connection { outbound: self.outbound.clone(), outcome }));
    }

    /// Packets come from the client, unless some wait already: then it waits with them, or goes away.
    pub fn submits(&mut self, input: &mut Input<'_>) {
        self.goes_on();
        if self.submitting.is_some() {
            if input.byte() < 64 {
                self.submitting = None;
            }
            return;
        }
        let (info, count) = (info(input.byte()), 1 + input.byte() % 4);
        self.starts(info);
        let mut numbers = Vec::new();
        let mut packet = |choice: u8| match choice % 16 {
            0..=6 => {
                let (number, message) = self.inbound.get().message();
                numbers.push(number);
                Packet::Message(message)
            }
            7 => Packet::Ping { probe: false },
            8 | 9 => Packet::Pong { probe: false },
            10 | 11 => Packet::Ping { probe: true },
            12 | 13 => Packet::Upgrade,
            14 => Packet::Noop,
            _ => Packet::Close,
        };
        let packets: Vec<Packet> = (0..count).map(|_| packet(input.byte())).collect();
        let session = Arc::clone(&self.session);
        let taken = Box::pin(async move { session.submit(info, packets).await });
        self.submitting = Some(Submitting { taken, numbers });
        self.goes_on();
    }

    /// Has packets taken that wait for that.
    fn goes_on(&mut self) {
        let Some(Submitting { taken, .. }) = &mut self.submitting else { return };
        let polled = taken.poll_unpin(&mut Context::from_waker(Waker::noop()));
        self.alive = Instant::now();
        if let Poll::Ready(taken) = polled
            && let Some(Submitting { numbers, .. }) = self.submitting.take()
            && taken.is_ok()
            && self.session.is_open()
        {
            self.inbound.get().taken(numbers);
        }
    }

    pub fn is_heard(&mut self, choice: u8) {
        self.session.heard(info(choice));
        self.alive = Instant::now();
    }

    /// A POST begins, or ends.
    pub fn posts(&mut self, choice: u8) {
        self.starts(info(choice));
        if self.posting.take().is_none() {
            self.posting =
                self.session.begin_post(info(choice)).ok().map(|post| Box::new(post) as _);
        }
    }

    /// The process is stopped for a while.
    pub async fn misses(&mut self, time: Duration) {
        tokio::time::advance(time).await;
        self.alive = Instant::now();
    }

    pub fn is_nudged(&mut self, choice: u8) {
        match choice % 3 {
            0 => self.session.nudge(),
            1 => self.starts(info(choice / 3)),
            _ => {
                let late = Instant::now() + Duration::from_millis(10 * u64::from(choice));
                self.session.expire(Some((late, CloseReason::ConnectTimeout)));
            }
        }
    }

    /// The application hears of it, as it does before any transport serves it.
    fn starts(&mut self, info: &'static TransportInfo) {
        let was_open = self.session.is_open();
        self.engine.start(&self.session, info);
        if !std::mem::replace(&mut self.started, true) {
            assert_eq!(self.session.is_open(), was_open, "over as it began");
            self.alive = Instant::now();
            self.seen.0 = self.session.transport();
        }
    }

    pub fn is_closed(&mut self, choice: u8) {
        match choice % 8 {
            0 => self.session.close(CloseReason::ServerClosed),
            1 => self.session.close_on(info(choice / 8), CloseReason::TooLarge),
            2 => self.session.malformed(Malformed("test")),
            3 => self.session.close(CloseReason::ShuttingDown),
            _ => self.session.expire(None),
        }
    }

    /// What holds after every step.
    pub async fn looks_around(&mut self, step: u8) {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        // The keeper was there: looking once more finds nothing due.
        let before = self.state();
        let _ticked = self.engine.session(self.session.sid().as_str());
        assert_eq!(self.state(), before, "was due before");

        let Limits { queue, ping_interval, ping_timeout, upgrade_timeout, .. } = limits();
        let held = self.session.held();
        assert!(held <= queue.bytes + queue.bytes / 2 + CONTROL, "{held} bytes wait");

        let (transport, mut outbound) = (self.session.transport(), self.outbound.get());
        if transport != self.seen.0 && !self.is_lenient() {
            match step {
                10 | 11 => outbound.upgraded(self.seen.1),
                _ => {
                    outbound.reverted();
                    self.forsaken = Some(Instant::now());
                }
            }
        }
        self.forsaken.take_if(|_| !self.session.is_open() || self.session.is_drained());
        let forsaken = self.forsaken.map_or(Duration::ZERO, |since| since.elapsed());
        assert!(forsaken < upgrade_timeout + MOMENT, "open, and nobody came for {forsaken:?}");
        self.seen = (transport, outbound.next());
        if self.session.is_open() && !self.is_lenient() && self.started {
            let silent = self.alive.elapsed();
            assert!(silent <= ping_interval + ping_timeout + SLACK, "open, silent for {silent:?}");
        }
    }

    /// What a look at the clock may change.
    fn state(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let session = &self.session;
        (
            (session.transport(), session.close_reason(), session.held()),
            (session.is_open(), session.is_drained(), session.is_upgrading()),
        )
    }

    /// All that was pushed and may still arrive does. Then the session ends, and nothing is left of it.
    pub async fn ends(mut self) {
        if self.session.is_open() {
            let name = self.session.transport();
            let choice = REGISTRY.iter().position(|transport| transport.info().name == name);
            let choice = choice.expect("a transport") as u8;
            self.session.heard(info(choice));
            if !self.session.is_drained() {
                self.attaches(choice);
            }
            (0..3).for_each(|at| self.polls(at));
            if self.session.is_open() && self.session.transport() == name {
                // A poll that was only released has not taken what came after.
                assert!(self.outbound.get().is_complete(), "lost: {:?}", self.outbound.get());
            }
        }
        self.session.close(CloseReason::ServerClosed);
        self.drains = [None, None, None];
        (self.posting, self.submitting) = (None, None);
        tokio::time::sleep(limits().linger + SLACK).await;
        self.inbound.get().check();
        assert_eq!((self.engine.session_count(), self.engine.task_count()), (0, 0), "of the past");
        assert_eq!(Arc::strong_count(&self.session), 1, "somebody keeps the session");
    }
}
