//! Which other nodes there are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// After so much silence a node says that it is there.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// After so much silence a node is gone.
const GONE: Duration = Duration::from_secs(10);
/// Publishers that are no nodes call themselves so.
const EMITTER: &str = "emitter";

/// Other nodes, and when each was heard of.
#[derive(Debug, Default)]
pub struct Peers(HashMap<Arc<str>, Instant>);

impl Peers {
    pub fn heard(&mut self, uid: &Arc<str>, now: Instant) {
        if &**uid != EMITTER {
            self.0.insert(Arc::clone(uid), now);
        }
    }

    /// True if it was there.
    pub fn remove(&mut self, uid: &str) -> bool {
        self.0.remove(uid).is_some()
    }

    /// Removes and returns those that were silent for too long.
    pub fn take_gone(&mut self, now: Instant) -> Vec<Arc<str>> {
        self.0.extract_if(|_, heard| now - *heard >= GONE).map(|(uid, _)| uid).collect()
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_gone_and_emitters_never_come() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        for uid in ["a", "b", "emitter"] {
            peers.heard(&uid.into(), start);
        }
        peers.heard(&"b".into(), start + HEARTBEAT);
        assert_eq!(peers.count(), 2);
        assert!(peers.take_gone(start + GONE - HEARTBEAT / 100).is_empty());
        assert_eq!(peers.take_gone(start + GONE), [Arc::<str>::from("a")]);
        assert!(peers.remove("b") && !peers.remove("b"));
        assert_eq!(peers.all().count(), 0);
    }
}
