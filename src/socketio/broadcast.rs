//! One event for many sockets.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::dialect::{self, Body, Dialect, Frame, SocketPacket, Wire};
use crate::engine::Delivery;
use crate::memory;

/// An event for many sockets of one namespace. It is encoded once for each dialect that a receiver has,
/// and all receivers share the bytes.
#[derive(Debug)]
pub struct Broadcast {
    packet: SocketPacket,
    pub(super) delivery: Delivery,
    encoded: [OnceLock<Box<[Frame]>>; dialect::COUNT],
}

impl Broadcast {
    /// An event of a namespace, not encoded yet.
    pub fn new(namespace: Arc<str>, name: &str, args: Vec<Value>) -> Self {
        let body = Body::Event { name: name.to_owned(), args, ack: None };
        Broadcast {
            packet: SocketPacket { namespace, body, attachments: Vec::new() },
            delivery: Delivery::Reliable,
            encoded: Default::default(),
        }
    }

    /// Sets the delivery to slow readers. The default is [`Delivery::Reliable`].
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    pub(super) fn frames(&self, dialect: &dyn Dialect) -> &[Frame] {
        self.encoded[dialect.slot()].get_or_init(|| {
            let frames = dialect.encode(&self.packet, &Wire::default());
            frames.into_iter().map(shared).collect()
        })
    }
}

fn shared(frame: Frame) -> Frame {
    match frame {
        Frame::Text(bytes) => Frame::Text(memory::shared(bytes)),
        Frame::Binary(bytes) => Frame::Binary(memory::shared(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::engineio3::EngineIo3;
    use crate::dialect::engineio4::EngineIo4;

    #[test]
    fn encodes_once_for_each_dialect() {
        let broadcast = Broadcast::new("/".into(), "m", vec!["é".into()]);
        let first = broadcast.frames(&EngineIo4).as_ptr();
        assert_eq!(first, broadcast.frames(&EngineIo4).as_ptr());
        assert_eq!(broadcast.frames(&EngineIo4), [Frame::fixed("42[\"m\",\"é\"]")]);
        assert_eq!(broadcast.frames(&EngineIo3), [Frame::fixed("42[\"m\",\"\\u00e9\"]")]);
    }
}
