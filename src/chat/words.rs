//! What nodes say to each other about people and messages: the words of the stock example since 1.0, with a
//! little more in them, so that servers of Node that run the example are part of the chat.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::chat_protocol::MAX_ID;
use super::name::Name;
use super::roles::{Rank, Roles};
use super::roster::is_id;
use crate::socketio::{Args, Packet, Selector, Taken};
use crate::store::NewEntry;

pub const MESSAGE: &str = "new message";
pub const TYPING: &str = "typing";
pub const STOP_TYPING: &str = "stop typing";
pub const JOINED: &str = "user joined";
pub const LEFT: &str = "user left";
/// Something that all nodes note in their history, other than a message. No client is told.
pub const ENTRY: &str = "parlance entry";

/// The key of the node in what nodes of this chat say.
const NODE: &str = "node";
/// That of a message's number among those of its node.
const NUMBER: &str = "number";

/// All of them.
pub const ALL: [&str; 6] = [MESSAGE, TYPING, STOP_TYPING, JOINED, LEFT, ENTRY];

/// Whose change it is, and which: what only nodes of this chat say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The node whose person it is.
    pub node: Arc<str>,
    /// The number of the change on that node; `None` if another node says it for servers of Node alone.
    pub seq: Option<u64>,
    /// When the person's session opened, in milliseconds since 1970.
    pub since: u64,
    /// What nodes call a person with a token under that name.
    pub alias: Option<Arc<str>>,
    pub rank: Rank,
}

/// A message of this node: the one of that number.
pub fn message(
    name: Option<&Name>,
    text: &str,
    id: Option<&str>,
    role: Option<&str>,
    node: &Arc<str>,
    number: u64,
) -> Packet {
    let mut said = Map::new();
    said.extend(role.map(|role| ("role".to_owned(), role.into())));
    if let Some(name) = name {
        said.insert("username".to_owned(), name.written().into());
    }
    said.insert("message".to_owned(), text.into());
    if let Some(id) = id {
        said.insert("id".to_owned(), id.into());
    }
    said.insert(NODE.to_owned(), (&**node).into());
    said.insert(NUMBER.to_owned(), number.into());
    packet(MESSAGE, said)
}

/// Whose message it is, and which of that node's, if a node of this chat says it.
pub fn number(said: &Map<String, Value>) -> Option<(Arc<str>, u64)> {
    let node = said.get(NODE)?.as_str().filter(|node| is_id(node))?;
    Some((node.into(), said.get(NUMBER)?.as_u64()?))
}

/// That somebody types, or does not any more.
pub fn typing(name: &Name, word: &str, node: &Arc<str>) -> Packet {
    let said =
        [("username".to_owned(), name.written().into()), (NODE.to_owned(), (&**node).into())];
    packet(word, Map::from_iter(said))
}

/// The name in what a node says. Only nodes of this chat say who has an account; `None` if it is no name.
pub fn name(said: &Map<String, Value>) -> Option<Name> {
    let text = said.get("username")?.as_str()?;
    let name = if is_ours(said) { Name::read(text) } else { Name::new(text) };
    name.ok()
}

/// The role of who says it. Only nodes of this chat say who has one.
pub fn role(said: &Map<String, Value>) -> Option<&'static str> {
    let role = said.get("role").filter(|_| is_ours(said));
    role.and_then(Value::as_str).and_then(Roles::read_shown)
}

/// Whether a node of this chat said it: servers of Node do not say whose word it is.
pub fn is_ours(said: &Map<String, Value>) -> bool {
    said.contains_key(NODE)
}

/// That somebody joined or left, and how many people there are.
pub fn change(word: &str, name: &Name, users: usize, mark: &Mark) -> Packet {
    let mut said = Map::from_iter([
        ("username".to_owned(), name.written().into()),
        ("numUsers".to_owned(), users.into()),
    ]);
    let Mark { node, seq, since, alias, rank } = mark;
    said.insert(NODE.to_owned(), (&**node).into());
    said.extend(seq.map(|seq| ("seq".to_owned(), seq.into())));
    said.insert("since".to_owned(), (*since).into());
    said.extend(alias.iter().map(|alias| ("alias".to_owned(), (&**alias).into())));
    said.extend(rank.shown().map(|role| ("role".to_owned(), role.into())));
    packet(word, said)
}

fn packet(word: &str, said: Map<String, Value>) -> Packet {
    Packet { name: word.to_owned(), args: Args::from(vec![Value::Object(said)]) }
}

/// Begins the name of a room that says who speaks, by the word that the history has for them. It is no name of
/// anybody's room, and servers of Node do not tell it to their clients, as they would a key of the message.
const BY: &str = "parlance:by:";
/// The room that words between nodes are for: nobody is in it.
const NODES: &str = "parlance:nodes";

/// Says it to all but who has caused it.
pub fn to_others(id: &str) -> Selector {
    Selector { rooms: Vec::new(), except: vec![id.into()] }
}

/// The same, of somebody whom the history has a word for.
pub fn to_others_by(id: &str, author: &str) -> Selector {
    Selector { rooms: Vec::new(), except: vec![id.into(), format!("{BY}{author}").into()] }
}

/// Says it to nodes alone.
pub fn to_nodes(id: &str, author: &str) -> Selector {
    Selector { rooms: vec![NODES.into()], ..to_others_by(id, author) }
}

/// Whether it is for nodes alone.
pub fn is_for_nodes(selector: &Selector) -> bool {
    matches!(&selector.rooms[..], [room] if **room == *NODES)
}

/// The socket of who has caused a broadcast; `None` if it does not say so.
pub fn speaker(selector: &Selector) -> Option<&Arc<str>> {
    let is_chat = selector.rooms.is_empty() || is_for_nodes(selector);
    let is_by = |by: &[Arc<str>]| by.iter().all(|by| by.starts_with(BY)) && by.len() < 2;
    match &selector.except[..] {
        [id, by @ ..] if is_chat && is_id(id) && is_by(by) => Some(id),
        _ => None,
    }
}

/// The word that the history has for who has caused it, if a node of this chat says it.
pub fn author(selector: &Selector) -> Option<&str> {
    selector.except.get(1)?.strip_prefix(BY)
}

/// Something for the history of all nodes.
pub fn entry(entry: &NewEntry, node: &Arc<str>, number: u64) -> Packet {
    let NewEntry { name, kind, target, body, .. } = entry;
    let mut said = Map::new();
    said.extend(name.iter().map(|name| ("username".to_owned(), name.as_str().into())));
    said.insert("kind".to_owned(), kind.word().into());
    said.extend(target.map(|target| ("target".to_owned(), target.into())));
    said.insert("body".to_owned(), body.as_str().into());
    said.insert(NODE.to_owned(), (&**node).into());
    said.insert(NUMBER.to_owned(), number.into());
    packet(ENTRY, said)
}

/// Takes the id out of a message.
pub fn take_id(said: &mut Map<String, Value>) -> Option<String> {
    match said.remove("id") {
        Some(Value::String(id)) if id.len() <= MAX_ID => Some(id),
        _ => None,
    }
}

/// The same, of a broadcast.
pub fn id_of(taken: &mut Taken) -> Option<String> {
    take_id(taken.packet.args.values.first_mut()?.as_object_mut()?)
}

/// Whose broadcast it is, and which of that node's.
pub fn number_of(taken: &Taken) -> Option<(Arc<str>, u64)> {
    number(taken.packet.args.values.first()?.as_object()?)
}

/// The mark of a change, if a node of this chat said it.
pub fn mark(said: &Map<String, Value>) -> Option<Mark> {
    let node = said.get(NODE)?.as_str().filter(|node| is_id(node))?.into();
    let number = |key| said.get(key).and_then(Value::as_u64);
    let alias = said.get("alias").and_then(Value::as_str).filter(|alias| is_id(alias));
    let (seq, since) = (number("seq"), number("since").unwrap_or_default());
    let rank = Roles::new(role(said)).rank();
    Some(Mark { node, seq, since, alias: alias.map(Arc::from), rank })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn servers_of_node_understand_all_of_it() {
        let ann = Name::new("ann").unwrap();
        let (said, node) = (|packet: Packet| (packet.name, packet.args.values), "a".into());
        let ours = json!({ "username": "ann", "message": "hi", "node": "a", "number": 4 });
        assert_eq!(number(ours.as_object().unwrap()), Some((Arc::clone(&node), 4)));
        assert_eq!(
            said(message(Some(&ann), "hi", None, None, &node, 4)),
            (MESSAGE.into(), vec![ours])
        );
        let nameless = said(message(None, "hi", Some("1"), None, &node, 5));
        assert_eq!(nameless.1, [json!({ "message": "hi", "id": "1", "node": "a", "number": 5 })]);
        assert_eq!(number(json!({ "message": "hi", "node": "a" }).as_object().unwrap()), None);
        let types = said(typing(&ann, TYPING, &node));
        assert_eq!(types, (TYPING.into(), vec![json!({ "username": "ann", "node": "a" })]));
        assert!(is_ours(types.1[0].as_object().unwrap()));
        assert!(!is_ours(json!({ "username": "ann" }).as_object().unwrap()));
        let rank = Rank::Nobody;
        let mark = Mark { node, seq: Some(7), since: 3, alias: None, rank };
        let left = said(change(LEFT, &ann, 2, &mark));
        let ours = json!({ "username": "ann", "numUsers": 2, "node": "a", "seq": 7, "since": 3 });
        assert_eq!(left, (LEFT.into(), vec![ours]));
    }

    #[test]
    fn nodes_read_what_nodes_say() {
        let ann = Name::new("ann").unwrap();
        for (seq, alias, rank) in [
            (None, None, Rank::Nobody),
            (Some(7), Some("a1"), Rank::Moderator),
            (Some(8), Some("a2"), Rank::Admin),
        ] {
            let mark = Mark { node: "a".into(), seq, since: 3, alias: alias.map(Arc::from), rank };
            let packet = change(JOINED, &ann, 1, &mark);
            assert_eq!(super::mark(packet.args.values[0].as_object().unwrap()), Some(mark));
        }
        assert_eq!(mark(json!({ "username": "ann", "numUsers": 1 }).as_object().unwrap()), None);
        assert_eq!(speaker(&to_others("x")), Some(&"x".into()));
        for (rooms, except) in [(vec![], vec![]), (vec!["r"], vec!["x"]), (vec![], vec!["x", "y"])]
        {
            let names = |all: Vec<&str>| all.into_iter().map(Arc::from).collect();
            assert_eq!(speaker(&Selector { rooms: names(rooms), except: names(except) }), None);
        }
        let long = "x".repeat(65);
        for (id, read) in [(json!("a"), Some("a")), (json!(1), None), (json!(long), None)] {
            let mut said = json!({ "message": "m", "id": id }).as_object().unwrap().clone();
            assert_eq!(take_id(&mut said).as_deref(), read);
            assert_eq!(said.len(), 1);
        }
    }
}
