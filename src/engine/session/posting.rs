//! POSTs of a session that are under way.

use std::sync::Arc;

use super::super::handshake::TransportInfo;
use super::super::reason::{CloseReason, SessionError};
use super::super::state::Phase;
use super::Session;

/// POSTs of one session at once, where they may overlap.
const LENIENT_POSTS: u8 = 4;

/// A POST under way; its end is the end of this value.
#[derive(Debug)]
pub struct Posting {
    session: Arc<Session>,
    /// Bytes of its body that are held.
    held: usize,
}

impl Session {
    /// Marks the beginning of a POST.
    ///
    /// # Errors
    /// If one is under way, which ends the session (engineio.md §9), or none is wanted.
    pub fn begin_post(
        self: &Arc<Self>,
        info: &'static TransportInfo,
    ) -> Result<Posting, SessionError> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Closed(_)) {
            return Err(SessionError::Gone);
        }
        let at_once = if self.is_lenient() {
            LENIENT_POSTS
        } else {
            let candidate = state.candidate.as_ref();
            let probing = candidate.is_some_and(|candidate| candidate.info.wire == info.wire);
            if state.transport.wire != info.wire && !probing {
                return Err(SessionError::WrongTransport);
            }
            1
        };
        if state.posting >= at_once {
            drop(state);
            if !self.is_lenient() {
                self.close(CloseReason::Overlap("POST"));
            }
            return Err(SessionError::Overlap);
        }
        state.posting += 1;
        Ok(Posting { session: Arc::clone(self), held: 0 })
    }
}

impl Posting {
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
        self.session.shared.check_budget();
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
