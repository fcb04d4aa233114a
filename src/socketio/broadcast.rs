//! One event for many sockets.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::values::Args;
use crate::dialect::{self, AckRequest, Body, Dialect, Frame, SocketPacket, Wire};
use crate::engine::Delivery;
use crate::memory;

/// An event for many sockets of one namespace, for applications that keep lists of sockets of their own: see
/// [`Socket::emit_shared`](super::Socket::emit_shared). It is encoded once for each dialect that a receiver
/// has, and all receivers share the bytes.
#[derive(Debug)]
pub struct Broadcast {
    packet: SocketPacket,
    /// The position, for clients that can recover: an argument more.
    offset: Option<Arc<str>>,
    pub(super) delivery: Delivery,
    /// For who sees what is sent, once there is somebody.
    args: OnceLock<Args>,
    encoded: [OnceLock<Box<[Frame]>>; dialect::COUNT],
}

impl Broadcast {
    /// An event of a namespace, not encoded yet.
    pub fn new(namespace: Arc<str>, name: &str, args: impl Into<Args>) -> Self {
        Self::build(namespace, name.to_owned(), args.into(), None)
    }

    /// An event that wants acknowledgements, all with the same id.
    pub(super) fn with_ack(namespace: Arc<str>, name: String, args: Args, id: u64) -> Self {
        Self::build(namespace, name, args, Some(id))
    }

    fn build(namespace: Arc<str>, name: String, args: Args, ack: Option<u64>) -> Self {
        let Args { values, attachments } = args;
        let ack = ack.map(|id| AckRequest::ByApp(id.into()));
        let body = Body::Event { name, args: values, ack };
        Broadcast {
            packet: SocketPacket { namespace, body, attachments },
            offset: None,
            delivery: Delivery::Reliable,
            args: OnceLock::new(),
            encoded: Default::default(),
        }
    }

    /// Sets the delivery to slow readers. The default is [`Delivery::Reliable`].
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets the position, which clients that can recover get as an argument more.
    #[must_use]
    pub fn offset(mut self, offset: Option<Arc<str>>) -> Self {
        self.offset = offset;
        self
    }

    /// Its position, if it is kept for those who miss it.
    pub(crate) fn position(&self) -> Option<&Arc<str>> {
        self.offset.as_ref().filter(|_| self.delivery == Delivery::Reliable)
    }

    /// Name and arguments, without the position.
    pub(crate) fn event(&self) -> Option<(&str, &Args)> {
        let Body::Event { name, args, .. } = &self.packet.body else { return None };
        let attachments = || self.packet.attachments.clone();
        let args =
            self.args.get_or_init(|| Args { values: args.clone(), attachments: attachments() });
        Some((name, args))
    }

    pub(super) fn frames(&self, dialect: &dyn Dialect) -> &[Frame] {
        self.encoded[dialect.slot()].get_or_init(|| {
            let offset = self.offset.as_ref().filter(|_| dialect.rules().recovers);
            let frames = match (offset, &self.packet.body) {
                (Some(offset), Body::Event { name, args, ack }) => {
                    let offset = Value::from(&**offset);
                    let args = args.iter().cloned().chain([offset]).collect();
                    let body = Body::Event { name: name.clone(), args, ack: ack.clone() };
                    dialect.encode(&SocketPacket { body, ..self.packet.clone() }, &Wire::default())
                }
                _ => dialect.encode(&self.packet, &Wire::default()),
            };
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

    #[test]
    fn only_clients_that_can_recover_get_positions() {
        let broadcast = Broadcast::new("/".into(), "m", vec![]).offset(Some("a.1".into()));
        assert_eq!(broadcast.frames(&EngineIo4), [Frame::fixed("42[\"m\",\"a.1\"]")]);
        assert_eq!(broadcast.frames(&EngineIo3), [Frame::fixed("42[\"m\"]")]);
        assert_eq!(broadcast.event(), Some(("m", &Args::default())));
    }
}
