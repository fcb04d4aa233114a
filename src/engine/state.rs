//! The state of one session: who drains its queue, what its heartbeat expects, how far an upgrade
//! is, whether it is over. No I/O and no clock of its own; every method takes the time.

use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::inbox::{Inbox, Input, Work};
use super::queue::{Full, Outgoing, PER_PACKET, Queue};
use super::sink::{Connection, Sink, Taken};
use super::{CloseReason, Facts, Limits, Refused};
use crate::dialect::{Control, Dialect, Frame, Heartbeat, Requests, Wire};
use crate::memory::Charge;

/// How soon a poll is released for an upgrade; doubles up to [`SLOWEST_RELEASE`], so that a client
/// whose probe stalls does not poll in a hot loop.
const FIRST_RELEASE: Duration = Duration::from_millis(100);
const SLOWEST_RELEASE: Duration = Duration::from_secs(1);
/// How long a stopping server waits for a poll that fetches the news.
const SHUTDOWN_LINGER: Duration = Duration::from_secs(2);

/// Who has been behind for less than this may have half as much again waiting: between two polls a room may
/// say more than a queue holds.
const BEHIND_FOR_LONG: Duration = Duration::from_secs(5);

/// Below this part of its bound a queue is short, whatever the connection keeps.
const FEW: usize = 8;

/// Names one taker of packets; a number that was never used before in the session.
pub(super) type Ticket = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Over, but the client is still to fetch what is queued and the farewell.
    Lingering(CloseReason),
    Closed(CloseReason),
}

/// A transport that waits for packets.
#[derive(Debug)]
pub(super) struct Outlet {
    pub ticket: Ticket,
    /// Whom to tell of news.
    waker: Option<Waker>,
    /// Somebody waits who would take packets.
    pub wants: bool,
    /// Takes packets without anybody being woken, as long as somebody waits for them.
    pub sink: Option<Arc<dyn Sink>>,
    /// The sink could not get rid of all it took.
    pub stuck: bool,
    /// Answer with nothing: the poll is wanted elsewhere.
    pub released: bool,
    /// Took over just now, by an upgrade.
    pub promoted: bool,
    /// Nothing has come for a while: a sign of life that the client gives by itself is wanted.
    pub asks: bool,
}

impl Outlet {
    /// Has whoever runs `cx` told of news; `wants` says that packets are news.
    pub fn wait(&mut self, cx: &mut Context<'_>, wants: bool) {
        self.wants = wants;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    /// Nobody waits any more; who did is to be woken.
    pub fn take_waker(&mut self) -> Wake {
        self.wants = false;
        self.waker.take()
    }
}

/// A transport that is being probed.
#[derive(Debug)]
pub(super) struct Candidate {
    pub outlet: Outlet,
    pub facts: &'static Facts,
    pub answers: Vec<Frame>,
    pub since: Instant,
    probed: Option<Release>,
}

#[derive(Debug)]
struct Release {
    at: Instant,
    pause: Duration,
}

/// An upgrade that no packet of the client has confirmed since. Until then what was sent on the new
/// transport is kept, and the old one can take the session back.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    sent: Vec<Frame>,
    /// Bytes of memory that these stand for.
    pub bytes: usize,
    former: &'static Facts,
    deadline: Instant,
}

impl Unconfirmed {
    /// Keeps what was sent just now.
    pub fn keep(&mut self, sent: &[Frame]) {
        self.bytes += sent.iter().map(|frame| frame.len() + PER_PACKET).sum::<usize>();
        self.sent.extend_from_slice(sent);
    }
}

/// Something that a client says bit by bit, and that is held until it is whole.
#[derive(Debug, Clone, Copy)]
pub enum Begun {
    /// A message, in frames or pieces of a frame.
    Message,
    /// A packet that waits for its attachments.
    Packet,
    /// Bodies of POSTs.
    Bodies,
}

/// Bytes that are held for a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub own: usize,
    /// Those that are the same for other sessions.
    pub shared: usize,
}

impl Held {
    pub fn all(self) -> usize {
        self.own + self.shared
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub phase: Phase,
    pub transport: &'static Facts,
    pub queue: Queue,
    pub outlet: Option<Outlet>,
    pub candidate: Option<Box<Candidate>>,
    pub unconfirmed: Option<Box<Unconfirmed>>,
    /// POSTs under way.
    pub posting: u8,
    /// Connections that the client has left for another transport.
    pub given_up: u32,
    pub started: bool,
    pub inbox: Inbox,
    /// What waits for the client, and what it has begun to say, counts for this in the memory of the process.
    charge: Charge,
    /// Bytes of what the client has begun to say and not brought to its end: see [`Begun`].
    begun: [usize; 3],
    /// Connections that may not have taken all of an answer.
    lagging: Vec<Weak<dyn Connection>>,
    /// Packets are held back, and somebody knows.
    pub corked: bool,
    /// When the last poll was answered straight from here.
    pub answered: Option<Instant>,
    /// When the keeper will look, if it will.
    pub look: Option<Instant>,
    /// Lets a stopping server wait for the session's end.
    pub presence: Option<TaskTrackerToken>,
    tickets: Ticket,
    last_heard: Instant,
    pinged: Option<Instant>,
    /// The client was asked for a sign of life because it gave none by itself.
    asked: bool,
    next_ping: Instant,
    ping_interval: Duration,
    /// Close the session then, unless somebody clears it first.
    expiry: Option<(Instant, CloseReason)>,
    /// The transport that took the session back must show up by then.
    forsaken: Option<Instant>,
    linger_until: Option<Instant>,
}

/// What is to be done for a session that was closed.
pub(super) struct Closed {
    pub wakers: Vec<Waker>,
    /// Connections whose client reads too slowly to be told.
    pub cut: Vec<Arc<dyn Connection>>,
    /// If nothing more is to be sent: it is over at once.
    pub over: Option<Over>,
}

/// A session is over: it has to leave the registry, and its receiver has to hear of it.
#[must_use]
pub(super) struct Over(pub Option<Work>);

/// What the upgrade machine made of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProbeStep {
    Answered,
    Upgraded { former: &'static str, after: Duration },
    Failed,
}

/// Whom to wake, outside the lock.
pub(super) type Wake = Option<Waker>;

impl State {
    pub fn new(transport: &'static Facts, limits: &Limits, now: Instant) -> Self {
        State {
            phase: Phase::Open,
            transport,
            queue: Queue::default(),
            outlet: None,
            candidate: None,
            unconfirmed: None,
            posting: 0,
            given_up: 0,
            started: false,
            inbox: Inbox::default(),
            charge: Charge::default(),
            begun: [0; 3],
            lagging: Vec::new(),
            corked: false,
            answered: None,
            look: None,
            presence: None,
            tickets: 0,
            last_heard: now,
            pinged: None,
            asked: false,
            next_ping: now + limits.ping_interval,
            ping_interval: limits.ping_interval,
            expiry: None,
            forsaken: None,
            linger_until: None,
        }
    }

    /// Begins, on that transport. False if it has already, or is over.
    pub fn start(&mut self, facts: &'static Facts, now: Instant) -> bool {
        if std::mem::replace(&mut self.started, true) || self.phase != Phase::Open {
            return false;
        }
        self.transport = facts;
        self.last_heard = now;
        self.next_ping = now + self.ping_interval;
        true
    }

    /// Nobody has drained the queue yet.
    pub fn is_new(&self) -> bool {
        self.tickets == 0
    }

    fn outlet(&mut self) -> Outlet {
        self.tickets += 1;
        Outlet {
            ticket: self.tickets,
            waker: None,
            wants: false,
            sink: None,
            stuck: false,
            released: false,
            promoted: false,
            asks: false,
        }
    }

    /// Queues a packet.
    ///
    /// # Errors
    /// If it does not fit and has to: the reader is too slow.
    pub fn push(
        &mut self,
        packet: Outgoing<'_>,
        limits: &Limits,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Full> {
        // What a connection has not taken matters only once something waits behind it: for most packets, that
        // need not be asked.
        let short = self.queue.held() < limits.queue.bytes / FEW && self.lagging.is_empty();
        let few = short || self.queue.is_empty();
        let elsewhere = if few { 0 } else { self.held_elsewhere() };
        let bounds = limits.queue.less(elsewhere);
        self.queue.push(packet, bounds).or_else(|Full| {
            if self.queue.behind(now()) >= BEHIND_FOR_LONG {
                return Err(Full);
            }
            self.queue.push(packet, limits.queue.with_grace().less(elsewhere))
        })
    }

    /// Bytes that wait for the client outside of the queue: with its connection, or until an upgrade is
    /// confirmed.
    fn held_elsewhere(&self) -> usize {
        let unconfirmed = self.unconfirmed.as_ref().map_or(0, |unconfirmed| unconfirmed.bytes);
        let connections = self.connections();
        unconfirmed + connections.map(|connection| connection.held()).sum::<usize>()
    }

    /// All connections that may keep something for the client.
    fn connections(&self) -> impl Iterator<Item = Arc<dyn Connection>> {
        let sink = self.outlet.as_ref().and_then(|outlet| outlet.sink.as_ref());
        let current = sink.and_then(|sink| sink.connection());
        current.into_iter().chain(self.lagging.iter().filter_map(Weak::upgrade))
    }

    /// A request was answered by that connection, or is about to be: what the client does not take of it
    /// waits there, whatever other requests come meanwhile.
    pub fn answered_by(&mut self, connection: &Arc<dyn Connection>) {
        let connection = Arc::downgrade(connection);
        self.lagging.retain(|known| !known.ptr_eq(&connection) && keeps_something(known));
        self.lagging.push(connection);
    }

    /// Bytes that wait for the client, wherever they are, and those of what it has begun to say.
    pub fn held(&self) -> Held {
        let elsewhere = self.held_elsewhere() + self.begun.iter().sum::<usize>();
        let own = self.queue.own() + elsewhere;
        Held { own, shared: self.queue.held() + elsewhere - own }
    }

    /// The client has brought so many bytes of something that is not at its end.
    pub fn begun(&mut self, what: Begun, bytes: usize) {
        self.begun[what as usize] = bytes;
        self.settle(Instant::now);
    }

    /// A body that was so large is so large now.
    pub fn body_grew(&mut self, from: usize, to: usize) {
        let bodies = self.begun[Begun::Bodies as usize].saturating_sub(from) + to;
        self.begun(Begun::Bodies, bodies);
    }

    /// Has what waits now counted, and since when it waits. True if something does.
    pub fn settle(&mut self, now: impl FnOnce() -> Instant) -> bool {
        let unconfirmed = self.unconfirmed.as_ref().map_or(0, |unconfirmed| unconfirmed.bytes);
        let begun = self.begun.iter().sum::<usize>();
        self.charge.set(self.queue.own() + unconfirmed + begun);
        self.queue.note_behind(now);
        !self.queue.is_empty()
    }

    /// Sends what is queued on its way: straight into the connection, if its transport waits for
    /// packets and nothing else is going on, else by having the transport woken.
    pub fn pump(&mut self, dialect: &dyn Dialect, wire: &Wire, now: impl Fn() -> Instant) -> Wake {
        let steady = self.phase == Phase::Open && self.unconfirmed.is_none();
        let outlet = self.outlet.as_mut()?;
        let Some(sink) = &outlet.sink else { return outlet.take_waker() };
        if !steady || !outlet.wants || outlet.promoted || outlet.released || outlet.asks {
            return outlet.take_waker();
        }
        while !self.queue.is_empty() {
            let parts = self.transport.streams;
            match self.queue.pour(parts, |frames| sink.take(frames, dialect, wire)) {
                Taken::All => {}
                Taken::Stuck => {
                    outlet.stuck = true;
                    return outlet.take_waker();
                }
                Taken::Answered { done } => {
                    let outlet = self.outlet.take();
                    let sink = outlet.as_ref().and_then(|outlet| outlet.sink.as_ref());
                    let connection = sink.filter(|_| !done).and_then(|sink| sink.connection());
                    connection.iter().for_each(|connection| self.answered_by(connection));
                    let waker = outlet.and_then(|mut outlet| outlet.take_waker());
                    let now = now();
                    self.answered = Some(now);
                    self.pauses(dialect, now);
                    return waker.filter(|_| !done);
                }
            }
        }
        None
    }

    /// Attaches a request that drains the queue. Returns whom to wake, too: where the newest wins,
    /// that is the one it replaces.
    pub fn attach(
        &mut self,
        facts: &'static Facts,
        dialect: &dyn Dialect,
        greeting: impl FnOnce() -> Frame,
        now: Instant,
    ) -> Result<(Ticket, Wake), Refused> {
        if matches!(self.phase, Phase::Closed(_)) {
            return Err(Refused::Gone);
        }
        let mut replaced = None;
        match dialect.rules().requests {
            Requests::Strict => {
                if self.transport.wire != facts.wire {
                    return Err(Refused::WrongTransport);
                }
                if self.outlet.is_some() {
                    return Err(Refused::Overlap);
                }
            }
            Requests::Lenient => {
                if self.transport.name != facts.name && !self.is_new() {
                    self.queue.put_back(vec![greeting()]);
                }
                self.transport = facts;
                self.last_heard = now;
                self.next_ping = now + self.ping_interval;
                self.pinged = None;
                replaced = self.outlet.take().and_then(|mut outlet| outlet.take_waker());
            }
        }
        self.forsaken = None;
        self.lagging.retain(keeps_something);
        if self.lagging.is_empty() {
            self.lagging = Vec::new();
        }
        let outlet = self.outlet();
        let ticket = outlet.ticket;
        self.outlet = Some(outlet);
        Ok((ticket, replaced))
    }

    /// Attaches a transport that wants to take the session over.
    pub fn attach_candidate(
        &mut self,
        facts: &'static Facts,
        now: Instant,
    ) -> Result<Ticket, Refused> {
        if self.phase != Phase::Open {
            return Err(Refused::Gone);
        }
        // A duplex transport is the end of the road; nothing is better.
        if self.candidate.is_some() || self.transport.duplex || self.transport.wire == facts.wire {
            return Err(Refused::AlreadyUpgrading);
        }
        let outlet = self.outlet();
        let ticket = outlet.ticket;
        let (answers, since) = (Vec::new(), now);
        self.candidate = Some(Box::new(Candidate { outlet, facts, answers, since, probed: None }));
        Ok(ticket)
    }

    /// The probing transport asked whether it gets through.
    pub fn probe(&mut self, dialect: &dyn Dialect, now: Instant) -> (ProbeStep, Wake) {
        let Some(candidate) = &mut self.candidate else { return (ProbeStep::Failed, None) };
        if candidate.probed.is_some() {
            return (ProbeStep::Failed, None);
        }
        candidate.answers.push(dialect.control(Control::Pong { probe: true }));
        candidate.probed = Some(Release { at: now + FIRST_RELEASE, pause: FIRST_RELEASE });
        (ProbeStep::Answered, candidate.outlet.take_waker())
    }

    /// The client settles on the probed transport.
    pub fn upgrade(&mut self, limits: &Limits, now: Instant) -> (ProbeStep, Wake, Wake) {
        let probed = self.candidate.take_if(|candidate| candidate.probed.is_some());
        let Some(mut candidate) = probed else { return (ProbeStep::Failed, None, None) };
        let former = self.transport;
        let parked = self.outlet.take().and_then(|mut outlet| outlet.take_waker());
        let promoted = candidate.outlet.take_waker();
        // The answer to the probe may not have left yet.
        self.queue.put_back(std::mem::take(&mut candidate.answers));
        candidate.outlet.promoted = true;
        self.outlet = Some(candidate.outlet);
        self.transport = candidate.facts;
        let deadline = now + limits.upgrade_timeout;
        self.unconfirmed =
            Some(Box::new(Unconfirmed { sent: Vec::new(), bytes: 0, former, deadline }));
        let after = now - candidate.since;
        (ProbeStep::Upgraded { former: former.name, after }, parked, promoted)
    }

    /// Something came from the client on the transport in use. Returns whether that confirmed an
    /// upgrade, and whom to wake for it.
    pub fn heard(&mut self, now: Instant) -> (bool, Wake) {
        (self.last_heard, self.asked) = (now, false);
        if self.unconfirmed.take().is_none() {
            return (false, None);
        }
        (true, self.outlet.as_mut().and_then(Outlet::take_waker))
    }

    /// A request ended. True if the session goes on without it: it was served, or dropped where that
    /// is only a pause.
    pub fn pauses(&mut self, dialect: &dyn Dialect, now: Instant) -> bool {
        let lenient = dialect.rules().requests == Requests::Lenient && !self.transport.streams;
        if lenient {
            self.last_heard = now;
        }
        lenient
    }

    /// The client answered the heartbeat.
    pub fn ponged(&mut self, limits: &Limits, now: Instant) {
        if self.pinged.take().is_some() {
            self.next_ping = now + limits.ping_interval;
        }
    }

    /// The transport in use went away without a word. True if the former one takes over.
    pub fn revert(&mut self, limits: &Limits, now: Instant) -> bool {
        let Some(unconfirmed) = self.unconfirmed.take() else { return false };
        self.outlet = None;
        self.transport = unconfirmed.former;
        self.queue.put_back(unconfirmed.sent);
        self.forsaken = Some(now + limits.upgrade_timeout);
        true
    }

    /// There may be room for who waits for the receiver: returns whom to wake, outside of the lock.
    pub fn unblock(&mut self, now: impl FnOnce() -> Instant) -> Vec<Waker> {
        if self.inbox.is_blocking() {
            // Until now it could not be heard.
            self.last_heard = now();
        }
        self.inbox.unblock()
    }

    /// Ends the session. `None` if it was over already, else what is to be done outside of the lock.
    pub fn close(&mut self, reason: CloseReason, limits: &Limits, now: Instant) -> Option<Closed> {
        if self.phase != Phase::Open {
            return None;
        }
        let mut wakers = self.inbox.unblock();
        wakers.extend(self.candidate.take().and_then(|mut probing| probing.outlet.take_waker()));
        wakers.extend(self.outlet.as_mut().and_then(Outlet::take_waker));
        let mut closed = Closed { wakers, cut: Vec::new(), over: None };
        if reason.lingers() {
            let linger = match reason {
                CloseReason::ShuttingDown => SHUTDOWN_LINGER.min(limits.linger),
                _ => limits.linger,
            };
            self.phase = Phase::Lingering(reason);
            self.linger_until = Some(now + linger);
        } else {
            if reason.is_slowness() {
                // One that waits for nothing may be asked for the news.
                self.lagging.retain(keeps_something);
                closed.cut.extend(self.connections());
            }
            closed.over = Some(self.over(reason));
        }
        Some(closed)
    }

    /// The news of the end went out, or nobody came for it.
    pub fn end_lingering(&mut self) -> Option<Over> {
        let Phase::Lingering(reason) = self.phase else { return None };
        Some(self.over(reason))
    }

    /// The session is over, and holds nothing any more.
    fn over(&mut self, reason: CloseReason) -> Over {
        self.phase = Phase::Closed(reason);
        self.queue.clear();
        self.unconfirmed = None;
        self.begun = [0; 3];
        self.charge.set(0);
        let work = self.inbox.put(Input::Closed(reason));
        if self.inbox.is_gone() {
            self.presence = None;
        }
        Over(work)
    }

    pub fn expire(&mut self, expiry: Option<(Instant, CloseReason)>) {
        self.expiry = expiry;
    }

    /// Does what is due. Returns what came of it, and when to look again. Until the process `resumed` from a
    /// pause it heard nobody: all have the full time from there.
    pub fn tick(
        &mut self,
        dialect: &dyn Dialect,
        wire: &Wire,
        limits: &Limits,
        resumed: Option<Instant>,
        now: Instant,
    ) -> Tick {
        let mut next = Deadline(None);
        match self.phase {
            Phase::Closed(_) => return Tick::Over,
            Phase::Lingering(_) => {
                return match self.linger_until {
                    Some(until) if now < until => Tick::Wait { until, wake: None },
                    _ => Tick::Lingered,
                };
            }
            Phase::Open => {}
        }
        if let Some((at, reason)) = self.expiry
            && next.due(at, now)
        {
            return Tick::Close(reason);
        }
        if let Some(at) = self.forsaken
            && next.due(at, now)
        {
            return Tick::Close(CloseReason::TransportLost);
        }
        if let Some(unconfirmed) = &self.unconfirmed
            && next.due(unconfirmed.deadline, now)
        {
            return Tick::Unconfirmed;
        }
        let mut wake = None;
        if let Some(candidate) = &mut self.candidate {
            if next.due(candidate.since + limits.upgrade_timeout, now) {
                return Tick::ProbeStalled { probed: candidate.probed.is_some() };
            }
            if let Some(release) = &mut candidate.probed {
                if release.at <= now {
                    release.pause = (release.pause * 2).min(SLOWEST_RELEASE);
                    release.at = now + release.pause;
                    if let Some(outlet) = &mut self.outlet
                        && !self.transport.streams
                    {
                        outlet.released = true;
                        wake = outlet.take_waker();
                    }
                }
                next.due(release.at, now);
            }
        }
        let patience = limits.ping_interval + limits.ping_timeout;
        if self.inbox.is_blocking() {
            // What it says lies with us.
            self.last_heard = now;
        }
        let last_heard = self.last_heard.max(resumed.unwrap_or(self.last_heard));
        match dialect.rules().heartbeat {
            // Nothing is to be heard yet of who has only shaken hands.
            _ if !self.started => {}
            _ if dialect.rules().requests == Requests::Lenient && !self.transport.streams => {
                // A poll that is held is life enough; between polls there is a bound.
                let since = if self.outlet.is_some() { now } else { last_heard };
                if next.due(since + patience, now) {
                    return Tick::Close(CloseReason::PingTimeout);
                }
            }
            Heartbeat::ClientAsks => {
                if next.due(last_heard + patience, now) {
                    return Tick::Close(CloseReason::PingTimeout);
                }
                // The timers of hidden pages run once a minute, but a browser answers for them.
                let ask = last_heard + limits.ping_interval + limits.ping_timeout / 2;
                if self.transport.duplex && !self.asked && next.due(ask, now) {
                    self.asked = true;
                    if let Some(outlet) = &mut self.outlet {
                        outlet.asks = true;
                        wake = wake.or(outlet.take_waker());
                    }
                }
            }
            Heartbeat::ServerAsks => {
                if let Some(pinged) = self.pinged
                    && next.due(pinged.max(last_heard) + limits.ping_timeout, now)
                {
                    return Tick::Close(CloseReason::PingTimeout);
                }
                if self.next_ping <= now {
                    // A timer that is a little late does not move the deadline; after a long pause
                    // of the whole process, clients get their full time.
                    let late = now - self.next_ping > limits.ping_timeout / 10;
                    let asked = if late { now } else { self.next_ping };
                    let asked = *self.pinged.get_or_insert(asked);
                    self.next_ping = now + limits.ping_interval;
                    self.queue.push_heartbeat(dialect.control(Control::Ping));
                    wake = wake.or(self.pump(dialect, wire, || now));
                    self.settle(|| now);
                    next.due(asked.max(last_heard) + limits.ping_timeout, now);
                }
                next.due(self.next_ping, now);
            }
        }
        // Somebody may be alive, even talk, and take nothing.
        let slow =
            self.queue.behind_at(patience).map(|at| at.max(resumed.map_or(at, |at| at + patience)));
        if slow.is_some_and(|at| next.due(at, now)) {
            return Tick::Close(CloseReason::Unread);
        }
        match next.0 {
            Some(until) => Tick::Wait { until, wake },
            None => Tick::Wait { until: now + limits.ping_interval, wake },
        }
    }
}

/// Whether a connection is there and keeps something.
fn keeps_something(connection: &Weak<dyn Connection>) -> bool {
    connection.upgrade().is_some_and(|connection| connection.held() > 0)
}

/// What a look at the clock came to.
#[derive(Debug)]
pub(super) enum Tick {
    Wait { until: Instant, wake: Wake },
    Close(CloseReason),
    ProbeStalled { probed: bool },
    Unconfirmed,
    Lingered,
    Over,
}

/// The earliest of several instants.
struct Deadline(Option<Instant>);

impl Deadline {
    /// Whether that instant has come; if not, it is remembered.
    fn due(&mut self, at: Instant, now: Instant) -> bool {
        if at <= now {
            return true;
        }
        self.0 = Some(self.0.map_or(at, |earliest| earliest.min(at)));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::{Delivery, QueueLimits};
    use super::super::testing::{POLLING, SOCKET};
    use super::*;
    use crate::dialect::engineio3::EngineIo3;
    use crate::dialect::engineio4::EngineIo4;

    /// A connection that takes whatever comes, and keeps so many bytes of it.
    #[derive(Debug)]
    struct Keeps(usize);

    impl Connection for Keeps {
        fn held(&self) -> usize {
            self.0
        }

        fn cut(&self) {}
    }

    impl Sink for Keeps {
        fn take(&self, _: &[Frame], _: &dyn Dialect, _: &Wire) -> Taken {
            Taken::All
        }

        fn connection(&self) -> Option<Arc<dyn Connection>> {
            Some(Arc::new(Keeps(self.0)))
        }
    }

    /// A session with somebody who waits for packets.
    fn waiting(transport: &'static Facts, keeps: usize, now: Instant) -> State {
        let mut state = State::new(transport, &Limits::default(), now);
        assert!(state.start(transport, now));
        let mut outlet = state.outlet();
        outlet.sink = Some(Arc::new(Keeps(keeps)));
        outlet.wait(&mut Context::from_waker(Waker::noop()), true);
        state.outlet = Some(outlet);
        state
    }

    /// A packet that takes so much room.
    fn packet(costs: usize) -> [Frame; 1] {
        [Frame::Text("x".repeat(costs - PER_PACKET).into())]
    }

    fn reliable(frames: &[Frame]) -> Outgoing<'_> {
        Outgoing { frames, delivery: Delivery::Reliable, shared: false }
    }

    fn unconfirmed(now: Instant) -> Box<Unconfirmed> {
        Box::new(Unconfirmed { sent: Vec::new(), bytes: 0, former: &POLLING, deadline: now })
    }

    #[test]
    fn packets_go_straight_out_if_nothing_else_is_going_on() {
        let now = Instant::now();
        type Change = fn(&mut State, &mut Outlet);
        let cases: [(&str, bool, Change); 7] = [
            ("nothing", true, |_, _| {}),
            ("an upgrade", false, |state, _| state.unconfirmed = Some(unconfirmed(Instant::now()))),
            ("the end", false, |state, _| {
                state.phase = Phase::Lingering(CloseReason::ServerClosed);
            }),
            ("a packet before", false, |_, outlet| outlet.wants = false),
            ("a release", false, |_, outlet| outlet.released = true),
            ("a promotion", false, |_, outlet| outlet.promoted = true),
            ("a question", false, |_, outlet| outlet.asks = true),
        ];
        for (case, straight, change) in cases {
            let mut state = waiting(&SOCKET, 0, now);
            let mut outlet = state.outlet.take().expect("one that waits");
            change(&mut state, &mut outlet);
            state.outlet = Some(outlet);
            state.queue.push_control(Frame::fixed("6"));
            let wake = state.pump(&EngineIo4, &Wire::default(), || now);
            assert_eq!((state.queue.is_empty(), wake.is_none()), (straight, straight), "{case}");
        }
    }

    #[test]
    fn what_is_held_elsewhere_leaves_less_room_once_something_waits_here() {
        let queue = QueueLimits { bytes: 8000, messages: 100 };
        let limits = Limits { queue, ..Limits::default() };
        for (waits, elsewhere, lagging, fits) in [
            (0, 9000, 0, true),
            (999, 9000, 0, true),
            (999, 0, 9000, false),
            (1000, 9000, 0, false),
            (2000, 9000, 0, false),
            (1000, 6800, 0, true),
            (1000, 6801, 0, false),
            (1000, 6000, 800, true),
            (1000, 6000, 801, false),
        ] {
            let case = format!("{waits} here, {elsewhere} and {lagging} elsewhere");
            let now = Instant::now();
            let mut state = waiting(&SOCKET, elsewhere, now);
            if waits > 0 {
                state.push(reliable(&packet(waits)), &limits, || now).expect("room");
            }
            let other: Arc<dyn Connection> = Arc::new(Keeps(lagging));
            if lagging > 0 {
                state.answered_by(&other);
            }
            state.settle(|| now);
            let pushed = state.push(reliable(&packet(200)), &limits, || now + BEHIND_FOR_LONG);
            assert_eq!(pushed.is_ok(), fits, "{case}");
        }
    }

    #[test]
    fn all_that_waits_and_was_begun_counts() {
        let now = Instant::now();
        let mut state = waiting(&SOCKET, 1000, now);
        assert!(!state.settle(|| now), "nothing waits");
        let frames = [Frame::fixed("1234567")];
        state.queue.push(reliable(&frames), Limits::default().queue).expect("room");
        let shared = Outgoing { shared: true, ..reliable(&frames) };
        state.queue.push(shared, Limits::default().queue).expect("room");
        let mut upgrade = unconfirmed(now);
        upgrade.keep(&[Frame::fixed("12")]);
        upgrade.keep(&[Frame::fixed("34"), Frame::fixed("56")]);
        state.unconfirmed = Some(upgrade);
        state.begun(Begun::Message, 10_000);
        state.begun(Begun::Packet, 20_000);
        for (from, to) in [(0, 100), (0, 300), (100, 500), (300, 0)] {
            state.body_grew(from, to);
        }
        let charged = 7 + 2 * PER_PACKET + 6 + 3 * PER_PACKET + 30_500;
        assert!(state.settle(|| now), "something waits");
        assert_eq!(state.charge.bytes(), charged);
        let held = state.held();
        assert_eq!((held.own, held.shared, held.all()), (charged + 1000, 7, charged + 1007));
    }

    /// What a look so many seconds after the start came to.
    fn look(state: &mut State, start: Instant, seconds: u64, resumed: Option<u64>) -> String {
        let at = |seconds| start + Duration::from_secs(seconds);
        let (limits, resumed) = (Limits::default(), resumed.map(at));
        match state.tick(&EngineIo3, &Wire::default(), &limits, resumed, at(seconds)) {
            Tick::Wait { until, .. } => format!("until {}", (until - start).as_secs()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_silent_client_that_is_to_ask_is_asked_once_where_that_can_be() {
        let start = Instant::now();
        let mut state = waiting(&SOCKET, 0, start);
        let mut asks = |at, heard| {
            if heard {
                state.heard(start + Duration::from_secs(at));
            }
            let looked = look(&mut state, start, at, None);
            let outlet = state.outlet.as_mut().expect("it is still there");
            (looked, std::mem::take(&mut outlet.asks))
        };
        for (at, heard, looked, asked) in [
            (0, false, "until 35", false),
            (34, false, "until 35", false),
            (35, false, "until 45", true),
            (36, false, "until 45", false),
            (40, true, "until 75", false),
            (75, false, "until 85", true),
            (84, false, "until 85", false),
            (85, false, "Close(PingTimeout)", false),
        ] {
            assert_eq!(asks(at, heard), (looked.to_owned(), asked), "{at}");
        }
        let mut state = waiting(&POLLING, 0, start);
        for at in [0, 35, 44] {
            assert_eq!(look(&mut state, start, at, None), "until 45", "by polling");
        }
        assert_eq!(look(&mut state, start, 45, None), "Close(PingTimeout)");
    }

    #[test]
    fn who_takes_nothing_has_the_full_time_after_a_pause() {
        let start = Instant::now();
        for (resumed, end) in [(None, 45), (Some(10), 55), (Some(44), 89)] {
            let mut state = waiting(&SOCKET, 0, start);
            state.queue.push_control(Frame::fixed("6"));
            state.settle(|| start);
            for at in [1, end - 1, end] {
                state.heard(start + Duration::from_secs(at));
                let over = look(&mut state, start, at, resumed) == "Close(Unread)";
                assert_eq!(over, at == end, "{resumed:?}, {at}");
            }
        }
    }
}
