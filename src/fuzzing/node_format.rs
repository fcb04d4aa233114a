//! Messages of other nodes, and of whoever else writes to a broker.

use crate::cluster::node_format::{
    Parts, decode, from_standard, read, read_data, to_standard, write, write_binary, write_data,
};
use crate::cluster::{Content, Message};

/// Any bytes are a message or none. One that was read can be written in both formats, and is the same when it
/// is read again.
pub fn node_format(data: &[u8]) {
    let _ = decode(data);
    let _ = Parts::read_list(data).map(|(items, parts)| {
        for item in items {
            let _ = (parts.event_of(item.clone()), parts.opts_of(item.clone()));
            let _ = (parts.list_of(item.clone()), parts.without_binary(item));
        }
    });
    // What old servers say is the same after a way to today's format and back, but for numbers, the first time.
    if let Ok(old) = to_standard(data).and_then(|standard| from_standard(&standard)) {
        let standard = to_standard(&old).expect("what was written can be read");
        assert_eq!(from_standard(&standard).expect("what was read can be written"), old);
    }
    for number in 1..=13 {
        if let Ok(content) = read_data(number, Some(data)) {
            check(content);
        }
    }
    if let Ok(message) = read(data) {
        check(message.content);
    }
}

fn check(content: Content) {
    let message = Message { uid: "u".into(), namespace: "/".into(), content };
    // Numbers that MessagePack has not, and parts of a millisecond, are lost the first time.
    let Ok(written) = write_binary(&message) else { return };
    let Ok(message) = read(&written) else { return };
    let again = write(&message).expect("what was read can be written");
    assert_eq!(read(&again).expect("what was written can be read"), message);
    let data = write_data(&message.content).expect("what was read can be written");
    let again = read_data(message.content.number().into(), data.as_deref());
    assert_eq!(again.expect("what was written can be read"), message.content);
}
