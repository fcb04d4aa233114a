//! The outbound queue of one session, bounded in bytes and in messages.
//!
//! Policy at the bound, by [`Delivery`]: what is volatile goes first, the newcomer if it is of that kind,
//! else all such packets that wait; then what is conflated; if the newcomer still does not fit, the
//! session is a slow reader and is closed with that reason. Nothing waits for a slow reader.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::dialect::Frame;

/// Bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Bytes of encoded packets.
    pub bytes: usize,
    /// Packets.
    pub messages: usize,
}

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

/// The queue is full of packets that must not be dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug, Default)]
pub struct Queue {
    items: VecDeque<(Frame, Delivery)>,
    bytes: usize,
}

/// Above this many slots an emptied queue gives its memory back.
const KEPT_SLOTS: usize = 4;

thread_local! {
    /// Room for the frames of one session on their way.
    static POURED: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Appends the frames of one packet, all or none.
    ///
    /// # Errors
    /// If they do not fit and have to.
    pub fn push(
        &mut self,
        frames: &[Frame],
        delivery: Delivery,
        limits: QueueLimits,
    ) -> Result<(), Full> {
        if let Delivery::Conflated(_) = delivery {
            self.drop_all(|waiting| waiting == delivery);
        }
        let size: usize = frames.iter().map(Frame::len).sum();
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
        self.bytes += size;
        self.items.extend(frames.iter().map(|frame| (frame.clone(), delivery)));
        Ok(())
    }

    /// Appends a packet of the session layer itself, bound or not: there are only ever a few.
    pub fn push_control(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.items.push_back((frame, Delivery::Reliable));
    }

    /// Puts frames back that were taken and not delivered.
    pub fn put_back(&mut self, frames: Vec<Frame>) {
        for frame in frames.into_iter().rev() {
            self.bytes += frame.len();
            self.items.push_front((frame, Delivery::Reliable));
        }
    }

    /// Moves all that waits into `batch`.
    pub fn take(&mut self, batch: &mut Vec<Frame>) {
        batch.extend(self.items.drain(..).map(|(frame, _)| frame));
        self.bytes = 0;
        if self.items.capacity() > KEPT_SLOTS {
            self.items = VecDeque::new();
        }
    }

    /// Empties the queue into `sink`, which sees all frames at once.
    pub fn pour<T>(&mut self, sink: impl FnOnce(&[Frame]) -> T) -> T {
        if let (1, Some((frame, _))) = (self.items.len(), self.items.front()) {
            let poured = sink(std::slice::from_ref(frame));
            self.items.pop_front();
            self.bytes = 0;
            return poured;
        }
        POURED.with_borrow_mut(|batch| {
            // Not empty if a sink has panicked: that was another session's.
            batch.clear();
            self.take(batch);
            let poured = sink(batch);
            batch.clear();
            poured
        })
    }

    pub fn clear(&mut self) {
        self.items = VecDeque::new();
        self.bytes = 0;
    }

    fn fits(&self, frames: usize, size: usize, limits: QueueLimits) -> bool {
        self.items.len() + frames <= limits.messages && self.bytes + size <= limits.bytes
    }

    fn drop_all(&mut self, which: impl Fn(Delivery) -> bool) {
        if !self.items.iter().any(|(_, delivery)| which(*delivery)) {
            return;
        }
        self.items.retain(|(_, delivery)| !which(*delivery));
        self.bytes = self.items.iter().map(|(frame, _)| frame.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QueueLimits = QueueLimits { bytes: 10, messages: 3 };

    fn frame(text: &'static str) -> [Frame; 1] {
        [Frame::fixed(text)]
    }

    fn drain(queue: &mut Queue) -> Vec<Frame> {
        let mut batch = Vec::new();
        queue.take(&mut batch);
        batch
    }

    #[test]
    fn droppable_packets_go_first() {
        let mut queue = Queue::default();
        queue.push(&frame("typing"), Delivery::Volatile, LIMITS).unwrap();
        queue.push(&frame("hello"), Delivery::Volatile, LIMITS).unwrap();
        assert_eq!(queue.bytes, 6, "the second did not fit and vanished");
        queue.push(&frame("message"), Delivery::Reliable, LIMITS).unwrap();
        assert_eq!(drain(&mut queue), frame("message"));
    }

    #[test]
    fn the_newest_of_a_key_takes_the_place_of_the_last_and_may_be_dropped() {
        const NEWS: Delivery = Delivery::Conflated(1);
        const OTHER: Delivery = Delivery::Conflated(2);
        let mut queue = Queue::default();
        queue.push(&frame("n1"), NEWS, LIMITS).unwrap();
        queue.push(&frame("o"), OTHER, LIMITS).unwrap();
        queue.push(&frame("n2"), NEWS, LIMITS).unwrap();
        assert_eq!(queue.bytes, 3);
        assert_eq!(drain(&mut queue), [Frame::fixed("o"), Frame::fixed("n2")]);
        queue.push(&frame("n"), NEWS, LIMITS).unwrap();
        queue.push(&frame("typing"), Delivery::Volatile, LIMITS).unwrap();
        queue.push(&frame("12345678"), Delivery::Reliable, LIMITS).unwrap();
        queue.push(&frame("other"), OTHER, LIMITS).unwrap();
        assert_eq!(drain(&mut queue), [Frame::fixed("n"), Frame::fixed("12345678")]);
        queue.push(&frame("n"), NEWS, LIMITS).unwrap();
        queue.push(&frame("123456789"), Delivery::Reliable, LIMITS).unwrap();
        assert_eq!(drain(&mut queue), frame("123456789"));
    }

    #[test]
    fn full_is_an_error_in_bytes_and_in_messages() {
        let mut queue = Queue::default();
        queue.push(&frame("0123456789"), Delivery::Reliable, LIMITS).unwrap();
        assert_eq!(queue.push(&frame("x"), Delivery::Reliable, LIMITS), Err(Full));
        queue.push_control(Frame::fixed("2"));
        assert_eq!(drain(&mut queue).len(), 2);
        for _ in 0..3 {
            queue.push(&frame("x"), Delivery::Reliable, LIMITS).unwrap();
        }
        assert_eq!(queue.push(&frame("x"), Delivery::Reliable, LIMITS), Err(Full));
    }

    #[test]
    fn a_packet_with_attachments_is_queued_whole_or_not() {
        let mut queue = Queue::default();
        queue.push(&frame("12345"), Delivery::Reliable, LIMITS).unwrap();
        let packet = [Frame::fixed("123"), Frame::Binary("456".into())];
        assert_eq!(queue.push(&packet, Delivery::Reliable, LIMITS), Err(Full));
        assert_eq!(drain(&mut queue).len(), 1);
        queue.push(&packet, Delivery::Reliable, LIMITS).unwrap();
        assert_eq!(drain(&mut queue), packet);
    }

    #[test]
    fn undelivered_frames_come_first_again() {
        let mut queue = Queue::default();
        queue.push(&frame("c"), Delivery::Reliable, LIMITS).unwrap();
        queue.put_back(vec![Frame::fixed("a"), Frame::fixed("b")]);
        assert_eq!(drain(&mut queue), [Frame::fixed("a"), Frame::fixed("b"), Frame::fixed("c")]);
        assert!(queue.is_empty());
    }
}
