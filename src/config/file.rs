//! Reads the text of a settings file, and finds the place of an error in it.

use std::path::Path;

use super::validate::Invalid;
use super::{ConfigError, Layer};

impl Layer {
    /// Parses and validates the text of the file at `path`. `known` are the names of the transports.
    ///
    /// # Errors
    /// If a key or a value is wrong: an error with line and column.
    pub(crate) fn from_text(
        text: &str,
        path: &Path,
        known: &[&'static str],
    ) -> Result<Self, ConfigError> {
        let at = |offset: usize, message: String| {
            let (line, column) = position(text, offset);
            ConfigError::File { path: path.to_owned(), line, column, message }
        };
        let layer: Layer = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            at(offset, renamed(text, offset).unwrap_or_else(|| plain(error.message())))
        })?;
        layer.validate(known).map_err(|Invalid { key, within, message }| {
            at(offset_of(text, key, within), format!("{key}: {message}"))
        })?;
        Ok(layer)
    }
}

/// The message for a key that was renamed, if there is one at `offset`.
fn renamed(text: &str, offset: usize) -> Option<String> {
    const RENAMED: [(&str, &str); 3] = [
        ("heal-failures", "breaker-failures"),
        ("heal-rest", "breaker-rest"),
        ("heal-longest", "breaker-longest"),
    ];
    let rest = text.get(offset..)?;
    let (old, new) = RENAMED.iter().find(|(old, _)| rest.starts_with(old))?;
    Some(format!("unknown field `{old}`, it is `{new}` now"))
}

/// Replaces the names of Rust types in a message of the TOML parser by words that operators know.
fn plain(message: &str) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number"),
        ("expected usize", "expected a whole number"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list, as in [\"a\", \"b\"]"),
    ];
    let message = message.replace('\n', ", ");
    let ours = WORDS.iter().find_map(|(theirs, ours)| Some((message.strip_suffix(theirs)?, ours)));
    ours.map(|(found, expected)| format!("{found}{expected}")).unwrap_or(message)
}

/// The offset of a key's value. `within` names a key of one of its tables: then of that value, if it is
/// there.
fn offset_of(text: &str, key: &str, within: Option<(usize, &'static str)>) -> usize {
    let Ok(table) = toml::de::DeTable::parse(text) else { return 0 };
    let Some(value) = table.get_ref().get(key) else { return 0 };
    let inner = within.and_then(|(at, key)| {
        let item = value.get_ref().get(at)?;
        Some(item.get_ref().get(key).unwrap_or(item))
    });
    inner.unwrap_or(value).span().start
}

/// Line and column of an offset, both from 1. Columns count bytes.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1)
}
