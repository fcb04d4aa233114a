//! What a node of a cluster is: its id, and the key that all nodes share.

use std::fmt;

use ring::hmac;

use super::tls::NodeTls;
use crate::engine::Sid;

/// Characters of the cluster's key. It must not be guessed from a proof that somebody has seen.
pub const SHORTEST_KEY: usize = 32;

/// Bytes of an id of a session that are random.
const RANDOM: usize = 8;
/// Bytes of it that name the node.
const NODE: usize = 3;
/// Bytes of it that sign the others.
const TAG: usize = Sid::BYTES - RANDOM - NODE;

/// Names a node in ids of sessions. Follows from its address and the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub(super) [u8; NODE]);

/// The key is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {SHORTEST_KEY} characters at least")]
pub struct WeakKey;

/// This node: who it is, and how it proves that.
pub struct Node {
    key: hmac::Key,
    id: NodeId,
    address: String,
    pub(super) tls: Option<NodeTls>,
}

impl Node {
    /// `key` is the secret of the cluster, and `address` where the other nodes reach this one: a host and a
    /// port, written as their list or directory has it.
    ///
    /// # Errors
    /// If the key is shorter than [`SHORTEST_KEY`].
    pub fn new(key: &str, address: &str, tls: Option<NodeTls>) -> Result<Self, WeakKey> {
        if key.len() < SHORTEST_KEY {
            return Err(WeakKey);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let id = id_of(&key, address);
        Ok(Node { key, id, address: address.to_owned(), tls })
    }

    /// The certificates of nodes, if connections between them are encrypted.
    pub fn tls(&self) -> Option<&NodeTls> {
        self.tls.as_ref()
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Where the others reach it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The id of the node at an address.
    pub fn id_of(&self, address: &str) -> NodeId {
        id_of(&self.key, address)
    }

    /// What all nodes of the cluster are called together, where a server says who it is.
    pub fn cluster_name(&self) -> Sid {
        let mut name = [0; Sid::BYTES];
        name.copy_from_slice(&self.sign(b"cluster", &[]).as_ref()[..Sid::BYTES]);
        Sid::of_bytes(name)
    }

    /// An id for a session of this node: random bytes, the node's id, and a signature.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn new_sid(&self) -> Result<Sid, getrandom::Error> {
        let mut bytes = [0; Sid::BYTES];
        getrandom::fill(&mut bytes[..RANDOM])?;
        bytes[RANDOM..RANDOM + NODE].copy_from_slice(&self.id.0);
        let tag = self.tag(&bytes[..RANDOM + NODE]);
        bytes[RANDOM + NODE..].copy_from_slice(&tag);
        Ok(Sid::of_bytes(bytes))
    }

    /// The other node that an id of a session names. `None` if it names this one, or was not made by a node
    /// of the cluster.
    pub fn other(&self, sid: &str) -> Option<NodeId> {
        let bytes = Sid::parse(sid)?.bytes();
        let (signed, tag) = bytes.split_at(RANDOM + NODE);
        let id = NodeId(signed[RANDOM..].try_into().ok()?);
        // Of the time that this takes a stranger learns nothing: a wrong tag is no step to the right one.
        (id != self.id && self.tag(signed) == tag).then_some(id)
    }

    fn tag(&self, signed: &[u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&self.sign(b"sid", &[signed]).as_ref()[..TAG]);
        tag
    }

    /// Signs what is said for one purpose. The parts have a fixed length each.
    pub(super) fn sign(&self, purpose: &[u8], parts: &[&[u8]]) -> hmac::Tag {
        sign(&self.key, purpose, parts)
    }

    /// Whether a signature is right.
    pub(super) fn is_signed(&self, purpose: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
        let signed: Vec<u8> = message(purpose, parts);
        hmac::verify(&self.key, &signed, tag).is_ok()
    }
}

fn id_of(key: &hmac::Key, address: &str) -> NodeId {
    let tag = sign(key, b"node", &[address.to_ascii_lowercase().as_bytes()]);
    let mut id = [0; NODE];
    id.copy_from_slice(&tag.as_ref()[..NODE]);
    NodeId(id)
}

fn sign(key: &hmac::Key, purpose: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&[purpose.len() as u8]);
    context.update(purpose);
    parts.iter().for_each(|part| context.update(part));
    context.sign()
}

fn message(purpose: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![purpose.len() as u8];
    message.extend_from_slice(purpose);
    parts.iter().for_each(|part| message.extend_from_slice(part));
    message
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a key of the cluster for its tests";

    fn node(address: &str) -> Node {
        Node::new(KEY, address, None).unwrap()
    }

    #[test]
    fn an_id_names_its_node_to_the_others_and_to_nobody_else() {
        let (a, b) = (node("10.0.0.1:7000"), node("10.0.0.2:7000"));
        let stranger = Node::new("the key of some other cluster ....", "10.0.0.1:7000", None);
        let sid = a.new_sid().unwrap();
        assert_ne!(sid, a.new_sid().unwrap());
        assert_eq!(b.other(sid.as_str()), Some(a.id()));
        assert_eq!(b.id_of("10.0.0.1:7000"), a.id());
        assert_eq!(a.other(sid.as_str()), None, "it is its own");
        assert_eq!(stranger.unwrap().other(sid.as_str()), None);
        assert_eq!(b.other(Sid::random().unwrap().as_str()), None);
        assert_eq!(Node::new(&KEY[..31], "a:1", None).err(), Some(WeakKey));
    }

    /// Each bit of an id is signed.
    #[test]
    fn an_id_that_was_changed_names_nobody() {
        let (a, b) = (node("10.0.0.1:7000"), node("10.0.0.2:7000"));
        let bytes = a.new_sid().unwrap().bytes();
        for bit in 0..Sid::BYTES * 8 {
            let mut forged = bytes;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(b.other(Sid::of_bytes(forged).as_str()), None, "bit {bit}");
        }
    }

    #[test]
    fn a_signature_is_for_one_purpose() {
        let a = node("a:1");
        let tag = a.sign(b"opens", &[b"x", b"y"]);
        assert!(a.is_signed(b"opens", &[b"x", b"y"], tag.as_ref()));
        assert!(!a.is_signed(b"accepts", &[b"x", b"y"], tag.as_ref()));
        assert!(!a.is_signed(b"opens", &[b"y", b"x"], tag.as_ref()));
        assert!(!a.is_signed(b"opens", &[b"x", b"y"], &tag.as_ref()[..31]));
    }
}
