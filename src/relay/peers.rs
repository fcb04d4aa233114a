//! Looks whether the other nodes take this one for a node of their cluster, before a client's request needs them: a
//! node with another key never gets such a request, as it knows none of the others' sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::directory::Directory;
use super::node::Node;
use super::proof::NotANode;

/// How long a look at one node may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Nodes that are looked at.
const MOST: usize = 256;

/// What another node is to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// Each has proved the key to the other.
    Joined,
    /// It does not take this node's proof, or has none: `cluster-key` differs, or its `node-address` is another one.
    OtherKey,
    /// Something else listens there.
    OtherProtocol,
    /// TLS: one of the two certificates is not trusted by the other, or only one of the nodes has TLS.
    Tls,
    /// It does not answer.
    Unreachable,
}

impl PeerState {
    /// Its name in metrics and for administrators.
    pub fn name(self) -> &'static str {
        match self {
            PeerState::Joined => "joined",
            PeerState::OtherKey => "other-key",
            PeerState::OtherProtocol => "other-protocol",
            PeerState::Tls => "tls",
            PeerState::Unreachable => "unreachable",
        }
    }

    /// All that there are.
    pub const ALL: [PeerState; 5] = [
        PeerState::Joined,
        PeerState::OtherKey,
        PeerState::OtherProtocol,
        PeerState::Tls,
        PeerState::Unreachable,
    ];
}

/// What was found at the last look.
#[derive(Debug, Default)]
pub struct Peers(Mutex<BTreeMap<Arc<str>, PeerState>>);

impl Peers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, PeerState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other nodes by their addresses, at most 256.
    pub fn all(&self) -> Vec<(Arc<str>, PeerState)> {
        self.lock().iter().map(|(address, state)| (Arc::clone(address), *state)).collect()
    }

    /// Looks again and again, with so much time between. Never ends.
    pub(super) async fn watch(&self, node: &Node, directory: &dyn Directory, pause: Duration) {
        loop {
            let mut others = directory.addresses();
            others.retain(|address| !address.eq_ignore_ascii_case(node.address()));
            others.sort();
            others.truncate(MOST);
            self.lock().retain(|address, _| others.contains(address));
            for address in others {
                let state = look(node, &address).await;
                let before = self.lock().insert(Arc::clone(&address), state);
                if before != Some(state) {
                    tell(&address, state, before);
                }
            }
            sleep(pause).await;
        }
    }
}

async fn look(node: &Node, address: &str) -> PeerState {
    match timeout(PATIENCE, node.connect(node.id_of(address), address)).await {
        Ok(Ok(_)) => PeerState::Joined,
        // It has greeted as a node does, and then did not take the proof.
        Ok(Err(NotANode::Refused | NotANode::WrongKey | NotANode::OtherNode)) => {
            PeerState::OtherKey
        }
        Ok(Err(NotANode::OtherProtocol)) => PeerState::OtherProtocol,
        Ok(Err(NotANode::Tls(_))) => PeerState::Tls,
        Ok(Err(NotANode::Left | NotANode::Broken(_))) | Err(_) => PeerState::Unreachable,
    }
}

/// One line for each change. That a node is not there is told when a request needs it.
fn tell(address: &str, state: PeerState, before: Option<PeerState>) {
    match state {
        PeerState::OtherKey => warn!(
            address,
            "another node has another cluster-key, or another node-address: neither takes requests for the other's sessions"
        ),
        PeerState::Joined if before.is_some_and(|it| it != PeerState::Unreachable) => {
            info!(address, "another node takes this one for one of its cluster now");
        }
        _ => {}
    }
}
