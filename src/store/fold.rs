//! Text as it is compared in a search: NFKC, without the difference of upper and lower case.

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

/// The text as it is compared.
fn fold(text: &str) -> String {
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text.chars().flat_map(char::to_lowercase).collect(),
        _ => text.nfkc().flat_map(char::to_lowercase).collect(),
    }
}

/// What is searched for.
#[derive(Debug, Clone)]
pub(super) struct Needle(String);

impl Needle {
    pub fn new(text: &str) -> Self {
        Needle(fold(text))
    }

    /// Whether nothing is searched for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a text has it in it.
    pub fn is_in(&self, text: &str) -> bool {
        if text.is_ascii() {
            // The common case, without the way through characters.
            return text.to_ascii_lowercase().contains(&self.0);
        }
        fold(text).contains(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_make_no_difference() {
        for (needle, text) in [
            ("HELLO", "well, hello there"),
            ("straße", "Hauptstraße 1"),
            ("ÄRGER", "viel ärger"),
            ("녕하", "안녕하세요"),
            ("\u{1112}\u{1161}\u{11ab}", "대한민국"),
            ("한", "\u{1112}\u{1161}\u{11ab}국"),
            ("ΣΟΦΟΣ", "σοφοσ"),
            ("ｆｕｌｌ", "Full width"),
        ] {
            assert!(Needle::new(needle).is_in(text), "{needle} in {text}");
        }
        assert!(!Needle::new("hellp").is_in("hello") && !Needle::new("안하").is_in("안녕하세요"));
        assert!(Needle::new("").is_empty());
    }
}
