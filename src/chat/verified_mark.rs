//! The mark of people with an account, for pages that know no other: a check mark after the name, which guests
//! cannot have in theirs.

/// What stands after the name of somebody with an account.
pub const MARK: &str = " ✓";

/// Whether a character could be read as the mark: check marks of all kinds, and signs that look like one.
pub fn is_mark(c: char) -> bool {
    matches!(c, '✓' | '✔' | '✅' | '☑' | '🗸' | '🗹' | '⍻' | '√' | '⎷' | '🮱' | '⩗' | '𐄂')
}

/// A name as it is written to other nodes and in the history: without the mark, and whether it had it.
pub fn split(written: &str) -> (&str, bool) {
    match written.strip_suffix(MARK) {
        Some(name) => (name, true),
        None => (written, false),
    }
}
