//! The sockets of one session.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Socket;

/// The sockets of one session. A socket that left stays here until the application has heard of it.
///
/// Lock order: this lock, then the session's. Never take it while the session's lock is held.
#[derive(Debug, Default)]
pub struct Sockets(Mutex<Vec<Socket>>);

impl Sockets {
    pub fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns a socket that has left, if there is one.
    pub fn take_left(&self) -> Option<Socket> {
        let mut sockets = self.lock();
        let at = sockets.iter().position(Socket::has_left)?;
        Some(sockets.swap_remove(at))
    }
}
