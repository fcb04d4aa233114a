//! Connection state recovery: a client that lost its connection gets its session back, and what it missed.
//!
//! Events get positions, which clients of Socket.IO 4.6 and later keep: the last argument of each event. A
//! client that comes back names its session and the last position. It is off unless an application turns it
//! on: [`IoBuilder::recovery`](super::IoBuilder::recovery).

mod log;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::adapter::Packet;
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
}

/// A session that may go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// As it was kept.
    pub session: SessionRecord,
    /// The position from which on its client misses events.
    pub from: String,
}

/// What a client missed, in order, each with its position.
pub type Missed = Vec<(Packet, Arc<str>)>;

/// Bounds of what is kept in memory for one namespace.
#[derive(Debug, Clone, Copy)]
pub struct RecoverySettings {
    /// How long a session is kept.
    pub max_disconnection: Duration,
    /// Sessions that are kept; the oldest goes first.
    pub max_sessions: usize,
    /// Events that are kept, and not longer than sessions.
    pub max_events: usize,
    /// Bytes of their arguments.
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
    /// With the time at which each was lost.
    sessions: HashMap<String, (SessionRecord, Instant)>,
}

impl Memory {
    pub fn new(settings: RecoverySettings) -> Self {
        let log = Log::new(settings.max_events, settings.max_bytes, settings.max_disconnection);
        Memory { settings, kept: Mutex::new(Kept { log, sessions: HashMap::new() }) }
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
        kept.sessions.retain(|_, (_, lost)| now - *lost < max_disconnection);
        if kept.sessions.len() >= max_sessions {
            let oldest = kept.sessions.iter().min_by_key(|(_, (_, lost))| *lost);
            let oldest = oldest.map(|(pid, _)| pid.clone());
            oldest.and_then(|pid| kept.sessions.remove(&pid));
        }
        kept.sessions.insert(session.pid.clone(), (session, now));
    }

    /// Takes a session out, if it can go on from where its client was.
    pub fn restore(&self, pid: &str, offset: Option<&str>) -> Option<Restored> {
        let mut kept = self.lock();
        let (session, lost) = kept.sessions.remove(pid)?;
        if lost.elapsed() >= self.settings.max_disconnection {
            return None;
        }
        // What came before the session began is not missed, whatever the client kept from another.
        let start = kept.log.position(session.start.as_deref()?)?;
        let from = match offset {
            Some(offset) => start.max(kept.log.position(offset)?),
            None => start,
        };
        kept.log.has_all_since(from).then(|| Restored { session, from: kept.log.offset(from) })
    }
}

impl Kept {
    /// Keeps an event, and returns its position.
    pub fn add(&mut self, packet: &Packet, selector: &Selector) -> Arc<str> {
        self.log.add(packet, selector, Instant::now()).into()
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
