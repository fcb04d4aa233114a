//! A token bucket in two halves: the rate, which many buckets share, and the level of one bucket.
//! Whatever has a rate uses it: messages, handshakes, reports.

use std::time::Duration;

use tokio::time::Instant;

/// How fast a bucket refills, and how much it holds.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Tokens that a bucket gains during `period`; 0 for no limit.
    tokens: u64,
    period: Duration,
    capacity: u64,
}

/// The level of one bucket, stored as the time at which the bucket is full again. A new bucket is full.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    /// `None` in a bucket from which nothing was taken yet.
    full_at: Option<Instant>,
}

impl Rate {
    /// Tokens per second, and tokens of a full bucket. 0 per second means no limit.
    pub const fn per_second(tokens: u64, capacity: u64) -> Self {
        Rate { tokens, period: Duration::from_secs(1), capacity }
    }

    /// One token in each `period`. `capacity`: tokens of a full bucket.
    pub const fn one_per(period: Duration, capacity: u64) -> Self {
        Rate { tokens: 1, period, capacity }
    }

    /// Multiplies both the refill rate and the capacity.
    #[must_use]
    pub fn times(self, factor: u64) -> Self {
        Rate {
            tokens: self.tokens.saturating_mul(factor),
            capacity: self.capacity.saturating_mul(factor),
            ..self
        }
    }

    /// Whether this limits anything.
    pub fn is_limited(&self) -> bool {
        self.tokens > 0
    }

    /// Tokens of a full bucket; `None` if there is no limit.
    pub fn capacity(&self) -> Option<u64> {
        self.is_limited().then_some(self.capacity)
    }

    /// Takes `count` tokens, or a full bucket's tokens if those are fewer, and returns the new level.
    ///
    /// # Errors
    /// If there are too few tokens: the time until there are enough.
    pub fn take(&self, bucket: Bucket, count: u64, now: Instant) -> Result<Bucket, Duration> {
        if !self.is_limited() {
            return Ok(bucket);
        }
        let refill = self.refill_time(count.min(self.capacity));
        let full_at = bucket.full_at.map_or(now, |at| at.max(now)) + refill;
        let wait = full_at.saturating_duration_since(now + self.refill_time(self.capacity));
        if wait.is_zero() { Ok(Bucket { full_at: Some(full_at) }) } else { Err(wait) }
    }

    /// The time in which a bucket gains `count` tokens.
    fn refill_time(&self, count: u64) -> Duration {
        let nanos = u128::from(count).saturating_mul(self.period.as_nanos());
        let nanos = nanos / u128::from(self.tokens.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Bucket {
    /// Whether the bucket is no different from a new one.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many times `count` can be taken at that moment, and what is left then.
    fn drain(rate: Rate, mut bucket: Bucket, count: u64, now: Instant) -> (usize, Bucket) {
        let mut times = 0;
        while let Ok(left) = rate.take(bucket, count, now) {
            (bucket, times) = (left, times + 1);
            assert!(times <= 10_000, "no end of it");
        }
        (times, bucket)
    }

    #[test]
    fn a_burst_then_a_rate() {
        let start = Instant::now();
        for (per_second, capacity) in [(2, 20), (7, 14), (3, 10), (50, 100), (1, 10)] {
            let rate = Rate::per_second(per_second, capacity);
            let (taken, bucket) = drain(rate, Bucket::default(), 1, start);
            assert_eq!(taken as u64, capacity, "{per_second}/s");
            let (taken, bucket) = drain(rate, bucket, 1, start + Duration::from_millis(3010));
            assert_eq!(taken as u64, (3 * per_second).min(capacity), "{per_second}/s");
            let (taken, _) = drain(rate, bucket, 1, start + Duration::from_secs(60));
            assert_eq!(taken as u64, capacity, "{per_second}/s");
        }
    }

    #[test]
    fn how_long_to_wait_for_many() {
        let start = Instant::now();
        let rate = Rate::per_second(1000, 10_000);
        let bucket = rate.take(Bucket::default(), 9_000, start).unwrap();
        assert!(!bucket.is_full(start + Duration::from_secs(8)));
        assert!(bucket.is_full(start + Duration::from_secs(9)));
        assert_eq!(rate.take(bucket, 2_000, start).unwrap_err(), Duration::from_secs(1));
        assert!(rate.take(bucket, 2_000, start + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn more_than_it_holds_is_all_of_it() {
        let start = Instant::now();
        let rate = Rate::per_second(1000, 2000);
        let bucket = rate.take(Bucket::default(), 50_000, start).unwrap();
        assert_eq!(rate.take(bucket, 1, start).unwrap_err(), Duration::from_millis(1));
        let bucket = rate.take(bucket, 1000, start + Duration::from_secs(1)).unwrap();
        let wait = rate.take(bucket, 50_000, start + Duration::from_secs(2)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
    }

    #[test]
    fn many_together_have_as_much_as_each() {
        let (rate, start) = (Rate::per_second(2, 10).times(10), Instant::now());
        assert_eq!(rate.capacity(), Some(100));
        let (taken, bucket) = drain(rate, Bucket::default(), 1, start);
        assert_eq!(taken, 100);
        assert_eq!(drain(rate, bucket, 1, start + Duration::from_secs(1)).0, 20);
    }

    #[test]
    fn one_in_each_period() {
        let start = Instant::now();
        let rate = Rate::one_per(Duration::from_secs(60), 5);
        let (taken, bucket) = drain(rate, Bucket::default(), 1, start);
        assert_eq!(taken, 5);
        assert_eq!(drain(rate, bucket, 1, start + Duration::from_secs(59)).0, 0);
        assert_eq!(drain(rate, bucket, 1, start + Duration::from_secs(60)).0, 1);
    }

    #[test]
    fn zero_is_no_bound() {
        let rate = Rate::per_second(0, 10);
        let now = Instant::now();
        assert!(!rate.is_limited() && rate.times(10).capacity().is_none());
        let bucket = rate.take(Bucket::default(), u64::MAX, now).unwrap();
        assert!(rate.take(bucket, u64::MAX, now).is_ok() && bucket.is_full(now));
    }
}
