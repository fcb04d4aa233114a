//! Parses the WebSocket frames of a client (RFC 6455 §5): bytes in, messages out.
//!
//! FrameParser are checked as their bytes come in, not when they are complete. So the first wrong byte fails the
//! connection, and memory grows with the bytes that came, not with the length that a header announces.

use std::io::Cursor;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// The greatest payload of a control frame in bytes.
const CONTROL_MAX: u64 = 125;

/// A message or control frame of a client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Text(String),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    /// A close frame with its payload, which is empty or a code and a reason.
    Close(Bytes),
}

/// The reason to fail a connection (RFC 6455 §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A message is longer than allowed.
    TooLarge,
    /// Text, or the reason of a close frame, is not UTF-8.
    BadText,
    /// The frames violate the protocol.
    Protocol(&'static str),
}

impl Fault {
    /// The close code.
    pub fn code(self) -> u16 {
        match self {
            Fault::Protocol(_) => 1002,
            Fault::BadText => 1007,
            Fault::TooLarge => 1009,
        }
    }

    /// The reason in the close frame.
    pub fn reason(self) -> &'static str {
        match self {
            Fault::TooLarge => "payload too large",
            Fault::BadText => "text is not valid UTF-8",
            Fault::Protocol(reason) => reason,
        }
    }
}

/// Parses the frames of one connection.
#[derive(Debug)]
pub(crate) struct FrameParser {
    /// The greatest length of a message in bytes.
    max: usize,
    /// The frame whose payload is incomplete.
    frame: Option<PartialFrame>,
    /// The message that is incomplete.
    message: Option<PartialMessage>,
    /// The payload of an incomplete control frame.
    control: Vec<u8>,
}

#[derive(Debug)]
struct PartialFrame {
    opcode: OpCode,
    is_last: bool,
    /// The masking key, rotated so that its first byte masks the next byte of the payload.
    mask: [u8; 4],
    /// Bytes of the payload that are missing.
    left: u64,
}

#[derive(Debug)]
struct PartialMessage {
    is_text: bool,
    data: Vec<u8>,
    /// Bytes of text that are valid UTF-8.
    valid: usize,
}

impl FrameParser {
    /// A parser that accepts messages of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        FrameParser { max, frame: None, message: None, control: Vec::new() }
    }

    /// Sets the greatest length of a message. Returns false, and changes nothing, if more is held already.
    pub fn set_max(&mut self, max: usize) -> bool {
        let fits = self.held() <= max;
        if fits {
            self.max = max;
        }
        fits
    }

    /// Whether a message is incomplete.
    pub fn in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Bytes of memory that the incomplete message takes.
    pub fn held(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.data.capacity())
    }

    /// Parses up to the end of the next message or control frame, and returns how many bytes that took.
    /// `None` means that all frames so far are incomplete; then the bytes that are left are the beginning of
    /// a header, fewer than 14, and have to be passed again with the bytes that follow. Payload is unmasked
    /// in place.
    pub fn parse(&mut self, input: &mut [u8]) -> (usize, Result<Option<Message>, Fault>) {
        let mut at = 0;
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.header(&input[at..]) {
                    Ok(Some((frame, length))) => {
                        at += length;
                        frame
                    }
                    Ok(None) => return (at, Ok(None)),
                    Err(fault) => return (at, Err(fault)),
                },
            };
            let rest = &mut input[at..];
            let count = usize::try_from(frame.left).map_or(rest.len(), |left| left.min(rest.len()));
            let chunk = &mut rest[..count];
            unmask(chunk, frame.mask);
            at += count;
            frame.left -= count as u64;
            frame.mask.rotate_left(count % 4);
            let is_complete = frame.left == 0;
            let message = match frame.opcode {
                OpCode::Control(control) => {
                    self.control.extend_from_slice(chunk);
                    if is_complete { self.control(control).map(Some) } else { Ok(None) }
                }
                OpCode::Data(_) => self.data(chunk, is_complete && frame.is_last),
            };
            if !is_complete {
                self.frame = Some(frame);
            }
            match message {
                Ok(None) if is_complete => {}
                message => return (at, message),
            }
        }
    }

    /// Parses a header, and returns its length too. `None` if it is incomplete.
    fn header(&mut self, input: &[u8]) -> Result<Option<(PartialFrame, usize)>, Fault> {
        if let Some(first) = input.first() {
            if first & 0x70 != 0 {
                return Err(Fault::Protocol("reserved bits are set"));
            }
            if matches!(first & 0x0f, 3..=7 | 11..=15) {
                return Err(Fault::Protocol("unknown opcode"));
            }
        }
        let mut cursor = Cursor::new(input);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Fault::Protocol("bad header"))?;
        let Some((header, left)) = parsed else { return Ok(None) };
        let Some(mask) = header.mask else {
            return Err(Fault::Protocol("frame is not masked"));
        };
        match header.opcode {
            OpCode::Control(_) if !header.is_final => {
                return Err(Fault::Protocol("control frame in fragments"));
            }
            OpCode::Control(_) if left > CONTROL_MAX => {
                return Err(Fault::Protocol("control frame too long"));
            }
            OpCode::Control(_) => {}
            OpCode::Data(data) => self.begin(data, left)?,
        }
        let length = cursor.position() as usize;
        Ok(Some((
            PartialFrame { opcode: header.opcode, is_last: header.is_final, mask, left },
            length,
        )))
    }

    /// Begins a data frame with a payload of `length` bytes.
    fn begin(&mut self, data: Data, length: u64) -> Result<(), Fault> {
        let continues = matches!(data, Data::Continue);
        match &self.message {
            Some(_) if !continues => return Err(Fault::Protocol("a message inside of another")),
            None if continues => return Err(Fault::Protocol("nothing to continue")),
            _ => {}
        }
        let before = self.message.as_ref().map_or(0, |message| message.data.len());
        if length > (self.max - before) as u64 {
            return Err(Fault::TooLarge);
        }
        self.message.get_or_insert_with(|| PartialMessage {
            is_text: matches!(data, Data::Text),
            data: Vec::new(),
            valid: 0,
        });
        Ok(())
    }

    /// Appends a piece to the message. `is_end`: it is the last one.
    fn data(&mut self, piece: &[u8], is_end: bool) -> Result<Option<Message>, Fault> {
        let Some(message) = &mut self.message else { return Ok(None) };
        message.data.extend_from_slice(piece);
        if !is_end {
            return if message.is_text { message.check_text().map(|()| None) } else { Ok(None) };
        }
        let Some(message) = self.message.take() else { return Ok(None) };
        if message.is_text {
            String::from_utf8(message.data).map(Message::Text).map(Some).map_err(|_| Fault::BadText)
        } else {
            Ok(Some(Message::Binary(message.data.into())))
        }
    }

    /// Handles a complete control frame.
    fn control(&mut self, control: Control) -> Result<Message, Fault> {
        let payload = Bytes::from(std::mem::take(&mut self.control));
        match control {
            Control::Ping => Ok(Message::Ping(payload)),
            Control::Close => check_close(&payload).map(|()| Message::Close(payload)),
            // Reserved opcodes have failed in `header`.
            Control::Pong | Control::Reserved(_) => Ok(Message::Pong),
        }
    }
}

impl PartialMessage {
    /// Checks that the data so far can be the beginning of UTF-8.
    fn check_text(&mut self) -> Result<(), Fault> {
        match std::str::from_utf8(&self.data[self.valid..]) {
            Ok(_) => self.valid = self.data.len(),
            // The last character is incomplete.
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(Fault::BadText),
        }
        Ok(())
    }
}

fn check_close(payload: &[u8]) -> Result<(), Fault> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload {
            [] => Ok(()),
            _ => Err(Fault::Protocol("half a close code")),
        };
    };
    // The codes that a close frame may carry (RFC 6455 §7.4, and later additions by IANA).
    if !matches!(u16::from_be_bytes(*code), 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Fault::Protocol("close code that may not be sent"));
    }
    std::str::from_utf8(reason).map(drop).map_err(|_| Fault::BadText)
}

fn unmask(data: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = data.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x5a, 0x01, 0xff, 0x80];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    /// Parses input in pieces of `piece` bytes. Returns the messages, and the fault with the number of bytes
    /// that had come by then.
    fn parse_all(input: &[u8], piece: usize) -> (Vec<Message>, Option<(Fault, usize)>) {
        let mut frames = FrameParser::new(1000);
        let (mut messages, mut waiting, mut came) = (Vec::new(), Vec::new(), 0);
        for piece in input.chunks(piece) {
            came += piece.len();
            waiting.extend_from_slice(piece);
            loop {
                let (used, result) = frames.parse(&mut waiting);
                waiting.drain(..used);
                match result {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(fault) => return (messages, Some((fault, came))),
                }
            }
            assert!(waiting.len() < 14);
        }
        (messages, None)
    }

    #[test]
    fn how_bytes_are_chopped_changes_nothing() {
        let input = [
            frame(0x81, b"4a"),
            frame(0x01, "4€".as_bytes()),
            frame(0x89, b"ping"),
            frame(0x00, b""),
            frame(0x80, "😀".as_bytes()),
            frame(0x82, &[0xff; 200]),
            frame(0x8a, b"pong"),
            frame(0x81, b""),
            frame(0x88, &[0x03, 0xe8, b'o', b'k']),
        ]
        .concat();
        let expected = vec![
            Message::Text("4a".into()),
            Message::Ping(Bytes::from_static(b"ping")),
            Message::Text("4€😀".into()),
            Message::Binary(vec![0xff; 200].into()),
            Message::Pong,
            Message::Text(String::new()),
            Message::Close(Bytes::from_static(b"\x03\xe8ok")),
        ];
        for piece in 1..=input.len() {
            assert_eq!(parse_all(&input, piece), (expected.clone(), None), "{piece}");
        }
    }

    #[test]
    fn what_is_wrong_is_wrong_with_its_first_byte() {
        // The bytes, how many of them show the fault, and the code.
        let split = frame(0x01, &[b'4', 0xed]);
        let mut second = split.clone();
        second.extend(frame(0x00, &[0xa0, b'x', b'y']));
        for (name, input, needed, code) in [
            ("reserved bit", vec![0xc1, 0x80], 1, 1002),
            ("unknown opcode", vec![0x83, 0x80], 1, 1002),
            ("unknown control", vec![0x8b, 0x80], 1, 1002),
            ("unmasked", vec![0x81, 0x02, b'4', b'a'], 2, 1002),
            ("fragmented ping", frame(0x09, b"abc"), 6, 1002),
            ("long ping", frame(0x89, &[0; 126]), 8, 1002),
            ("a lone continuation", frame(0x80, b"abc"), 6, 1002),
            ("a message in another", [frame(0x01, b"4"), frame(0x81, b"4")].concat(), 13, 1002),
            ("one octet in a close frame", frame(0x88, b"x"), 7, 1002),
            ("a close code of nobody", frame(0x88, &[0x03, 0xed]), 8, 1002),
            ("a bad reason", frame(0x88, &[0x03, 0xe8, 0xff]), 9, 1007),
            ("text", frame(0x81, &[b'4', 0xff, b'x']), 8, 1007),
            ("a surrogate", frame(0x81, &[b'4', 0xed, 0xa0, 0x80, b'x']), 9, 1007),
            ("beyond Unicode", frame(0x81, &[0xf4, 0x90, 0x80, 0x80]), 8, 1007),
            ("overlong", frame(0x81, &[0xc0, 0x80]), 7, 1007),
            ("half a character at the end", frame(0x81, &[b'4', 0xe2, 0x82]), 9, 1007),
            ("a character in two frames", second, split.len() + 7, 1007),
            ("a long frame", frame(0x82, &[0; 1001]), 8, 1009),
            ("long together", [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat(), 616, 1009),
            (
                "beyond all numbers",
                vec![0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4],
                14,
                1009,
            ),
        ] {
            let (messages, fault) = parse_all(&input, 1);
            let (fault, came) = fault.expect(name);
            assert_eq!(
                (messages.len(), fault.code(), came),
                (0, code, needed),
                "{name}: {fault:?}"
            );
            let at_once = parse_all(&input, usize::MAX).1.expect(name).0;
            assert_eq!(at_once, fault, "{name}");
        }
    }

    #[test]
    fn a_promise_costs_nothing() {
        let mut frames = FrameParser::new(100 << 20);
        let mut header = [0x82, 0xff, 0, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4, 5];
        assert_eq!(frames.parse(&mut header), (15, Ok(None)));
        assert!(frames.message.is_some_and(|message| message.data.capacity() < 64));
    }
}
