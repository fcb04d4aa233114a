//! What is known of each session: its timeline, and the cause of its fallback or its end.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::attempt::Attempts;
use super::causes::{Verdict, diagnose};
use super::facts::Facts;
use super::patterns::Patterns;
use super::timeline::{self, Timeline};
use crate::engine::{CloseReason, Observer, Session, SessionEvent, Sid};
use crate::token_bucket::{Bucket, Rate};

/// Ended sessions that are remembered.
pub const ENDED: usize = 1000;
/// Fallbacks that the log tells of, of all together: a flood of them would drown it.
const LOGGED: Rate = Rate::one_per(Duration::from_millis(100), 100);
/// How long the log waits with a fallback: the client may be about to leave, or to tell what it saw.
const PATIENCE: Duration = Duration::from_secs(5);
/// Fallbacks that wait. Of more at once the log tells only how many.
const WAITING: usize = 1024;
/// Locks that sessions share.
const SHARDS: usize = 16;

/// What is known of all sessions that are open, and of the last [`ENDED`] that are not.
///
/// Locks: that of a session's shard, then any of the others; none while the session is locked.
#[derive(Debug)]
pub struct Book {
    started: Instant,
    open: [Mutex<HashMap<Sid, Record>>; SHARDS],
    ended: Mutex<VecDeque<Ended>>,
    patterns: Mutex<Patterns>,
    counts: Mutex<Counts>,
    /// Fallbacks that the log is to tell of at these times.
    waiting: Mutex<VecDeque<(Instant, Sid)>>,
}

/// An open session.
#[derive(Debug)]
struct Record {
    opened: Instant,
    timeline: Timeline,
    attempts: Attempts,
    /// The latest, made when an attempt ended.
    verdict: Option<Box<Verdict>>,
    of: Of,
    reports: Bucket,
    logged: bool,
}

/// What a line of the log says of a session.
#[derive(Debug, Clone, Copy)]
struct Of {
    sid: Sid,
    generation: &'static str,
    remote: Option<IpAddr>,
    transport: &'static str,
}

/// A session that is over.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its id.
    pub sid: Sid,
    /// Its client's address.
    pub remote: Option<IpAddr>,
    /// Which clients speak like this.
    pub generation: &'static str,
    /// The transport at its end.
    pub transport: &'static str,
    /// When it ended.
    pub at: Instant,
    /// How long it lasted.
    pub lasted: Duration,
    /// Why it ended.
    pub reason: CloseReason,
    /// The cause of its fallback or its end, if there was one.
    pub verdict: Option<Verdict>,
    /// What happened.
    pub timeline: Timeline,
}

/// What is known of one session.
#[derive(Debug, Clone)]
pub struct Report {
    /// What happened.
    pub timeline: Timeline,
    /// Why it has no WebSocket, or lost it.
    pub verdict: Option<Verdict>,
}

/// Causes, each with the number of sessions in which it was found, and lines that the log left out.
#[derive(Debug, Default)]
struct Counts {
    causes: HashMap<&'static str, u64>,
    log: Bucket,
    unlogged: u64,
}

impl Default for Book {
    fn default() -> Self {
        Book {
            started: Instant::now(),
            open: Default::default(),
            ended: Mutex::default(),
            patterns: Mutex::default(),
            counts: Mutex::default(),
            waiting: Mutex::default(),
        }
    }
}

impl Book {
    /// A session that is open, or one of the last that ended.
    pub fn report(&self, sid: Sid) -> Option<Report> {
        if let Some(record) = self.shard(sid).get(&sid) {
            return Some(Report {
                timeline: record.timeline.clone(),
                verdict: record.verdict_now(),
            });
        }
        let ended = lock(&self.ended);
        let found = ended.iter().rev().find(|ended| ended.sid == sid)?;
        Some(Report { timeline: found.timeline.clone(), verdict: found.verdict.clone() })
    }

    /// Why an open session has no WebSocket, as far as it is known. Cheap: for lists.
    pub fn verdict(&self, sid: Sid) -> Option<Verdict> {
        self.shard(sid).get(&sid)?.verdict_now()
    }

    /// The sessions that ended last, the latest first.
    pub fn ended(&self) -> Vec<Ended> {
        lock(&self.ended).iter().rev().cloned().collect()
    }

    /// How often each cause was found.
    pub fn causes(&self) -> Vec<(&'static str, u64)> {
        let counts = lock(&self.counts);
        let mut all: Vec<_> = counts.causes.iter().map(|(cause, count)| (*cause, *count)).collect();
        all.sort_unstable();
        all
    }

    /// Tells the log of fallbacks, a while after they happened. Runs for as long as the process.
    pub async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.tell_due(Instant::now());
        }
    }

    fn tell_due(&self, now: Instant) {
        loop {
            let due = {
                let mut waiting = lock(&self.waiting);
                let is_due = waiting.front().is_some_and(|(due, _)| *due <= now);
                if is_due { waiting.pop_front() } else { None }
            };
            let Some((_, sid)) = due else { return };
            let mut shard = self.shard(sid);
            let Some(record) = shard.get_mut(&sid).filter(|record| !record.logged) else {
                continue;
            };
            if record.attempts.websocket().is_on_websocket() {
                continue;
            }
            record.logged = true;
            let facts = record.attempts.latest().facts(now - record.opened);
            let (of, verdict) = (record.of, record.verdict.clone());
            drop(shard);
            if let Some(verdict) = verdict.filter(|verdict| verdict.is_known()) {
                self.found(of, &facts, &verdict);
            }
        }
    }

    /// Whether the client of an open session may tell something now, at that rate.
    pub(super) fn may_tell(&self, sid: Sid, rate: Rate) -> bool {
        let mut shard = self.shard(sid);
        let Some(record) = shard.get_mut(&sid) else { return false };
        let left = rate.take(record.reports, 1, Instant::now());
        left.map(|left| record.reports = left).is_ok()
    }

    /// Takes what the client saw of an attempt, or of the loss of its last session, and returns the
    /// verdict on what both ends know.
    pub fn hear(&self, session: &Session, told: &Facts) -> Verdict {
        let sid = session.sid();
        let mut facts = Facts::default();
        facts.extend(told);
        facts.set("uptime-ms", self.started.elapsed());
        let mut shard = self.shard(sid);
        let Some(record) = shard.get_mut(&sid) else { return diagnose(&facts) };
        // A loss was one of another session, of which this one knows nothing.
        let is_of_this = told.text("step") != Some("carrying");
        if is_of_this {
            let attempt = record.attempts.to(told.text("transport").unwrap_or("websocket"));
            facts.extend(&attempt.map(|it| it.facts(record.opened.elapsed())).unwrap_or_default());
            if let Some(transport) = told.get("transport").cloned() {
                facts.set("transport", transport);
            }
        }
        let verdict = diagnose(&facts);
        let text = format!("{}: {}", verdict.cause, verdict.evidence);
        record.timeline.push(record.opened.elapsed(), "the client saw", &text);
        if is_of_this {
            record.verdict = Some(Box::new(verdict.clone()));
        }
        record.logged = true;
        let of = record.of;
        drop(shard);
        self.found(of, &facts, &verdict);
        verdict
    }

    /// Counts a cause, and has the log tell of it.
    fn found(&self, of: Of, facts: &Facts, verdict: &Verdict) {
        let mut counts = lock(&self.counts);
        *counts.causes.entry(verdict.cause).or_default() += 1;
        let Ok(left) = LOGGED.take(counts.log, 1, Instant::now()) else {
            counts.unlogged += 1;
            return;
        };
        counts.log = left;
        let unlogged = std::mem::take(&mut counts.unlogged);
        drop(counts);
        let Verdict { cause, place, certainty, title, evidence, .. } = verdict;
        let Of { sid, generation, remote, transport: stays } = of;
        let certainty = certainty.name();
        let tried = facts.text("transport").unwrap_or_default();
        let remote = remote.map_or("unknown".to_owned(), |address| address.to_string());
        // At debug the session's span is there, and would say the same again.
        info!(
            parent: None, %sid, generation, remote, tried, stays, cause, certainty,
            r#where = place, evidence, unlogged, "fallback: {title}"
        );
    }

    fn shard(&self, sid: Sid) -> MutexGuard<'_, HashMap<Sid, Record>> {
        let last = sid.as_str().as_bytes().last().copied().unwrap_or_default();
        lock(&self.open[usize::from(last) % SHARDS])
    }

    fn close(&self, session: &Session, record: Record, event: &SessionEvent<'_>) {
        let SessionEvent::Closed { reason, transport, .. } = *event else { return };
        let now = Instant::now();
        let lasted = now - record.opened;
        let network = session.handshake().bucket;
        let attempt = record.attempts.latest();
        let mut facts = attempt.facts(lasted);
        if let Some(silent) = attempt.lost_after_silence() {
            let mut patterns = lock(&self.patterns);
            patterns.lost(network, silent, lasted).into_iter().for_each(|p| p.tell(&mut facts));
        }
        let failed = attempt.has_failed();
        let verdict = if failed { Some(diagnose(&facts)) } else { record.verdict.map(|v| *v) };
        // People leave, machines go to sleep, networks change: the log tells only of what can be mended.
        let is_ordinary = matches!(
            reason,
            CloseReason::ClientClosed | CloseReason::ShuttingDown | CloseReason::ConnectTimeout
        );
        if let Some(verdict) = verdict.as_ref().filter(|verdict| !is_ordinary && verdict.is_known())
            && !["cut", "fell-silent"].contains(&verdict.cause)
        {
            self.found(record.of, &facts, verdict);
        }
        let ended = Ended {
            sid: session.sid(),
            remote: session.handshake().remote,
            generation: session.handshake().generation,
            transport,
            at: now,
            lasted,
            reason,
            verdict,
            timeline: record.timeline,
        };
        let mut all = lock(&self.ended);
        if all.len() == ENDED {
            all.pop_front();
        }
        all.push_back(ended);
    }
}

impl Record {
    fn verdict_now(&self) -> Option<Verdict> {
        match &self.verdict {
            Some(verdict) => Some((**verdict).clone()),
            None if self.attempts.websocket().is_on_websocket() => None,
            None => Some(diagnose(&self.attempts.websocket().facts(self.opened.elapsed()))),
        }
    }
}

impl Observer<Session> for Book {
    fn observe(&self, session: &Session, event: &SessionEvent<'_>) {
        let (sid, now) = (session.sid(), Instant::now());
        let (name, text) = timeline::words(event);
        let mut shard = self.shard(sid);
        let record = shard.entry(sid).or_insert_with(|| Record {
            opened: now,
            timeline: Timeline::default(),
            attempts: Attempts::default(),
            verdict: None,
            of: Of {
                sid,
                generation: session.handshake().generation,
                remote: session.handshake().remote,
                transport: "",
            },
            reports: Bucket::default(),
            logged: false,
        });
        let age = now - record.opened;
        record.timeline.push(age, name, &text);
        let is_time = record.attempts.observe(event);
        match *event {
            SessionEvent::Handshake { transport, .. } => record.of.transport = transport,
            SessionEvent::Moved { to }
            | SessionEvent::Upgraded { to, .. }
            | SessionEvent::TakenBack { to, .. } => record.of.transport = to,
            _ => {}
        }
        if let SessionEvent::Closed { .. } = event {
            if let Some(record) = shard.remove(&sid) {
                drop(shard);
                self.close(session, record, event);
            }
            return;
        }
        if !is_time {
            return;
        }
        let facts = record.attempts.latest().facts(age);
        let verdict = diagnose(&facts);
        record.verdict = Some(Box::new(verdict.clone()));
        // What the policy refuses has lines of its own.
        if record.attempts.latest().is_refused_by_policy() {
            return;
        }
        record.logged = false;
        drop(shard);
        let mut waiting = lock(&self.waiting);
        if waiting.len() < WAITING {
            waiting.push_back((now + PATIENCE, sid));
        } else {
            drop(waiting);
            lock(&self.counts).unlogged += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
