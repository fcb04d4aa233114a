//! What a log consists of.

use std::sync::Arc;

use super::StoreError;
use super::bounds::{MAX_AUTHOR, MAX_BODY, MAX_KEY, MAX_KIND, MAX_NAME};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Somebody said something: `body` is the text.
    Message,
    /// The message `target` has the text `body` from now on.
    Edit,
    /// The text of the message `target` is gone.
    Delete,
    /// Anything else that happened in the room, by its word, such as `announce` or `mute`: of 1 to 32 letters a
    /// to z and hyphens. The store gives it back as it is.
    Event(Arc<str>),
}

impl Kind {
    /// The word for it in files.
    pub fn word(&self) -> &str {
        match self {
            Kind::Message => "message",
            Kind::Edit => "edit",
            Kind::Delete => "delete",
            Kind::Event(word) => word,
        }
    }

    /// The kind with a word, as [`Kind::word`] gives it.
    pub fn of(word: &str) -> Self {
        match word {
            "message" => Kind::Message,
            "edit" => Kind::Edit,
            "delete" => Kind::Delete,
            word => Kind::Event(word.into()),
        }
    }

    /// Whether it changes a message, and is nothing to be shown by itself.
    pub fn is_change(&self) -> bool {
        matches!(self, Kind::Edit | Kind::Delete)
    }
}

/// An entry that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who, as an opaque word for a person; may be empty. At most 512 bytes.
    pub author: String,
    /// The name that the author had. At most 1 KiB.
    pub name: Option<String>,
    /// The author's own id for it. An author has each key once in a room. At most 128 bytes.
    pub key: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// The number of the entry that it is about. An edit and a removal have one.
    pub target: Option<u64>,
    /// Its text. At most 256 KiB.
    pub body: String,
}

impl NewEntry {
    /// Whether the store takes it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let within = |text: &Option<String>, most| text.as_ref().is_none_or(|it| it.len() <= most);
        let fits = self.author.len() <= MAX_AUTHOR
            && within(&self.name, MAX_NAME)
            && within(&self.key, MAX_KEY)
            && self.body.len() <= MAX_BODY;
        if !fits {
            return Err(StoreError::TooLarge);
        }
        let word = self.kind.word();
        let is_word = |c: u8| c.is_ascii_lowercase() || c == b'-';
        let has_word = (1..=MAX_KIND).contains(&word.len()) && word.bytes().all(is_word);
        if !has_word || self.kind.is_change() && self.target.is_none() {
            return Err(StoreError::Invalid);
        }
        Ok(())
    }

    /// The entry with its number.
    pub(super) fn numbered(self, seq: u64) -> Entry {
        Entry {
            seq,
            at: self.at,
            author: self.author.into(),
            name: self.name.map(Into::into),
            key: self.key.map(Into::into),
            kind: self.kind,
            target: self.target,
            body: self.body.into(),
            edited: None,
            deleted: None,
            changed: 0,
        }
    }
}

/// An entry as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the log: they begin with 1 and rise, with gaps.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who, as an opaque word for a person; may be empty.
    pub author: Arc<str>,
    /// The name that the author had.
    pub name: Option<Arc<str>>,
    /// The author's own id for it.
    pub key: Option<Arc<str>>,
    /// What it is.
    pub kind: Kind,
    /// The number of the entry that it is about.
    pub target: Option<u64>,
    /// Its text: of a message as it was edited last, and empty if it was deleted.
    pub body: Arc<str>,
    /// When the message was edited last.
    pub edited: Option<u64>,
    /// When the message was deleted. Of an edit: its message was deleted, or is no longer there.
    pub deleted: Option<u64>,
    /// The number of the entry that changed it last, or 0.
    pub changed: u64,
}

impl Entry {
    /// Whether it is a message that is not deleted.
    pub fn is_message(&self) -> bool {
        self.kind == Kind::Message && self.deleted.is_none()
    }

    /// What it counts for the bounds, in bytes.
    pub fn size(&self) -> u64 {
        let length = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let texts = self.author.len() + length(&self.name) + length(&self.key) + self.body.len();
        texts as u64 + ENTRY
    }

    /// The entry after a change, unless it knows of that or of a later one.
    pub(super) fn after(&self, change: &Entry) -> Option<Entry> {
        let of_message = self.kind == Kind::Message && change.target == Some(self.seq);
        if !of_message || self.changed >= change.seq || self.deleted.is_some() {
            return None;
        }
        let mut entry = Entry { changed: change.seq, ..self.clone() };
        match change.kind {
            Kind::Edit => {
                entry.edited = Some(change.at);
                entry.body = change.body.clone();
            }
            Kind::Delete => {
                entry.deleted = Some(change.at);
                entry.body = "".into();
            }
            _ => return None,
        }
        Some(entry)
    }

    /// An edit whose message was deleted later has no text any more.
    pub(super) fn without_text(&self, at: u64) -> Entry {
        Entry { body: "".into(), deleted: Some(at), ..self.clone() }
    }
}

/// What an entry counts beside its texts.
const ENTRY: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_means_nothing_is_refused() {
        let new = |kind, target, length| NewEntry {
            at: 0,
            author: "a".to_owned(),
            name: None,
            key: None,
            kind,
            target,
            body: "x".repeat(length),
        };
        assert_eq!(new(Kind::Message, None, MAX_BODY).check(), Ok(()));
        assert_eq!(new(Kind::Message, None, MAX_BODY + 1).check(), Err(StoreError::TooLarge));
        assert_eq!(new(Kind::Edit, None, 1).check(), Err(StoreError::Invalid));
        assert_eq!(new(Kind::Edit, Some(1), 1).check(), Ok(()));
        assert_eq!(new(Kind::of("slow-mode"), None, 1).check(), Ok(()));
        for word in ["", "Mute", "a b", &"x".repeat(33)] {
            assert_eq!(new(Kind::of(word), None, 1).check(), Err(StoreError::Invalid), "{word}");
        }
        let long = NewEntry { key: Some("k".repeat(129)), ..new(Kind::Message, None, 1) };
        assert_eq!(long.check(), Err(StoreError::TooLarge));
    }
}
