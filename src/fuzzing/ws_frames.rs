//! FrameParser of WebSockets, as clients send them.

use bytes::Bytes;

use super::input::Input;
use crate::transport::ws_frames::{Fault, FrameParser, Message};

/// The greatest length of a message in bytes.
const MAX: usize = 1024;

/// How bytes are chopped changes nothing of what is said, nor what is wrong with it; no more is said than came; and
/// messages come out of whatever frames they were put into.
pub fn ws_frames(data: &[u8]) {
    let whole = read(data, data.len().max(1));
    let size = |said: &Message| match said {
        Message::Text(text) => text.len(),
        Message::Binary(data) | Message::Ping(data) | Message::Close(data) => data.len(),
        Message::Pong => 0,
    };
    assert!(whole.0.iter().all(|said| size(said) <= MAX), "over the bound");
    assert!(whole.0.iter().map(size).sum::<usize>() <= data.len(), "more than came");
    for piece in [1, 2, 7] {
        assert_eq!(read(data, piece), whole, "in pieces of {piece}");
    }
    let mut input = Input(data);
    let mut frames = Vec::new();
    let mut messages = Vec::new();
    for _ in 0..input.byte() % 8 {
        messages.extend(framed(&mut input, &mut frames));
    }
    let size = usize::from(input.byte()) + 1;
    assert_eq!(read(&frames, size), (messages, None));
}

/// Puts a message, a piece of the input, into frames, perhaps with a ping between them.
fn framed(input: &mut Input<'_>, out: &mut Vec<u8>) -> Vec<Message> {
    let mut said = Vec::new();
    let (choices, payload) = (input.byte(), input.short());
    let size = usize::from(input.byte()) + 1;
    let text = std::str::from_utf8(payload).ok().filter(|_| choices & 1 != 0);
    let count = payload.len().div_ceil(size).max(1);
    for at in 0..count {
        let opcode = match (at, text) {
            (0, Some(_)) => 1,
            (0, None) => 2,
            _ => 0,
        };
        let last = if at + 1 == count { 0x80 } else { 0 };
        let end = payload.len().min((at + 1) * size);
        put(out, opcode | last, &payload[at * size..end], choices);
        if choices & 2 != 0 && at + 1 < count {
            put(out, 0x89, b"ping", choices);
            said.push(Message::Ping(Bytes::from_static(b"ping")));
        }
    }
    said.push(match text {
        Some(text) => Message::Text(text.to_owned()),
        None => Message::Binary(Bytes::copy_from_slice(payload)),
    });
    said
}

fn put(out: &mut Vec<u8>, first: u8, payload: &[u8], key: u8) {
    let mask = [key, !key, key.rotate_left(3), 0x5a];
    out.push(first);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// All that is said up to a close frame, the input coming in pieces of that many bytes, and what is wrong then.
fn read(input: &[u8], piece: usize) -> (Vec<Message>, Option<Fault>) {
    let mut frames = FrameParser::new(MAX);
    let (mut said, mut waiting) = (Vec::new(), Vec::new());
    for piece in input.chunks(piece) {
        waiting.extend_from_slice(piece);
        loop {
            let (used, result) = frames.parse(&mut waiting);
            waiting.drain(..used);
            match result {
                Ok(Some(something)) => said.push(something),
                Ok(None) => break,
                Err(fault) => return (said, Some(fault)),
            }
            if let Some(Message::Close(_)) = said.last() {
                return (said, None);
            }
        }
        assert!(waiting.len() < 14, "no more than half a header waits");
    }
    (said, None)
}
