//! FrameParser of WebSockets, as clients send them.

use bytes::Bytes;

use super::input::Input;
use crate::transport::ws_frames::{Fault, FrameParser, Message};

/// The greatest length of a message in bytes.
const MAX: usize = 1024;

/// The result does not depend on how the bytes are split. No more comes out than went in. A message comes out
/// whole, whatever frames it was put into.
pub fn ws_frames(data: &[u8]) {
    let whole = read(data, data.len().max(1));
    let size = |message: &Message| match message {
        Message::Text(text) => text.len(),
        Message::Binary(data) | Message::Ping(data) | Message::Close(data) => data.len(),
        Message::Pong => 0,
    };
    assert!(whole.0.iter().all(|message| size(message) <= MAX), "over the bound");
    assert!(whole.0.iter().map(size).sum::<usize>() <= data.len(), "more than came");
    for piece in [1, 2, 7] {
        assert_eq!(read(data, piece), whole, "in pieces of {piece}");
    }
    let mut input = Input(data);
    let mut frames = Vec::new();
    let mut messages = Vec::new();
    for _ in 0..input.byte() % 8 {
        messages.extend(add_message(&mut input, &mut frames));
    }
    let size = usize::from(input.byte()) + 1;
    assert_eq!(read(&frames, size), (messages, None));
}

/// Puts a message of the input into frames, perhaps with pings between them. Returns what should come out.
fn add_message(input: &mut Input<'_>, out: &mut Vec<u8>) -> Vec<Message> {
    let mut expected = Vec::new();
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
        add_frame(out, opcode | last, &payload[at * size..end], choices);
        if choices & 2 != 0 && at + 1 < count {
            add_frame(out, 0x89, b"ping", choices);
            expected.push(Message::Ping(Bytes::from_static(b"ping")));
        }
    }
    expected.push(match text {
        Some(text) => Message::Text(text.to_owned()),
        None => Message::Binary(Bytes::copy_from_slice(payload)),
    });
    expected
}

fn add_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], key: u8) {
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

/// Reads the input in pieces of `piece` bytes, up to a close frame or an error.
fn read(input: &[u8], piece: usize) -> (Vec<Message>, Option<Fault>) {
    let mut frames = FrameParser::new(MAX);
    let (mut messages, mut waiting) = (Vec::new(), Vec::new());
    for piece in input.chunks(piece) {
        waiting.extend_from_slice(piece);
        loop {
            let (used, result) = frames.parse(&mut waiting);
            waiting.drain(..used);
            match result {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(fault) => return (messages, Some(fault)),
            }
            if let Some(Message::Close(_)) = messages.last() {
                return (messages, None);
            }
        }
        assert!(waiting.len() < 14, "no more than half a header waits");
    }
    (messages, None)
}
