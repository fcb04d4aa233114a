//! The form of polls under Engine.IO 3.

use std::fmt;
use std::str::FromStr;

/// How polls of Engine.IO 3 are answered, unless the client asks for text (`b64`). No client says by its
/// first request which form it can read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Eio3Polls {
    /// Binary framing: what servers of 1.x write, and all published JavaScript clients read.
    #[default]
    Octets,
    /// Text, and binary framing only if a packet is binary: what servers of 2.x write.
    Text,
}

/// A word that is no form of polls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected octets or text, not \"{0}\"")]
pub struct UnknownForm(String);

impl FromStr for Eio3Polls {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        match text {
            "octets" => Ok(Eio3Polls::Octets),
            "text" => Ok(Eio3Polls::Text),
            other => Err(UnknownForm(other.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for Eio3Polls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Eio3Polls::Octets => "octets",
            Eio3Polls::Text => "text",
        })
    }
}
