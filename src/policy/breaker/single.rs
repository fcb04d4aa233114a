//! One circuit breaker.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Answer, BreakerSettings, Cause, Evidence, Failure, Kind, MAX_FAILURES, Opened, Proof, Report,
    Returned, State,
};

/// The most failures that one breaker keeps.
pub(super) const MAX_RECORDS: usize = 2 * MAX_FAILURES;
/// Characters of a user agent that are kept for logs and reports.
pub(super) const AGENT_SHOWN: usize = 100;

/// The time after a failure in which a request of the client proves that it was present. Polls are
/// shorter than this.
pub(super) const PROOF_TIME: Duration = Duration::from_secs(60);
/// The time in which published clients open a new session after they have lost one.
const RECONNECT_TIME: Duration = Duration::from_secs(5);
/// How long failures of clients that have left are kept.
pub(super) const FAILURE_MEMORY: Duration = Duration::from_secs(600);
/// How long an open or half-open breaker is kept without any event.
pub(super) const BREAKER_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// How long a client has to wait while another one makes the test.
const TEST_TIME: Duration = Duration::from_secs(10);

/// The breaker for one kind of client in one network.
#[derive(Debug)]
pub(super) struct Breaker {
    pub kind: Kind,
    /// The `User-Agent` of the kind, cut to [`AGENT_SHOWN`].
    pub agent: Box<str>,
    phase: Phase,
    /// How often it has opened since it was last closed.
    trips: u32,
    /// Why it last opened.
    cause: Option<Cause>,
    pub(super) failures: Vec<FailureRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant, testing: bool },
}

/// A failure, until it is proven and for some time after.
#[derive(Debug)]
pub(super) struct FailureRecord {
    failure: Failure,
    ended: Instant,
    /// When the client's session ended, if it has.
    left: Option<Instant>,
}

impl Breaker {
    pub fn new(kind: Kind, agent: &str) -> Self {
        let agent = agent.char_indices().nth(AGENT_SHOWN).map_or(agent, |(at, _)| &agent[..at]);
        let phase = Phase::Closed;
        Breaker { kind, agent: agent.into(), phase, trips: 0, cause: None, failures: Vec::new() }
    }

    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether it can be forgotten without any effect on later decisions.
    pub fn is_expired(&mut self, now: Instant) -> bool {
        self.drop_expired_failures(now);
        match self.phase {
            Phase::Closed => self.failures.is_empty(),
            Phase::Open { until: since } | Phase::HalfOpen { since, .. } => {
                now.saturating_duration_since(since) > BREAKER_MEMORY
            }
        }
    }

    /// See [`Network::ask`](super::Network::ask).
    pub fn ask(&mut self, test: bool, now: Instant) -> Answer {
        self.drop_expired_failures(now);
        let first = match self.phase {
            Phase::Closed => return Answer::Allowed,
            Phase::Open { until } if now < until => return Answer::Withheld(until - now),
            Phase::HalfOpen { testing: true, .. } => return Answer::Withheld(TEST_TIME),
            Phase::Open { .. } => true,
            Phase::HalfOpen { .. } => false,
        };
        if !test {
            return Answer::Allowed;
        }
        self.phase = Phase::HalfOpen { since: now, testing: true };
        Answer::Test { first }
    }

    /// Its test ended without a result, so another client may make one.
    pub fn test_inconclusive(&mut self) {
        if let Phase::HalfOpen { testing, .. } = &mut self.phase {
            *testing = false;
        }
    }

    /// See [`Network::failed`](super::Network::failed).
    pub fn failed(
        &mut self,
        failure: Failure,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<Opened> {
        self.drop_expired_failures(now);
        if self.phase != Phase::Closed && !failure.test {
            // An open breaker opens again only by its test.
            return None;
        }
        if self.failures.iter().any(|record| record.failure.client == failure.client) {
            // A client counts once, however often it fails.
            return None;
        }
        if self.failures.len() >= MAX_RECORDS {
            self.failures.remove(0);
        }
        self.failures.push(FailureRecord { failure, ended: now, left: None });
        self.open_if_proven(now, settings)
    }

    /// See [`Network::client_returned`](super::Network::client_returned).
    pub fn client_returned(
        &mut self,
        who: Returned,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<Opened> {
        self.drop_expired_failures(now);
        let is_proven = |record: &&mut FailureRecord| match (who, record.failure.proof) {
            (_, Proof::Given) => false,
            (Returned::Client(client), _) => record.failure.client == client,
            (Returned::NewSession, Proof::RequestOrHandshake) => {
                now - record.ended <= RECONNECT_TIME
            }
            (Returned::NewSession, Proof::Request) => false,
        };
        self.failures.iter_mut().find(is_proven)?.failure.proof = Proof::Given;
        self.open_if_proven(now, settings)
    }

    /// The session of a client is over.
    pub fn client_left(&mut self, client: u64, now: Instant) {
        let of_client = |record: &&mut FailureRecord| record.failure.client == client;
        if let Some(record) = self.failures.iter_mut().find(of_client) {
            record.left = Some(now);
        }
        self.drop_expired_failures(now);
    }

    /// Drops failures that can no longer be proven, and old ones of clients that have left.
    fn drop_expired_failures(&mut self, now: Instant) {
        let mut test_expired = false;
        self.failures.retain(|record| {
            let expired = match record.failure.proof {
                Proof::Given => record.left.is_some_and(|left| now - left > FAILURE_MEMORY),
                Proof::Request => record.left.is_some() || now - record.ended > PROOF_TIME,
                Proof::RequestOrHandshake => {
                    let time = if record.left.is_some() { RECONNECT_TIME } else { PROOF_TIME };
                    now - record.ended > time
                }
            };
            test_expired |= expired && record.failure.test;
            !expired
        });
        if test_expired {
            self.test_inconclusive();
        }
    }

    /// Opens if enough failures are proven.
    fn open_if_proven(&mut self, now: Instant, settings: &BreakerSettings) -> Option<Opened> {
        let again = self.phase != Phase::Closed;
        // A failed test is enough to open again.
        let enough = if again { 1 } else { settings.failures };
        let cause = self.most_at_once().filter(|cause| cause.clients >= enough)?;
        let rest = settings.rest.saturating_mul(1 << self.trips.min(16)).min(settings.longest);
        self.phase = Phase::Open { until: now + rest };
        self.trips += 1;
        self.cause = Some(cause);
        self.failures.clear();
        Some(Opened { agent: self.agent.clone(), cause, rest, again })
    }

    /// The largest group of proven failures whose clients were present at the same time.
    fn most_at_once(&self) -> Option<Cause> {
        let proven = || self.failures.iter().filter(|record| record.failure.proof == Proof::Given);
        let at = |moment: Instant| {
            let present = proven().filter(move |record| {
                record.failure.opened <= moment && record.left.is_none_or(|left| left >= moment)
            });
            present.fold(Cause { clients: 0, silent: 0, since: moment }, |cause, record| Cause {
                clients: cause.clients + 1,
                silent: cause.silent + usize::from(record.failure.evidence == Evidence::Silent),
                since: cause.since.min(record.failure.opened),
            })
        };
        // A group is largest at the moment when one of its WebSockets was opened.
        proven().map(|record| at(record.failure.opened)).max_by_key(|cause| cause.clients)
    }

    /// Its state, if it is not closed.
    pub fn report(&self, now: Instant) -> Option<Report<'_>> {
        let state = match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { until } if now < until => State::Open(until - now),
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        };
        let cause = self.cause.filter(|_| state != State::Closed)?;
        Some(Report { kind: self.kind, agent: &self.agent, state, cause })
    }
}
