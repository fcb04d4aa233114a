//! How much one person may say.

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

impl Rate {
    /// `per_second` of 0 sets no bound.
    pub fn new(per_second: u32) -> Self {
        Rate { full_at: None, per_second }
    }

    /// Takes one; false if there is none left.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let price = Duration::from_secs(1) / self.per_second;
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + price;
        let allowed = full_at <= now + BURST;
        if allowed {
            self.full_at = Some(full_at);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(2);
        assert_eq!((0..100).filter(|_| rate.take(start)).count(), 20);
        let later = start + Duration::from_millis(1500);
        assert_eq!((0..100).filter(|_| rate.take(later)).count(), 3);
        let much_later = later + Duration::from_secs(60);
        assert_eq!((0..100).filter(|_| rate.take(much_later)).count(), 20);
    }

    #[test]
    fn zero_is_no_bound() {
        let mut rate = Rate::new(0);
        assert!((0..10_000).all(|_| rate.take(Instant::now())));
    }
}
