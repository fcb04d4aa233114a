//! Broadcasts, and the channels that they go by.

use std::sync::Arc;

use serde_json::Value;

use crate::cluster::node_format::{Event, FormatError, Opts, Parts, encode_binary, to_standard};
use crate::cluster::redis::escaped;
use crate::cluster::redis::pubsub::oldest::OldestAdapter;
use crate::socketio::{Flags, Packet, Selector};

/// The channels of a namespace.
#[derive(Debug)]
pub struct Channels {
    /// Of broadcasts. Those to one room have the room's name, and `#`, after it.
    pub broadcasts: Arc<str>,
    /// Of requests to all nodes.
    pub requests: Arc<str>,
    /// Of responses.
    pub responses: Arc<str>,
    /// Of responses to this node alone, which some servers use.
    pub own_responses: Arc<str>,
    /// Of broadcasts of this node to servers of 0.1. It is none that this node listens to.
    pub first: Arc<str>,
    /// Of broadcasts of these servers: a pattern. Each has one of its own, with a name of six characters after the
    /// prefix; those of newer servers go on with the namespace, which begins with a slash.
    pub of_first: String,
    /// Of broadcasts of emitters as old as that.
    pub of_emitters: Arc<str>,
}

impl Channels {
    pub fn new(prefix: &str, namespace: &str, uid: &str) -> Self {
        Channels {
            broadcasts: format!("{prefix}#{namespace}#").into(),
            requests: format!("{prefix}-request#{namespace}#").into(),
            responses: format!("{prefix}-response#{namespace}#").into(),
            own_responses: format!("{prefix}-response#{namespace}#{uid}#").into(),
            first: format!("{prefix}#parlance").into(),
            of_first: format!("{}#[^/]?????", escaped(prefix)),
            of_emitters: format!("{prefix}#emitter").into(),
        }
    }

    /// The channel for a broadcast.
    pub fn of(&self, selector: &Selector) -> Arc<str> {
        match &selector.rooms[..] {
            [room] => format!("{}{room}#", self.broadcasts).into(),
            _ => Arc::clone(&self.broadcasts),
        }
    }

    /// The room that a channel of broadcasts is for: `None` if it is none, `Some(None)` if it is for all.
    pub fn room<'a>(&self, channel: &'a str) -> Option<Option<&'a str>> {
        let rest = channel.strip_prefix(&*self.broadcasts)?;
        if rest.is_empty() { Some(None) } else { rest.strip_suffix('#').map(Some) }
    }
}

/// A broadcast of another node.
#[derive(Debug, PartialEq)]
pub struct Broadcast {
    pub uid: Arc<str>,
    pub namespace: Arc<str>,
    pub packet: Packet,
    pub selector: Selector,
    pub flags: Flags,
}

impl Broadcast {
    pub fn write(
        uid: &str,
        namespace: &str,
        packet: &Packet,
        (selector, flags): (&Selector, Flags),
        oldest: OldestAdapter,
    ) -> Result<Vec<u8>, FormatError> {
        let event = Event { packet, namespace: Some(namespace), kind: oldest.kind(packet) };
        oldest.broadcast(encode_binary(&(uid, event, Opts { selector, flags }))?)
    }

    /// Writes one for servers of 0.1: without a name, which is in that of the channel.
    pub fn write_first(
        namespace: &str,
        packet: &Packet,
        (selector, flags): (&Selector, Flags),
    ) -> Result<Vec<u8>, FormatError> {
        let oldest = OldestAdapter::V0_1;
        let event = Event { packet, namespace: Some(namespace), kind: oldest.kind(packet) };
        oldest.broadcast(encode_binary(&(event, Opts { selector, flags }))?)
    }

    /// Reads one of any server but those of 0.1. `oldest` is what is tried first: hardly any message can be read
    /// as both, but if it can, that is what it is.
    pub fn read(bytes: &[u8], oldest: OldestAdapter) -> Result<Self, FormatError> {
        let (old, new) =
            (|| Self::read_standard(&to_standard(bytes)?), || Self::read_standard(bytes));
        match oldest.is_msgpack_js() {
            true => old().or_else(|error| new().map_err(|_| error)),
            false => new().or_else(|error| old().map_err(|_| error)),
        }
    }

    fn read_standard(bytes: &[u8]) -> Result<Self, FormatError> {
        let (mut list, parts) = Parts::read_list(bytes)?;
        if list.is_empty() {
            return Err(FormatError::Mistyped("uid"));
        }
        let uid = list.remove(0);
        let uid = uid.as_str().ok_or(FormatError::Mistyped("uid"))?;
        Self::of(uid.into(), list, &parts)
    }

    /// Reads one of a server of 0.1, whose name is in that of the channel.
    pub fn read_first(channel: &str, bytes: &[u8]) -> Result<Self, FormatError> {
        let uid = channel.rsplit('#').next().unwrap_or_default();
        let (list, parts) = Parts::read_list(&to_standard(bytes)?)?;
        Self::of(uid.into(), list, &parts)
    }

    fn of(uid: Arc<str>, list: Vec<Value>, parts: &Parts) -> Result<Self, FormatError> {
        let mut list = list.into_iter();
        let (packet, namespace) = parts.event_of(list.next().unwrap_or_default())?;
        let (selector, flags) = parts.opts_of(list.next().unwrap_or_default())?;
        let namespace = namespace.unwrap_or_else(|| "/".into());
        Ok(Broadcast { uid, namespace, packet, selector, flags })
    }
}
