//! The outbound queue of one session, bounded in memory and in packets.
//!
//! Policy at the bound, by [`Delivery`]: what is volatile goes first, the newcomer if it is of that kind,
//! else all such packets that wait; then what is conflated; if the newcomer still does not fit, the
//! reader is too slow. Nothing waits for a slow reader.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::sync::thread_local;
use crate::dialect::Frame;

/// Bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Bytes of memory: encoded packets, and [`PER_PACKET`] for each.
    pub bytes: usize,
    /// Packets.
    pub messages: usize,
}

impl QueueLimits {
    /// The bounds for a reader who has not been behind for long: half as much again.
    pub(super) fn with_grace(self) -> Self {
        let more = |bound: usize| bound.saturating_add(bound / 2);
        QueueLimits { bytes: more(self.bytes), messages: more(self.messages) }
    }

    /// What is left of them where so many bytes are held elsewhere.
    pub(super) fn less(self, bytes: usize) -> Self {
        QueueLimits { bytes: self.bytes.saturating_sub(bytes), ..self }
    }
}

/// Bytes that a waiting packet costs besides its own: its place in the queue, the head of its allocation
/// and what the allocator rounds up.
pub const PER_PACKET: usize = 128;

/// How much it matters that a packet arrives at a client that reads slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives, or the session ends.
    Reliable,
    /// Only the newest of its key matters: it takes the place of one that still waits. At the bound of
    /// the queue it may be dropped, but volatile ones are first.
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

/// Since when a reader has been behind: it has not taken these first items of the queue.
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
/// Bytes that are taken at once, and at least one packet. What stays in the queue is shared with other
/// queues; what a connection has taken is its own copy.
const TAKEN_AT_ONCE: usize = 64 * 1024;

thread_local! {
    /// Room for the frames of one session on their way.
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

    /// Appends a packet of the session layer itself, bound or not: there are only ever a few.
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

    /// Moves whole packets into `batch`, from the first, until they have so many bytes.
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

    /// Hands what waits to `sink`: all of it, or with `parts` what is enough for one write.
    pub fn pour<T>(&mut self, parts: bool, sink: impl FnOnce(&[Frame]) -> T) -> T {
        if let (1, Some(item)) = (self.items.len(), self.items.front()) {
            let poured = sink(std::slice::from_ref(&item.frame));
            self.items.pop_front();
            self.forget();
            return poured;
        }
        POURED.with(|poured| {
            let batch = &mut *poured.borrow_mut();
            // Not empty if a sink has panicked: that was another session's.
            batch.clear();
            self.take_some(batch, if parts { TAKEN_AT_ONCE } else { usize::MAX });
            let poured = sink(batch);
            batch.clear();
            poured
        })
    }

    pub fn clear(&mut self) {
        *self = Queue::default();
    }

    /// What the counts are when nothing is left.
    fn forget(&mut self) {
        (self.held, self.own, self.behind, self.heartbeat) = (0, 0, None, false);
    }

    /// Notes that what is here now was not taken at once.
    pub fn note_behind(&mut self, now: impl FnOnce() -> Instant) {
        if self.behind.is_none() && !self.items.is_empty() {
            self.behind = Some(Behind { items: self.items.len(), since: now() });
        }
    }

    /// How long the reader has been behind: what waited then, it has not all taken yet.
    pub fn behind(&self, now: Instant) -> Duration {
        self.behind.as_ref().map_or(Duration::ZERO, |behind| now - behind.since)
    }

    /// When that will be so long, if the reader does not catch up.
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
mod tests {
    use super::*;

    /// Room for two packets, and for ten bytes of their own.
    const LIMITS: QueueLimits = QueueLimits { bytes: 10 + 2 * PER_PACKET, messages: 3 };
    const NEWS: Delivery = Delivery::Conflated(1);
    const OTHER: Delivery = Delivery::Conflated(2);

    fn push(queue: &mut Queue, text: &'static str, delivery: Delivery) -> Result<(), Full> {
        let frames = &[Frame::fixed(text)];
        queue.push(Outgoing { frames, delivery, shared: false }, LIMITS)
    }

    fn frames<const N: usize>(texts: [&'static str; N]) -> [Frame; N] {
        texts.map(Frame::fixed)
    }

    fn drain(queue: &mut Queue) -> Vec<Frame> {
        let mut batch = Vec::new();
        queue.take(&mut batch);
        assert_eq!((queue.held(), queue.own()), (0, 0));
        batch
    }

    #[test]
    fn volatile_packets_go_first() {
        let mut queue = Queue::default();
        push(&mut queue, "typing", Delivery::Volatile).unwrap();
        push(&mut queue, "hello", Delivery::Volatile).unwrap();
        assert_eq!(queue.held(), 6 + PER_PACKET, "the second did not fit and vanished");
        push(&mut queue, "message", Delivery::Reliable).unwrap();
        assert_eq!(drain(&mut queue), frames(["message"]));
    }

    #[test]
    fn the_newest_of_a_key_takes_the_place_of_the_last_and_may_be_dropped() {
        let mut queue = Queue::default();
        push(&mut queue, "n1", NEWS).unwrap();
        push(&mut queue, "o", OTHER).unwrap();
        push(&mut queue, "n2", NEWS).unwrap();
        assert_eq!(queue.held(), 3 + 2 * PER_PACKET);
        assert_eq!(drain(&mut queue), frames(["o", "n2"]));
        push(&mut queue, "n", NEWS).unwrap();
        push(&mut queue, "typing", Delivery::Volatile).unwrap();
        push(&mut queue, "12345678", Delivery::Reliable).unwrap();
        push(&mut queue, "other", OTHER).unwrap();
        assert_eq!(drain(&mut queue), frames(["n", "12345678"]));
        push(&mut queue, "n", NEWS).unwrap();
        push(&mut queue, "1234567890", Delivery::Reliable).unwrap();
        assert_eq!(drain(&mut queue), frames(["1234567890"]));
    }

    #[test]
    fn full_is_an_error_in_bytes_and_in_messages() {
        let mut queue = Queue::default();
        push(&mut queue, "0123456789", Delivery::Reliable).unwrap();
        assert_eq!(push(&mut queue, "x", Delivery::Reliable), Err(Full));
        queue.push_control(Frame::fixed("2"));
        assert_eq!(drain(&mut queue).len(), 2);
        let limits = QueueLimits { bytes: 1 << 20, ..LIMITS };
        let frames = &[Frame::fixed("x")];
        let packet = Outgoing { frames, delivery: Delivery::Reliable, shared: false };
        for _ in 0..3 {
            queue.push(packet, limits).unwrap();
        }
        assert_eq!(queue.push(packet, limits), Err(Full));
        assert_eq!(queue.push(packet, limits.with_grace()), Ok(()), "half as much again");
        assert_eq!(queue.push(packet, limits.with_grace()), Err(Full));
    }

    #[test]
    fn packets_count_even_if_they_are_empty_and_shared_ones_cost_their_place() {
        let mut queue = Queue::default();
        push(&mut queue, "", Delivery::Reliable).unwrap();
        assert_eq!((queue.held(), queue.own()), (PER_PACKET, PER_PACKET));
        let (frames, delivery) = (&[Frame::fixed("12345")], Delivery::Reliable);
        queue.push(Outgoing { frames, delivery, shared: true }, LIMITS).unwrap();
        assert_eq!((queue.held(), queue.own()), (5 + 2 * PER_PACKET, 2 * PER_PACKET));
        queue.push_control(Frame::fixed("2"));
        assert_eq!((queue.held(), queue.own()), (6 + 3 * PER_PACKET, 1 + 3 * PER_PACKET));
        drain(&mut queue);
    }

    #[test]
    fn one_heartbeat_that_waits_is_enough() {
        let mut queue = Queue::default();
        for _ in 0..1000 {
            queue.push_heartbeat(Frame::fixed("3"));
        }
        queue.push_control(Frame::fixed("2"));
        queue.push_heartbeat(Frame::fixed("3"));
        assert_eq!(drain(&mut queue), frames(["3", "2"]));
        queue.push_heartbeat(Frame::fixed("3"));
        assert_eq!(drain(&mut queue), frames(["3"]));
    }

    #[test]
    fn a_packet_with_attachments_is_queued_whole_or_not() {
        let mut queue = Queue::default();
        push(&mut queue, "12345", Delivery::Reliable).unwrap();
        let packet = [Frame::fixed("123"), Frame::Binary("456".into())];
        let outgoing = Outgoing { frames: &packet, delivery: Delivery::Reliable, shared: false };
        assert_eq!(queue.push(outgoing, LIMITS), Err(Full));
        assert_eq!(drain(&mut queue).len(), 1);
        queue.push(outgoing, LIMITS).unwrap();
        assert_eq!(drain(&mut queue), packet);
    }

    #[test]
    fn undelivered_frames_come_first_again() {
        let mut queue = Queue::default();
        push(&mut queue, "c", Delivery::Reliable).unwrap();
        queue.put_back(frames(["a", "b"]).into());
        assert_eq!((queue.held(), queue.own()), (3 + 3 * PER_PACKET, 3 + 3 * PER_PACKET));
        assert_eq!(drain(&mut queue), frames(["a", "b", "c"]));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_write_takes_so_much_and_no_packet_in_two() {
        let large = QueueLimits { bytes: 1 << 20, messages: 100 };
        let chunk = Frame::Binary(vec![0; TAKEN_AT_ONCE / 2].into());
        let packet = [chunk.clone(), chunk.clone(), chunk.clone()];
        let outgoing = Outgoing { frames: &packet, delivery: Delivery::Volatile, shared: false };
        let mut queue = Queue::default();
        queue.push(outgoing, large).unwrap();
        queue.push_heartbeat(Frame::fixed("3"));
        queue.push(outgoing, large).unwrap();
        let (now, mut batch) = (Instant::now(), Vec::new());
        queue.note_behind(|| now);
        queue.take_for_write(&mut batch);
        assert_eq!(batch.len(), 3, "the packet's end, which lies behind the bound");
        let left = 1 + 3 * chunk.len() + 4 * PER_PACKET;
        assert_eq!((queue.held(), queue.own()), (left, left));
        let later = now + Duration::from_secs(3);
        assert_eq!(queue.behind(later), Duration::from_secs(3));
        assert_eq!(queue.behind_at(Duration::from_secs(5)), Some(now + Duration::from_secs(5)));
        queue.push_heartbeat(Frame::fixed("3"));
        queue.take_for_write(&mut batch);
        assert_eq!(batch.len(), 7, "one heartbeat, and the second packet");
        assert!(queue.is_empty());
        assert_eq!((queue.behind(later), queue.held()), (Duration::ZERO, 0));
        let mut poured = Vec::new();
        queue.push(outgoing, large).unwrap();
        queue.push(outgoing, large).unwrap();
        while !queue.is_empty() {
            poured.push(queue.pour(true, <[Frame]>::len));
        }
        assert_eq!(poured, [3, 3]);
        queue.push(outgoing, large).unwrap();
        queue.push(outgoing, large).unwrap();
        assert_eq!(queue.pour(false, <[Frame]>::len), 6);
        // A heartbeat that was taken waits no more, whatever stays.
        queue.push_heartbeat(Frame::fixed("3"));
        queue.push(Outgoing { shared: true, ..outgoing }, large).unwrap();
        queue.push(Outgoing { shared: true, ..outgoing }, large).unwrap();
        assert_eq!(queue.pour(true, <[Frame]>::len), 4);
        assert_eq!(queue.own(), 3 * PER_PACKET);
        queue.push_heartbeat(Frame::fixed("3"));
        assert_eq!(drain(&mut queue).len(), 4);
    }

    #[test]
    fn bounds_with_grace_and_without_what_is_held_elsewhere() {
        let limits = QueueLimits { bytes: 100, messages: 10 };
        for (limits, expected) in [
            (limits.with_grace(), (150, 15)),
            (limits.less(30), (70, 10)),
            (limits.less(101), (0, 10)),
            (QueueLimits { bytes: usize::MAX, messages: 1 }.with_grace(), (usize::MAX, 1)),
        ] {
            assert_eq!((limits.bytes, limits.messages), expected);
        }
    }

    #[test]
    fn a_reader_is_behind_until_it_has_what_waited_then() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut queue = Queue::default();
        queue.note_behind(|| unreachable!("nothing waits"));
        push(&mut queue, "v", Delivery::Volatile).unwrap();
        push(&mut queue, "n", NEWS).unwrap();
        queue.note_behind(|| now);
        push(&mut queue, "v", Delivery::Volatile).unwrap();
        queue.note_behind(|| unreachable!("it was noted"));
        assert_eq!(queue.behind(now + second), second);
        push(&mut queue, "m", NEWS).unwrap();
        assert_eq!(queue.behind(now + second), second, "the first still waits");
        push(&mut queue, "1234567890", Delivery::Reliable).unwrap();
        assert_eq!(queue.behind(now + second), Duration::ZERO, "what waited then was dropped");
        queue.note_behind(|| now + second);
        queue.put_back(frames(["a"]).into());
        assert_eq!(queue.behind(now + second * 3), second * 2);
        drain(&mut queue);
        assert_eq!(queue.behind(now + second * 3), Duration::ZERO);
    }
}
