//! What the adapters, the reader and the writer of a node share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::adapter::StreamAdapter;
use super::entry::{Entry, Id};
use super::outgoing::{Back, Outgoing, Step};
use super::sessions::Writing;
use super::{Adapters, StreamCounts, StreamSettings};
use crate::cluster::adapter::id;
use crate::cluster::message::Content;
use crate::cluster::redis::Redis;
use crate::socketio::Part;

/// Other nodes whose last entry is known.
const MAX_NODES: usize = 10_000;

#[derive(Debug)]
pub struct Hub {
    pub redis: Redis,
    pub settings: StreamSettings,
    /// The name of this node in serial numbers.
    pub name: Arc<str>,
    pub adapters: Mutex<Adapters>,
    pub outgoing: Outgoing,
    /// The place of the last entry that took place here.
    position: watch::Sender<Option<Id>>,
    started: OnceLock<Id>,
    /// The place of this node's last entry.
    own: Mutex<Option<Id>>,
    taking: Mutex<Taking>,
    missed: AtomicU64,
    malformed: AtomicU64,
    doubled: AtomicU64,
    pub writing: Writing,
}

/// Who holds this is the only one that delivers what comes from the stream, and what was to come from it.
///
/// Lock order: this, then an adapter's position, then those of the node and of sessions.
#[derive(Debug, Default)]
struct Taking {
    /// The last entry of each other node.
    last: HashMap<Arc<str>, u64>,
}

impl Hub {
    pub fn new(redis: Redis, settings: StreamSettings) -> Arc<Self> {
        let outgoing = Outgoing::new(settings.max_waiting, settings.max_waiting_bytes);
        Arc::new(Hub {
            redis,
            settings,
            name: id(),
            adapters: Mutex::default(),
            outgoing,
            position: watch::Sender::new(None),
            started: OnceLock::new(),
            own: Mutex::default(),
            taking: Mutex::default(),
            missed: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            writing: Writing::default(),
        })
    }

    pub fn counts(&self) -> StreamCounts {
        StreamCounts {
            lost: self.outgoing.lost(),
            missed: self.missed.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
            doubled: self.doubled.load(Ordering::Relaxed),
            waiting: self.outgoing.waiting(),
        }
    }

    pub fn count_missed(&self, entries: u64) {
        self.missed.fetch_add(entries, Ordering::Relaxed);
        let adapters = self.adapters.lock().unwrap_or_else(PoisonError::into_inner);
        adapters.values().filter_map(Weak::upgrade).for_each(|adapter| adapter.has_missed());
    }

    pub fn count_malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn position(&self) -> Option<Id> {
        *self.position.borrow()
    }

    /// The place from which on it has read.
    pub fn started(&self) -> Option<Id> {
        self.started.get().copied()
    }

    /// The first place that is known.
    pub fn start(&self, id: Id) {
        let _ = self.started.set(id);
        self.position.send_replace(Some(id));
    }

    /// Nothing takes place up to there.
    pub fn pass(&self, id: Id) {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        self.position.send_replace(Some(id));
    }

    /// Waits until all up to there has taken place.
    pub async fn reached(&self, id: Id) {
        let mut position = self.position.subscribe();
        let _ = position.wait_for(|at| at.is_some_and(|at| at >= id)).await;
    }

    /// Waits until the reader has begun.
    pub async fn begun(&self) {
        let mut position = self.position.subscribe();
        let _ = position.wait_for(Option::is_some).await;
    }

    /// The place of this node's last entry.
    pub fn own(&self) -> Option<Id> {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn adapter(&self, namespace: &str) -> Option<Arc<StreamAdapter>> {
        self.adapters.lock().unwrap_or_else(PoisonError::into_inner).get(namespace)?.upgrade()
    }

    /// Redis is away: what waits is delivered here at once.
    pub fn leave(&self) {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let steps = self.outgoing.leave();
            if steps.is_empty() {
                return;
            }
            run(steps);
        }
    }

    /// Redis refuses a message.
    pub fn refused(&self, number: u64) {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        run(self.outgoing.refused(number));
    }

    /// An entry came.
    pub fn take(&self, entry: Entry) {
        let id = entry.id;
        let mut taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let own = entry.serial.as_ref().filter(|serial| serial.node == self.name);
        let own = own.map(|serial| serial.number);
        let content = match own {
            Some(number) => {
                *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
                match self.outgoing.back(number, Some(id)) {
                    Back::Fresh(content) => Some(content),
                    Back::Early => {
                        // As the others read it: with the time at which it was said.
                        self.keep(&entry, entry.content().ok());
                        None
                    }
                    Back::Again => {
                        self.doubled.fetch_add(1, Ordering::Relaxed);
                        None
                    }
                }
            }
            None => self.foreign(&mut taking, &entry),
        };
        if let Some(content) = content {
            self.deliver(&entry, Part::Whole, content);
        }
        if let Some(number) = own {
            self.outgoing.acts(number).into_iter().for_each(|act| act());
        }
        self.position.send_replace(Some(id));
    }

    /// What another node's entry says, unless it came before.
    fn foreign(&self, taking: &mut Taking, entry: &Entry) -> Option<Content> {
        if let Some(serial) = &entry.serial {
            let last = taking.last.get(&serial.node).copied().unwrap_or(0);
            if serial.number <= last {
                self.doubled.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            if taking.last.len() >= MAX_NODES {
                taking.last.clear();
            }
            taking.last.insert(Arc::clone(&serial.node), serial.number);
        }
        self.adapter(&entry.namespace)?;
        match entry.content() {
            Ok(content) => Some(content),
            Err(error) => {
                debug!(id = %entry.id, %error, "an entry of the stream cannot be understood");
                self.count_malformed();
                None
            }
        }
    }

    fn deliver(&self, entry: &Entry, part: Part, content: Content) {
        if let Some(adapter) = self.adapter(&entry.namespace) {
            let origin = (entry.uid != *adapter.uid()).then_some(&entry.uid);
            adapter.apply(origin, entry.id, entry.id.place(), part, content);
        }
    }

    /// An event that was told before has its place.
    fn keep(&self, entry: &Entry, content: Option<Content>) {
        if let Some(content @ Content::Broadcast { .. }) = content {
            self.deliver(entry, Part::Kept, content);
        }
    }
}

fn run(steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Deliver(adapter, content) => {
                if let Some(adapter) = adapter.upgrade() {
                    adapter.apply_early(content);
                }
            }
            Step::Act(act) => act(),
        }
    }
}

/// A connection that says nothing for so long although Redis answers on another is to be given up. Ends then.
pub async fn hopeless(redis: &Redis, patience: Duration) {
    const ANSWERS: Duration = Duration::from_secs(10);
    let start = Instant::now();
    loop {
        sleep(Duration::from_secs(1)).await;
        let status = redis.status();
        let answers = status.connected && status.since.elapsed() > ANSWERS;
        if answers && start.elapsed() > patience {
            return;
        }
    }
}
