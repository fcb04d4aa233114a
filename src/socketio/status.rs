//! What is known of the way to other nodes.

use tokio::time::Instant;

/// What an [`Adapter`](super::Adapter) knows of the way to other nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Whether there is a way.
    pub link: ClusterLink,
    /// How many messages to or from other nodes were lost, or left out at a bound, as far as that is known.
    pub lost: u64,
}

/// The way to other nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClusterLink {
    /// There is no cluster: this node is all there is.
    #[default]
    None,
    /// What is said reaches the others.
    Up,
    /// Nobody can be reached since then.
    Down(Instant),
}

impl ClusterStatus {
    /// Everything works, and nothing was lost.
    pub const UP: Self = ClusterStatus { link: ClusterLink::Up, lost: 0 };

    /// Whether the node is part of a cluster, reachable or not.
    pub fn is_clustered(&self) -> bool {
        self.link != ClusterLink::None
    }

    /// Whether it is part of a cluster whose other nodes it cannot reach.
    pub fn is_alone(&self) -> bool {
        matches!(self.link, ClusterLink::Down(_))
    }
}
