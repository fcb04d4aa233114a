//! Which rooms there may be.

use std::fmt;

/// Characters of a room's name.
const MAX_CHARACTERS: usize = 64;

/// Namespaces that are no rooms: two of the server's own, and one that is never there, which our client asks for to hear that
/// it is not.
const NO_ROOMS: [&str; 3] = ["admin", "parlance", "parlance-echo"];

/// The names of the rooms that there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomNames(Vec<String>);

/// A name or pattern in the settings that no room can have.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRoomName(String);

impl std::error::Error for BadRoomName {}

impl fmt::Display for BadRoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadRoomName(name) = self;
        write!(
            f,
            "`{name}` is no name of a room: letters, digits, `-`, `_` and `.`, {MAX_CHARACTERS} at most; \
             `*` stands for any of them"
        )
    }
}

impl Default for RoomNames {
    /// All names.
    fn default() -> Self {
        RoomNames(vec!["*".to_owned()])
    }
}

impl RoomNames {
    /// Reads names, and patterns in which `*` stands for any characters.
    ///
    /// # Errors
    /// The first that no room can have.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, BadRoomName> {
        names.into_iter().map(check_pattern).collect::<Result<_, _>>().map(RoomNames)
    }

    /// Whether the room that a namespace is has its name here, and not only a pattern.
    pub fn lists(&self, namespace: &str) -> bool {
        let name = namespace.strip_prefix('/').unwrap_or(namespace);
        self.named().any(|it| it == name)
    }

    /// Those without a pattern: they are there before anybody comes.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|name| !name.contains('*'))
    }

    /// The room that a namespace is, besides the lobby; `None` if it is none.
    pub fn room<'a>(&self, namespace: &'a str) -> Option<&'a str> {
        let room = namespace.strip_prefix('/').filter(|room| is_name(room))?;
        let allowed = || self.0.iter().any(|pattern| matches(pattern, room));
        (!NO_ROOMS.contains(&room) && allowed()).then_some(room)
    }
}

/// A name or pattern in the settings, without the slash of namespaces.
pub(super) fn check_pattern(name: &str) -> Result<String, BadRoomName> {
    let name = name.strip_prefix('/').unwrap_or(name);
    match is_name(&name.replace('*', "x")) && !NO_ROOMS.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(BadRoomName(name.to_owned())),
    }
}

/// Whether a room may have the name.
fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty()
        && name.len() <= MAX_CHARACTERS * 4
        && name.chars().count() <= MAX_CHARACTERS
        && name.chars().all(is_allowed)
}

/// Whether a name is of a pattern, as a whole.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_namespaces_are_rooms() {
        let all = RoomNames::default();
        for room in ["support", "Support-2", "v1.2_x", "방", "é", &"x".repeat(64)] {
            assert_eq!(all.room(&format!("/{room}")), Some(room));
        }
        let long = format!("/{}", "x".repeat(65));
        for no in
            ["/", "", "support", "/a b", "/a/b", "/a\n", "/a,b", "/e\u{301}", "/a?b", "/😀", &long]
        {
            assert_eq!(all.room(no), None, "{no:?}");
        }
        for own in NO_ROOMS {
            assert_eq!(all.room(&format!("/{own}")), None);
        }
        let some = RoomNames::parse(["support", "/team-*", "*-a-*-z"]).unwrap();
        for (room, is_one) in [
            ("support", true),
            ("supports", false),
            ("Support", false),
            ("team-", true),
            ("team-1", true),
            ("team", false),
            ("x-a-y-z", true),
            ("x-a-z", false),
            ("-a--z", true),
        ] {
            assert_eq!(some.room(&format!("/{room}")).is_some(), is_one, "{room}");
        }
        assert_eq!(some.named().collect::<Vec<_>>(), ["support"]);
        assert_eq!(RoomNames::parse([]).unwrap().room("/support"), None);
        for bad in ["", "/", "a b", "a/b", "//a", "admin"] {
            assert!(RoomNames::parse([bad]).is_err(), "{bad:?}");
        }
    }
}
