//! "Double UTF-8", the string encoding of Socket.IO 1.x clients, and UTF-16 counting.
//!
//! Engine.IO 1.x clients send each UTF-8 byte of a string as one character U+0000–U+00FF, which the
//! transport then encodes as UTF-8 once more. Later clients of the same protocol number do not. The
//! handshake shows which encoding a client uses, or else its first packet that is not ASCII does
//! (reference: engineio.md §4.1.3).

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, Ordering};

/// A string encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Strings {
    /// UTF-8, as of Engine.IO 4.
    Plain = 0,
    /// UTF-8 of UTF-8, as early clients of Engine.IO 3 write it.
    Double = 1,
    /// Not known yet: the first packet that is not ASCII decides.
    Sniff = 2,
}

/// The encoding of strings by one transport, both ways.
#[derive(Debug)]
pub struct StringMode(AtomicU8);

impl StringMode {
    /// Starts with what the client is taken for.
    pub const fn new(strings: Strings) -> Self {
        StringMode(AtomicU8::new(strings as u8))
    }

    fn get(&self) -> Strings {
        match self.0.load(Ordering::Relaxed) {
            1 => Strings::Double,
            2 => Strings::Sniff,
            _ => Strings::Plain,
        }
    }

    /// Encodes a text, which is UTF-8, as the client decodes it.
    pub fn encode<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        if self.get() != Strings::Double || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let characters: String = text.iter().map(|&byte| char::from(byte)).collect();
        Cow::Owned(characters.into_bytes())
    }

    /// Undoes double UTF-8, if the client uses it.
    pub fn decode<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.is_ascii() {
            return Cow::Borrowed(text);
        }
        match self.get() {
            Strings::Plain => Cow::Borrowed(text),
            Strings::Double => match single(text) {
                Some(Ok(decoded)) => Cow::Owned(decoded),
                Some(Err(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
                None => Cow::Borrowed(text),
            },
            Strings::Sniff => {
                let (strings, decoded) = match single(text) {
                    Some(Ok(decoded)) => (Strings::Double, Cow::Owned(decoded)),
                    _ => (Strings::Plain, Cow::Borrowed(text)),
                };
                self.0.store(strings as u8, Ordering::Relaxed);
                decoded
            }
        }
    }
}

/// Takes each character for one byte of UTF-8. Returns the text, or the bytes if they are not valid UTF-8;
/// `None` if a character is above U+00FF.
fn single(text: &str) -> Option<Result<String, Vec<u8>>> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        bytes.push(u8::try_from(u32::from(c)).ok()?);
    }
    Some(String::from_utf8(bytes).map_err(|error| error.into_bytes()))
}

/// Length in UTF-16 code units, as of a JavaScript string.
pub fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

/// Splits off the first `units` UTF-16 code units. `None` if the text is shorter, or if that would split
/// a character.
pub fn split_utf16(text: &str, units: usize) -> Option<(&str, &str)> {
    let mut left = units;
    for (at, c) in text.char_indices() {
        if left == 0 {
            return Some(text.split_at(at));
        }
        left = left.checked_sub(c.len_utf16())?;
    }
    (left == 0).then_some((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(text: &str) -> String {
        text.bytes().map(char::from).collect()
    }

    #[test]
    fn sniffing_pins_the_session() {
        let mode = StringMode::new(Strings::Sniff);
        assert_eq!(mode.decode("plain"), "plain");
        assert_eq!(mode.get(), Strings::Sniff);
        assert_eq!(mode.decode(&double("€😀é")), "€😀é");
        assert_eq!(mode.get(), Strings::Double);

        let mode = StringMode::new(Strings::Sniff);
        assert_eq!(mode.decode("é"), "é");
        assert_eq!(mode.get(), Strings::Plain);
        assert_eq!(mode.decode("Ã©"), "Ã©");
        let mode = StringMode::new(Strings::Sniff);
        assert_eq!(mode.decode("한 Ã©"), "한 Ã©");
        assert_eq!(mode.get(), Strings::Plain);
    }

    #[test]
    fn what_goes_out_is_encoded_as_the_client_decodes_it() {
        for (strings, expected) in [
            (Strings::Plain, "€é".to_owned()),
            (Strings::Sniff, "€é".to_owned()),
            (Strings::Double, double("€é")),
        ] {
            let mode = StringMode::new(strings);
            assert_eq!(&*mode.encode("€é".as_bytes()), expected.as_bytes(), "{strings:?}");
            assert!(matches!(mode.encode(b"plain"), Cow::Borrowed(b"plain")));
        }
        let mode = StringMode::new(Strings::Sniff);
        mode.decode(&double("é"));
        assert_eq!(&*mode.encode("é".as_bytes()), double("é").as_bytes(), "it is known now");
    }

    #[test]
    fn a_double_session_with_broken_bytes_is_replaced_not_dropped() {
        let mode = StringMode::new(Strings::Double);
        assert_eq!(mode.decode("a\u{ed}\u{a0}\u{bd}b"), "a\u{fffd}\u{fffd}\u{fffd}b");
        assert_eq!(mode.decode("한"), "한");
    }

    #[test]
    fn counts_as_javascript_does() {
        assert_eq!(utf16_len("42[\"uni\",\"€😀é\u{2028}\"]"), 17);
        assert_eq!(split_utf16("😀a", 2), Some(("😀", "a")));
        assert_eq!(split_utf16("😀a", 3), Some(("😀a", "")));
        assert_eq!(split_utf16("😀a", 1), None);
        assert_eq!(split_utf16("a", 2), None);
        assert_eq!(split_utf16("", 0), Some(("", "")));
    }
}
