//! How much one person may say.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket that holds ten seconds' worth.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Credit in the bucket, in time; full at `BURST`.
    full_at: Option<Instant>,
    per_second: u32,
}

const BURST: Duration = Duration::from_secs(10);

/// What was refused since the start because its sender was too fast.
#[derive(Debug, Default)]
pub struct Hasty {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Hasty {
    pub(super) fn note_messages(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_bytes(&self) {
        self.bytes.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages refused by each rate, under the name of its setting.
    pub fn counts(&self) -> [(&'static str, u64); 2] {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        [("message-rate", count(&self.messages)), ("byte-rate", count(&self.bytes))]
    }
}

impl Rate {
    /// `per_second` of 0 sets no bound.
    pub fn new(per_second: u32) -> Self {
        Rate { full_at: None, per_second }
    }

    /// Takes `count`; the time to wait if there are not so many left. More than the bucket holds
    /// are there when it is full.
    pub fn take(&mut self, count: u32, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0 {
            return Ok(());
        }
        let price = Duration::from_secs(1).mul_f64(f64::from(count) / f64::from(self.per_second));
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + price;
        let wait = full_at.saturating_duration_since(now + BURST.max(price));
        if wait.is_zero() {
            self.full_at = Some(full_at);
            return Ok(());
        }
        Err(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(2);
        assert_eq!((0..100).filter(|_| rate.take(1, start).is_ok()).count(), 20);
        let later = start + Duration::from_millis(1500);
        assert_eq!((0..100).filter(|_| rate.take(1, later).is_ok()).count(), 3);
        let much_later = later + Duration::from_secs(60);
        assert_eq!((0..100).filter(|_| rate.take(1, much_later).is_ok()).count(), 20);
    }

    #[test]
    fn many_at_once() {
        let start = Instant::now();
        let mut rate = Rate::new(1000);
        assert_eq!(rate.take(9_000, start), Ok(()));
        assert_eq!(rate.take(2_000, start), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(2_000, start + Duration::from_secs(1)), Ok(()));
        let much_later = start + Duration::from_secs(60);
        assert_eq!(
            rate.take(50_000, much_later),
            Ok(()),
            "larger than the bucket, once it is full"
        );
        assert!(rate.take(1, much_later + Duration::from_secs(39)).is_err());
        assert_eq!(rate.take(1, much_later + Duration::from_secs(41)), Ok(()));
    }

    #[test]
    fn zero_is_no_bound() {
        let mut rate = Rate::new(0);
        assert!((0..10_000).all(|_| rate.take(1, Instant::now()).is_ok()));
    }
}
