//! The circuit breaker for WebSockets: where they open and nothing comes through, clients are better
//! off without.
//!
//! It judges by evidence, and for each network and [`Kind`] of client by itself. A failure is a
//! WebSocket that carried nothing while its client was there, as the client's own requests show. It
//! takes several clients that fail while all of them are there: one client, however often it comes
//! back, may be ill itself. And nothing is held against a network where WebSockets do well.
//!
//! ```text
//!           `failures` clients fail                `rest` is over
//! closed ─────────────────────────────► open ◄────────────────────► half-open
//!   ▲                                          the test failed          │
//!   └───────────── any WebSocket of the network carries packets ────────┘
//! ```

use std::time::Duration;

use tokio::time::Instant;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Clients that have to fail, at most [`MOST_FAILURES`]; 0 switches all breakers off.
    pub failures: usize,
    /// How long a breaker is open the first time; twice as long after each failed test.
    pub rest: Duration,
    /// The longest time that it is open.
    pub longest: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        BreakerSettings { failures: 5, rest: minutes(10), longest: minutes(60) }
    }
}

/// More clients than this cannot be asked for: they are remembered one by one.
pub const MOST_FAILURES: usize = 16;
/// Failures that are remembered of one kind of client.
const MOST_REMEMBERED: usize = 2 * MOST_FAILURES;
/// Kinds of clients that are told apart within a network. Those beyond have no breaker.
const MOST_KINDS: usize = 8;
/// Characters of a user agent that are kept to be shown.
const AGENT_SHOWN: usize = 100;

/// A network is healthy for so long after a WebSocket that carried packets.
const RECENT: Duration = Duration::from_secs(600);
/// So long a client may take to show that it is there without its WebSocket. Polls last shorter.
const PROOF: Duration = Duration::from_secs(60);
/// So soon published clients shake hands again when they have lost a session.
const COMEBACK: Duration = Duration::from_secs(5);
/// Failures of clients that have left are remembered for so long.
const MEMORY: Duration = Duration::from_secs(600);
/// A breaker of which nothing has been heard for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// How long to wait while somebody else makes the test.
const TESTING: Duration = Duration::from_secs(10);

/// Which clients are judged together: those of one generation and one `User-Agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub generation: &'static str,
    /// A hash of it.
    pub agent: u64,
}

/// What a WebSocket showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It opened, and nothing ever came back from the client.
    Silent,
    /// It broke, or was given up, before it carried the session.
    Dropped,
}

/// What shows that the client was there while its WebSocket failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is known already: the client did not end it, or is elsewhere by now.
    Given,
    /// The next request of the session.
    Request,
    /// That, or a new session of its kind: the WebSocket carried the session.
    RequestOrHandshake,
}

/// A WebSocket that failed, and that has now ended.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// The session's number. Sessions stand for clients, as there may be many behind one address.
    pub client: u64,
    pub opened: Instant,
    pub evidence: Evidence,
    pub proof: Proof,
    /// Whether it was let through as a test.
    pub test: bool,
}

/// Who shows to be there without its WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// The client of that number, by a request of its session.
    Client(u64),
    /// Somebody of the kind, by a handshake that is no WebSocket's.
    Anew,
}

/// Whether a client may have a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The breaker is closed, or half-open and nothing was asked but whether to offer it.
    Free,
    /// As the one test of a half-open breaker; `first` since it was open.
    Test { first: bool },
    /// The breaker is open for so long, or another makes the test.
    Withheld(Duration),
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    /// For so much longer.
    Open(Duration),
    HalfOpen,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open(_) => "open",
            State::HalfOpen => "half-open",
        }
    }
}

/// What a breaker saw when it last opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Clients that failed, all of them there at the same time.
    pub clients: usize,
    /// Of these [`Evidence::Silent`].
    pub silent: usize,
    /// When the first of their WebSockets was opened.
    pub since: Instant,
}

/// A breaker that opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The `User-Agent` of its kind, as far as it is kept.
    pub agent: Box<str>,
    pub seen: Seen,
    pub rest: Duration,
    /// By a test that failed.
    pub again: bool,
}

/// One breaker, for who looks at them.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    pub kind: Kind,
    /// The `User-Agent`, as far as it is kept.
    pub agent: &'a str,
    pub state: State,
    pub seen: Seen,
}

/// What is known of the WebSockets of one network.
#[derive(Debug, Default)]
pub struct Network {
    /// Those that are open and carried packets both ways.
    carrying: usize,
    /// When one last did.
    carried: Option<Instant>,
    breakers: Vec<Breaker>,
}

#[derive(Debug)]
struct Breaker {
    kind: Kind,
    agent: Box<str>,
    phase: Phase,
    /// How often it opened since it was closed.
    trips: u32,
    seen: Option<Seen>,
    failures: Vec<Remembered>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant, testing: bool },
}

#[derive(Debug)]
struct Remembered {
    failure: Failure,
    ended: Instant,
    /// When the client left, if it has.
    left: Option<Instant>,
}

impl Network {
    /// Whether WebSockets do well here: one that carried packets is open, or was a while ago.
    pub fn is_healthy(&self, now: Instant) -> bool {
        self.carrying > 0 || self.carried.is_some_and(|at| now - at < RECENT)
    }

    /// Whether there is nothing worth remembering.
    pub fn is_blank(&mut self, now: Instant) -> bool {
        self.breakers.retain_mut(|breaker| !breaker.is_blank(now));
        self.breakers.is_empty() && !self.is_healthy(now)
    }

    /// How many breakers are kept of it, open or not.
    pub fn breakers(&self) -> usize {
        self.breakers.len()
    }

    /// Whether a client may have a WebSocket. `test`: it would open one now, and can be refused.
    pub fn ask(&mut self, kind: Kind, test: bool, now: Instant) -> Answer {
        if self.is_healthy(now) {
            return Answer::Free;
        }
        self.find(kind).map_or(Answer::Free, |breaker| breaker.ask(test, now))
    }

    /// A test ended, and nothing is learned from it.
    pub fn untested(&mut self, kind: Kind) {
        if let Some(breaker) = self.find(kind) {
            breaker.untested();
        }
    }

    /// A WebSocket carries packets both ways: the way is good for all. Returns the breakers that
    /// this closes.
    pub fn carries(&mut self, now: Instant) -> Vec<(Kind, Box<str>)> {
        self.carrying += 1;
        self.carried = Some(now);
        let all = std::mem::take(&mut self.breakers).into_iter();
        let open = all.filter(|breaker| breaker.phase != Phase::Closed);
        open.map(|breaker| (breaker.kind, breaker.agent)).collect()
    }

    /// A WebSocket that carried packets ended, by whatever: phones lose them all the time.
    pub fn carried(&mut self, now: Instant) {
        self.carrying = self.carrying.saturating_sub(1);
        self.carried = Some(now);
    }

    /// A WebSocket failed. `agent` is shown for its kind. Returns whether that opened a breaker.
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
                self.untested(kind);
            }
            return None;
        }
        if self.find(kind).is_none() {
            self.breakers.retain_mut(|breaker| !breaker.is_blank(now));
            if self.breakers.len() >= MOST_KINDS {
                return None;
            }
            self.breakers.push(Breaker::new(kind, agent));
        }
        self.find(kind)?.failed(failure, now, settings)
    }

    /// A client is there without the WebSocket that it had. Returns whether that opened a breaker.
    pub fn returns(
        &mut self,
        kind: Kind,
        who: Returns,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<Opened> {
        if settings.failures == 0 {
            return None;
        }
        self.find(kind)?.returns(who, now, settings)
    }

    /// The session of that client is over.
    pub fn left(&mut self, kind: Kind, client: u64, now: Instant) {
        if let Some(breaker) = self.find(kind) {
            breaker.left(client, now);
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

impl Breaker {
    fn new(kind: Kind, agent: &str) -> Self {
        let agent = agent.char_indices().nth(AGENT_SHOWN).map_or(agent, |(at, _)| &agent[..at]);
        let (agent, failures) = (agent.into(), Vec::new());
        Breaker { kind, agent, phase: Phase::Closed, trips: 0, seen: None, failures }
    }

    fn is_blank(&mut self, now: Instant) -> bool {
        self.forget(now);
        match self.phase {
            Phase::Closed => self.failures.is_empty(),
            Phase::Open { until: since } | Phase::HalfOpen { since, .. } => {
                now.saturating_duration_since(since) > FORGOTTEN
            }
        }
    }

    fn ask(&mut self, test: bool, now: Instant) -> Answer {
        self.forget(now);
        let first = match self.phase {
            Phase::Closed => return Answer::Free,
            Phase::Open { until } if now < until => return Answer::Withheld(until - now),
            Phase::HalfOpen { testing: true, .. } => return Answer::Withheld(TESTING),
            Phase::Open { .. } => true,
            Phase::HalfOpen { .. } => false,
        };
        if !test {
            return Answer::Free;
        }
        self.phase = Phase::HalfOpen { since: now, testing: true };
        Answer::Test { first }
    }

    fn untested(&mut self) {
        if let Phase::HalfOpen { testing, .. } = &mut self.phase {
            *testing = false;
        }
    }

    fn failed(
        &mut self,
        failure: Failure,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<Opened> {
        self.forget(now);
        if self.phase != Phase::Closed && !failure.test {
            // It is known already; one test at a time is to tell what has changed.
            return None;
        }
        let known = |known: &Remembered| known.failure.client == failure.client;
        if self.failures.iter().any(known) {
            // One client is one, however often it tries.
            return None;
        }
        if self.failures.len() >= MOST_REMEMBERED {
            self.failures.remove(0);
        }
        self.failures.push(Remembered { failure, ended: now, left: None });
        self.judge(now, settings)
    }

    fn returns(
        &mut self,
        who: Returns,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<Opened> {
        self.forget(now);
        let is_meant = |known: &&mut Remembered| match (who, known.failure.proof) {
            (_, Proof::Given) => false,
            (Returns::Client(client), _) => known.failure.client == client,
            (Returns::Anew, Proof::RequestOrHandshake) => now - known.ended <= COMEBACK,
            (Returns::Anew, Proof::Request) => false,
        };
        self.failures.iter_mut().find(is_meant)?.failure.proof = Proof::Given;
        self.judge(now, settings)
    }

    fn left(&mut self, client: u64, now: Instant) {
        if let Some(known) = self.failures.iter_mut().find(|known| known.failure.client == client) {
            known.left = Some(now);
        }
        self.forget(now);
    }

    /// Lets go of what shows nothing any more.
    fn forget(&mut self, now: Instant) {
        let mut tested = false;
        self.failures.retain(|known| {
            let gone = match known.failure.proof {
                Proof::Given => known.left.is_some_and(|left| now - left > MEMORY),
                Proof::Request => known.left.is_some() || now - known.ended > PROOF,
                Proof::RequestOrHandshake => {
                    now - known.ended > if known.left.is_some() { COMEBACK } else { PROOF }
                }
            };
            tested |= gone && known.failure.test;
            !gone
        });
        if tested {
            self.untested();
        }
    }

    /// Opens if what is remembered is enough for it.
    fn judge(&mut self, now: Instant, settings: &BreakerSettings) -> Option<Opened> {
        let again = self.phase != Phase::Closed;
        // One test is enough to know.
        let enough = if again { 1 } else { settings.failures };
        let seen = self.seen().filter(|seen| seen.clients >= enough)?;
        let rest = settings.rest.saturating_mul(1 << self.trips.min(16)).min(settings.longest);
        self.phase = Phase::Open { until: now + rest };
        self.trips += 1;
        self.seen = Some(seen);
        self.failures.clear();
        Some(Opened { agent: self.agent.clone(), seen, rest, again })
    }

    /// The most clients that were there at the same time, of those that failed for sure.
    fn seen(&self) -> Option<Seen> {
        let proven = || self.failures.iter().filter(|known| known.failure.proof == Proof::Given);
        let at = |moment: Instant| {
            let there = proven().filter(move |known| {
                known.failure.opened <= moment && known.left.is_none_or(|left| left >= moment)
            });
            there.fold(Seen { clients: 0, silent: 0, since: moment }, |seen, known| Seen {
                clients: seen.clients + 1,
                silent: seen.silent + usize::from(known.failure.evidence == Evidence::Silent),
                since: seen.since.min(known.failure.opened),
            })
        };
        proven().map(|known| at(known.failure.opened)).max_by_key(|seen| seen.clients)
    }

    fn report(&self, now: Instant) -> Option<Report<'_>> {
        let state = match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { until } if now < until => State::Open(until - now),
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        };
        let seen = self.seen.filter(|_| state != State::Closed)?;
        Some(Report { kind: self.kind, agent: &self.agent, state, seen })
    }
}

#[cfg(test)]
mod tests;
