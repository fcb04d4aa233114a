//! How much one thing in the store may be.

/// Bytes of an author.
pub(super) const MAX_AUTHOR: usize = 512;
/// Bytes of a name.
pub(super) const MAX_NAME: usize = 1 << 10;
/// Bytes of an author's own id for an entry.
pub(super) const MAX_KEY: usize = 128;
/// Letters of the word for a kind.
pub(super) const MAX_KIND: usize = 32;
/// Bytes of a text.
pub(super) const MAX_BODY: usize = 256 << 10;

/// Entries of one page.
pub(super) const MAX_PAGE: usize = 1_000;
/// Bytes after which a page ends, however few entries it has.
pub(super) const MAX_PAGE_BYTES: u64 = 1 << 20;
/// Entries that one search looks at. The next one goes on from there.
pub(super) const MAX_SEARCHED: usize = 50_000;
/// Bytes of what is searched for.
pub(super) const MAX_SEARCH_TEXT: usize = 1 << 10;

/// Records of a room.
pub(super) const MAX_RECORDS: usize = 10_000;
/// Bytes of all of them.
pub(super) const MAX_RECORD_BYTES: usize = 8 << 20;
/// Bytes of a record's key.
pub(super) const MAX_RECORD_KEY: usize = 256;
/// Bytes of a record's value.
pub(super) const MAX_RECORD_VALUE: usize = 64 << 10;
