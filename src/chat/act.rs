//! What moderators ask for, as it comes from pages and operators.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::chat_protocol::MAX_ID;
use super::error::ChatError;
use super::sanctions::{LONGEST, Measure};

/// How long it lasts if nobody says.
const STANDARD: Duration = Duration::from_secs(60 * 60);
/// The longest time between two messages of a person.
const SLOWEST: Duration = Duration::from_secs(60 * 60);
/// Bytes of a name, before it is checked as one.
const MAX_NAME: usize = 2048;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The text of a message is to be gone.
    Delete(String),
    Sanction {
        measure: Measure,
        whom: Target,
        /// Zero ends it.
        time: Duration,
        /// Those at the person's address as well.
        with_address: bool,
    },
    /// The sanction of that id is over.
    Lift(String),
    Kick(Target),
    /// So much time between two messages of a person; zero for as the settings say.
    Slow(Duration),
    Announce(String),
    /// Which sanctions there are.
    List,
}

/// Whom something is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Who has a name in the room.
    Name(String),
    /// Who has said something.
    Position(String),
    Address(IpAddr),
}

impl Act {
    /// Reads `{action, …}`.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn read(asked: &Value) -> Result<Self, ChatError> {
        let text = |key: &str, most: usize| asked[key].as_str().filter(|it| it.len() <= most);
        let wrong = |message: &str| ChatError::new("wrong", message);
        let position = || text("position", MAX_ID).map(str::to_owned);
        let seconds = |most: Duration| match &asked["seconds"] {
            Value::Null => Ok(None),
            seconds => {
                let seconds = seconds.as_u64().map(Duration::from_secs).filter(|it| *it <= most);
                let message = format!("seconds: a whole number, {} at most", most.as_secs());
                seconds.map(Some).ok_or_else(|| wrong(&message))
            }
        };
        let address = text("address", MAX_ID).and_then(|it| it.parse().ok());
        let name = || text("username", MAX_NAME).map(|name| Target::Name(name.to_owned()));
        let whom = || {
            let said_by = || position().map(Target::Position);
            // What somebody has said tells who that is, whoever has the name now.
            let found = address.map(Target::Address).or_else(said_by).or_else(name);
            found.ok_or_else(|| wrong("whom? username, or position"))
        };
        let sanction = |measure| {
            let time = match seconds(LONGEST)? {
                None => STANDARD,
                Some(Duration::ZERO) if measure == Measure::Ban => LONGEST,
                Some(time) => time,
            };
            let with_address = asked["address"] == true;
            Ok(Act::Sanction { measure, whom: whom()?, time, with_address })
        };
        match asked["action"].as_str().unwrap_or_default() {
            "delete" => position().map(Act::Delete).ok_or_else(|| wrong("which? position")),
            "mute" => sanction(Measure::Mute),
            "ban" => sanction(Measure::Ban),
            "lift" => {
                let id = text("id", MAX_ID).map(|id| Act::Lift(id.to_owned()));
                id.ok_or_else(|| wrong("which? id"))
            }
            "kick" => Ok(Act::Kick(whom()?)),
            "slow" => Ok(Act::Slow(seconds(SLOWEST)?.unwrap_or_default())),
            "announce" => match asked["message"].as_str().map(str::trim) {
                Some(text) if !text.is_empty() => Ok(Act::Announce(text.to_owned())),
                _ => Err(wrong("what? message")),
            },
            "list" => Ok(Act::List),
            _ => Err(wrong("action: delete, mute, ban, lift, kick, slow, announce or list")),
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Act::Delete(_) => "delete",
            Act::Sanction { measure, .. } => measure.word(),
            Act::Lift(_) => "lift",
            Act::Kick(_) => "kick",
            Act::Slow(_) => "slow",
            Act::Announce(_) => "announce",
            Act::List => "list",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        let name = || Target::Name("Ann".to_owned());
        let ban = |whom, seconds, with_address| Act::Sanction {
            measure: Measure::Ban,
            whom,
            time: Duration::from_secs(seconds),
            with_address,
        };
        for (asked, act) in [
            (json!({ "action": "delete", "position": "a.1" }), Act::Delete("a.1".into())),
            (json!({ "action": "ban", "username": "Ann" }), ban(name(), 3600, false)),
            (
                json!({ "action": "ban", "username": "Ann", "seconds": 0 }),
                ban(name(), LONGEST.as_secs(), false),
            ),
            (
                json!({ "action": "ban", "username": "x", "position": "a.1", "seconds": 5 }),
                ban(Target::Position("a.1".into()), 5, false),
            ),
            (
                json!({ "action": "ban", "username": "Ann", "seconds": 9, "address": true }),
                ban(name(), 9, true),
            ),
            (
                json!({ "action": "ban", "position": "a.1" }),
                ban(Target::Position("a.1".into()), 3600, false),
            ),
            (
                json!({ "action": "ban", "address": "10.0.0.1" }),
                ban(Target::Address([10, 0, 0, 1].into()), 3600, false),
            ),
            (json!({ "action": "lift", "id": "x" }), Act::Lift("x".into())),
            (json!({ "action": "kick", "username": "Ann" }), Act::Kick(name())),
            (json!({ "action": "slow", "seconds": 10 }), Act::Slow(Duration::from_secs(10))),
            (json!({ "action": "slow" }), Act::Slow(Duration::ZERO)),
            (json!({ "action": "announce", "message": " hi " }), Act::Announce("hi".into())),
            (json!({ "action": "list" }), Act::List),
        ] {
            assert_eq!(Act::read(&asked).unwrap(), act, "{asked}");
        }
        for asked in [
            json!(null),
            json!({ "action": "promote" }),
            json!({ "action": "delete" }),
            json!({ "action": "ban" }),
            json!({ "action": "ban", "username": "x".repeat(MAX_NAME + 1) }),
            json!({ "action": "ban", "username": "Ann", "seconds": -1 }),
            json!({ "action": "ban", "username": "Ann", "seconds": 1e9 }),
            json!({ "action": "slow", "seconds": 3601 }),
            json!({ "action": "announce", "message": " " }),
        ] {
            assert_eq!(Act::read(&asked).unwrap_err().reason, "wrong", "{asked}");
        }
    }
}
