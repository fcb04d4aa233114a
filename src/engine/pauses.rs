//! Whether the whole process was stopped for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often [`PauseDetector::resumed`] has to be called at least.
pub(super) const PULSE: Duration = Duration::from_secs(1);
/// Without a call for so long, the process was paused and heard no client meanwhile.
const PAUSE: Duration = Duration::from_secs(3);

/// Notices that the process did not run: it was stopped by a signal, the machine slept, or it was
/// starved.
#[derive(Debug)]
pub(super) struct PauseDetector(Mutex<Pulse>);

#[derive(Debug)]
struct Pulse {
    last: Instant,
    /// When the process came back after its last pause.
    resumed: Option<Instant>,
}

impl Default for PauseDetector {
    fn default() -> Self {
        PauseDetector(Mutex::new(Pulse { last: Instant::now(), resumed: None }))
    }
}

impl PauseDetector {
    /// When the process last came back from a pause, if it was ever paused. Call this before every
    /// decision that rests on what was not heard until now.
    pub fn resumed(&self, now: Instant) -> Option<Instant> {
        let mut pulse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(pulse.last) > PAUSE {
            pulse.resumed = Some(now);
        }
        pulse.last = pulse.last.max(now);
        pulse.resumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_the_process_is_noticed_and_kept() {
        let pauses = PauseDetector::default();
        let mut now = pauses.0.lock().unwrap().last;
        let mut resumed = None;
        for (passed, paused) in [
            (Duration::ZERO, false),
            (PAUSE, false),
            (PAUSE, false),
            (PAUSE + Duration::from_millis(1), true),
            (PAUSE, false),
            (10 * PAUSE, true),
        ] {
            now += passed;
            if paused {
                resumed = Some(now);
            }
            assert_eq!(pauses.resumed(now), resumed, "{passed:?}");
        }
        // Another thread may have read the clock before, and come later.
        assert_eq!(pauses.resumed(now - 2 * PAUSE), resumed);
        assert_eq!(pauses.resumed(now + PAUSE), resumed);
    }
}
