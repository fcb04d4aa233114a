//! The outbound queue of one session, bounded in bytes and in messages.
//!
//! Policy at the bound: what may be dropped (typing notices and the like) goes first, the newcomer
//! if it is of that kind, else all such packets that wait; if the newcomer still does not fit, the
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

/// The queue is full of packets that must not be dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug, Default)]
pub struct Queue {
    items: VecDeque<(Frame, bool)>,
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

    /// Appends the frames of one packet, all or none. `droppable` packets vanish at the bound.
    ///
    /// # Errors
    /// If they do not fit and may not be dropped.
    pub fn push(
        &mut self,
        frames: &[Frame],
        droppable: bool,
        limits: QueueLimits,
    ) -> Result<(), Full> {
        let size: usize = frames.iter().map(Frame::len).sum();
        if !self.fits(frames.len(), size, limits) {
            if droppable {
                return Ok(());
            }
            self.drop_droppable();
            if !self.fits(frames.len(), size, limits) {
                return Err(Full);
            }
        }
        self.bytes += size;
        self.items.extend(frames.iter().map(|frame| (frame.clone(), droppable)));
        Ok(())
    }

    /// Appends a packet of the session layer itself, bound or not: there are only ever a few.
    pub fn push_control(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.items.push_back((frame, false));
    }

    /// Puts frames back that were taken and not delivered.
    pub fn put_back(&mut self, frames: Vec<Frame>) {
        for frame in frames.into_iter().rev() {
            self.bytes += frame.len();
            self.items.push_front((frame, false));
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

    fn drop_droppable(&mut self) {
        self.items.retain(|(_, droppable)| !droppable);
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
        queue.push(&frame("typing"), true, LIMITS).unwrap();
        queue.push(&frame("hello"), true, LIMITS).unwrap();
        assert_eq!(queue.bytes, 6, "the second did not fit and vanished");
        queue.push(&frame("message"), false, LIMITS).unwrap();
        assert_eq!(drain(&mut queue), frame("message"));
    }

    #[test]
    fn full_is_an_error_in_bytes_and_in_messages() {
        let mut queue = Queue::default();
        queue.push(&frame("0123456789"), false, LIMITS).unwrap();
        assert_eq!(queue.push(&frame("x"), false, LIMITS), Err(Full));
        queue.push_control(Frame::fixed("2"));
        assert_eq!(drain(&mut queue).len(), 2);
        for _ in 0..3 {
            queue.push(&frame("x"), false, LIMITS).unwrap();
        }
        assert_eq!(queue.push(&frame("x"), false, LIMITS), Err(Full));
    }

    #[test]
    fn a_packet_with_attachments_is_queued_whole_or_not() {
        let mut queue = Queue::default();
        queue.push(&frame("12345"), false, LIMITS).unwrap();
        let packet = [Frame::fixed("123"), Frame::Binary("456".into())];
        assert_eq!(queue.push(&packet, false, LIMITS), Err(Full));
        assert_eq!(drain(&mut queue).len(), 1);
        queue.push(&packet, false, LIMITS).unwrap();
        assert_eq!(drain(&mut queue), packet);
    }

    #[test]
    fn undelivered_frames_come_first_again() {
        let mut queue = Queue::default();
        queue.push(&frame("c"), false, LIMITS).unwrap();
        queue.put_back(vec![Frame::fixed("a"), Frame::fixed("b")]);
        assert_eq!(drain(&mut queue), [Frame::fixed("a"), Frame::fixed("b"), Frame::fixed("c")]);
        assert!(queue.is_empty());
    }
}
