//! What several nodes said while they were cut off from each other comes at once, from one after the other. It
//! is put in the order of time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::entry::Id;

/// After so much silence nothing more is waited for.
pub const QUIET: Duration = Duration::from_millis(700);
/// Messages that are held back at most.
const MAX: usize = 10_000;

/// Messages that are late, one after the other, with nothing else in between.
#[derive(Debug)]
pub struct Late<T> {
    held: Vec<(SystemTime, T)>,
    last: Option<(Id, Instant)>,
}

impl<T> Default for Late<T> {
    fn default() -> Self {
        Late { held: Vec::new(), last: None }
    }
}

impl<T> Late<T> {
    /// Holds one back.
    pub fn hold(&mut self, id: Id, said: SystemTime, message: T) {
        self.held.push((said, message));
        self.last = Some((id, Instant::now()));
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether no more is to be waited for.
    pub fn is_over(&self) -> bool {
        let quiet = self.last.is_some_and(|(_, at)| at.elapsed() >= QUIET);
        quiet || self.held.len() >= MAX
    }

    /// All that was held back, by time, and the place of the last entry.
    pub fn take(&mut self) -> Option<(Id, Vec<T>)> {
        let (id, _) = self.last.take()?;
        // What one node says at one time stays in its order.
        self.held.sort_by_key(|(said, _)| *said);
        Some((id, self.held.drain(..).map(|(_, message)| message).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_late_is_put_in_the_order_of_time() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let id = |number: u64| format!("{number}-0").parse::<Id>().unwrap();
        let mut late = Late::default();
        assert!(late.take().is_none() && !late.is_over());
        for (number, second) in [(1, 5), (2, 7), (3, 4), (4, 5), (5, 9)] {
            late.hold(id(number), at(second), number);
        }
        assert!(!late.is_over());
        tokio::time::advance(QUIET).await;
        assert!(late.is_over());
        assert_eq!(late.take(), Some((id(5), vec![3, 1, 4, 2, 5])));
        assert!(late.is_empty() && late.take().is_none());
    }
}
