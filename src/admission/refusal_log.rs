//! Tells the operator of refusals: one line a minute for each kind and network, with their number.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tracing::info;

use super::breakers::network_name;
use crate::policy::Refusal;

/// Learns of refusals, and names their cause.
pub trait RefusalObserver: std::fmt::Debug + Send + Sync + 'static {
    /// Refusals of one kind that are not told yet.
    fn refused(&self, refusals: &Refusals<'_>) -> Named;

    /// Whether a session with that id has ended here, so that it is known why it is not there.
    fn has_ended(&self, sid: &str) -> bool;
}

/// The label of requests for sessions that are not here.
pub const UNKNOWN_SESSION: &str = "unknown-session";

/// Refusals of one kind, of clients in one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusals<'a> {
    /// What was refused.
    pub what: &'static str,
    /// The label of the policy's refusal, the setting that bounds connections, or [`UNKNOWN_SESSION`].
    pub label: &'static str,
    /// The reason of the first of them, in words.
    pub reason: &'a str,
    /// Their rate-limit key; `None` for several networks.
    pub network: Option<IpAddr>,
    /// How many they are.
    pub count: u64,
}

/// A cause by its name, and how certain it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Its name in the table of causes.
    pub cause: &'static str,
    /// A word for how certain that is.
    pub certainty: &'static str,
}

/// The shortest time between two lines of one kind and network.
const PAUSE: Duration = Duration::from_secs(60);
/// How often to look for counts that no further refusal brings into the log.
const LOOK: Duration = Duration::from_secs(10);
/// Kinds and networks that are told apart. All others are one network for each kind.
const MAX_KINDS: usize = 500;

/// What a client asked for and did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Refused {
    Request,
    Namespace,
    /// To be an administrator.
    Login,
    /// A new session would have been offered a WebSocket, and is not.
    Offer,
    /// A request is one of a session that is not here. That has one line for all networks: after a
    /// restart it is so everywhere.
    Session,
}

impl Refused {
    fn name(self) -> &'static str {
        match self {
            Refused::Request => "requests",
            Refused::Namespace => "namespaces",
            Refused::Login => "logins",
            Refused::Offer => "offers of WebSocket",
            Refused::Session => "requests",
        }
    }
}

/// Refusals that are counted together. `network` is a rate-limit key; `None` stands for all networks that
/// there was no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    refused: Refused,
    label: &'static str,
    network: Option<IpAddr>,
}

#[derive(Debug)]
struct Count {
    logged: Instant,
    /// Refusals since then.
    refused: u64,
    /// The reason of the first of these.
    reason: String,
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    kind: Kind,
    refused: u64,
    reason: String,
}

/// Counts refusals, logs them, and tells who observes them.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    counts: Mutex<Counts>,
    observer: Option<Arc<dyn RefusalObserver>>,
}

#[derive(Debug, Default)]
struct Counts {
    kinds: HashMap<Kind, Count>,
    /// Whether a task looks for counts that are due. There is one as long as there are counts.
    is_watched: bool,
}

impl Count {
    /// Makes a line of the refusals so far, and sets their number back to zero.
    fn take_line(&mut self, kind: Kind, now: Instant) -> Line {
        self.logged = now;
        let reason = std::mem::take(&mut self.reason);
        Line { kind, refused: std::mem::take(&mut self.refused), reason }
    }
}

impl Counts {
    /// Counts a refusal. Returns the line that is due with it: of the first one, and of the first one after
    /// a [`PAUSE`].
    fn count(&mut self, mut kind: Kind, reason: &dyn Display, now: Instant) -> Option<Line> {
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind) {
            kind.network = None;
        }
        let (count, is_new) = match self.kinds.entry(kind) {
            Entry::Occupied(known) => (known.into_mut(), false),
            Entry::Vacant(free) => {
                let count = Count { logged: now, refused: 0, reason: String::new() };
                (free.insert(count), true)
            }
        };
        if count.refused == 0 {
            count.reason = reason.to_string();
        }
        count.refused += 1;
        let is_due = is_new || now - count.logged >= PAUSE;
        is_due.then(|| count.take_line(kind, now))
    }

    /// The lines that are due, and forgets kinds without a refusal for a [`PAUSE`].
    fn due(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.kinds.retain(|kind, count| {
            let (is_due, counted) = (now - count.logged >= PAUSE, count.refused > 0);
            if is_due && counted {
                lines.push(count.take_line(*kind, now));
            }
            !is_due || counted
        });
        lines
    }

    /// Empties the counts. Returns a line for each that has had none yet.
    fn drain(&mut self) -> Vec<Line> {
        let now = Instant::now();
        let all = self.kinds.drain().filter(|(_, count)| count.refused > 0);
        all.map(|(kind, mut count)| count.take_line(kind, now)).collect()
    }
}

impl RefusalLog {
    /// A log that tells `observer`, too.
    pub fn observed(observer: Arc<dyn RefusalObserver>) -> Self {
        RefusalLog { counts: Mutex::default(), observer: Some(observer) }
    }

    /// Tells the observer. Returns the cause.
    pub fn tell(&self, refusals: &Refusals<'_>) -> Option<Named> {
        self.observer.as_ref().map(|observer| observer.refused(refusals))
    }

    fn log(&self, line: &Line) {
        let Line { kind: Kind { refused: what, label, network }, refused, reason } = line;
        let (&label, &network, &count) = (label, network, refused);
        let named = self.tell(&Refusals { what: what.name(), label, reason, network, count });
        let (cause, certainty) = (named.map(|it| it.cause), named.map(|it| it.certainty));
        let network = network.map_or_else(|| "others".to_owned(), network_name);
        match what {
            Refused::Request => {
                info!(%network, label, %reason, refused, cause, certainty, "requests refused");
            }
            Refused::Namespace => {
                info!(%network, label, %reason, refused, cause, certainty, "namespaces refused");
            }
            Refused::Login => {
                info!(%network, label, %reason, refused, cause, certainty, "logins refused");
            }
            Refused::Offer => info!(
                %network, label, %reason, refused, cause, certainty,
                "WebSocket not offered: these clients stay on what they have"
            ),
            Refused::Session => info!(
                refused,
                cause,
                certainty,
                "requests of sessions that are not here: this is normal after a restart; if it goes on, \
                 several servers share this address"
            ),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal of a client in that network, and logs it if a line is due.
    pub fn count(self: &Arc<Self>, refused: Refused, network: IpAddr, refusal: &Refusal) {
        let kind = Kind { refused, label: refusal.label(), network: Some(network) };
        self.count_kind(kind, refusal);
    }

    /// Counts a request of a session that is not here, and logs it if a line is due.
    pub fn count_unknown_session(self: &Arc<Self>, sid: &str) {
        if self.observer.as_ref().is_some_and(|observer| observer.has_ended(sid)) {
            return;
        }
        let kind = Kind { refused: Refused::Session, label: UNKNOWN_SESSION, network: None };
        self.count_kind(kind, &"Session ID unknown");
    }

    fn count_kind(self: &Arc<Self>, kind: Kind, reason: &dyn Display) {
        let mut counts = self.counts();
        let line = counts.count(kind, reason, Instant::now());
        let runtime = Handle::try_current().ok().filter(|_| !counts.is_watched);
        counts.is_watched |= runtime.is_some();
        drop(counts);
        if let Some(line) = line {
            self.log(&line);
        }
        if let Some(runtime) = runtime {
            runtime.spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Logs the kinds whose line is due. Returns whether there are counts for which to look again later.
    fn look(&self) -> bool {
        let mut counts = self.counts();
        let lines = counts.due(Instant::now());
        counts.is_watched = !counts.kinds.is_empty();
        let goes_on = counts.is_watched;
        drop(counts);
        lines.iter().for_each(|line| self.log(line));
        goes_on
    }

    /// Logs all counts that have had no line yet. After that the next refusal of each kind is logged at
    /// once.
    pub fn clear(&self) {
        let lines = self.counts().drain();
        lines.iter().for_each(|line| self.log(line));
    }
}

impl Drop for RefusalLog {
    fn drop(&mut self) {
        self.clear();
    }
}

async fn watch(log: Weak<RefusalLog>) {
    loop {
        sleep(LOOK).await;
        if !log.upgrade().is_some_and(|log| log.look()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(label: &'static str, last: u32) -> Kind {
        let network = Some(IpAddr::from(last.to_be_bytes()));
        Kind { refused: Refused::Request, label, network }
    }

    /// The number and the reason in a line.
    fn told(line: Option<Line>) -> Option<(u64, String)> {
        line.map(|line| (line.refused, line.reason))
    }

    const FULL: Refusal = Refusal::WebSockets { limit: 1 };

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_counts_what_came_since() {
        let mut counts = Counts::default();
        let mut count = |kind: Kind, seconds: u64, refusal: &Refusal| {
            let line = counts.count(kind, refusal, Instant::now() + Duration::from_secs(seconds));
            told(line)
        };
        let reason = FULL.to_string();
        let sessions = Refusal::Sessions { limit: 7 };
        for (kind, seconds, refusal, expected) in [
            (kind("websockets", 1), 0, &FULL, Some((1, reason.clone()))),
            (kind("websockets", 1), 1, &sessions, None),
            (kind("websockets", 1), 59, &FULL, None),
            // Another kind, another network, another thing.
            (kind("sessions", 1), 59, &sessions, Some((1, sessions.to_string()))),
            (kind("websockets", 2), 59, &FULL, Some((1, reason.clone()))),
            (
                Kind { refused: Refused::Offer, ..kind("websockets", 1) },
                59,
                &FULL,
                Some((1, reason.clone())),
            ),
            (kind("websockets", 1), 60, &FULL, Some((3, sessions.to_string()))),
            (kind("websockets", 1), 119, &FULL, None),
        ] {
            assert_eq!(count(kind, seconds, refusal), expected, "{kind:?} after {seconds} s");
        }
        // What no further refusal brings out is told when it is due, and then forgotten.
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(counts.due(at(119)), []);
        assert_eq!(counts.kinds.len(), 1, "the quiet ones are forgotten");
        assert_eq!(told(counts.due(at(120)).pop()), Some((1, reason.clone())));
        assert_eq!((counts.due(at(179)).len(), counts.kinds.len()), (0, 1));
        assert_eq!((counts.due(at(180)).len(), counts.kinds.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn networks_beyond_the_bound_are_one() {
        let (mut counts, now) = (Counts::default(), Instant::now());
        let lines = (0..100_000).filter_map(|n| counts.count(kind("websockets", n), &FULL, now));
        let lines: Vec<Line> = lines.collect();
        assert_eq!(lines.len(), MAX_KINDS + 1);
        assert_eq!(lines.last().map(|line| line.kind.network), Some(None));
        assert_eq!(counts.kinds.len(), MAX_KINDS + 1);
        let known = counts.count(kind("websockets", 1), &FULL, now + PAUSE);
        assert_eq!(told(known), Some((1, FULL.to_string())), "who is known stays known");
        let rest = counts.drain();
        let total: u64 = rest.iter().map(|line| line.refused).sum();
        assert_eq!(total, 100_000 - lines.len() as u64, "none is lost");
        assert!(counts.kinds.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_looks_for_counts_as_long_as_there_are_any() {
        let log = Arc::<RefusalLog>::default();
        let refuse = || log.count(Refused::Request, [192, 0, 2, 1].into(), &FULL);
        for _ in 0..2 {
            refuse();
            refuse();
            assert_eq!(log.counts().kinds.values().map(|count| count.refused).sum::<u64>(), 1);
            sleep(PAUSE + LOOK).await;
            let left = log.counts().kinds.values().map(|count| count.refused).sum::<u64>();
            assert_eq!((left, log.counts().kinds.len()), (0, 1), "it was told");
            sleep(PAUSE + LOOK).await;
            assert!(log.counts().kinds.is_empty() && !log.counts().is_watched);
        }
        refuse();
        let weak = Arc::downgrade(&log);
        drop(log);
        assert!(weak.upgrade().is_none(), "the task does not keep it");
    }
}
