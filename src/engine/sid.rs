//! Session ids.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Names a session: 20 characters of base64url, 120 bits from the system's random source, so that
/// nobody can guess another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid([u8; Sid::LENGTH]);

impl Sid {
    /// Characters of an id.
    pub const LENGTH: usize = 20;
    /// Bytes that they stand for.
    pub const BYTES: usize = 15;

    /// # Errors
    /// If the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut random = [0; Self::BYTES];
        getrandom::fill(&mut random)?;
        Ok(Sid::of_bytes(random))
    }

    /// The id that stands for these bytes. Whoever makes ids sees to it that nobody can guess them.
    pub fn of_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let mut text = [b'-'; Self::LENGTH];
        // 15 bytes are exactly 20 characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        Sid(text)
    }

    /// The bytes that it stands for.
    pub fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        // Any 20 characters of the alphabet are 15 bytes.
        let _ = URL_SAFE_NO_PAD.decode_slice(self.0, &mut bytes);
        bytes
    }

    /// Reads an id that a client sent; `None` if it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        let ours = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        bytes.iter().all(ours).then_some(Sid(bytes))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Both constructors admit ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(super) fn shard(&self, shards: usize) -> usize {
        usize::from(self.0[Self::LENGTH - 1]) % shards
    }
}

impl Hash for Sid {
    /// Ids are random, and nobody chooses those in our tables: one word of all their bytes is hash enough.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let (words, rest) = self.0.as_chunks::<8>();
        let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hasher.write_u64(
            words.iter().fold(rest, |all, word| all.rotate_left(7) ^ u64::from_ne_bytes(*word)),
        );
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

static NAME: OnceLock<String> = OnceLock::new();

/// A random name of this process, which tells instances apart, and that one was restarted; or what
/// [`name_process`] has set.
pub fn process_name() -> &'static str {
    NAME.get_or_init(|| Sid::random().map_or_else(|_| String::new(), |sid| sid.to_string()))
}

/// Gives this process the name that all nodes of its cluster have, because to clients they are one. To be called
/// before anybody has asked for the name: later it does nothing.
pub fn name_process(name: Sid) {
    let _ = NAME.set(name.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_come_back() {
        let (a, b) = (Sid::random().unwrap(), Sid::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), Sid::LENGTH);
        assert_eq!(Sid::parse(a.as_str()), Some(a));
        assert_eq!(Sid::of_bytes(a.bytes()), a);
    }

    #[test]
    fn foreign_ids_are_none() {
        for text in [
            "",
            "__proto__",
            "aaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaa\u{e9}",
            "aaaaaaaaaaaaaaaaaaa ",
        ] {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
    }
}
