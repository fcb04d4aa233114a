//! Names of members, and the bounds of a list of them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::skeleton::{Skeleton, is_blank, is_colon, is_visible};
use super::text::queued_len;
use super::verified_mark::{self, MARK, is_mark};

/// A valid name: trimmed, in NFC, 1–32 user-visible characters and at most 512 bytes, without control
/// characters, without characters that change the direction of the text around them, and without what
/// could be the end of a name before a message (`: `). Names are equal if they are written alike;
/// [`Name::is_like`] tells which people take for each other.
#[derive(Clone)]
pub struct Name(Arc<Inner>);

struct Inner {
    text: Box<str>,
    /// With the mark of who has an account; `None` for guests.
    marked: Option<Box<str>>,
    /// Made when it is asked for.
    skeleton: OnceLock<Skeleton>,
}

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
    names.take(LISTED).map(Name::written).take_while(fits).collect()
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
    /// It has a colon before a space.
    #[error("a name has no colon before a space: there a message begins")]
    Colon,
    /// It has a check mark.
    #[error("a name has no check mark: that is for people with an account")]
    Mark,
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
        if !is_visible(&name) {
            return Err(BadName::Empty);
        }
        if has_end(&name) {
            return Err(BadName::Colon);
        }
        if name.chars().any(is_mark) {
            return Err(BadName::Mark);
        }
        if name.len() > MAX_BYTES || name.graphemes(true).count() > MAX_CHARACTERS {
            return Err(BadName::TooLong);
        }
        Ok(Name::of(name.into(), false))
    }

    fn of(text: Box<str>, verified: bool) -> Self {
        let marked = verified.then(|| format!("{text}{MARK}").into());
        Name(Arc::new(Inner { text, marked, skeleton: OnceLock::new() }))
    }

    /// The name of somebody with an account: as much of a text as can be a name. `None` if nothing can.
    pub(super) fn verified(text: &str) -> Option<Self> {
        let has_end = has_end(text);
        let is_out = |c: char| is_forbidden(c) || is_mark(c) || has_end && is_colon(c);
        let kept = |c: &char| !is_out(*c);
        let kept: String = text.chars().filter(kept).take(MAX_BYTES).collect();
        let name: String = kept.trim().nfc().collect();
        let mut bytes = 0;
        let fits = |character: &&str| {
            bytes += character.len();
            bytes <= MAX_BYTES
        };
        let name: String = name.graphemes(true).take(MAX_CHARACTERS).take_while(fits).collect();
        Some(Name::of(Name::new(&name).ok()?.as_str().into(), true))
    }

    /// The name of somebody with an account whom nothing else names.
    pub(super) fn nobody() -> Self {
        Name::of("user".into(), true)
    }

    /// Reads a name as [`Name::written`] has it.
    ///
    /// # Errors
    /// As [`Name::new`].
    pub(super) fn read(written: &str) -> Result<Self, BadName> {
        let (text, verified) = verified_mark::split(written);
        let name = Name::new(text)?;
        Ok(if verified { Name::of(name.0.text.clone(), true) } else { name })
    }

    /// The name for pages that know no accounts, for nodes and for the history: with the mark of who has one.
    pub fn written(&self) -> &str {
        self.0.marked.as_deref().unwrap_or(&self.0.text)
    }

    /// Whether it is the name of somebody with an account.
    pub fn is_verified(&self) -> bool {
        self.0.marked.is_some()
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether people may take one name for the other.
    pub fn is_like(&self, other: &Name) -> bool {
        self == other || self.skeleton().is_like(other.skeleton())
    }

    /// What it is compared by.
    pub(super) fn skeleton(&self) -> &Skeleton {
        self.0.skeleton.get_or_init(|| Skeleton::of(&self.0.text))
    }

    /// The same name with a number, for who may not have it alone: `Ann (2)`. As much of it as fits.
    pub(super) fn numbered(&self, number: usize) -> Option<Name> {
        let end = format!(" ({number})");
        let characters = self.as_str().graphemes(true).take(MAX_CHARACTERS - end.len());
        let mut left = MAX_BYTES - end.len();
        let fits = |character: &&str| {
            let rest = left.checked_sub(character.len());
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let kept: String = characters.take_while(fits).collect();
        let name = Name::new(&(kept.trim_end().to_owned() + &end)).ok()?;
        Some(if self.is_verified() { Name::of(name.0.text.clone(), true) } else { name })
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.written() == other.written()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.written().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a text has a colon, or what looks like one, with nothing but space after it.
fn has_end(name: &str) -> bool {
    let mut shown = name.chars().filter(|c| !is_blank(*c)).peekable();
    while let Some(c) = shown.next() {
        let is_wide = c == '\u{ff1a}';
        if is_colon(c) && shown.peek().is_some_and(|next| is_wide || next.is_whitespace()) {
            return true;
        }
    }
    false
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
    fn who_has_an_account_has_a_mark_that_is_no_part_of_the_name() {
        let (guest, ann) = (Name::new("Ann").unwrap(), Name::verified(" Ann").unwrap());
        assert_eq!((ann.as_str(), ann.written(), guest.written()), ("Ann", "Ann ✓", "Ann"));
        assert!(ann.is_like(&guest) && ann != guest && ann.is_verified() && !guest.is_verified());
        for name in [&ann, &guest] {
            assert_eq!(Name::read(name.written()).unwrap(), *name);
        }
        assert_eq!(ann.numbered(2).unwrap().written(), "Ann (2) ✓");
        assert_eq!(Name::read("Ann ✓ ✓"), Err(BadName::Mark));
        assert_eq!(Name::verified("\u{202e}\u{200b}"), None);
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
    fn a_number_fits_at_the_end_of_any_name() {
        let numbered = |text: &str, number| {
            let name = Name::new(text).unwrap().numbered(number).unwrap();
            name.as_str().to_owned()
        };
        assert_eq!(numbered("Ann", 2), "Ann (2)");
        assert_eq!(numbered(&"x".repeat(32), 12), "x".repeat(27) + " (12)");
        assert_eq!(numbered(&format!("{} y", "x".repeat(27)), 2), "x".repeat(27) + " (2)");
        let heavy = format!("a{}", "\u{301}".repeat(7)).repeat(32);
        assert!(numbered(&heavy, 2).ends_with("\u{301} (2)"));
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
        for empty in [
            "",
            "   ",
            "\u{200b}",
            "\u{3164}",
            "\u{a0}\u{200d}",
            "\u{2800}\u{2800}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{301}",
            "\u{20dd}\u{fe0f}",
            "\u{e0061}\u{e007f}",
            "\u{34f}",
            "\u{fffc}",
            "\u{e000}",
            "\u{1d159}",
            "\u{180e}\u{2062}",
            "\u{17b4}",
        ] {
            assert_eq!(Name::new(empty), Err(BadName::Empty), "{empty:?}");
        }
        for end in
            ["ann: I quit", "ann :\u{a0}x", "ann\u{ff1a}x", "ann\u{2236} x", "a\u{a789}\u{200b} x"]
        {
            assert_eq!(Name::new(end), Err(BadName::Colon), "{end:?}");
        }
        for mark in ["ann ✓", "✔", "an√n", "ann ☑\u{fe0f}", "ann ⩗", "ann 𐄂"] {
            assert_eq!(Name::new(mark), Err(BadName::Mark), "{mark:?}");
        }
        for fine in ["10:30", "ann:)", "::", "std::io", "ann :)", "ann:"] {
            assert!(Name::new(fine).is_ok(), "{fine:?}");
        }
        for bad in ["a\0b", "a\nb", "a\u{202e}b", "\u{2066}a", "a\u{2028}b", "a\u{7f}"] {
            assert_eq!(Name::new(bad), Err(BadName::Forbidden), "{bad:?}");
        }
    }
}
