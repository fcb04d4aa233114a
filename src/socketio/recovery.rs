//! Connection state recovery: a client that lost its connection gets its session back, and what it missed.
//!
//! Events get positions, which clients of Socket.IO 4.6 and later keep: the last argument of each event. A
//! client that comes back names its session and the last position. It is off unless an application turns it
//! on: [`IoBuilder::recovery`](super::IoBuilder::recovery).

mod log;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::adapter::Packet;
use super::broadcast::Broadcast;
use super::reason::DisconnectReason;
use super::selector::Selector;
use crate::engine::CloseReason;

use log::Log;

/// What is kept of a client that was lost.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// The private id, by which the client asks for it.
    pub pid: String,
    /// The socket's id.
    pub sid: String,
    /// Its rooms, its id among them.
    pub rooms: Vec<Arc<str>>,
    /// Its [`Socket::data`](super::Socket::data).
    pub data: Value,
    /// The position at which it joined: it has missed nothing before.
    pub start: Option<String>,
    /// The position of the last event that it was sent, if it was sent one.
    pub sent: Option<String>,
    /// The position at which its client was lost: it was sent nothing after.
    pub lost: Option<String>,
}

/// A session that may go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// As it was kept.
    pub session: SessionRecord,
    /// The position from which on its client misses events.
    pub from: String,
}

/// What a client missed, in order, each with its position: [`Broadcast::offset`]. Events that several clients missed
/// may be the same, so that they are encoded once.
pub type Missed = Vec<Arc<Broadcast>>;

/// Bounds of what is kept in memory for one namespace.
#[derive(Debug, Clone, Copy)]
pub struct RecoverySettings {
    /// How long a session is kept.
    pub max_disconnection: Duration,
    /// Sessions that are kept; the oldest goes first.
    pub max_sessions: usize,
    /// Events that are kept, and not longer than sessions.
    pub max_events: usize,
    /// Bytes of their arguments. They take as much again once somebody has come back.
    pub max_bytes: usize,
    /// Whether [`Handlers::use_middleware`](super::Handlers::use_middleware) does not ask about clients
    /// who come back. [`Handlers::use_guard`](super::Handlers::use_guard) always does.
    pub skip_middleware: bool,
}

impl Default for RecoverySettings {
    /// Two minutes, 10 000 sessions, 10 000 events, 16 MiB; middleware is skipped, as in Node.
    fn default() -> Self {
        RecoverySettings {
            max_disconnection: Duration::from_secs(120),
            max_sessions: 10_000,
            max_events: 10_000,
            max_bytes: 16 << 20,
            skip_middleware: true,
        }
    }
}

/// Whether a client that left so may come back to its session.
pub(super) fn is_recoverable(reason: DisconnectReason) -> bool {
    use CloseReason::{AppFailed, ConnectTimeout, Malformed, ServerClosed, TooLarge};
    let DisconnectReason::Session(reason) = reason else { return false };
    !matches!(reason, AppFailed | ConnectTimeout | Malformed(_) | ServerClosed | TooLarge)
}

/// Events and sessions of one namespace, in memory.
///
/// Lock order: this lock, then those of the node and of sessions. Events are sent under it, so that each
/// client gets them in the order of their positions.
#[derive(Debug)]
pub(super) struct Memory {
    settings: RecoverySettings,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
pub(super) struct Kept {
    log: Log,
    /// By their number, with the time at which each was lost: so the oldest come first.
    sessions: BTreeMap<u64, (SessionRecord, Instant)>,
    /// The numbers of the private ids.
    numbers: HashMap<String, u64>,
    last: u64,
}

impl Memory {
    pub fn new(namespace: &Arc<str>, settings: RecoverySettings) -> Self {
        let log = Log::new(
            namespace,
            settings.max_events,
            settings.max_bytes,
            settings.max_disconnection,
        );
        let (sessions, numbers, last) = (BTreeMap::new(), HashMap::new(), 0);
        Memory { settings, kept: Mutex::new(Kept { log, sessions, numbers, last }) }
    }

    pub fn settings(&self) -> &RecoverySettings {
        &self.settings
    }

    pub fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the session of a client that was lost.
    pub fn persist(&self, session: SessionRecord) {
        let (now, mut kept) = (Instant::now(), self.lock());
        let RecoverySettings { max_disconnection, max_sessions, .. } = self.settings;
        kept.take(&session.pid);
        while let Some((_, (oldest, lost))) = kept.sessions.first_key_value()
            && (now - *lost >= max_disconnection || kept.sessions.len() >= max_sessions)
        {
            let pid = oldest.pid.clone();
            kept.take(&pid);
        }
        kept.last += 1;
        let number = kept.last;
        kept.numbers.insert(session.pid.clone(), number);
        kept.sessions.insert(number, (session, now));
    }

    /// Takes a session out, if it can go on from where its client was.
    pub fn restore(&self, pid: &str, offset: Option<&str>) -> Option<Restored> {
        let mut kept = self.lock();
        let (session, since) = kept.take(pid)?;
        if since.elapsed() >= self.settings.max_disconnection {
            return None;
        }
        let position = |at: &Option<String>| kept.log.position(at.as_deref()?);
        // What came before the session began is not missed, whatever the client kept from another.
        let start = position(&session.start)?;
        let seen = match offset {
            Some(offset) => start.max(kept.log.position(offset)?),
            None => start,
        };
        // Who has seen all that it was sent missed nothing until it was lost, however long that was.
        let has_all = position(&session.sent).is_none_or(|sent| seen >= sent);
        let lost = position(&session.lost).filter(|_| has_all);
        let from = seen.max(lost.unwrap_or(seen));
        kept.log.has_all_since(from).then(|| Restored { session, from: kept.log.offset(from) })
    }
}

impl Kept {
    /// Takes a session out, with the time at which it was lost.
    fn take(&mut self, pid: &str) -> Option<(SessionRecord, Instant)> {
        let number = self.numbers.remove(pid)?;
        self.sessions.remove(&number)
    }

    /// Keeps an event, and returns its position.
    pub fn add(&mut self, packet: &Packet, selector: &Selector) -> Arc<str> {
        self.log.add(packet, selector, Instant::now())
    }

    /// The position of the last event.
    pub fn top(&self) -> String {
        self.log.offset(self.log.top())
    }

    /// What sockets in these rooms missed since a position; `None` if something of it is gone.
    pub fn missed(&self, from: &str, rooms: &[Arc<str>]) -> Option<Missed> {
        let from = self.log.position(from)?;
        self.log.has_all_since(from).then(|| self.log.since(from, rooms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::Args;

    const DURATION: Duration = Duration::from_secs(10);

    fn memory() -> Memory {
        let bounds = RecoverySettings::default();
        let bounds = RecoverySettings { max_disconnection: DURATION, max_sessions: 2, ..bounds };
        Memory::new(&"/".into(), bounds)
    }

    fn emit(memory: &Memory) -> String {
        let packet = Packet { name: "m".to_owned(), args: Args::default() };
        memory.lock().add(&packet, &Selector::default()).to_string()
    }

    /// A session that began at the first position, was sent the event at `sent`, and is lost now.
    fn lost(memory: &Memory, pid: &str, sent: Option<&str>) -> SessionRecord {
        let top = memory.lock().top();
        let start = memory.lock().log.offset(0);
        SessionRecord {
            pid: pid.to_owned(),
            sid: "sid".to_owned(),
            rooms: Vec::new(),
            data: Value::Null,
            start: Some(start),
            sent: sent.map(str::to_owned),
            lost: Some(top),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_seen_all_comes_back_however_old_the_last_event_is() {
        let memory = memory();
        let (first, last) = (emit(&memory), emit(&memory));
        tokio::time::advance(2 * DURATION).await;
        // The first two go: they are too old.
        let other = emit(&memory);
        for (sent, seen, from) in [
            (Some(&last), Some(&last), Some(&other)),
            (Some(&last), Some(&other), Some(&other)),
            (None, None, Some(&other)),
            (Some(&last), Some(&first), None),
            (Some(&last), None, None),
        ] {
            memory.persist(lost(&memory, "p", sent.map(String::as_str)));
            let restored = memory.restore("p", seen.map(String::as_str));
            assert_eq!(restored.map(|it| it.from).as_ref(), from, "{sent:?}, {seen:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_sessions_go_first_by_number_and_by_age() {
        let memory = memory();
        let is_there = |pid: &str| memory.restore(pid, None).is_some();
        for pid in ["a", "b", "a", "c"] {
            memory.persist(lost(&memory, pid, None));
        }
        assert_eq!(["a", "b", "c"].map(is_there), [true, false, true], "a was lost again");
        assert!(!is_there("a"), "a session is given once");
        memory.persist(lost(&memory, "d", None));
        tokio::time::advance(DURATION).await;
        assert!(!is_there("d"));
        memory.persist(lost(&memory, "e", None));
        memory.persist(lost(&memory, "f", None));
        tokio::time::advance(DURATION).await;
        memory.persist(lost(&memory, "g", None));
        assert_eq!(memory.lock().sessions.len(), 1);
        assert_eq!(memory.lock().numbers.len(), 1);
    }
}
