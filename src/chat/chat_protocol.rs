//! The words of the chat pages of old and new, and what they mean here.
//!
//! Three chats carry the name "Socket.IO chat" (reference: chat-example.md). A person on the page
//! of any of them shares the one room. [`WORDS`] says what each word asks for, [`tell`] how each
//! page hears of what happens; which chat_protocol a client has is known from the first of its words,
//! and until then it hears everything in the words of whoever caused it.

use std::hash::{BuildHasher, RandomState};

use serde_json::{Value, json};

use super::name::Name;
use super::text::escape_markup;
use crate::engine::Delivery;

/// The language of a chat page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatProtocol {
    /// `add user`, `new message`: the example since 1.0, and our own page.
    Users,
    /// `nickname`, `user message`: the example of 0.7 to 0.9.
    Nicknames,
    /// `chat message`: the get-started tutorial.
    Bare,
}

pub const CHAT_PROTOCOLS: usize = 3;

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub enum Said {
    Join(Value),
    Message {
        text: Value,
        id: Option<String>,
    },
    Typing,
    StopTyping,
    /// Who is here?
    Who,
    /// Answer as soon as you can: the page measures.
    Latency,
}

enum Word {
    Join,
    Message,
    Typing,
    StopTyping,
    Who,
    Latency,
}

/// Every word that is understood.
const WORDS: &[(&str, ChatProtocol, Word)] = &[
    ("add user", ChatProtocol::Users, Word::Join),
    ("new message", ChatProtocol::Users, Word::Message),
    ("typing", ChatProtocol::Users, Word::Typing),
    ("stop typing", ChatProtocol::Users, Word::StopTyping),
    ("who", ChatProtocol::Users, Word::Who),
    ("latency", ChatProtocol::Users, Word::Latency),
    ("nickname", ChatProtocol::Nicknames, Word::Join),
    ("user message", ChatProtocol::Nicknames, Word::Message),
    ("chat message", ChatProtocol::Bare, Word::Message),
];

/// Characters of the id by which a page recognises a message that it sends again.
const MAX_ID: usize = 64;

/// What an event means; `None` if it is no word of any page.
pub fn parse(event: &str, args: Vec<Value>) -> Option<(ChatProtocol, Said)> {
    let (_, chat_protocol, word) = WORDS.iter().find(|(name, ..)| *name == event)?;
    let mut args = args.into_iter();
    let first = args.next().unwrap_or_default();
    let said = match word {
        Word::Join => Said::Join(first),
        Word::Message => {
            let id = args.next().and_then(|options| match options.get("id") {
                Some(Value::String(id)) if id.len() <= MAX_ID => Some(id.clone()),
                _ => None,
            });
            Said::Message { text: first, id }
        }
        Word::Typing => Said::Typing,
        Word::StopTyping => Said::StopTyping,
        Word::Who => Said::Who,
        Word::Latency => Said::Latency,
    };
    Some((*chat_protocol, said))
}

/// Something that happened in the room.
#[derive(Debug)]
pub enum Notice<'a> {
    Joined { name: &'a Name, users: usize },
    Left { name: &'a Name, users: usize },
    Message { name: Option<&'a Name>, text: &'a str },
    Typing { name: &'a Name },
    StopTyping { name: &'a Name },
}

/// A list of all who are there replaces the one before.
pub const NICKNAMES: Delivery = Delivery::Conflated(0);

impl Notice<'_> {
    /// How much it matters that it arrives at somebody who reads slowly.
    ///
    /// News of somebody who comes replaces news of the same name coming that still waits, and so for
    /// who goes. So whoever comes and goes for ever costs a reader two packets, the count of the last
    /// is right, and whoever keeps a list of people ends with the right one.
    pub fn delivery(&self, names: &RandomState) -> Delivery {
        let of = |name: &Name, what| Delivery::Conflated((names.hash_one(name) as u32) << 2 | what);
        match self {
            Notice::Joined { name, .. } => of(name, 1),
            Notice::Left { name, .. } => of(name, 2),
            Notice::Typing { .. } | Notice::StopTyping { .. } => Delivery::Volatile,
            Notice::Message { .. } => Delivery::Reliable,
        }
    }
}

/// The event by which a page of that chat_protocol hears of it, if at all.
pub fn render(
    chat_protocol: ChatProtocol,
    notice: &Notice<'_>,
) -> Option<(&'static str, Vec<Value>)> {
    use ChatProtocol::{Bare, Nicknames, Users};
    let user = |name: &Name| json!({ "username": name.as_str() });
    let counted = |name: &Name, users| json!({ "username": name.as_str(), "numUsers": users });
    Some(match (chat_protocol, notice) {
        (Users, Notice::Joined { name, users }) => ("user joined", vec![counted(name, users)]),
        (Users, Notice::Left { name, users }) => ("user left", vec![counted(name, users)]),
        (Users, Notice::Message { name: Some(name), text }) => {
            ("new message", vec![json!({ "username": name.as_str(), "message": text })])
        }
        // Absent, not null: pages compare and print it.
        (Users, Notice::Message { name: None, text }) => {
            ("new message", vec![json!({ "message": text })])
        }
        (Users, Notice::Typing { name }) => ("typing", vec![user(name)]),
        (Users, Notice::StopTyping { name }) => ("stop typing", vec![user(name)]),

        (Nicknames, Notice::Joined { name, .. }) => {
            ("announcement", vec![format!("{name} connected").into()])
        }
        (Nicknames, Notice::Left { name, .. }) => {
            ("announcement", vec![format!("{name} disconnected").into()])
        }
        (Nicknames, Notice::Message { name, text }) => {
            let nick = name.map_or(Value::Null, |name| name.as_str().into());
            ("user message", vec![nick, escape_markup(text).into()])
        }

        (Bare, Notice::Joined { name, .. }) => {
            ("chat message", vec![format!("{name} joined").into()])
        }
        (Bare, Notice::Left { name, .. }) => ("chat message", vec![format!("{name} left").into()]),
        (Bare, Notice::Message { name: Some(name), text }) => {
            ("chat message", vec![format!("{name}: {text}").into()])
        }
        (Bare, Notice::Message { name: None, text }) => ("chat message", vec![(*text).into()]),

        (Nicknames | Bare, Notice::Typing { .. } | Notice::StopTyping { .. }) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_exact() {
        assert_eq!(parse("typing", vec![]), Some((ChatProtocol::Users, Said::Typing)));
        assert_eq!(parse("Typing", vec![]), None);
        assert_eq!(parse("message", vec![]), None);
        assert_eq!(
            parse("nickname", vec![json!("bob")]),
            Some((ChatProtocol::Nicknames, Said::Join(json!("bob"))))
        );
        let said = parse("new message", vec![json!("hi"), json!({"id": "a1"})]).unwrap().1;
        assert_eq!(said, Said::Message { text: json!("hi"), id: Some("a1".into()) });
        let said =
            parse("new message", vec![json!("hi"), json!({"id": "x".repeat(65)})]).unwrap().1;
        assert_eq!(said, Said::Message { text: json!("hi"), id: None });
    }

    #[test]
    fn what_takes_the_place_of_what() {
        let names = RandomState::new();
        let [ann, bob] = ["ann", "bob"].map(|name| Name::new(name).unwrap());
        let crowd: Vec<_> = (0..100).map(|n| Name::new(&n.to_string()).unwrap()).collect();
        let joined = |name, users| Notice::Joined { name, users }.delivery(&names);
        let left = |name, users| Notice::Left { name, users }.delivery(&names);
        assert_eq!(joined(&ann, 1), joined(&ann, 7));
        assert_eq!(left(&ann, 1), left(&ann, 7));
        let different = [joined(&ann, 1), left(&ann, 1), joined(&bob, 1), left(&bob, 1), NICKNAMES];
        for (n, one) in different.iter().enumerate() {
            assert!(matches!(one, Delivery::Conflated(_)));
            assert!(different[n + 1..].iter().all(|other| other != one), "{different:?}");
        }
        for name in &crowd {
            assert!(joined(name, 1) != left(name, 1) && joined(name, 1) != joined(&ann, 1));
        }
        let message = Notice::Message { name: Some(&ann), text: "" };
        assert_eq!(message.delivery(&names), Delivery::Reliable);
        for notice in [Notice::Typing { name: &ann }, Notice::StopTyping { name: &ann }] {
            assert_eq!(notice.delivery(&names), Delivery::Volatile);
        }
    }

    #[test]
    fn everybody_hears_in_their_own_words() {
        let name = Name::new("bob").unwrap();
        let message = Notice::Message { name: Some(&name), text: "hi <b>" };
        let told = |chat_protocol, notice: &Notice<'_>| render(chat_protocol, notice).unwrap();
        assert_eq!(
            told(ChatProtocol::Users, &message),
            ("new message", vec![json!({"username":"bob","message":"hi <b>"})])
        );
        assert_eq!(
            told(ChatProtocol::Nicknames, &message),
            ("user message", vec![json!("bob"), json!("hi &lt;b&gt;")])
        );
        assert_eq!(
            told(ChatProtocol::Bare, &message),
            ("chat message", vec![json!("bob: hi <b>")])
        );
        let nameless = Notice::Message { name: None, text: "x" };
        assert_eq!(
            told(ChatProtocol::Users, &nameless),
            ("new message", vec![json!({"message":"x"})])
        );
        assert_eq!(
            told(ChatProtocol::Nicknames, &nameless),
            ("user message", vec![Value::Null, json!("x")])
        );
        assert_eq!(told(ChatProtocol::Bare, &nameless), ("chat message", vec![json!("x")]));
        assert!(render(ChatProtocol::Bare, &Notice::Typing { name: &name }).is_none());
        let left = Notice::Left { name: &name, users: 1 };
        assert_eq!(
            told(ChatProtocol::Users, &left),
            ("user left", vec![json!({"username":"bob","numUsers":1})])
        );
        assert_eq!(
            told(ChatProtocol::Nicknames, &left),
            ("announcement", vec![json!("bob disconnected")])
        );
    }
}
