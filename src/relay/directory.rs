//! Where the nodes of a cluster are.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::{Node, NodeId};

/// Knows where nodes are. It is asked for each request of another node's session, so it has to know at once.
pub trait Directory: Send + Sync + 'static {
    /// The address of a node, a host and a port. `None` if there is no such node, or no more.
    fn address(&self, node: NodeId) -> Option<Arc<str>>;

    /// The addresses of all nodes, this one's may be among them.
    fn addresses(&self) -> Vec<Arc<str>>;
}

/// A list of nodes that never changes.
#[derive(Debug, Clone, Default)]
pub struct NodeList(HashMap<NodeId, Arc<str>>);

impl NodeList {
    /// The nodes at these addresses; `node`'s own may be among them.
    ///
    /// # Errors
    /// If two of the addresses have the same id, by an accident that another port or name for one of them
    /// ends. The error names both.
    pub fn new<'a>(
        node: &Node,
        addresses: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let own: Arc<str> = node.address().into();
        let mut list = HashMap::from([(node.id(), own)]);
        for address in addresses {
            let before = list.insert(node.id_of(address), address.into());
            if let Some(other) = before.filter(|it| !it.eq_ignore_ascii_case(address)) {
                return Err(format!("{other} and {address} have the same id, by accident"));
            }
        }
        Ok(NodeList(list))
    }
}

impl Directory for NodeList {
    fn address(&self, node: NodeId) -> Option<Arc<str>> {
        self.0.get(&node).cloned()
    }

    fn addresses(&self) -> Vec<Arc<str>> {
        self.0.values().cloned().collect()
    }
}
