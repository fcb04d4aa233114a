//! What a client's WebSocket frames say (RFC 6455 §5): bytes in, messages out.
//!
//! Frames are looked at as they come in and not when they are whole: what is wrong ends the connection with the
//! first byte that is, and memory is used for what came, never for what a header promises.

use std::io::Cursor;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Bytes of a control frame, at most.
const CONTROL_MAX: u64 = 125;

/// What a client said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Text(String),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    /// A close frame, with its payload: nothing, or a code and a reason.
    Close(Bytes),
}

/// Why a connection is failed (RFC 6455 §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    TooLarge,
    /// Text, or the reason of a close frame, is no UTF-8.
    BadText,
    /// What the protocol does not allow.
    Protocol(&'static str),
}

impl Fault {
    pub fn code(self) -> u16 {
        match self {
            Fault::Protocol(_) => 1002,
            Fault::BadText => 1007,
            Fault::TooLarge => 1009,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Fault::TooLarge => "payload too large",
            Fault::BadText => "text is not valid UTF-8",
            Fault::Protocol(reason) => reason,
        }
    }
}

/// The frames of one connection, from the client's side.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Bytes of a message, at most.
    max: usize,
    /// The frame whose payload is coming in.
    frame: Option<Frame>,
    /// The data frames of the message that is coming in.
    message: Option<Incoming>,
    /// The payload of the control frame that is coming in.
    control: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    opcode: OpCode,
    last: bool,
    /// The key that the next byte is masked with comes first.
    mask: [u8; 4],
    /// Bytes that are still to come.
    left: u64,
}

#[derive(Debug)]
struct Incoming {
    text: bool,
    data: Vec<u8>,
    /// Bytes of text that are known to be UTF-8.
    checked: usize,
}

impl Frames {
    /// Frames of messages of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Frames { max, frame: None, message: None, control: Vec::new() }
    }

    /// Takes messages of at most `max` bytes from here on. False, and nothing changes, if more is held already.
    pub fn limit(&mut self, max: usize) -> bool {
        let fits = self.held() <= max;
        if fits {
            self.max = max;
        }
        fits
    }

    /// Whether a message has begun and is not whole.
    pub fn is_amid(&self) -> bool {
        self.message.is_some()
    }

    /// Bytes that are held of it.
    pub fn held(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.data.capacity())
    }

    /// Reads up to the next thing that the client said, and tells how many bytes that took. Where nothing is
    /// said yet, the bytes that are left are the beginning of a header: fewer than 14, and to be brought again
    /// with those that follow. Payload is unmasked in place.
    pub fn read(&mut self, input: &mut [u8]) -> (usize, Result<Option<Said>, Fault>) {
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
            let whole = frame.left == 0;
            let said = match frame.opcode {
                OpCode::Control(control) => {
                    self.control.extend_from_slice(chunk);
                    if whole { self.control(control).map(Some) } else { Ok(None) }
                }
                OpCode::Data(_) => self.data(chunk, whole && frame.last),
            };
            if !whole {
                self.frame = Some(frame);
            }
            match said {
                Ok(None) if whole => {}
                said => return (at, said),
            }
        }
    }

    /// Reads a header, and tells its length; `None` if it is not all there.
    fn header(&mut self, input: &[u8]) -> Result<Option<(Frame, usize)>, Fault> {
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
        Ok(Some((Frame { opcode: header.opcode, last: header.is_final, mask, left }, length)))
    }

    /// Begins a data frame of that length.
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
        self.message.get_or_insert_with(|| Incoming {
            text: matches!(data, Data::Text),
            data: Vec::new(),
            checked: 0,
        });
        Ok(())
    }

    /// Takes a piece of a message, which `ends` with it or not.
    fn data(&mut self, piece: &[u8], ends: bool) -> Result<Option<Said>, Fault> {
        let Some(message) = &mut self.message else { return Ok(None) };
        message.data.extend_from_slice(piece);
        if !ends {
            return if message.text { message.check().map(|()| None) } else { Ok(None) };
        }
        let Some(message) = self.message.take() else { return Ok(None) };
        if message.text {
            String::from_utf8(message.data).map(Said::Text).map(Some).map_err(|_| Fault::BadText)
        } else {
            Ok(Some(Said::Binary(message.data.into())))
        }
    }

    /// A whole control frame.
    fn control(&mut self, control: Control) -> Result<Said, Fault> {
        let payload = Bytes::from(std::mem::take(&mut self.control));
        match control {
            Control::Ping => Ok(Said::Ping(payload)),
            Control::Close => check_close(&payload).map(|()| Said::Close(payload)),
            // Reserved ones were refused with their header.
            Control::Pong | Control::Reserved(_) => Ok(Said::Pong),
        }
    }
}

impl Incoming {
    /// Looks whether what came so far can be the beginning of UTF-8.
    fn check(&mut self) -> Result<(), Fault> {
        match std::str::from_utf8(&self.data[self.checked..]) {
            Ok(_) => self.checked = self.data.len(),
            // The last character is not all there.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
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
    // Those that may travel (RFC 6455 §7.4, and what IANA has added since).
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

    /// All that is said, the input coming in pieces of that many bytes; the fault, and how much had come by then.
    fn read(input: &[u8], piece: usize) -> (Vec<Said>, Option<(Fault, usize)>) {
        let mut frames = Frames::new(1000);
        let (mut said, mut waiting, mut came) = (Vec::new(), Vec::new(), 0);
        for piece in input.chunks(piece) {
            came += piece.len();
            waiting.extend_from_slice(piece);
            loop {
                let (used, result) = frames.read(&mut waiting);
                waiting.drain(..used);
                match result {
                    Ok(Some(something)) => said.push(something),
                    Ok(None) => break,
                    Err(fault) => return (said, Some((fault, came))),
                }
            }
            assert!(waiting.len() < 14);
        }
        (said, None)
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
            Said::Text("4a".into()),
            Said::Ping(Bytes::from_static(b"ping")),
            Said::Text("4€😀".into()),
            Said::Binary(vec![0xff; 200].into()),
            Said::Pong,
            Said::Text(String::new()),
            Said::Close(Bytes::from_static(b"\x03\xe8ok")),
        ];
        for piece in 1..=input.len() {
            assert_eq!(read(&input, piece), (expected.clone(), None), "{piece}");
        }
    }

    #[test]
    fn what_is_wrong_is_wrong_with_its_first_byte() {
        // The bytes, how many of them are needed to see it, and the code.
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
            let (said, fault) = read(&input, 1);
            let (fault, came) = fault.expect(name);
            assert_eq!((said.len(), fault.code(), came), (0, code, needed), "{name}: {fault:?}");
            let at_once = read(&input, usize::MAX).1.expect(name).0;
            assert_eq!(at_once, fault, "{name}");
        }
    }

    #[test]
    fn a_promise_costs_nothing() {
        let mut frames = Frames::new(100 << 20);
        let mut header = [0x82, 0xff, 0, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4, 5];
        assert_eq!(frames.read(&mut header), (15, Ok(None)));
        assert!(frames.message.is_some_and(|message| message.data.capacity() < 64));
    }
}
