//! What holds in which room.

use std::time::Duration;

use super::room_names::{BadRoomName, check_pattern, matches};

/// The role of everybody with an account.
pub const ACCOUNT: &str = "account";

/// The namespace that is the lobby, and its name in the settings.
const LOBBY: &str = "/";

/// What holds in some rooms. What is `None` is left to later rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomRule {
    /// The rooms that it is for: see [`RoomRule::with_names`].
    pub names: Vec<String>,
    /// What people read over the room.
    pub title: Option<String>,
    /// Messages that are kept; 0 for none.
    pub history: Option<u64>,
    /// How long they are kept; zero for no bound.
    pub history_age: Option<Duration>,
    /// Bytes of them.
    pub history_bytes: Option<u64>,
    /// Earlier messages that pages get that cannot ask for them.
    pub replay: Option<usize>,
    /// Roles that may come in; everybody if empty.
    pub read: Option<Vec<String>>,
    /// Roles that may say something; everybody if empty.
    pub write: Option<Vec<String>>,
    /// The time between two messages of a person; zero for none.
    pub slow: Option<Duration>,
}

impl RoomRule {
    /// A rule for rooms by their names, or by patterns in which `*` stands for any characters; `/` is the lobby.
    ///
    /// # Errors
    /// The first name that no room can have.
    pub fn with_names<'a>(
        self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BadRoomName> {
        let names = names.into_iter().map(|name| match name {
            LOBBY => Ok(LOBBY.to_owned()),
            name => check_pattern(name),
        });
        Ok(RoomRule { names: names.collect::<Result<_, _>>()?, ..self })
    }

    fn is_for(&self, namespace: &str) -> bool {
        let room = match namespace {
            LOBBY => LOBBY,
            _ => namespace.trim_start_matches('/'),
        };
        // A pattern is for rooms with a name of their own.
        self.names.iter().any(|name| match room {
            LOBBY => name == LOBBY,
            _ => matches(name, room),
        })
    }

    /// What this rule leaves open is as another has it.
    fn or(self, other: &RoomRule) -> RoomRule {
        RoomRule {
            names: self.names,
            title: self.title.or_else(|| other.title.clone()),
            history: self.history.or(other.history),
            history_age: self.history_age.or(other.history_age),
            history_bytes: self.history_bytes.or(other.history_bytes),
            replay: self.replay.or(other.replay),
            read: self.read.or_else(|| other.read.clone()),
            write: self.write.or_else(|| other.write.clone()),
            slow: self.slow.or(other.slow),
        }
    }

    /// Whether somebody with these roles may come in.
    pub fn may_read(&self, has: impl Fn(&str) -> bool) -> bool {
        lets(self.read.as_deref(), has)
    }

    /// Whether somebody with these roles may say something.
    pub fn may_write(&self, has: impl Fn(&str) -> bool) -> bool {
        lets(self.write.as_deref(), has)
    }
}

fn lets(roles: Option<&[String]>, has: impl Fn(&str) -> bool) -> bool {
    let roles = roles.unwrap_or_default();
    roles.is_empty() || roles.iter().any(|role| has(role))
}

/// What holds in each room: each of it by the first rule that says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomRules {
    rules: Vec<RoomRule>,
    rest: RoomRule,
}

impl RoomRules {
    /// `rest` is for all rooms.
    pub fn new(rules: Vec<RoomRule>, rest: RoomRule) -> Self {
        RoomRules { rules, rest }
    }

    /// What holds in the room that a namespace is.
    pub fn of(&self, namespace: &str) -> RoomRule {
        let rules = self.rules.iter().filter(|rule| rule.is_for(namespace));
        rules.chain([&self.rest]).fold(RoomRule::default(), RoomRule::or)
    }

    /// Whether a rule has the name of the room that a namespace is, and not only a pattern.
    pub fn names(&self, namespace: &str) -> bool {
        let room = namespace.strip_prefix('/').unwrap_or(namespace);
        let mut names = self.rules.iter().flat_map(|rule| &rule.names);
        names.any(|name| name == room && !name.contains('*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_of_the_first_rule_that_has_it() {
        let rule = |names: &[&str], rule: RoomRule| rule.with_names(names.iter().copied()).unwrap();
        let [second, minute] = [1, 60].map(Duration::from_secs);
        let title = |title: &str| Some(title.to_owned());
        let rules = RoomRules::new(
            vec![
                rule(&["team-a"], RoomRule { title: title("A"), ..RoomRule::default() }),
                rule(&["/"], RoomRule { title: title("Hall"), ..RoomRule::default() }),
                rule(
                    &["/team-*", "help"],
                    RoomRule {
                        title: title("Team"),
                        slow: Some(second),
                        history: Some(0),
                        write: Some(vec!["staff".into(), "boss".into()]),
                        ..RoomRule::default()
                    },
                ),
                rule(
                    &["*"],
                    RoomRule { replay: Some(7), read: Some(vec![]), ..RoomRule::default() },
                ),
            ],
            RoomRule {
                slow: Some(minute),
                history: Some(9),
                read: Some(vec!["x".into()]),
                ..RoomRule::default()
            },
        );
        type Row = (&'static str, Option<&'static str>, Duration, Option<u64>, Option<usize>);
        let table: [Row; 5] = [
            ("/team-a", Some("A"), second, Some(0), Some(7)),
            ("/team-b", Some("Team"), second, Some(0), Some(7)),
            ("/help", Some("Team"), second, Some(0), Some(7)),
            ("/other", None, minute, Some(9), Some(7)),
            ("/", Some("Hall"), minute, Some(9), None),
        ];
        for (room, title, slow, history, replay) in table {
            let rule = rules.of(room);
            let found = (rule.title.as_deref(), rule.slow, rule.history, rule.replay);
            assert_eq!(found, (title, Some(slow), history, replay), "{room}");
        }
        assert!(rules.of("/other").may_read(|_| false) && !rules.of("/").may_read(|_| false));
        assert!(rules.of("/").may_read(|role| role == "x"));
        let team = rules.of("/team-b");
        assert!(!team.may_write(|role| role == "x") && team.may_write(|role| role == "boss"));
        assert!(RoomRules::default().of("/x").may_write(|_| false));
        let named = ["/team-a", "/team-b", "/help", "/", "/team-*"].map(|room| rules.names(room));
        assert_eq!(named, [true, false, true, false, false]);
        for bad in ["", "a b", "admin", "//"] {
            assert!(RoomRule::default().with_names([bad]).is_err(), "{bad:?}");
        }
    }
}
