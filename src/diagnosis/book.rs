//! What is known of each session: its timeline, and the cause of its fallback or its end.

mod hearing;
mod refusals;
mod views;

use std::cell::LazyCell;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::attempt::{Attempt, Attempts};
use super::causes::{Verdict, diagnose};
use super::facts::Facts;
use super::history::History;
use super::lateness::Lateness;
use super::patterns::{Losses, Patterns};
use super::tail::{Tail, Who};
use super::timeline::{self, Timeline};
use crate::admission::AddressTable;
use crate::engine::{CloseReason, Observer, Session, SessionEvent, Sid};
use crate::token_bucket::{Bucket, Rate};
use refusals::Taken;

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
    open: [Mutex<HashMap<Sid, Box<Record>>>; SHARDS],
    ended: Mutex<VecDeque<Ended>>,
    patterns: Mutex<Patterns>,
    counts: Mutex<Counts>,
    /// Fallbacks that the log is to tell of at these times.
    waiting: Mutex<VecDeque<(Instant, Subject)>>,
    history: Mutex<History>,
    tail: Tail,
    /// What each address has taken of the rates of all its sessions.
    addresses: Mutex<AddressTable<Taken>>,
    numbers: AtomicU64,
    lateness: Lateness,
}

/// An open session. There are many, so this is small.
#[derive(Debug)]
struct Record {
    number: u64,
    opened: Instant,
    name: Option<Box<str>>,
    /// The one in use.
    transport: &'static str,
    timeline: Timeline,
    attempts: Attempts,
    /// For the few of which something is said: that takes memory once it is needed.
    said: Option<Box<Said>>,
    logged: bool,
}

/// What is said of a session, and what its client said.
#[derive(Debug, Default)]
struct Said {
    /// The latest, made when an attempt ended.
    verdict: Option<Verdict>,
    taken: Taken,
}

/// What lines of the log, and counts, say of a session.
#[derive(Debug, Clone)]
struct Subject {
    sid: Sid,
    generation: &'static str,
    remote: Option<IpAddr>,
    network: IpAddr,
    proxy: Option<Arc<str>>,
}

impl Subject {
    fn of(session: &Session) -> Self {
        let handshake = session.handshake();
        Subject {
            sid: session.sid(),
            generation: handshake.generation,
            remote: handshake.remote,
            network: handshake.bucket,
            proxy: handshake.proxy.clone(),
        }
    }
}

/// A session that is over.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its id.
    pub sid: Sid,
    /// Its place among those that ended.
    pub order: u64,
    /// The name of whoever used it, if there was one.
    pub name: Option<Box<str>>,
    /// The proxy that it came through, if that is known.
    pub proxy: Option<Arc<str>>,
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
    attempt: Attempt,
    /// Losses of its network that were alike, with its own.
    losses: Option<Losses>,
}

impl Ended {
    /// What was known of it at its end.
    fn facts(&self) -> Facts {
        facts_at_end(&self.attempt, self.lasted, self.losses)
    }
}

fn facts_at_end(attempt: &Attempt, lasted: Duration, losses: Option<Losses>) -> Facts {
    let mut facts = attempt.facts(lasted);
    losses.into_iter().for_each(|losses| losses.tell(&mut facts));
    facts
}

/// An open session, in short.
#[derive(Debug, Clone)]
pub struct Glance {
    /// Sessions have numbers in the order in which they were made.
    pub number: u64,
    /// Since it was made.
    pub age: Duration,
    /// The name of whoever uses it, if it is known.
    pub name: Option<Box<str>>,
    verdict: Option<Verdict>,
    attempt: Attempt,
}

/// What is known of one session.
#[derive(Debug, Clone)]
pub struct Report {
    /// What happened.
    pub timeline: Timeline,
    /// Why it has no WebSocket, or lost it.
    pub verdict: Option<Verdict>,
}

/// Lines that the log may have, and those that it left out.
#[derive(Debug, Default)]
struct Counts {
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
            history: Mutex::default(),
            tail: Tail::default(),
            addresses: Mutex::default(),
            numbers: AtomicU64::new(1),
            lateness: Lateness::default(),
        }
    }
}

impl Book {
    /// Whoever uses a session has that name.
    pub fn set_name(&self, sid: Sid, name: &str) {
        if let Some(record) = self.shard(sid).get_mut(&sid) {
            record.name = Some(name.into());
        }
    }

    /// The policy changed, so that causes may begin or end.
    pub fn policy_changed(&self, changes: &str) {
        self.tail.push(None, "policy", changes);
        lock(&self.history).mark(changes);
    }

    /// Tells the log of fallbacks, a while after they happened; and that the server is late, if it is. Runs
    /// for as long as the process.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.lateness.wait().await;
            let now = Instant::now();
            self.tell_due(now);
            if let Some(late) = self.lateness.worth_a_line(now) {
                self.tell_late(late);
            }
        }
    }

    fn tell_late(&self, late: Duration) {
        let mut facts = Facts::default();
        facts.set("late-ms", late);
        let verdict = diagnose(&facts);
        lock(&self.history).found(&verdict, None, &None, 1);
        self.tail.push_cause(None, "late", &verdict.evidence, &verdict);
        let (cause, certainty) = (verdict.cause, verdict.certainty.name());
        warn!(
            cause,
            certainty,
            ms = late.as_millis() as u64,
            "the server is late in all that it does"
        );
    }

    fn tell_due(&self, now: Instant) {
        loop {
            let due = {
                let mut waiting = lock(&self.waiting);
                let is_due = waiting.front().is_some_and(|(due, _)| *due <= now);
                if is_due { waiting.pop_front() } else { None }
            };
            let Some((_, of)) = due else { return };
            let mut shard = self.shard(of.sid);
            let Some(record) = shard.get_mut(&of.sid).filter(|record| !record.logged) else {
                continue;
            };
            if record.attempts.websocket().is_on_websocket() {
                continue;
            }
            record.logged = true;
            let facts = record.attempts.latest().facts(now - record.opened);
            let (stays, verdict) = (record.transport, record.verdict().cloned());
            drop(shard);
            if let Some(verdict) = verdict.filter(Verdict::is_known) {
                self.found(of, stays, &facts, &verdict);
            }
        }
    }

    /// Counts a cause, and has the log tell of it. `stays` is the transport in use.
    fn found(&self, of: Subject, stays: &str, facts: &Facts, verdict: &Verdict) {
        lock(&self.history).found(verdict, Some(of.network), &of.proxy, 1);
        let told =
            format!("{} ({}): {}", verdict.cause, verdict.certainty.name(), verdict.evidence);
        let who = (of.sid, of.generation, of.remote);
        self.tail.push_cause(Some(who), "cause", &told, verdict);
        let mut counts = lock(&self.counts);
        let Ok(left) = LOGGED.take(counts.log, 1, Instant::now()) else {
            counts.unlogged += 1;
            return;
        };
        counts.log = left;
        let unlogged = std::mem::take(&mut counts.unlogged);
        drop(counts);
        let Verdict { cause, place, certainty, title, evidence, .. } = verdict;
        let Subject { sid, generation, remote, .. } = of;
        let certainty = certainty.name();
        let tried = facts.text("transport").unwrap_or_default();
        let remote = remote.map_or("unknown".to_owned(), |address| address.to_string());
        // At debug the session's span is there, and would say the same again.
        info!(
            parent: None, %sid, generation, remote, tried, stays, cause, certainty,
            r#where = place, evidence, unlogged, "fallback: {title}"
        );
    }

    fn shard(&self, sid: Sid) -> MutexGuard<'_, HashMap<Sid, Box<Record>>> {
        let last = sid.as_str().as_bytes().last().copied().unwrap_or_default();
        lock(&self.open[usize::from(last) % SHARDS])
    }

    fn close(&self, session: &Session, record: Record, event: &SessionEvent<'_>) {
        let SessionEvent::Closed { reason, transport, .. } = *event else { return };
        let now = Instant::now();
        let lasted = now - record.opened;
        let network = session.handshake().bucket;
        let attempt = record.attempts.into_latest();
        let silent = attempt.lost_after_silence();
        let losses = silent.and_then(|silent| lock(&self.patterns).lost(network, silent, lasted));
        // Of most sessions nobody asks.
        let facts = LazyCell::new(|| facts_at_end(&attempt, lasted, losses));
        let failed = attempt.has_failed();
        let said = record.said.and_then(|said| said.verdict);
        let verdict = if failed { Some(diagnose(&facts)) } else { said.clone() };
        // Why it fell back stays true, if nobody knows why it was lost then.
        let verdict = match (verdict, said) {
            (Some(ending), Some(known)) if !ending.is_known() && known.is_known() => Some(known),
            (verdict, _) => verdict,
        };
        // People leave, machines go to sleep, networks change: the log tells only of what can be mended.
        let is_ordinary = matches!(
            reason,
            CloseReason::ClientClosed | CloseReason::ShuttingDown | CloseReason::ConnectTimeout
        );
        if let Some(verdict) = verdict.as_ref().filter(|verdict| !is_ordinary && verdict.is_known())
            && !["cut", "fell-silent"].contains(&verdict.cause)
        {
            self.found(Subject::of(session), transport, &facts, verdict);
        }
        drop(facts);
        let mut all = lock(&self.ended);
        let ended = Ended {
            sid: session.sid(),
            order: self.numbers.fetch_add(1, Ordering::Relaxed),
            name: record.name,
            proxy: session.handshake().proxy.clone(),
            remote: session.handshake().remote,
            generation: session.handshake().generation,
            transport,
            at: now,
            lasted,
            reason,
            verdict,
            timeline: record.timeline,
            attempt,
            losses,
        };
        if all.len() == ENDED {
            all.pop_front();
        }
        all.push_back(ended);
    }
}

impl Record {
    fn new(number: u64, opened: Instant) -> Self {
        Record {
            number,
            opened,
            name: None,
            transport: "",
            timeline: Timeline::default(),
            attempts: Attempts::default(),
            said: None,
            logged: false,
        }
    }

    fn verdict(&self) -> Option<&Verdict> {
        self.said.as_ref()?.verdict.as_ref()
    }

    fn set_verdict(&mut self, verdict: Verdict) {
        self.said.get_or_insert_default().verdict = Some(verdict);
    }
}

impl Observer<Session> for Book {
    fn observe(&self, session: &Session, event: &SessionEvent<'_>) {
        let (sid, now) = (session.sid(), Instant::now());
        let (name, text) = timeline::words(event);
        self.tail.push(Some(who(session)), name, timeline::prefix(&text));
        let mut shard = self.shard(sid);
        if let SessionEvent::Handshake { .. } = event {
            shard.insert(
                sid,
                Box::new(Record::new(self.numbers.fetch_add(1, Ordering::Relaxed), now)),
            );
        }
        let Some(record) = shard.get_mut(&sid) else {
            drop(shard);
            return self.tell_ended(sid, now, name, &text);
        };
        let age = now - record.opened;
        record.timeline.push(age, name, &text);
        let is_time = record.attempts.observe(event);
        match *event {
            SessionEvent::Handshake { transport, .. } => record.transport = transport,
            SessionEvent::Moved { to, .. }
            | SessionEvent::Upgraded { to, .. }
            | SessionEvent::TakenBack { to, .. } => record.transport = to,
            _ => {}
        }
        if record.attempts.websocket().is_on_websocket()
            && let Some(said) = &mut record.said
        {
            // What failed before it has no consequence any more.
            said.verdict = None;
        }
        if let SessionEvent::Closed { .. } = event {
            if let Some(record) = shard.remove(&sid).map(|record| *record) {
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
        record.set_verdict(verdict);
        // What the policy refuses has lines of its own.
        if record.attempts.latest().is_refused_by_policy() {
            return;
        }
        record.logged = false;
        drop(shard);
        let mut waiting = lock(&self.waiting);
        if waiting.len() < WAITING {
            waiting.push_back((now + PATIENCE, Subject::of(session)));
        } else {
            drop(waiting);
            lock(&self.counts).unlogged += 1;
        }
    }
}

/// A session as watchers see it.
fn who(session: &Session) -> Who {
    (session.sid(), session.handshake().generation, session.handshake().remote)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
