//! Socket.IO packets, in the grammar of each dialect.

use bytes::Bytes;

use super::input::Input;
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::grammar::{MAX_ATTACHMENTS, placeholders_fit};
use crate::dialect::socketio09::SocketIo09;
use crate::dialect::{AckRequest, Body, Dialect, Frame, Incoming, SocketPacket, Wire};

const DIALECTS: [&dyn Dialect; 3] = [&EngineIo4, &EngineIo3, &SocketIo09];

/// Decoding succeeds or fails, and a decoded packet can be encoded and decoded again.
pub fn grammar(data: &[u8]) {
    let mut input = Input(data);
    let dialect = DIALECTS[usize::from(input.byte()) % DIALECTS.len()];
    let wire = Wire::default();
    let Ok(Some(Incoming { mut packet, due })) = dialect.decode(&input.text(), &wire) else {
        return;
    };
    assert!(due <= MAX_ATTACHMENTS, "{due} attachments");
    packet.attachments = (0..due).map(|at| Bytes::from(vec![at as u8; at])).collect();
    placeholders_fit(&packet);
    if let Some(again) = again(dialect, &packet, &wire) {
        assert_eq!(again.due, due, "of {packet:?}");
        assert_eq!(without_ack_kind(again.packet), without_ack_kind(packet.clone()));
    }
    // A broadcast goes to members of all dialects.
    for dialect in DIALECTS {
        encoded(dialect, &packet, &Wire::default());
    }
}

/// Encodes a packet and decodes it again. `None` if the server sends no packets of its kind in this form.
fn again(dialect: &dyn Dialect, packet: &SocketPacket, wire: &Wire) -> Option<Incoming> {
    let text = encoded(dialect, packet, wire)?;
    if let Body::Connect(_) = packet.body
        && dialect.slot() != EngineIo4.slot()
    {
        return None;
    }
    let decoded = dialect.decode(&text, wire).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut incoming = decoded.unwrap_or_else(|| panic!("ignored: {text}"));
    incoming.packet.attachments = packet.attachments.clone();
    Some(incoming)
}

/// The text of an encoded packet, without the type of the message that carries it.
fn encoded(dialect: &dyn Dialect, packet: &SocketPacket, wire: &Wire) -> Option<String> {
    let frames = dialect.encode(packet, wire);
    let Some((Frame::Text(text), attached)) = frames.split_first() else {
        assert!(frames.is_empty(), "attachments before their packet");
        return None;
    };
    assert!(attached.iter().all(|frame| matches!(frame, Frame::Binary(_))));
    let text = std::str::from_utf8(text).expect("a packet is text");
    if dialect.slot() == SocketIo09.slot() {
        assert!(attached.is_empty(), "0.9 has no binary");
        return Some(text.to_owned());
    }
    assert_eq!(attached.len(), packet.attachments.len());
    if dialect.slot() == EngineIo3.slot() {
        let escaped = text.replace(&*packet.namespace, "");
        assert!(escaped.bytes().all(|byte| byte < 0x7f), "not plain ASCII: {text}");
    }
    Some(text.strip_prefix('4').expect("a message").to_owned())
}

/// The server asks only for acknowledgements by the application, so that kind comes back.
fn without_ack_kind(mut packet: SocketPacket) -> SocketPacket {
    if let Body::Event { ack, .. } = &mut packet.body
        && let Some(AckRequest::OnReceipt(id)) = ack.clone()
    {
        *ack = Some(AckRequest::ByApp(id));
    }
    packet
}
