//! The limit on slow readers: how long a client may take to read a response.

use std::time::Duration;

use tokio::time::Instant;

/// The longest wait for a client that reads nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes a second that a client must read on average, or its time runs out.
const MIN_RATE: u32 = 1024;

/// How long what is there of something is offered to a reader that takes nothing, once it is known that no more of it
/// will come.
pub(crate) const LAST_OFFER: Duration = Duration::from_secs(3);
/// While something waits for a reader: the time between two looks whether more of it can come.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The reason in the log when a client reads too slowly.
pub(super) const SLOW: &str = "slow reader: the answer is not taken";

/// A budget of time for one reader. It shrinks while bytes wait for the client. It grows with each
/// byte that the client reads, and while nothing waits, up to [`PATIENCE`]. So a response of n
/// bytes takes at most [`PATIENCE`] plus n / [`MIN_RATE`] seconds. Once no more can come of what is
/// sent, the budget is [`LAST_OFFER`] at most.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    most: Duration,
    /// When `left` was last updated.
    at: Instant,
    /// Whether bytes have waited for the client since `at`.
    waiting: bool,
}

impl Patience {
    pub fn new() -> Self {
        Patience { left: PATIENCE, most: PATIENCE, at: Instant::now(), waiting: false }
    }

    /// No more will come of what is sent. To be called while nothing waits.
    pub fn end(&mut self) {
        self.most = LAST_OFFER;
        self.left = self.left.min(LAST_OFFER);
    }

    /// Notes that bytes wait for the client. Returns when the budget runs out if it reads none.
    pub fn start_wait(&mut self) -> Instant {
        if !self.waiting {
            self.update();
            self.waiting = true;
        }
        self.at + self.left
    }

    pub fn is_over(&self) -> bool {
        self.waiting && Instant::now() >= self.at + self.left
    }

    /// Notes that the client read `bytes` bytes, and that no more wait for it until the next
    /// [`Patience::start_wait`].
    pub fn progress(&mut self, bytes: usize) {
        self.update();
        self.waiting = false;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.add(Duration::from_secs(1) * bytes / MIN_RATE);
    }

    fn update(&mut self) {
        let now = Instant::now();
        let passed = now - self.at;
        self.at = now;
        if self.waiting {
            self.left = self.left.saturating_sub(passed);
        } else {
            self.add(passed);
        }
    }

    fn add(&mut self, time: Duration) {
        self.left = (self.left + time).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const A_SECONDS_WORTH: usize = MIN_RATE as usize;

    /// The time left when bytes wait from now on.
    fn left(patience: &mut Patience) -> Duration {
        patience.start_wait() - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_has_so_long_and_no_longer() {
        let mut patience = Patience::new();
        advance(100 * SECOND).await;
        assert_eq!(left(&mut patience), PATIENCE, "there is no more of it than that");
        advance(20 * SECOND).await;
        assert_eq!(left(&mut patience), 10 * SECOND, "to ask again changes nothing");
        patience.progress(0);
        assert_eq!(left(&mut patience), 10 * SECOND);
        advance(9 * SECOND).await;
        assert!(!patience.is_over());
        advance(SECOND).await;
        assert!(patience.is_over());
        advance(10 * SECOND).await;
        patience.progress(0);
        assert!(!patience.is_over(), "nothing waits");
        assert_eq!(left(&mut patience), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_and_rest_win_it_back() {
        let mut patience = Patience::new();
        patience.start_wait();
        advance(20 * SECOND).await;
        patience.progress(5 * A_SECONDS_WORTH);
        assert_eq!(left(&mut patience), 15 * SECOND);
        patience.progress(0);
        advance(5 * SECOND).await;
        assert_eq!(left(&mut patience), 20 * SECOND);
        patience.progress(usize::MAX);
        assert_eq!(left(&mut patience), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_more_will_come_of_is_offered_for_a_moment() {
        let mut patience = Patience::new();
        patience.end();
        assert_eq!(left(&mut patience), LAST_OFFER);
        advance(LAST_OFFER / 3).await;
        patience.progress(0);
        patience.end();
        assert_eq!(left(&mut patience), LAST_OFFER / 3 * 2, "to end again changes nothing");
        patience.progress(usize::MAX);
        assert_eq!(left(&mut patience), LAST_OFFER);
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
                let until = patience.start_wait();
                advance(every * SECOND).await;
                if Instant::now() >= until {
                    lost = Some(start.elapsed().as_secs());
                }
                patience.progress(bytes);
            }
            assert_eq!(lost, over, "{bytes} bytes every {every} s");
        }
    }
}
