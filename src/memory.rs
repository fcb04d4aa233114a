//! The sum of all memory that holds data for clients until they have read it, and how long it takes them.

mod waits;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use waits::WaitTimes;
use waits::Waits;

static HELD: AtomicUsize = AtomicUsize::new(0);
static WAITS: Waits = Waits::new();

/// Bytes that wait for clients now, in the whole process.
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// How long [`shared`] bytes waited until the last of their readers had them, since the process started.
pub fn wait_times() -> WaitTimes {
    WAITS.times()
}

/// How long the oldest [`shared`] bytes have been waiting for a reader; zero if none wait.
pub fn oldest_wait() -> Duration {
    WAITS.oldest(Instant::now())
}

/// A part of [`held`]. Dropping it subtracts its bytes.
#[derive(Debug, Default)]
pub struct Charge(usize);

impl Charge {
    /// Changes the charge to `bytes`.
    pub fn set(&mut self, bytes: usize) {
        if bytes > self.0 {
            HELD.fetch_add(bytes - self.0, Ordering::Relaxed);
        } else if bytes < self.0 {
            HELD.fetch_sub(self.0 - bytes, Ordering::Relaxed);
        }
        self.0 = bytes;
    }

    /// The size of the charge in bytes.
    pub fn bytes(&self) -> usize {
        self.0
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Charges bytes that many clients share. They count once, and wait, until the last clone is dropped.
pub fn shared(bytes: Bytes) -> Bytes {
    struct Shared {
        bytes: Bytes,
        since: Option<waits::Ticket>,
        #[expect(dead_code, reason = "it counts as long as it is there")]
        charge: Charge,
    }

    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }

    impl Drop for Shared {
        fn drop(&mut self) {
            if let Some(since) = self.since {
                WAITS.end(since, Instant::now());
            }
        }
    }

    let mut charge = Charge::default();
    charge.set(bytes.len());
    let since = (!cfg!(feature = "unmetered")).then(|| WAITS.begin(Instant::now()));
    Bytes::from_owner(Shared { bytes, since, charge })
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    // Other tests of this process hold memory, too: what is counted here is larger than all of
    // theirs.
    const MUCH: usize = 1 << 40;
    /// But not larger than what the other one of these tests holds.
    static ALONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn charges_are_given_back() {
        let _alone = alone();
        let mut charge = Charge::default();
        charge.set(3 * MUCH);
        assert!(held() >= 3 * MUCH);
        charge.set(MUCH);
        assert_eq!((held() / MUCH, charge.bytes()), (1, MUCH));
        charge.set(2 * MUCH);
        assert_eq!((held() / MUCH, charge.bytes()), (2, 2 * MUCH));
        drop(charge);
        assert_eq!(held() / MUCH, 0);
    }

    #[test]
    fn shared_bytes_count_once_until_the_last_has_gone() {
        const SIZE: usize = 64 << 20;
        let _alone = alone();
        let before = held();
        let one = shared(vec![7; SIZE].into());
        let part = one.slice(1..3);
        assert_eq!(part, [7, 7][..]);
        assert!(held() >= before.max(SIZE));
        drop(one);
        assert!(held() >= SIZE);
        assert!(oldest_wait() > Duration::ZERO);
        let ended = wait_times().count();
        drop(part);
        assert!(held() < SIZE + before);
        assert!(wait_times().count() > ended);
    }
}
