//! What one page gets, as fast as it takes it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::hub::{Hub, Mode};
use super::journal::FellBehind;
use super::shown;
use crate::socketio::{Args, Socket};

/// Bytes that may wait for a page before it is told more, and the part of its queue that they may take.
const AHEAD: usize = 64 * 1024;
const PART: usize = 8;
/// While too much waits for a page, how often its queue is looked at again.
const LOOK: Duration = Duration::from_millis(50);
/// The shortest time between two beginnings, if a page falls behind.
const AGAIN: Duration = Duration::from_secs(1);
/// Sockets of the first list. All others follow one by one.
const FIRST: usize = 16;

/// Tells a page of everything until it leaves.
pub async fn watch(hub: Arc<Hub>, socket: Socket) {
    let page = Page { hub: &hub, socket: &socket };
    tokio::join!(page.tell_stats(), async {
        if hub.mode == Mode::Development {
            while !socket.has_left() {
                page.tell_sockets().await;
                tokio::time::sleep(AGAIN).await;
            }
        }
    });
}

struct Page<'a> {
    hub: &'a Hub,
    socket: &'a Socket,
}

impl Page<'_> {
    async fn tell_stats(&self) {
        let mut stats = self.hub.stats.subscribe();
        while !self.socket.has_left() && stats.changed().await.is_ok() {
            let latest = stats.borrow_and_update().clone();
            if let Some(latest) = latest
                && self.has_room()
            {
                self.socket.emit_shared(&latest);
            }
        }
    }

    /// Tells of all sockets, and then of changes, until the page leaves or falls behind.
    async fn tell_sockets(&self) {
        // The place in the journal is taken before the list is made: a change in between is in the list and is
        // sent again after it, and none is lost. The page ignores that, but for a room that is joined: there it
        // may count the socket twice.
        let mut told = self.hub.journal.last();
        if self.list().await.is_none() {
            return;
        }
        let mut stats = self.hub.stats.subscribe();
        loop {
            let changes = tokio::select! {
                changes = self.hub.journal.after(told) => changes,
                // A page that left without a change has to be noticed, too.
                _ = stats.changed() => Ok(Vec::new()),
            };
            let changes = match changes {
                Ok(changes) => changes,
                Err(FellBehind) => return,
            };
            for change in changes {
                if self.ready().await.is_none() {
                    return;
                }
                self.socket.emit_shared(&change);
                told += 1;
            }
            if self.socket.has_left() {
                return;
            }
        }
    }

    /// Sends all sockets; `None` if the page left.
    async fn list(&self) -> Option<()> {
        let mut sessions = self.hub.sockets.sessions().into_iter();
        let first: Vec<Value> = sessions
            .by_ref()
            .take(FIRST)
            .flat_map(|sid| self.hub.sockets.of(sid))
            .map(|socket| shown::socket(&socket, socket.session().transport()))
            .collect();
        self.ready().await?;
        self.socket.emit("all_sockets", Args::from(vec![first.into()]));
        for sid in sessions {
            self.ready().await?;
            for socket in self.hub.sockets.of(sid) {
                let shown = shown::socket(&socket, socket.session().transport());
                self.socket.emit("socket_connected", (shown, shown::now()));
            }
        }
        Some(())
    }

    /// Waits until the page has taken most of what it was told; `None` if it left.
    async fn ready(&self) -> Option<()> {
        while !self.socket.has_left() {
            if self.has_room() {
                // Lists are long: others have their turn.
                tokio::task::consume_budget().await;
                return Some(());
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }

    fn has_room(&self) -> bool {
        let session = self.socket.session();
        session.held() <= AHEAD.min(session.limits().queue.bytes / PART)
    }
}
