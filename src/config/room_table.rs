//! The `[[room]]` tables of the settings file.

use std::time::Duration;

use serde::Deserialize;

use super::rules::BadRule;
use super::values::{Size, Time};
use crate::policy::RoomRule;

/// The most tables of one file. Bounded, because a room's name is compared with all of them.
const MOST_TABLES: usize = 256;
/// The same for a room's roles, and for the characters of its title.
const MOST_ROLES: usize = 64;
const MAX_TITLE: usize = 100;
/// Messages that a page can get as it comes. They are kept in memory, 256 KiB of each room.
pub const MAX_REPLAY: usize = 200;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One `[[room]]` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RoomTable {
    /// The rooms that it is for, as names or patterns; `/` is the lobby.
    pub names: Vec<String>,
    /// What people read over the room.
    pub title: Option<String>,
    /// Messages that are kept of each, 0 for none. As all others, `None` leaves that to other tables and settings.
    pub history: Option<usize>,
    /// How long they are kept, 0 for no bound.
    pub history_age: Option<Time>,
    /// Bytes of them that are kept of each.
    pub history_bytes: Option<Size>,
    /// Earlier messages for pages that cannot ask for them.
    pub replay: Option<usize>,
    /// Roles that may come in.
    pub read: Option<Vec<String>>,
    /// Roles that may say something.
    pub write: Option<Vec<String>>,
    /// The time between two messages of a person, 0 for none.
    pub slow: Option<Time>,
}

impl RoomTable {
    fn read(&self, at: usize) -> Result<RoomRule, BadRule> {
        let wrong = |key: &'static str, message: String| {
            Err(BadRule { at, key, message: format!("room {}: {message}", at + 1) })
        };
        if self.names.is_empty() {
            return wrong("names", "an empty list fits no room".into());
        }
        let title = self.title.as_deref().map_or(0, |title| title.chars().count());
        if title > MAX_TITLE || self.title.iter().any(|it| it.chars().any(char::is_control)) {
            return wrong("title", format!("expected {MAX_TITLE} characters of text at most"));
        }
        for (key, roles) in [("read", &self.read), ("write", &self.write)] {
            let roles = roles.as_deref().unwrap_or_default();
            if roles.len() > MOST_ROLES || roles.iter().any(String::is_empty) {
                return wrong(key, format!("expected names of roles, {MOST_ROLES} at most"));
            }
        }
        if self.replay.is_some_and(|replay| replay > MAX_REPLAY) {
            return wrong("replay", format!("expected {MAX_REPLAY} at most"));
        }
        if self.slow.is_some_and(|Time(slow)| slow > DAY) {
            return wrong("slow", "expected a day at most".into());
        }
        let rule = RoomRule {
            title: self.title.clone(),
            history: self.history.map(|it| it as u64),
            history_age: self.history_age.map(|Time(age)| age),
            history_bytes: self.history_bytes.map(|Size(bytes)| bytes as u64),
            replay: self.replay,
            read: self.read.clone(),
            write: self.write.clone(),
            slow: self.slow.map(|Time(slow)| slow),
            ..RoomRule::default()
        };
        let named = rule.with_names(self.names.iter().map(String::as_str));
        named.or_else(|error| wrong("names", error.to_string()))
    }
}

/// Reads all tables.
///
/// # Errors
/// The first error.
pub fn read(tables: &[RoomTable]) -> Result<Vec<RoomRule>, BadRule> {
    if tables.len() > MOST_TABLES {
        let message = format!("expected {MOST_TABLES} tables at most");
        return Err(BadRule { at: MOST_TABLES, key: "names", message });
    }
    tables.iter().enumerate().map(|(at, table)| table.read(at)).collect()
}
