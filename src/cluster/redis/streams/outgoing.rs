//! What this node has said and has not read from the stream yet.
//!
//! A message stays here until it comes back: then it is in order, and is delivered. If that takes too long,
//! because Redis is away, it is delivered at once, and is still added to the stream when Redis is back.
//!
//! What came back a moment before Redis went away is kept: if Redis has lost it, other nodes may not have read it, and it is
//! added once more. Nodes that have read it know it by its serial number.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::adapter::StreamAdapter;
use super::entry::{self, Id};
use crate::cluster::message::Content;

/// A message that takes longer to come back is delivered before.
pub const SLOW: Duration = Duration::from_secs(1);
/// So long after Redis is back, messages are still delivered at once, and marked: other nodes may be back a
/// moment later.
const SETTLING: Duration = Duration::from_secs(1);
/// Messages that are sent at once.
const BATCH: usize = 256;
/// What came back in so long a time before Redis went away may not have come to other nodes.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// Messages and bytes of that, which are kept.
const MAX_KEPT: usize = 1024;
const MAX_KEPT_BYTES: usize = 4 << 20;
/// Acts that wait for messages.
const MAX_ACTS: usize = 10_000;

/// Something that is done after what was said before.
pub type After = Box<dyn FnOnce() + Send>;

#[derive(Debug)]
pub struct Outgoing {
    inner: Mutex<Inner>,
    added: Notify,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// Came back a moment ago, the newest last.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// The number of the last message, and when it was said.
    last: u64,
    said: Option<SystemTime>,
    /// Those before this place of the queue were sent.
    sent: usize,
    acts: VecDeque<(u64, After)>,
    /// Messages are delivered at once, since then.
    away: Option<Instant>,
    /// Since when messages get to Redis.
    up: Option<Instant>,
    lost: u64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("queue", &self.queue.len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    adapter: Weak<StreamAdapter>,
    uid: Arc<str>,
    namespace: Arc<str>,
    content: Content,
    data: String,
    /// Whether it was delivered before it came back.
    early: bool,
    /// Whether it came back before, from a stream that Redis has lost.
    again: bool,
    said: SystemTime,
    at: Instant,
}

/// A message that came back.
#[derive(Debug)]
struct Kept {
    /// Its place in the stream, and when it was read there.
    id: Id,
    back: Instant,
    number: u64,
    adapter: Weak<StreamAdapter>,
    uid: Arc<str>,
    namespace: Arc<str>,
    kind: u8,
    data: String,
    said: SystemTime,
}

/// A message as it is added to the stream.
#[derive(Debug)]
pub struct Sending {
    pub number: u64,
    pub uid: Arc<str>,
    pub namespace: Arc<str>,
    pub kind: u8,
    pub data: String,
    /// When it was said, if it was delivered here before: others hear it late. Of two messages, the later one
    /// has no earlier time.
    pub late: Option<SystemTime>,
}

/// What becomes of a message that is put here.
pub enum Put {
    /// It is delivered when it comes back.
    Later,
    /// It is to be delivered now.
    Now(Content),
}

/// What a message was that came back.
pub enum Back {
    /// It came before.
    Again,
    /// It was delivered.
    Early,
    /// It is to be delivered.
    Fresh(Content),
}

/// Something to do for this node.
pub enum Step {
    Deliver(Weak<StreamAdapter>, Content),
    Act(After),
}

impl Outgoing {
    pub fn new(max_messages: usize, max_bytes: usize) -> Self {
        Outgoing { inner: Mutex::default(), added: Notify::new(), max_messages, max_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message. At the bound, the other nodes lose it.
    pub fn put(&self, adapter: &Arc<StreamAdapter>, content: Content) -> Put {
        let data = match entry::data(&content) {
            Ok(data) => data,
            Err(error) => {
                tracing::warn!(%error, "a message to the cluster cannot be written: it is lost");
                self.lock().lost += 1;
                return Put::Now(content);
            }
        };
        let mut inner = self.lock();
        if inner.queue.len() >= self.max_messages || inner.bytes + data.len() > self.max_bytes {
            inner.lost += 1;
            return Put::Now(content);
        }
        inner.last += 1;
        inner.bytes += data.len();
        let early = inner.away.is_some();
        let now = early.then(|| content.clone());
        let clock = SystemTime::now();
        // The clock may have been put back.
        let said = inner.said.map_or(clock, |last| last.max(clock));
        inner.said = Some(said);
        let waiting = Waiting {
            number: inner.last,
            adapter: Arc::downgrade(adapter),
            uid: Arc::clone(adapter.uid()),
            namespace: Arc::clone(adapter.namespace()),
            content,
            data,
            early,
            again: false,
            said,
            at: Instant::now(),
        };
        inner.queue.push_back(waiting);
        drop(inner);
        self.added.notify_one();
        now.map_or(Put::Later, Put::Now)
    }

    /// Calls `act` when all that was said before is delivered here: now, if it is.
    pub fn then(&self, act: After) {
        let mut inner = self.lock();
        let open = inner.queue.iter().rev().find(|waiting| !waiting.early);
        match open.map(|waiting| waiting.number) {
            Some(number) if inner.acts.len() < MAX_ACTS => inner.acts.push_back((number, act)),
            _ => {
                drop(inner);
                act();
            }
        }
    }

    /// Waits for messages that are to be sent. They count as sent.
    pub async fn next(&self) -> Vec<Sending> {
        loop {
            let added = self.added.notified();
            let batch = self.take();
            if !batch.is_empty() {
                return batch;
            }
            added.await;
        }
    }

    fn take(&self) -> Vec<Sending> {
        let mut inner = self.lock();
        let waiting = inner.queue.iter().skip(inner.sent).take(BATCH);
        let batch: Vec<Sending> = waiting.map(Waiting::sending).collect();
        inner.sent += batch.len();
        batch
    }

    /// All that has not come back is to be sent again: it is not in the stream.
    pub fn rewind(&self) {
        let mut inner = self.lock();
        (inner.sent, inner.up) = (0, Some(Instant::now()));
        if inner.queue.is_empty() {
            inner.away = None;
        }
    }

    /// Nothing gets to Redis any more.
    pub fn down(&self) {
        let mut inner = self.lock();
        if inner.up.take().is_some() {
            inner.forget_old();
        }
    }

    /// The place of the last message that came back a moment before Redis was away.
    pub fn last_kept(&self) -> Option<Id> {
        self.lock().kept.back().map(|kept| kept.id)
    }

    /// Redis has lost what came back last: it is to be added once more, before all else.
    pub fn again(&self) -> usize {
        let mut inner = self.lock();
        inner.kept_bytes = 0;
        let kept: Vec<Waiting> = inner.kept.drain(..).filter_map(Kept::waiting).collect();
        inner.bytes += kept.iter().map(|waiting| waiting.data.len()).sum::<usize>();
        let count = kept.len();
        for waiting in kept.into_iter().rev() {
            inner.queue.push_front(waiting);
        }
        count
    }

    /// Looks whether all is as before.
    pub fn look(&self) {
        let mut inner = self.lock();
        if inner.queue.is_empty() {
            inner.stay();
        }
    }

    /// Whether some messages were sent of which nobody knows whether they arrived.
    pub fn is_uncertain(&self) -> bool {
        self.lock().sent > 0
    }

    /// A message that Redis refuses is lost for the other nodes.
    pub fn refused(&self, number: u64) -> Vec<Step> {
        self.lock().lost += 1;
        let mut steps = Vec::new();
        let adapter = {
            let inner = self.lock();
            let waiting = inner.queue.iter().find(|waiting| waiting.number == number);
            waiting.map(|waiting| Weak::clone(&waiting.adapter))
        };
        if let Back::Fresh(content) = self.back(number, None) {
            steps.extend(adapter.map(|adapter| Step::Deliver(adapter, content)));
        }
        steps.extend(self.acts(number).into_iter().map(Step::Act));
        steps
    }

    /// A message of this node came back, from that place; from none if Redis has refused it.
    pub fn back(&self, number: u64, id: Option<Id>) -> Back {
        let mut inner = self.lock();
        // They come in order. What was left out will not come.
        while inner.queue.front().is_some_and(|first| first.number < number) {
            inner.pop();
            inner.lost += 1;
        }
        match inner.queue.front().is_some_and(|first| first.number == number) {
            true => match inner.pop() {
                Some(waiting) => {
                    if inner.queue.is_empty() || waiting.at.elapsed() < SLOW / 2 {
                        inner.stay();
                    }
                    let Waiting { early, again, .. } = waiting;
                    let content = match id {
                        Some(id) => inner.keep(id, waiting),
                        None => waiting.content,
                    };
                    match (again, early) {
                        (true, _) => Back::Again,
                        (false, true) => Back::Early,
                        (false, false) => Back::Fresh(content),
                    }
                }
                None => Back::Again,
            },
            false => Back::Again,
        }
    }

    /// What waits for the message of that number.
    pub fn acts(&self, number: u64) -> Vec<After> {
        let mut inner = self.lock();
        let ready = inner.acts.iter().take_while(|(after, _)| *after <= number).count();
        inner.acts.drain(..ready).map(|(_, act)| act).collect()
    }

    /// Whether a message waits for too long.
    pub fn is_slow(&self) -> bool {
        let inner = self.lock();
        let oldest = inner.queue.iter().find(|waiting| !waiting.early);
        oldest.is_some_and(|oldest| oldest.at.elapsed() >= SLOW)
    }

    /// What is to be done at once because Redis is away. When that is nothing, what is put here is to be
    /// delivered at once.
    pub fn leave(&self) -> Vec<Step> {
        let mut inner = self.lock();
        let Inner { queue, acts, away, .. } = &mut *inner;
        let mut steps = Vec::new();
        let act = |steps: &mut Vec<Step>, acts: &mut VecDeque<(u64, After)>, until| {
            let ready = acts.iter().take_while(|(after, _)| *after <= until).count();
            steps.extend(acts.drain(..ready).map(|(_, act)| Step::Act(act)));
        };
        for waiting in queue.iter_mut().filter(|waiting| !waiting.early) {
            waiting.early = true;
            steps.push(Step::Deliver(Weak::clone(&waiting.adapter), waiting.content.clone()));
            act(&mut steps, acts, waiting.number);
        }
        act(&mut steps, acts, u64::MAX);
        if steps.is_empty() && away.is_none() {
            *away = Some(Instant::now());
        }
        steps
    }

    /// Since when messages are delivered at once.
    pub fn away(&self) -> Option<Instant> {
        self.lock().away
    }

    /// How many messages other nodes did not get.
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Waits until all has come back. Does not wait while Redis is away.
    pub async fn is_out(&self) {
        loop {
            {
                let inner = self.lock();
                if inner.queue.is_empty() || inner.up.is_none() {
                    return;
                }
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many have not come back.
    pub fn waiting(&self) -> usize {
        self.lock().queue.len()
    }
}

impl Inner {
    /// Messages are in order again.
    fn stay(&mut self) {
        if self.up.is_some_and(|up| up.elapsed() >= SETTLING) {
            self.away = None;
        }
    }

    /// Keeps a message for a moment, and gives what it says.
    fn keep(&mut self, id: Id, waiting: Waiting) -> Content {
        let Waiting { number, adapter, uid, namespace, content, data, said, .. } = waiting;
        let (kind, back) = (content.number(), Instant::now());
        self.kept_bytes += data.len();
        self.kept.push_back(Kept { id, back, number, adapter, uid, namespace, kind, data, said });
        self.forget_old();
        content
    }

    fn forget_old(&mut self) {
        while let Some(oldest) = self.kept.front()
            && (oldest.back.elapsed() > ON_ITS_WAY
                || self.kept.len() > MAX_KEPT
                || self.kept_bytes > MAX_KEPT_BYTES)
        {
            self.kept_bytes -= oldest.data.len();
            self.kept.pop_front();
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.queue.pop_front()?;
        self.bytes -= waiting.data.len();
        self.sent = self.sent.saturating_sub(1);
        Some(waiting)
    }
}

impl Kept {
    /// As a message that waits. It was delivered here.
    fn waiting(self) -> Option<Waiting> {
        let Kept { number, adapter, uid, namespace, kind, data, said, .. } = self;
        let content = entry::content(u64::from(kind), Some(&data)).ok()?;
        let (early, again, at) = (true, true, Instant::now());
        Some(Waiting { number, adapter, uid, namespace, content, data, early, again, said, at })
    }
}

impl Waiting {
    /// A message that others hear late says when it was said.
    fn sending(&self) -> Sending {
        let mut data = self.data.clone();
        if self.early {
            let mut content = self.content.clone();
            if let Content::Broadcast { flags, .. } = &mut content {
                // A message that comes with the time at which it was said keeps that.
                flags.late.get_or_insert(self.said);
            }
            data = entry::data(&content).unwrap_or(data);
        }
        let (uid, namespace) = (Arc::clone(&self.uid), Arc::clone(&self.namespace));
        let (number, kind) = (self.number, self.content.number());
        Sending { number, uid, namespace, kind, data, late: self.early.then_some(self.said) }
    }
}
