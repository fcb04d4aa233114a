//! The events of the chat pages of old and new.
//!
//! Three chats carry the name "Socket.IO chat" (reference: chat-example.md), each with events of its own.
//! People on the pages of all three meet in one room. [`ChatProtocol::parse`] reads a page's events,
//! [`ChatProtocol::render`] makes those that a page gets. A client's first event shows its protocol; until
//! then it gets each event in the protocol of the client that caused it.

use std::hash::{BuildHasher, RandomState};

use serde_json::{Map, Value, json};

use super::name::Name;
use super::skeleton::{Skeleton, is_colon};
use super::text::escape_markup;
use crate::accounts;
use crate::engine::Delivery;

/// The set of events that a chat page sends and understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatProtocol {
    /// `add user`, `new message`: the example since 1.0.
    Users,
    /// `nickname`, `user message`: the example of 0.7 to 0.9.
    Nicknames,
    /// `chat message`: the get-started tutorial.
    Bare,
    /// Our own page: as [`ChatProtocol::Users`], with the place of each message in the history.
    Page,
}

pub const CHAT_PROTOCOLS: usize = 4;

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Log in under a name.
    Join(Value, JoinOptions),
    /// Have another name.
    Rename(Value),
    Message {
        text: Value,
        /// Given by a page that may send the message again.
        id: Result<Option<String>, BadId>,
    },
    Typing,
    StopTyping,
    /// Asks for the names of the members.
    Who,
    /// Asks for something of the history, or for a change in it.
    Ask(Asked),
    /// What moderators do.
    Moderate(Value),
    /// Another token, in place of one that expires; `None` if it is too long, or none.
    Token(Option<String>),
    /// Asks whether the client came with an account.
    Account,
    /// Asks for an empty answer, by which the page measures the latency.
    Latency,
}

/// What a page says of itself as it logs in: the second argument of `add user`.
#[derive(Debug, Default, PartialEq)]
pub struct JoinOptions {
    /// It is our own page, or one that speaks as it does.
    pub page: bool,
    /// The client wants a token by which it is known again.
    pub resume: bool,
    /// Says by which person the client was used before: see `resume.rs`.
    pub token: Option<String>,
    /// The position of the last message that the page has: it wants those after it.
    pub after: Option<String>,
}

impl JoinOptions {
    fn read(options: &Value) -> Self {
        let page = options["page"].as_u64().is_some_and(|version| version >= 1);
        let resume = options["resume"] == true;
        let token = options["token"].as_str().filter(|token| token.len() <= MAX_TOKEN);
        let after = options["after"].as_str().filter(|after| after.len() <= MAX_ID);
        let (token, after) = (token.map(str::to_owned), after.map(str::to_owned));
        JoinOptions { page, resume, token, after }
    }

    /// Whether the answer has a token.
    pub fn wants_token(&self) -> bool {
        self.page || self.resume || self.token.is_some()
    }
}

/// Bytes of a token. A longer one is ignored.
const MAX_TOKEN: usize = 2048;

/// A message has an id that is no text, or a longer one than [`MAX_ID`]. Without it the message would be told twice if it
/// is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadId;

/// Bytes of a message's id.
pub const MAX_ID: usize = 64;

/// What a page asks of the history.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// Messages before a position, or after one; the last ones without.
    History { before: Option<String>, after: Option<String>, limit: Option<usize> },
    /// The last messages before a position that have a text in them.
    Search { text: String, before: Option<String>, limit: Option<usize> },
    /// Another text for a message; `None` to delete it.
    Edit { position: String, text: Option<Value> },
    /// The rooms that there are, after what an earlier answer ended with.
    Rooms { after: Option<String> },
}

impl Asked {
    fn read(event: &str, asked: &Value) -> Option<Self> {
        let text = |key: &str| {
            asked[key].as_str().filter(|text| text.len() <= MAX_TOKEN).map(str::to_owned)
        };
        let limit = asked["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let before = text("before");
        Some(match event {
            "history" => Asked::History { before, after: text("after"), limit },
            "search" => Asked::Search { text: text("text").unwrap_or_default(), before, limit },
            "edit" => Asked::Edit {
                position: text("position").unwrap_or_default(),
                text: Some(asked["message"].clone()),
            },
            "delete" => Asked::Edit { position: text("position").unwrap_or_default(), text: None },
            "rooms" => Asked::Rooms { after: text("after") },
            _ => return None,
        })
    }
}

/// Where a message is in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub position: String,
    /// When it was said, in milliseconds since 1970.
    pub at: u64,
}

/// Something that happened in the room.
#[derive(Debug)]
pub enum Notice<'a> {
    Joined {
        name: &'a Name,
        users: usize,
    },
    Left {
        name: &'a Name,
        users: usize,
    },
    /// Somebody has another name: for pages that know that word. Others hear of both.
    Renamed {
        from: &'a Name,
        to: &'a Name,
    },
    Message {
        name: Option<&'a Name>,
        text: &'a str,
        /// The id of the author in the history, if it is known. Other pages of the same author get the message as their own.
        author: Option<&'a str>,
        /// What its author may do beyond others: for pages.
        role: Option<&'static str>,
        /// When it was said, in milliseconds since 1970, if it comes late: its node was cut off.
        late: Option<u64>,
        /// If it is kept.
        place: Option<&'a Place>,
        /// What pages know it by until it has a place.
        mark: Option<&'a str>,
    },
    /// A message that was told under a mark has its place.
    Placed {
        mark: &'a str,
        place: &'a Place,
    },
    /// A moderator has announced something.
    Announcement {
        text: &'a str,
        at: u64,
        /// If it is kept.
        place: Option<&'a Place>,
    },
    /// A message has another text.
    Edited {
        position: &'a str,
        text: &'a str,
        at: u64,
    },
    /// The text of a message is gone.
    Deleted {
        position: &'a str,
    },
    Typing {
        name: &'a Name,
    },
    StopTyping {
        name: &'a Name,
    },
}

/// How the list of all nicknames is delivered: it replaces an older list that waits.
pub const NICKNAMES: Delivery = Delivery::Conflated(0);

/// How the state of the cluster is delivered: it replaces an older one that waits.
pub const CLUSTER: Delivery = Delivery::Conflated(3);

impl Notice<'_> {
    /// The id of a message's author in the history. `None` if it is not known, and for other notices.
    pub fn author(&self) -> Option<&str> {
        match self {
            Notice::Message { author, .. } => *author,
            _ => None,
        }
    }

    /// How the notice is delivered to slow readers.
    ///
    /// A join replaces a waiting join of the same name, and a leave a waiting leave. So a name that joins
    /// and leaves all the time costs a reader two packets. The newest count of users is still right, and
    /// so is a list of names that the page keeps.
    pub fn delivery(&self, name_hasher: &RandomState) -> Delivery {
        let conflated = |name: &Name, kind| {
            Delivery::Conflated((name_hasher.hash_one(name) as u32) << 2 | kind)
        };
        match self {
            Notice::Joined { name, .. } => conflated(name, 1),
            Notice::Left { name, .. } => conflated(name, 2),
            Notice::Typing { .. } | Notice::StopTyping { .. } => Delivery::Volatile,
            Notice::Renamed { .. }
            | Notice::Message { .. }
            | Notice::Placed { .. }
            | Notice::Announcement { .. }
            | Notice::Edited { .. }
            | Notice::Deleted { .. } => Delivery::Reliable,
        }
    }
}

/// By that name the server speaks to pages that have no other words for it. Nobody can have it.
pub const SERVER: &str = "parlance";

/// Who says something without a name, where that has to be said. Nobody can have it as a name.
pub const NAMELESS: &str = "(no name)";

/// A message without a name, for pages that get nothing but texts. What could be taken for what somebody with
/// a name said or did (`alice: I quit`, `alice left`) says that it has none; the rest is as it is.
pub fn nameless(text: &str) -> String {
    let last = text.split_whitespace().next_back().unwrap_or_default();
    let is_news =
        ["joined", "left"].iter().any(|word| Skeleton::of(last).is_like(&Skeleton::of(word)));
    match is_news || text.chars().any(is_colon) {
        true => format!("{NAMELESS}: {text}"),
        false => text.to_owned(),
    }
}

impl ChatProtocol {
    const NAMES: [(&'static str, Self); CHAT_PROTOCOLS] = [
        ("users", ChatProtocol::Users),
        ("nicknames", ChatProtocol::Nicknames),
        ("bare", ChatProtocol::Bare),
        ("page", ChatProtocol::Page),
    ];

    /// Its name in what is kept.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, it)| *it == self).map_or("users", |(name, _)| name)
    }

    /// The one with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(it, _)| *it == name).map(|(_, it)| *it)
    }

    /// Reads an event; `None` if no page sends such an event.
    pub fn parse(event: &str, args: Vec<Value>) -> Option<(Self, Command)> {
        use ChatProtocol::{Bare, Nicknames, Users};
        let mut args = args.into_iter();
        let first = args.next().unwrap_or_default();
        let message = |text, options: Option<Value>| {
            let id = match options.as_ref().and_then(|options| options.get("id")) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(id)) if id.len() <= MAX_ID => Ok(Some(id.clone())),
                Some(_) => Err(BadId),
            };
            Command::Message { text, id }
        };
        Some(match event {
            "add user" => {
                let options = JoinOptions::read(&args.next().unwrap_or_default());
                (Users, Command::Join(first, options))
            }
            "new message" => (Users, message(first, args.next())),
            "rename" => (Users, Command::Rename(first)),
            "typing" => (Users, Command::Typing),
            "stop typing" => (Users, Command::StopTyping),
            "who" => (Users, Command::Who),
            "account" => (Users, Command::Account),
            "latency" => (Users, Command::Latency),
            "moderate" => (Users, Command::Moderate(first)),
            "token" => {
                let token =
                    first["token"].as_str().filter(|token| token.len() <= accounts::MAX_TOKEN);
                (Users, Command::Token(token.map(str::to_owned)))
            }
            "history" | "search" | "edit" | "delete" | "rooms" => {
                (Users, Command::Ask(Asked::read(event, &first)?))
            }
            "nickname" => (Nicknames, Command::Join(first, JoinOptions::default())),
            "user message" => (Nicknames, message(first, args.next())),
            "chat message" => (Bare, message(first, args.next())),
            _ => return None,
        })
    }

    /// Makes the event for a notice; `None` if the page has no event for it.
    pub fn render(self, notice: &Notice<'_>) -> Option<(&'static str, Vec<Value>)> {
        use ChatProtocol::{Bare, Nicknames, Page, Users};
        let user = |name: &Name| match (self, name.is_verified()) {
            (Page, true) => json!({ "username": name.as_str(), "verified": true }),
            _ => json!({ "username": name.written() }),
        };
        let counted = |name: &Name, users: usize| {
            let mut said = user(name);
            said["numUsers"] = users.into();
            said
        };
        let chat_message = |text: String| ("chat message", vec![text.into()]);
        let announcement = |text: String| ("announcement", vec![text.into()]);
        Some(match (self, notice) {
            (Users | Page, Notice::Joined { name, users }) => {
                ("user joined", vec![counted(name, *users)])
            }
            (Users | Page, Notice::Left { name, users }) => {
                ("user left", vec![counted(name, *users)])
            }
            // The published page fails without a text there. Ours has words of its own for it.
            (Users | Page, Notice::Message { name, text, role, late, place, mark, .. }) => {
                let mut said = match name.map(user) {
                    Some(Value::Object(said)) => said,
                    _ if self == Page => Map::new(),
                    _ => Map::from_iter([("username".to_owned(), NAMELESS.into())]),
                };
                said.insert("message".to_owned(), (*text).into());
                said.extend(late.map(|late| ("late".to_owned(), late.into())));
                if let (Page, Some(Place { position, at })) = (self, place) {
                    said.insert("position".to_owned(), position.as_str().into());
                    said.insert("at".to_owned(), (*at).into());
                }
                if let (Page, Some(role)) = (self, role) {
                    said.insert("role".to_owned(), (*role).into());
                }
                if let (Page, Some(mark)) = (self, mark) {
                    said.insert("mark".to_owned(), (*mark).into());
                }
                ("new message", vec![said.into()])
            }
            (Page, Notice::Renamed { from, to }) => {
                ("user renamed", vec![json!({ "from": from.as_str(), "to": to.as_str() })])
            }
            (Page, Notice::Placed { mark, place: Place { position, at } }) => {
                let placed = json!({ "mark": mark, "position": position, "at": at });
                ("message placed", vec![placed])
            }
            (Users | Page, Notice::Typing { name }) => ("typing", vec![user(name)]),
            (Users | Page, Notice::StopTyping { name }) => ("stop typing", vec![user(name)]),
            (Page, Notice::Announcement { text, at, place }) => {
                let mut said = json!({ "message": text, "at": at });
                if let Some(place) = place {
                    said["position"] = place.position.as_str().into();
                }
                ("announcement", vec![said])
            }
            (Users, Notice::Announcement { text, .. }) => {
                ("new message", vec![json!({ "username": SERVER, "message": text })])
            }
            (Nicknames, Notice::Announcement { text, .. }) => announcement((*text).to_owned()),
            (Bare, Notice::Announcement { text, .. }) => chat_message(format!("{SERVER}: {text}")),
            (Page, Notice::Edited { position, text, at }) => {
                let edited = json!({ "position": position, "message": text, "edited": at });
                ("message edited", vec![edited])
            }
            (Page, Notice::Deleted { position }) => {
                ("message deleted", vec![json!({ "position": position })])
            }

            (Nicknames, Notice::Joined { name, .. }) => {
                announcement(format!("{} connected", name.written()))
            }
            (Nicknames, Notice::Left { name, .. }) => {
                announcement(format!("{} disconnected", name.written()))
            }
            (Nicknames, Notice::Message { name, text, .. }) => {
                let nick = name.map_or(NAMELESS, Name::written);
                ("user message", vec![nick.into(), escape_markup(text).into()])
            }

            (Bare, Notice::Joined { name, .. }) => {
                chat_message(format!("{} joined", name.written()))
            }
            (Bare, Notice::Left { name, .. }) => chat_message(format!("{} left", name.written())),
            (Bare, Notice::Message { name: Some(name), text, .. }) => {
                chat_message(format!("{}: {text}", name.written()))
            }
            (Bare, Notice::Message { name: None, text, .. }) => chat_message(nameless(text)),

            (Nicknames | Bare, Notice::Typing { .. } | Notice::StopTyping { .. })
            | (
                _,
                Notice::Edited { .. }
                | Notice::Deleted { .. }
                | Notice::Placed { .. }
                | Notice::Renamed { .. },
            ) => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests;
