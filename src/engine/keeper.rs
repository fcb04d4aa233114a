//! The one task of a session: it watches the clock, and tells the receiver of the end.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::Session;

/// Runs until the session is over and its receiver has heard so.
pub(super) async fn keep(session: Arc<Session>) {
    while let Some(until) = session.tick(Instant::now()) {
        tokio::select! {
            () = sleep_until(until) => {}
            () = session.keeper_woken() => {}
        }
    }
    session.finish().await;
}
