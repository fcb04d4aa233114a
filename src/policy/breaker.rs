//! The circuit breaker for WebSockets. In some networks WebSockets open but carry nothing, and clients
//! work better without them.
//!
//! Each network has a breaker for each [`Kind`] of client. A failure is a WebSocket that carried no
//! packets while its client was present, as other requests of the client prove. A breaker opens when
//! several clients failed that were present at the same time: one client that fails often may have a
//! problem of its own. No breaker opens in a network where WebSockets work.
//!
//! ```text
//!           `failures` clients fail                `rest` is over
//! closed ─────────────────────────────► open ◄────────────────────► half-open
//!   ▲                                          the test failed          │
//!   └───────────── any WebSocket of the network carries packets ────────┘
//! ```

mod single;

use std::time::Duration;

use tokio::time::Instant;

use single::Breaker;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// The number of clients that have to fail, at most [`MAX_FAILURES`]. 0 switches all breakers off.
    pub failures: usize,
    /// How long a breaker is open the first time. The time doubles after each failed test.
    pub rest: Duration,
    /// The longest time for which it is open.
    pub longest: Duration,
}

/// The defaults of Parlance's own settings. [`Policy::open`](super::Policy::open) switches breakers off.
impl Default for BreakerSettings {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        BreakerSettings { failures: 5, rest: minutes(10), longest: minutes(60) }
    }
}

/// The upper bound of [`BreakerSettings::failures`], because each failure is kept in memory.
pub const MAX_FAILURES: usize = 16;
/// The most breakers in one network. Further kinds of clients have no breaker.
const MAX_KINDS: usize = 8;
/// How long a network stays healthy after a WebSocket has carried packets.
const HEALTHY: Duration = Duration::from_secs(600);

/// The clients that share a breaker within a network: those of one generation and one `User-Agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The client's generation, as the log names it.
    pub generation: &'static str,
    /// A hash of the `User-Agent`.
    pub agent: u64,
}

/// How a WebSocket failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It opened, and nothing came from the client.
    Silent,
    /// It broke, or the client abandoned it, before it carried packets of the session.
    Dropped,
}

/// What proves that the client was present while its WebSocket failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing more is needed: the client did not end the WebSocket, or already uses another transport.
    Given,
    /// The next request of its session.
    Request,
    /// The next request of its session, or a new session of its kind: if the session was on the WebSocket
    /// alone, the client opens a new one.
    RequestOrHandshake,
}

/// A WebSocket that failed and has ended.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// The number of the client. Each session counts as one client, because many clients may share an
    /// address.
    pub client: u64,
    /// When the WebSocket was opened.
    pub opened: Instant,
    /// What it showed.
    pub evidence: Evidence,
    /// What shows that the client was present.
    pub proof: Proof,
    /// Whether it was the test of a half-open breaker.
    pub test: bool,
}

/// A request, not on a WebSocket, that proves the presence of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// A request on the session of the client with this number.
    Client(u64),
    /// A handshake of any client of the kind.
    NewSession,
}

/// Whether a client may use a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The breaker is closed, or it is half-open and the question was only whether to offer a WebSocket.
    Allowed,
    /// As the test of a half-open breaker. `first`: the first test since the breaker was open.
    Test {
        /// Whether it is the first one since the breaker was open.
        first: bool,
    },
    /// Not now: the breaker is open for this long, or another client makes the test.
    Withheld(Duration),
}

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// WebSockets are allowed.
    Closed,
    /// For this much longer.
    Open(Duration),
    /// One WebSocket is let through as a test.
    HalfOpen,
}

impl State {
    /// The name in the log and in answers to the administrator.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open(_) => "open",
            State::HalfOpen => "half-open",
        }
    }
}

/// The failures for which a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The clients that failed and were present at the same time.
    pub clients: usize,
    /// Those of them whose failure was [`Evidence::Silent`].
    pub silent: usize,
    /// When the first of their WebSockets was opened.
    pub since: Instant,
}

/// The opening of a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The `User-Agent` of its kind, cut to 100 characters.
    pub agent: Box<str>,
    /// What was seen.
    pub cause: Cause,
    /// How long it stays open.
    pub rest: Duration,
    /// A test failed.
    pub again: bool,
}

/// One breaker, for status reports.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The clients that it is for.
    pub kind: Kind,
    /// The `User-Agent` of its kind, cut to 100 characters.
    pub agent: &'a str,
    /// Where it stands.
    pub state: State,
    /// What was seen when it opened.
    pub cause: Cause,
}

/// The WebSockets of one network, and its breakers.
#[derive(Debug, Default)]
pub struct Network {
    /// The number of open WebSockets that carried packets in both directions.
    carrying: usize,
    /// When such a WebSocket was last opened or closed.
    last_carried: Option<Instant>,
    breakers: Vec<Breaker>,
}

impl Network {
    /// Whether WebSockets work here: one that carried packets is open, or was open recently.
    pub fn is_healthy(&self, now: Instant) -> bool {
        self.carrying > 0 || self.last_carried.is_some_and(|at| now - at < HEALTHY)
    }

    /// Whether the network can be forgotten without any effect on later decisions.
    pub fn is_expired(&mut self, now: Instant) -> bool {
        self.breakers.retain_mut(|breaker| !breaker.is_expired(now));
        self.breakers.is_empty() && !self.is_healthy(now)
    }

    /// The number of its breakers, open or not.
    pub fn breaker_count(&self) -> usize {
        self.breakers.len()
    }

    /// Whether a client may use a WebSocket. With `test`, it is about to open one and accepts a refusal,
    /// so it may serve as the test of a half-open breaker.
    pub fn ask(&mut self, kind: Kind, test: bool, now: Instant) -> Answer {
        if self.is_healthy(now) {
            return Answer::Allowed;
        }
        self.find(kind).map_or(Answer::Allowed, |breaker| breaker.ask(test, now))
    }

    /// A test ended without a result.
    pub fn test_inconclusive(&mut self, kind: Kind) {
        if let Some(breaker) = self.find(kind) {
            breaker.test_inconclusive();
        }
    }

    /// A WebSocket has started to carry packets in both directions, so WebSockets work in this network.
    /// This closes its breakers. Returns the kinds and user agents of those that were not closed.
    pub fn carrying_started(&mut self, now: Instant) -> Vec<(Kind, Box<str>)> {
        self.carrying += 1;
        self.last_carried = Some(now);
        let all = std::mem::take(&mut self.breakers).into_iter();
        let open = all.filter(|breaker| !breaker.is_closed());
        open.map(|breaker| (breaker.kind, breaker.agent)).collect()
    }

    /// A WebSocket that carried packets has ended. How it ended says nothing: phones lose connections all
    /// the time.
    pub fn carrying_ended(&mut self, now: Instant) {
        self.carrying = self.carrying.saturating_sub(1);
        self.last_carried = Some(now);
    }

    /// A WebSocket failed. `agent` is shown for its kind. Returns the opening of its breaker, if that
    /// opened it.
    pub fn failed(
        &mut self,
        kind: Kind,
        agent: &str,
        failure: Failure,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<Opened> {
        if settings.failures == 0 || self.is_healthy(now) {
            if failure.test {
                self.test_inconclusive(kind);
            }
            return None;
        }
        if self.find(kind).is_none() {
            self.breakers.retain_mut(|breaker| !breaker.is_expired(now));
            if self.breakers.len() >= MAX_KINDS {
                return None;
            }
            self.breakers.push(Breaker::new(kind, agent));
        }
        self.find(kind)?.failed(failure, now, settings)
    }

    /// A client is present without the WebSocket that it had. Returns the opening of its breaker, if that
    /// opened it.
    pub fn client_returned(
        &mut self,
        kind: Kind,
        who: Returned,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<Opened> {
        if settings.failures == 0 {
            return None;
        }
        self.find(kind)?.client_returned(who, now, settings)
    }

    /// The session of a client is over.
    pub fn client_left(&mut self, kind: Kind, client: u64, now: Instant) {
        if let Some(breaker) = self.find(kind) {
            breaker.client_left(client, now);
        }
    }

    /// The breakers that are not closed.
    pub fn reports(&self, now: Instant) -> impl Iterator<Item = Report<'_>> {
        let breakers = self.breakers.iter().filter(move |_| !self.is_healthy(now));
        breakers.filter_map(move |breaker| breaker.report(now))
    }

    fn find(&mut self, kind: Kind) -> Option<&mut Breaker> {
        self.breakers.iter_mut().find(|breaker| breaker.kind == kind)
    }
}

#[cfg(test)]
mod tests;
