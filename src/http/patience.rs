//! How long a client may take for what it is sent.

use std::time::Duration;

use tokio::time::Instant;

/// Who takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes a second. Who takes fewer loses our patience bit by bit.
const FLOOR: u32 = 1024;

/// Why an answer ended before its end.
pub(super) const SLOW: &str = "slow reader: the answer is not taken";

/// Runs out while something waits for a client, and is won back by each byte that it takes, and while nothing waits. So
/// an answer takes no longer than [`PATIENCE`] and what [`FLOOR`] gives it, however it is taken.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    /// When that was left.
    at: Instant,
    /// Whether something has waited since.
    waits: bool,
}

impl Patience {
    pub fn new() -> Self {
        Patience { left: PATIENCE, at: Instant::now(), waits: false }
    }

    /// Something waits for the client. Returns until when it may, unless some of it is taken.
    pub fn waits(&mut self) -> Instant {
        if !self.waits {
            self.pass();
            self.waits = true;
        }
        self.at + self.left
    }

    pub fn is_over(&self) -> bool {
        self.waits && Instant::now() >= self.at + self.left
    }

    /// The client took that many bytes, and may take more.
    pub fn took(&mut self, bytes: usize) {
        self.pass();
        self.waits = false;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.win(Duration::from_secs(1) * bytes / FLOOR);
    }

    fn pass(&mut self) {
        let now = Instant::now();
        let passed = now - self.at;
        self.at = now;
        if self.waits {
            self.left = self.left.saturating_sub(passed);
        } else {
            self.win(passed);
        }
    }

    fn win(&mut self, time: Duration) {
        self.left = (self.left + time).min(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const A_SECONDS_WORTH: usize = FLOOR as usize;

    /// How much is left for who waits from now on.
    fn left(patience: &mut Patience) -> Duration {
        patience.waits() - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_has_so_long_and_no_longer() {
        let mut patience = Patience::new();
        advance(100 * SECOND).await;
        assert_eq!(left(&mut patience), PATIENCE, "there is no more of it than that");
        advance(20 * SECOND).await;
        assert_eq!(left(&mut patience), 10 * SECOND, "to ask again changes nothing");
        patience.took(0);
        assert_eq!(left(&mut patience), 10 * SECOND);
        advance(9 * SECOND).await;
        assert!(!patience.is_over());
        advance(SECOND).await;
        assert!(patience.is_over());
        advance(10 * SECOND).await;
        patience.took(0);
        assert!(!patience.is_over(), "nothing waits");
        assert_eq!(left(&mut patience), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_and_rest_win_it_back() {
        let mut patience = Patience::new();
        patience.waits();
        advance(20 * SECOND).await;
        patience.took(5 * A_SECONDS_WORTH);
        assert_eq!(left(&mut patience), 15 * SECOND);
        patience.took(0);
        advance(5 * SECOND).await;
        assert_eq!(left(&mut patience), 20 * SECOND);
        patience.took(usize::MAX);
        assert_eq!(left(&mut patience), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_that_an_answer_can_take_grows_with_its_length() {
        // (bytes at a time, seconds between, seconds until it is over; none if it never is)
        for (bytes, every, over) in [
            (0, 1, Some(30)),
            (1, 29, Some(58)),
            (A_SECONDS_WORTH / 2, 1, Some(59)),
            (A_SECONDS_WORTH, 1, None),
            (A_SECONDS_WORTH * 20, 20, None),
            (A_SECONDS_WORTH * 100, 31, Some(31)),
        ] {
            let (mut patience, start) = (Patience::new(), Instant::now());
            let mut lost = None;
            while lost.is_none() && start.elapsed() < 1000 * SECOND {
                let until = patience.waits();
                advance(every * SECOND).await;
                if Instant::now() >= until {
                    lost = Some(start.elapsed().as_secs());
                }
                patience.took(bytes);
            }
            assert_eq!(lost, over, "{bytes} bytes every {every} s");
        }
    }
}
