//! A client with its connections, driven step by step.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::model::{Connection, Inbound, Outbound, Shared, TestHandler};
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::socketio09::SocketIo09;
use crate::dialect::{Dialect, Malformed, Packet, Requests, Wire};
use crate::engine::{
    CloseReason, Delivery, Drain, Drained, Engine, Handshake, Limits, NewSession, QueueLimits,
    SendOutcome, Session, SessionError, TransportInfo,
};
use crate::fuzzing::input::Input;
use crate::transport::REGISTRY;

const DIALECTS: [&dyn Dialect; 3] = [&EngineIo4, &EngineIo3, &SocketIo09];

/// Bytes that may wait beyond the bound of the queue: a few packets of the session layer.
const CONTROL: usize = 4096;
/// How late a timer may fire.
const MOMENT: Duration = Duration::from_millis(10);
/// How late the session may notice that its client is silent: calls of the receiver may delay it.
const SLACK: Duration = Duration::from_secs(2);

pub struct Client {
    engine: Engine,
    session: Arc<Session>,
    outbound: Shared<Outbound>,
    inbound: Shared<Inbound>,
    /// Connections that drain the session, or did.
    drains: [Option<Drain>; 3],
    /// The POST under way.
    posting: Option<Box<dyn Any>>,
    submission: Option<Submission>,
    /// Whether the application knows of the session.
    started: bool,
    /// The session's transport, and the number of the next packet, at the last check.
    last_check: (&'static str, usize),
    /// When an upgrade was reverted. `None` once the client uses the former transport.
    reverted: Option<Instant>,
    /// When the client last gave a sign of life.
    alive: Instant,
}

/// Packets of the client that the session has not accepted yet.
struct Submission {
    accepted: BoxFuture<'static, Result<(), SessionError>>,
    /// The numbers of the messages among them.
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
        let call_time = Duration::from_millis(if kind & 4 != 0 { 30 } else { 0 });
        let engine = Engine::new(limits(), TestHandler { inbound: inbound.clone(), call_time });
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let new_session = NewSession {
            dialect: DIALECTS[usize::from(kind & 3) % 3],
            wire: Wire::default(),
            transport,
            upgrades: &[],
            handshake: Handshake::new(address, "test"),
        };
        let session = engine.reserve(new_session).expect("a session");
        if kind & 8 == 0 {
            engine.start(&session, transport);
        }
        Client {
            engine,
            last_check: (session.transport(), 0),
            session,
            outbound: Shared::default(),
            inbound,
            drains: [None, None, None],
            posting: None,
            submission: None,
            started: kind & 8 == 0,
            reverted: None,
            alive: Instant::now(),
        }
    }

    fn is_lenient(&self) -> bool {
        self.session.dialect().rules().requests == Requests::Lenient
    }

    /// Pushes a packet to the client, as an application would.
    pub fn push(&mut self, kind: u8, size: u8) {
        if !self.started {
            return;
        }
        let delivery = match kind {
            0 | 1 => Delivery::Reliable,
            2 => Delivery::Volatile,
            _ => Delivery::Conflated(u32::from(size % 2)),
        };
        let frames = self.outbound.lock().packet(delivery, kind == 1, usize::from(size) * 8);
        self.session.push(&frames, delivery);
    }

    pub fn attach(&mut self, choice: u8) {
        self.start(info(choice));
        let drain = self.session.attach(info(choice)).ok();
        self.add_drain(drain);
    }

    pub fn take_up(&mut self, choice: u8) {
        self.start(info(choice));
        let drain = self.session.take_up(info(choice)).ok();
        self.add_drain(drain);
    }

    fn add_drain(&mut self, drain: Option<Drain>) {
        let Some(drain) = drain else { return };
        if self.is_lenient() {
            self.alive = Instant::now();
        }
        let free = self.drains.iter().position(Option::is_none).unwrap_or(0);
        self.drains[free] = Some(drain);
        self.drain(free as u8);
    }

    /// One of the connections takes the packets that wait for it.
    pub fn drain(&mut self, choice: u8) {
        let Some(drain) = &mut self.drains[usize::from(choice) % 3] else { return };
        let mut batch = Vec::new();
        loop {
            let polled = drain.poll_next(&mut Context::from_waker(Waker::noop()), &mut batch);
            self.outbound.lock().arrive(&batch);
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

    /// One of the connections ends: its request is answered, or the client closes it, or it breaks.
    pub fn end_drain(&mut self, choice: u8) {
        let Some(drain) = self.drains[usize::from(choice) % 3].take() else { return };
        match choice / 3 % 3 {
            0 => drain.finish(),
            1 => drain.closed_by_client(),
            _ => drop(drain),
        }
    }

    /// From now on, the session writes to one of the connections directly.
    pub fn set_direct_writer(&mut self, choice: u8) {
        let Some(drain) = &self.drains[usize::from(choice) % 3] else { return };
        let outcome = match choice / 3 % 4 {
            0 => SendOutcome::Sent,
            1 => SendOutcome::Stuck,
            2 => SendOutcome::Answered { done: true },
            _ => SendOutcome::Answered { done: false },
        };
        drain.set_direct_writer(Arc::new(Connection { outbound: self.outbound.clone(), outcome }));
    }

    /// The client sends packets. If earlier ones wait still, it goes on waiting, or drops them.
    pub fn submit(&mut self, input: &mut Input<'_>) {
        self.poll_submission();
        if self.submission.is_some() {
            if input.byte() < 64 {
                self.submission = None;
            }
            return;
        }
        let (info, count) = (info(input.byte()), 1 + input.byte() % 4);
        self.start(info);
        let mut numbers = Vec::new();
        let mut packet = |choice: u8| match choice % 16 {
            0..=6 => {
                let (number, message) = self.inbound.lock().message();
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
        let accepted = Box::pin(async move { session.submit(info, packets).await });
        self.submission = Some(Submission { accepted, numbers });
        self.poll_submission();
    }

    /// Continues a submission that waits.
    fn poll_submission(&mut self) {
        let Some(Submission { accepted, .. }) = &mut self.submission else { return };
        let polled = accepted.poll_unpin(&mut Context::from_waker(Waker::noop()));
        self.alive = Instant::now();
        if let Poll::Ready(accepted) = polled
            && let Some(Submission { numbers, .. }) = self.submission.take()
            && accepted.is_ok()
            && self.session.is_open()
        {
            self.inbound.lock().accepted(numbers);
        }
    }

    pub fn heard(&mut self, choice: u8) {
        self.session.heard(info(choice));
        self.alive = Instant::now();
    }

    /// Ends the POST under way, or begins one.
    pub fn post(&mut self, choice: u8) {
        self.start(info(choice));
        if self.posting.take().is_none() {
            self.posting =
                self.session.begin_post(info(choice)).ok().map(|post| Box::new(post) as _);
        }
    }

    /// The whole process is paused.
    pub async fn pause(&mut self, time: Duration) {
        tokio::time::advance(time).await;
        self.alive = Instant::now();
    }

    /// Nudges the receiver, starts the session, or sets a deadline.
    pub fn nudge(&mut self, choice: u8) {
        match choice % 3 {
            0 => self.session.nudge(),
            1 => self.start(info(choice / 3)),
            _ => {
                let deadline = Instant::now() + Duration::from_millis(10 * u64::from(choice));
                self.session.expire(Some((deadline, CloseReason::ConnectTimeout)));
            }
        }
    }

    /// Starts the session, as happens before a transport first serves it.
    fn start(&mut self, info: &'static TransportInfo) {
        let was_open = self.session.is_open();
        self.engine.start(&self.session, info);
        if !std::mem::replace(&mut self.started, true) {
            assert_eq!(self.session.is_open(), was_open, "closed by its start");
            self.alive = Instant::now();
            self.last_check.0 = self.session.transport();
        }
    }

    /// Closes the session in one of several ways, or removes its deadline.
    pub fn close(&mut self, choice: u8) {
        match choice % 8 {
            0 => self.session.close(CloseReason::ServerClosed),
            1 => self.session.close_on(info(choice / 8), CloseReason::TooLarge),
            2 => self.session.malformed(Malformed("test")),
            3 => self.session.close(CloseReason::ShuttingDown),
            _ => self.session.expire(None),
        }
    }

    /// Checks what holds after every step.
    pub async fn check(&mut self, step: u8) {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        // All deadlines that are due were handled: a look-up, which would handle them, changes nothing.
        let before = self.state();
        let _ticked = self.engine.session(self.session.sid().as_str());
        assert_eq!(self.state(), before, "was due before");

        let Limits { queue, ping_interval, ping_timeout, upgrade_timeout, .. } = limits();
        let held = self.session.held();
        assert!(held <= queue.bytes + queue.bytes / 2 + CONTROL, "{held} bytes wait");

        let (transport, mut outbound) = (self.session.transport(), self.outbound.lock());
        if transport != self.last_check.0 && !self.is_lenient() {
            match step {
                10 | 11 => outbound.upgraded(self.last_check.1),
                _ => {
                    outbound.reverted();
                    self.reverted = Some(Instant::now());
                }
            }
        }
        self.reverted.take_if(|_| !self.session.is_open() || self.session.is_drained());
        let waited = self.reverted.map_or(Duration::ZERO, |since| since.elapsed());
        assert!(waited < upgrade_timeout + MOMENT, "open, {waited:?} after it was reverted");
        self.last_check = (transport, outbound.next());
        if self.session.is_open() && !self.is_lenient() && self.started {
            let silent = self.alive.elapsed();
            assert!(silent <= ping_interval + ping_timeout + SLACK, "open, silent for {silent:?}");
        }
    }

    /// The state that the deadlines of a session may change.
    fn state(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let session = &self.session;
        (
            (session.transport(), session.close_reason(), session.held()),
            (session.is_open(), session.is_drained(), session.is_upgrading()),
        )
    }

    /// Checks that all packets arrive, closes the session, and checks that nothing is left of it.
    pub async fn finish(mut self) {
        if self.session.is_open() {
            let name = self.session.transport();
            let choice = REGISTRY.iter().position(|transport| transport.info().name == name);
            let choice = choice.expect("a transport") as u8;
            self.session.heard(info(choice));
            if !self.session.is_drained() {
                self.attach(choice);
            }
            (0..3).for_each(|at| self.drain(at));
            if self.session.is_open() && self.session.transport() == name {
                assert!(self.outbound.lock().is_complete(), "lost: {:?}", self.outbound.lock());
            }
        }
        self.session.close(CloseReason::ServerClosed);
        self.drains = [None, None, None];
        (self.posting, self.submission) = (None, None);
        tokio::time::sleep(limits().linger + SLACK).await;
        self.inbound.lock().check();
        assert_eq!((self.engine.session_count(), self.engine.task_count()), (0, 0), "left over");
        assert_eq!(Arc::strong_count(&self.session), 1, "the session leaks");
    }
}
