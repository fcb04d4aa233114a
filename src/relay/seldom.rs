//! Lines of the log that strangers could cause without end.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The least time between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// Counts what happens, and says when a line about it is due.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Nothing happened yet.
    pub const fn new() -> Self {
        Seldom(Mutex::new((None, 0)))
    }

    /// It happened so many times more. If a line is due: how often since the last one.
    pub fn count(&self, more: u64) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = &mut *state;
        *count += more;
        if last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_counts_all() {
        let seldom = Seldom::new();
        assert_eq!(seldom.count(1), Some(1));
        assert_eq!([seldom.count(1), seldom.count(2)], [None, None]);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(seldom.count(1), Some(4));
    }
}
