//! No sticky sessions: requests for sessions of other nodes, and theirs for sessions here.
//!
//! A sid names the node that has the session, and is signed with the cluster's key ([`Node`]). A request that
//! comes in elsewhere is passed on to that node by a connection of a pool ([`Relay`]). Such a connection begins
//! with a mutual proof of the key (`proof`), then has HTTP/1.1: the request as it came, and what its
//! client's connection said of the client ([`ClientFacts`]), so that the owner decides as if the client had come
//! to it. What was passed on once is not passed on again.

mod answer;
mod connect;
mod counts;
mod directory;
mod facts;
mod forward;
mod node;
mod peers;
mod pool;
mod proof;
mod relays;
mod seldom;
mod splice;
mod tls;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use answer::in_pieces;
pub use counts::RelayCounts;
pub use directory::{Directory, NodeList};
pub use facts::ClientFacts;
pub(crate) use facts::Relayed;
pub use node::{Node, NodeId, SHORTEST_KEY, WeakKey};
pub use peers::{PeerState, Peers};
pub use proof::NotANode;
pub(crate) use relays::{NODE_KEEP_ALIVE, Owner, head_of};
pub use relays::{Relay, RelayFailed, RelayLimits};
pub(crate) use seldom::Seldom;
pub use tls::{NodeTls, NodeTlsError, NodeTlsFiles};
