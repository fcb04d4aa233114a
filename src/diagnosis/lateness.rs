//! Whether this process gets to its work in time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::facts::Facts;

/// Between two looks.
const TICK: Duration = Duration::from_millis(100);
/// Looks of so long count.
const WINDOW: Duration = Duration::from_secs(5);
/// Timers are never exact.
const EXACT: Duration = Duration::from_millis(50);
/// So late is nobody who has a processor.
const LATE: Duration = Duration::from_millis(150);
/// The fewest looks in a window of which one can say how they mostly were.
const FEWEST: usize = 8;
/// The shortest time between two lines of the log.
const PAUSE: Duration = Duration::from_secs(60);

/// How long after each other the latest looks came.
#[derive(Debug, Default)]
pub(super) struct Lateness(Mutex<VecDeque<Duration>>, Mutex<Option<Instant>>);

impl Lateness {
    /// Waits until the next look is due.
    pub async fn wait(&self) {
        let slept = Instant::now();
        tokio::time::sleep(TICK).await;
        self.looked(slept.elapsed());
    }

    /// A look came so long after the one before.
    pub fn looked(&self, after: Duration) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.push_back(after.max(TICK));
        while looks.len() > 1 && looks.iter().sum::<Duration>() > WINDOW {
            looks.pop_front();
        }
    }

    /// How late two thirds of the looks were, if that is worth a line of the log. Looks that come late now and
    /// then are those of a machine that slept, or of a burst of work.
    pub fn worth_a_line(&self, now: Instant) -> Option<Duration> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut late: Vec<_> = looks.iter().map(|&after| after - TICK).collect();
        drop(looks);
        late.sort_unstable();
        let most = *late.get(late.len() / 3).filter(|_| late.len() >= FEWEST)?;
        let mut told = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = told.is_some_and(|told| now - told < PAUSE);
        (most >= LATE && !soon).then(|| {
            *told = Some(now);
            most
        })
    }

    /// As a fact, if there is something to tell: for how long of these seconds the process was late.
    pub fn tell(&self, facts: &mut Facts) {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let late = looks.iter().map(|&after| after - TICK).filter(|&late| late > EXACT);
        let late: Duration = late.sum();
        if !late.is_zero() {
            facts.set("server-late-ms", late);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_late_counts_for_a_while() {
        let lateness = Lateness::default();
        let after = |ms| {
            lateness.looked(Duration::from_millis(ms));
            let mut facts = Facts::default();
            lateness.tell(&mut facts);
            facts.to_string()
        };
        assert_eq!([103, 100].map(after), ["", ""]);
        assert_eq!([500, 450].map(after), ["server-late-ms=400", "server-late-ms=750"]);
        (0..38).for_each(|_| assert_eq!(after(100), "server-late-ms=750"));
        assert_eq!(after(100), "server-late-ms=750");
        (0..6).for_each(|_| drop(after(100)));
        assert_eq!(after(100), "");
        assert_eq!([9100, 100].map(after), ["server-late-ms=9000", ""]);
    }

    #[test]
    fn late_is_who_is_late_mostly() {
        let start = Instant::now();
        // The lateness of each look, over and over, and whether it was told of.
        for (pattern, told) in [
            (&[1, 2, 30][..], false),
            (&[140], false),
            // A machine that slept, a burst of work.
            (&[60_000, 0, 0, 0, 0, 0], false),
            (&[400, 0], false),
            (&[0, 300, 300, 300], true),
            (&[200], true),
        ] {
            let lateness = Lateness::default();
            let mut lines = Vec::new();
            for n in 0..400_u32 {
                let late = Duration::from_millis(pattern[n as usize % pattern.len()]);
                lateness.looked(TICK + late);
                let line = lateness.worth_a_line(start + Duration::from_millis(250) * n);
                lines.extend(line.map(|late| (n, late)));
            }
            assert_eq!(!lines.is_empty(), told, "{pattern:?}: {lines:?}");
            if told {
                assert!(lines[0].0 < 20 && lines[0].1 >= LATE, "{pattern:?}: {lines:?}");
                assert_eq!(lines.len(), 2, "one a minute: {lines:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_as_long_as_wanted_is_not_late() {
        let lateness = Lateness::default();
        lateness.wait().await;
        lateness.wait().await;
        let mut facts = Facts::default();
        lateness.tell(&mut facts);
        assert_eq!(facts, Facts::default());
    }
}
