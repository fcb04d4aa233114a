//! The outbound queue of one session, bounded in memory and in packets.
//!
//! Policy at the bound, by [`Delivery`]. A volatile packet that does not fit is dropped. For
//! others, first all volatile packets that wait are dropped, then all conflated ones. If a reliable
//! packet still does not fit, the reader is too slow. Nothing waits for a slow reader.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{PER_PACKET, QueueLimits};
use super::sync::thread_local;
use crate::dialect::Frame;

/// How much it matters that a packet arrives at a client that reads slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives, or the session ends.
    Reliable,
    /// Only the newest of its key matters: it takes the place of one that still waits. At the bound
    /// of the queue it may be dropped, but volatile ones are first.
    Conflated(u32),
    /// At the bound of the queue it is dropped.
    Volatile,
}

/// The frames of one packet, attachments after it.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub frames: &'a [Frame],
    pub delivery: Delivery,
    /// Other queues hold the same bytes, which are counted where they were made.
    pub shared: bool,
}

/// The queue is full of packets that must not be dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug, Default)]
pub struct Queue {
    items: VecDeque<Item>,
    /// Bytes of memory that the items stand for.
    held: usize,
    /// Of these, what no other queue shares.
    own: usize,
    behind: Option<Behind>,
    /// A heartbeat waits, or the answer to one.
    heartbeat: bool,
}

#[derive(Debug)]
struct Item {
    frame: Frame,
    delivery: Delivery,
    shared: bool,
    /// The next frame belongs to the same packet: they are taken or dropped together.
    more: bool,
    /// It is a heartbeat, or answers one.
    heartbeat: bool,
}

/// Since when a reader has been behind: it has not taken the first `items` of the queue.
#[derive(Debug)]
struct Behind {
    items: usize,
    since: Instant,
}

impl Item {
    fn held(&self) -> usize {
        self.frame.len() + PER_PACKET
    }

    fn own(&self) -> usize {
        if self.shared { PER_PACKET } else { self.held() }
    }
}

/// Above this many slots an emptied queue gives its memory back.
const KEPT_SLOTS: usize = 4;
/// Bytes that are taken at once, and at least one packet. Bytes in the queue are shared with other
/// queues, but a connection copies what it takes.
const TAKEN_AT_ONCE: usize = 64 * 1024;

thread_local! {
    /// A buffer for the frames of one session on their way to a direct writer.
    static POURED: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of memory that wait here.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Of these, what no other queue shares.
    pub fn own(&self) -> usize {
        self.own
    }

    /// Appends a packet, all of it or nothing.
    ///
    /// # Errors
    /// If it does not fit and has to.
    pub fn push(&mut self, packet: Outgoing<'_>, limits: QueueLimits) -> Result<(), Full> {
        let Outgoing { frames, delivery, shared } = packet;
        if let Delivery::Conflated(_) = delivery {
            self.drop_all(|waiting| waiting == delivery);
        }
        let size = frames.iter().map(|frame| frame.len() + PER_PACKET).sum();
        let fits = |queue: &Self| queue.fits(frames.len(), size, limits);
        if !fits(self) {
            if delivery == Delivery::Volatile {
                return Ok(());
            }
            self.drop_all(|waiting| waiting == Delivery::Volatile);
        }
        if !fits(self) {
            if delivery != Delivery::Reliable {
                return Ok(());
            }
            self.drop_all(|waiting| waiting != Delivery::Reliable);
            if !fits(self) {
                return Err(Full);
            }
        }
        for (at, frame) in frames.iter().enumerate() {
            let (frame, more) = (frame.clone(), at + 1 < frames.len());
            self.append(Item { frame, delivery, shared, more, heartbeat: false });
        }
        Ok(())
    }

    fn append(&mut self, item: Item) {
        self.held += item.held();
        self.own += item.own();
        self.items.push_back(item);
    }

    /// Appends a packet of the session layer itself, even over the bound: there are only ever a
    /// few.
    pub fn push_control(&mut self, frame: Frame) {
        self.append(Item::control(frame));
    }

    /// Appends a heartbeat, or the answer to one; one that waits already is enough.
    pub fn push_heartbeat(&mut self, frame: Frame) {
        if !std::mem::replace(&mut self.heartbeat, true) {
            self.append(Item { heartbeat: true, ..Item::control(frame) });
        }
    }

    /// Puts frames back that were taken and not delivered.
    pub fn put_back(&mut self, frames: Vec<Frame>) {
        if let Some(behind) = &mut self.behind {
            behind.items += frames.len();
        }
        for frame in frames.into_iter().rev() {
            let item = Item::control(frame);
            self.held += item.held();
            self.own += item.own();
            self.items.push_front(item);
        }
    }

    /// Moves all that waits into `batch`.
    pub fn take(&mut self, batch: &mut Vec<Frame>) {
        batch.extend(self.items.drain(..).map(|item| item.frame));
        self.forget();
        if self.items.capacity() > KEPT_SLOTS {
            self.items = VecDeque::new();
        }
    }

    /// Moves whole packets into `batch`, from the first, until they have `most` bytes or more.
    fn take_some(&mut self, batch: &mut Vec<Frame>, most: usize) {
        if self.held <= most {
            return self.take(batch);
        }
        let (mut taken, mut size) = (0, 0);
        for item in &self.items {
            size += item.held();
            taken += 1;
            if size >= most && !item.more {
                break;
            }
        }
        if taken == self.items.len() {
            return self.take(batch);
        }
        for item in self.items.drain(..taken) {
            self.held -= item.held();
            self.own -= item.own();
            self.heartbeat &= !item.heartbeat;
            batch.push(item.frame);
        }
        self.behind.take_if(|behind| {
            behind.items = behind.items.saturating_sub(taken);
            behind.items == 0
        });
    }

    /// Moves what is enough for one write of a stream into `batch`.
    pub fn take_for_write(&mut self, batch: &mut Vec<Frame>) {
        self.take_some(batch, TAKEN_AT_ONCE);
    }

    /// Gives what waits to `write`: all of it, or with `parts` what is enough for one write.
    pub fn pour<T>(&mut self, parts: bool, write: impl FnOnce(&[Frame]) -> T) -> T {
        if let (1, Some(item)) = (self.items.len(), self.items.front()) {
            let poured = write(std::slice::from_ref(&item.frame));
            self.items.pop_front();
            self.forget();
            return poured;
        }
        POURED.with(|poured| {
            let batch = &mut *poured.borrow_mut();
            // A writer that panicked has left frames of another session.
            batch.clear();
            self.take_some(batch, if parts { TAKEN_AT_ONCE } else { usize::MAX });
            let poured = write(batch);
            batch.clear();
            poured
        })
    }

    pub fn clear(&mut self) {
        *self = Queue::default();
    }

    /// Resets the counts: nothing is left.
    fn forget(&mut self) {
        (self.held, self.own, self.behind, self.heartbeat) = (0, 0, None, false);
    }

    /// Notes that what is here now was not taken at once.
    pub fn note_behind(&mut self, now: impl FnOnce() -> Instant) {
        if self.behind.is_none() && !self.items.is_empty() {
            self.behind = Some(Behind { items: self.items.len(), since: now() });
        }
    }

    /// How long the reader has been behind: it has not taken all that waited when that began.
    pub fn behind(&self, now: Instant) -> Duration {
        self.behind.as_ref().map_or(Duration::ZERO, |behind| now - behind.since)
    }

    /// When the reader will have been behind for so long, if it does not catch up.
    pub fn behind_at(&self, long: Duration) -> Option<Instant> {
        self.behind.as_ref().map(|behind| behind.since + long)
    }

    fn fits(&self, frames: usize, size: usize, limits: QueueLimits) -> bool {
        self.items.len() + frames <= limits.messages && self.held + size <= limits.bytes
    }

    fn drop_all(&mut self, which: impl Fn(Delivery) -> bool) {
        if !self.items.iter().any(|item| which(item.delivery)) {
            return;
        }
        let (mut at, mut of_behind) = (0, 0);
        let marked = self.behind.as_ref().map_or(0, |behind| behind.items);
        let Queue { items, held, own, .. } = self;
        items.retain(|item| {
            let stays = !which(item.delivery);
            if !stays {
                *held -= item.held();
                *own -= item.own();
                of_behind += usize::from(at < marked);
            }
            at += 1;
            stays
        });
        self.behind.take_if(|behind| {
            behind.items -= of_behind;
            behind.items == 0
        });
    }
}

impl Item {
    fn control(frame: Frame) -> Self {
        let (delivery, shared, more, heartbeat) = (Delivery::Reliable, false, false, false);
        Item { frame, delivery, shared, more, heartbeat }
    }
}

#[cfg(test)]
mod tests;
