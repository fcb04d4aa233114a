//! What old servers of Node need: they end, or drop their clients, over what newer ones say.

use crate::cluster::node_format::{BINARY_EVENT, EVENT, FormatError, from_standard};
use crate::socketio::Packet;

/// The oldest adapter among Node's servers in a cluster: all nodes have to speak so that it understands. What
/// all of them say is understood in any case, but for that of 0.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OldestAdapter {
    /// `socket.io-redis` 0.1, on channels of its own: broadcasts go out twice, once for these servers. They have no
    /// requests.
    V0_1,
    /// `socket.io-redis` 0.2 to 2: MessagePack as `msgpack-js` has it, which newer servers do not understand.
    V0_2,
    /// `socket.io-redis` 3 to 5: binary in packets of another type, which newer servers do not understand.
    V3,
    /// `socket.io-redis` 6. Like those before, it knows no requests and responses but in JSON.
    V6,
    /// `@socket.io/redis-adapter`.
    #[default]
    V7,
}

impl OldestAdapter {
    /// The type of a packet.
    pub(super) fn kind(self, packet: &Packet) -> u8 {
        let is_old = self < OldestAdapter::V6;
        if is_old && !packet.args.attachments.is_empty() { BINARY_EVENT } else { EVENT }
    }

    /// Whether requests and responses may be MessagePack. Old servers end when they get one.
    pub(super) fn has_binary_requests(self) -> bool {
        self == OldestAdapter::V7
    }

    pub(super) fn is_msgpack_js(self) -> bool {
        self <= OldestAdapter::V0_2
    }

    /// A broadcast as it is published.
    pub(super) fn broadcast(self, written: Vec<u8>) -> Result<Vec<u8>, FormatError> {
        if self.is_msgpack_js() { from_standard(&written) } else { Ok(written) }
    }
}
