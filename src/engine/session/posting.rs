//! POSTs of a session that are under way.

use std::sync::Arc;

use super::super::state::Phase;
use super::Session;

/// A POST under way; its end is the end of this value.
#[derive(Debug)]
pub struct Posting {
    session: Arc<Session>,
    /// Bytes of its body that are held.
    held: usize,
}

/// POSTs of one session at once, where they may overlap.
pub(super) const LENIENT_POSTS: u8 = 4;

impl Posting {
    pub(super) fn new(session: &Arc<Session>) -> Self {
        Posting { session: Arc::clone(session), held: 0 }
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Its body takes so many bytes of memory by now: they count as if they waited for the client.
    pub fn holds(&mut self, bytes: usize) {
        let mut state = self.session.state();
        if !matches!(state.phase, Phase::Closed(_)) {
            state.body_grew(self.held, bytes);
            self.held = bytes;
        }
        drop(state);
        self.session.core.look_at_budget();
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        let mut state = self.session.state();
        state.posting -= 1;
        if self.held > 0 && !matches!(state.phase, Phase::Closed(_)) {
            state.body_grew(self.held, 0);
        }
    }
}
