//! What comes from the channels of a Redis: of other nodes, and of whoever else publishes there.

use crate::cluster::redis::any_bytes;

/// Any bytes are a request, a response or a broadcast, or none; what was read can be written and read again.
pub fn pubsub_wire(data: &[u8]) {
    any_bytes(data);
}
