//! When to look again, of all that may be due.

use tokio::time::Instant;

/// The earliest of the instants that have not come yet.
#[derive(Debug, Default)]
pub(in crate::engine) struct Earliest(Option<Instant>);

impl Earliest {
    /// Whether that instant has come; if not, it is remembered.
    pub fn is_due(&mut self, at: Instant, now: Instant) -> bool {
        if at <= now {
            return true;
        }
        self.0 = Some(self.0.map_or(at, |earliest| earliest.min(at)));
        false
    }

    pub fn get(&self) -> Option<Instant> {
        self.0
    }
}
