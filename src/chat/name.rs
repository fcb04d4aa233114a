//! Names of members, and the bounds of a list of them.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::text::queued_len;

/// A valid name: trimmed, in NFC, 1–32 user-visible characters and at most 512 bytes, without control
/// characters and without characters that change the direction of the text around them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(String);

/// User-visible characters (grapheme clusters) of a name.
const MAX_CHARACTERS: usize = 32;
/// Bytes of a name. Needed because a user-visible character has no bound in code points.
const MAX_BYTES: usize = 512;

/// Names in one list.
const LISTED: usize = 500;
/// Bytes of the names in one list, each in its longest form. Far less than a queue holds.
const LISTED_BYTES: usize = 32 * 1024;

/// Cuts a list of names to its bounds: the first 500 names, as far as they fit into 32 KiB.
pub fn listed<'a>(names: impl Iterator<Item = &'a Name>) -> Vec<&'a str> {
    let mut left = LISTED_BYTES;
    let fits = |name: &&str| {
        let rest = left.checked_sub(queued_len(name));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    names.take(LISTED).map(Name::as_str).take_while(fits).collect()
}

/// Why a name cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It is no string.
    #[error("a name is a text")]
    NoText,
    /// It has no characters.
    #[error("a name has at least one character")]
    Empty,
    /// It has too many characters.
    #[error("a name has at most {MAX_CHARACTERS} characters")]
    TooLong,
    /// It has a control character, or one that turns the direction of text.
    #[error("a name has no control characters and none that turn the direction of text")]
    Forbidden,
}

impl Name {
    /// # Errors
    /// The rule that the name breaks.
    pub fn new(text: &str) -> Result<Self, BadName> {
        // Bounds the work of the normalisation.
        if text.len() > MAX_BYTES * 4 {
            return Err(BadName::TooLong);
        }
        let name: String = text.trim().nfc().collect();
        if name.chars().any(is_forbidden) {
            return Err(BadName::Forbidden);
        }
        if name.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            return Err(BadName::Empty);
        }
        if name.len() > MAX_BYTES || name.graphemes(true).count() > MAX_CHARACTERS {
            return Err(BadName::TooLong);
        }
        Ok(Name(name))
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a character shows nothing by itself. Such characters have a use within a name (emoji
/// sequences, Persian), but a name cannot consist of them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_composed() {
        assert_eq!(Name::new("  alice \n").unwrap().as_str(), "alice");
        assert_eq!(Name::new("e\u{301}").unwrap().as_str(), "é");
        assert_eq!(Name::new("\u{1112}\u{1161}\u{11ab}").unwrap().as_str(), "한");
        assert_eq!(Name::new("al<i>ce &amp; co").unwrap().as_str(), "al<i>ce &amp; co");
    }

    #[test]
    fn length_is_what_people_see() {
        let family = "👩‍👩‍👧‍👦";
        assert!(Name::new(&family.repeat(20)).is_ok());
        assert_eq!(Name::new(&family.repeat(33)), Err(BadName::TooLong));
        assert!(Name::new(&"한".repeat(32)).is_ok());
        assert_eq!(Name::new(&"x".repeat(33)), Err(BadName::TooLong));
        assert_eq!(Name::new(&format!("a{}", "\u{301}".repeat(400))), Err(BadName::TooLong));
    }

    #[test]
    fn a_list_of_names_has_bounds() {
        let names = |count: usize, text: &dyn Fn(usize) -> String| -> Vec<Name> {
            (0..count).map(|n| Name::new(&text(n)).unwrap()).collect()
        };
        let short = names(LISTED + 1, &|n| n.to_string());
        assert_eq!(listed(short[..LISTED].iter()).len(), LISTED);
        assert_eq!(listed(short.iter()).len(), LISTED);
        assert_eq!(listed(short.iter())[..2], ["0", "1"]);
        assert_eq!(listed([].iter()).len(), 0);
        // 64 characters of six bytes to older clients.
        let long = names(LISTED, &|n| format!("{:02}{}", n % 100, "e\u{301}\u{302}".repeat(30)));
        let each = queued_len(long[0].as_str());
        assert_eq!(each, 2 + 30 * 12);
        assert_eq!(listed(long.iter()).len(), LISTED_BYTES / each);
        let exact = names(LISTED, &|_| "x".repeat(32));
        assert_eq!(listed(exact.iter()).len(), LISTED);
        let exact = names(LISTED, &|_| "é".repeat(32));
        assert_eq!(listed(exact.iter()).len(), LISTED_BYTES / 192);
    }

    #[test]
    fn what_is_refused() {
        for empty in ["", "   ", "\u{200b}", "\u{3164}", "\u{a0}\u{200d}"] {
            assert_eq!(Name::new(empty), Err(BadName::Empty), "{empty:?}");
        }
        for bad in ["a\0b", "a\nb", "a\u{202e}b", "\u{2066}a", "a\u{2028}b", "a\u{7f}"] {
            assert_eq!(Name::new(bad), Err(BadName::Forbidden), "{bad:?}");
        }
    }
}
