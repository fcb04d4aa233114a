//! What nodes of this chat tell each other about their people.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::roles::Rank;
use crate::chat::sanctions::Sanction;

/// The event between nodes that carries all of this. Servers of others do not know it, and ignore it.
pub const EVENT: &str = "parlance";

/// People in one part of a whole list.
pub const PART: usize = 500;
/// Rooms of one node of which the others know.
pub const MAX_ROOMS: usize = 200;
/// Bytes of the name of a node, or of a person's socket id.
const MAX_ID: usize = 128;
/// Bytes of the namespace of a room: 64 characters of at most four bytes, and the slash.
const MAX_NAMESPACE: usize = 257;

/// One thing that a node tells. `node` is who tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Told {
    /// It is there, and `seq` people have come or gone since it started.
    Here { node: Arc<str>, seq: u64 },
    /// It wants to know who is on the node `of`.
    Ask { node: Arc<str>, of: Arc<str> },
    /// Part `at` of `parts` of the list of its people, as it is after change `seq`.
    People { node: Arc<str>, seq: u64, at: usize, parts: usize, people: Vec<Listed> },
    /// It wants to give somebody a name: somebody with that alias, if there is one, who had the alias `before`
    /// until now, if it is another name for who is there.
    Claim {
        node: Arc<str>,
        claim: u64,
        name: String,
        alias: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Arc<str>>,
    },
    /// An answer to that.
    Claimed { node: Arc<str>, to: Arc<str>, claim: u64, taken: bool },
    /// Change `seq` among its people, of which people are not told: a connection of somebody who is there
    /// anyway came, or went.
    Beside { node: Arc<str>, seq: u64, id: Arc<str>, came: Option<Came> },
    /// Somebody is muted or banned there, or is no longer.
    Sanction { node: Arc<str>, sanction: Sanction, lifted: bool },
    /// It wants to know who has a name, for a moderator.
    Who { node: Arc<str>, ask: u64, name: String },
    /// An answer to that: the word for the person in the history, the name, and the network address.
    Is {
        node: Arc<str>,
        to: Arc<str>,
        ask: u64,
        author: String,
        name: Option<String>,
        address: IpAddr,
        rank: Rank,
    },
    /// Somebody of that rank sends a person out of the room.
    Kick { node: Arc<str>, author: String, rank: Rank },
    /// A moderator has set the slow mode of the room; 0 for as the settings say.
    Slow { node: Arc<str>, seconds: u64 },
    /// A moderator has announced something in the room.
    Announce { node: Arc<str>, text: String },
    /// A moderator has deleted a message of somebody of that name.
    Deleted { node: Arc<str>, name: Option<String> },
    /// The namespaces of rooms besides the lobby that are open there, and how many people are in each, on all nodes
    /// that it knows: those with most people, at most [`MAX_ROOMS`].
    Rooms { node: Arc<str>, rooms: Vec<(Box<str>, usize)> },
    /// It leaves, and its people with it.
    Bye { node: Arc<str> },
}

/// A person in a list: the id of the socket, the name, when the session opened (ms since 1970), the alias, and the rank.
pub type Listed = (Arc<str>, String, u64, Option<Arc<str>>, Rank);

/// A connection that came: the name, when the session opened, the alias, and the rank.
pub type Came = (String, u64, Option<Arc<str>>, Rank);

impl Told {
    /// Reads what another node sent. `None` if it is nothing that a node of this chat tells.
    pub fn read(value: Value) -> Option<Self> {
        let told = serde_json::from_value(value).ok()?;
        let named = match &told {
            Told::Here { node, .. }
            | Told::Bye { node }
            | Told::Sanction { node, .. }
            | Told::Who { node, .. }
            | Told::Kick { node, .. }
            | Told::Slow { node, .. }
            | Told::Deleted { node, .. }
            | Told::Announce { node, .. } => [node, node],
            Told::Rooms { node, rooms } => {
                if rooms.len() > MAX_ROOMS || !rooms.iter().all(|(name, _)| is_namespace(name)) {
                    return None;
                }
                [node, node]
            }
            Told::Claim { node, alias, before, .. } => {
                if before.as_ref().is_some_and(|before| !is_id(before)) {
                    return None;
                }
                [node, alias.as_ref().unwrap_or(node)]
            }
            Told::Beside { node, id, came, .. } => {
                if !came.iter().all(|(_, _, alias, _)| alias.iter().all(|alias| is_id(alias))) {
                    return None;
                }
                [node, id]
            }
            Told::Ask { node, of } => [node, of],
            Told::Claimed { node, to, .. } | Told::Is { node, to, .. } => [node, to],
            Told::People { node, people, at, parts, .. } => {
                let fits = people.len() <= PART
                    && people
                        .iter()
                        .all(|(id, _, _, alias, _)| is_id(id) && alias.iter().all(|it| is_id(it)));
                if !fits || at >= parts {
                    return None;
                }
                [node, node]
            }
        };
        named.iter().all(|id| is_id(id)).then_some(told)
    }

    /// Whether it is said or asked again by itself when it is not heard. The rest is what moderators do.
    pub fn is_renewed(&self) -> bool {
        match self {
            Told::Sanction { .. }
            | Told::Kick { .. }
            | Told::Slow { .. }
            | Told::Deleted { .. }
            | Told::Announce { .. } => false,
            Told::Here { .. }
            | Told::Ask { .. }
            | Told::People { .. }
            | Told::Claim { .. }
            | Told::Claimed { .. }
            | Told::Beside { .. }
            | Told::Who { .. }
            | Told::Is { .. }
            | Told::Rooms { .. }
            | Told::Bye { .. } => true,
        }
    }

    /// As the argument of the event.
    pub fn written(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Whether a text can be the name of a node or the id of a socket.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
}

/// Whether a text can be the namespace of a room.
fn is_namespace(text: &str) -> bool {
    text.starts_with('/') && text.len() <= MAX_NAMESPACE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let here = Told::Here { node: "a".into(), seq: 7 };
        assert_eq!(here.written(), json!({ "what": "here", "node": "a", "seq": 7 }));
        let listed =
            |id: &str| vec![(Arc::from(id), "ann".to_owned(), 1, Some("a1".into()), Rank::Admin)];
        let people =
            |at, parts, people| Told::People { node: "a".into(), seq: 7, at, parts, people };
        let beside = |came| Told::Beside { node: "a".into(), seq: 1, id: "x".into(), came };
        let alias = |alias: &str| Some(("ann".to_owned(), 1, Some(Arc::from(alias)), Rank::Nobody));
        let claim = |alias: Option<&str>| {
            let alias = alias.map(Arc::from);
            let before = alias.clone();
            Told::Claim { node: "a".into(), claim: 1, name: "ann".into(), alias, before }
        };
        let rooms = |name: String, count| {
            let rooms = (0..count).map(|at| (name.clone().into(), at)).collect();
            Told::Rooms { node: "a".into(), rooms }
        };
        for told in [
            here,
            rooms("/x".into(), 0),
            rooms("/".to_owned() + &"x".repeat(256), MAX_ROOMS),
            people(0, 1, listed("x")),
            beside(None),
            beside(alias("a1")),
            claim(None),
            claim(Some("a1")),
            Told::Bye { node: "a".into() },
            Told::Deleted { node: "a".into(), name: Some("ann".into()) },
            Told::Deleted { node: "a".into(), name: None },
        ] {
            assert_eq!(Told::read(told.written()), Some(told));
        }
        for bad in [
            people(1, 1, vec![]).written(),
            people(0, 1, listed("")).written(),
            people(0, 1, listed(&"x".repeat(129))).written(),
            people(0, 1, (0..=PART).flat_map(|_| listed("x")).collect()).written(),
            Told::Bye { node: "".into() }.written(),
            Told::Deleted { node: "".into(), name: None }.written(),
            beside(alias("")).written(),
            claim(Some("")).written(),
            rooms("/x".into(), MAX_ROOMS + 1).written(),
            rooms("x".into(), 1).written(),
            rooms("/".to_owned() + &"x".repeat(257), 1).written(),
            json!({ "what": "here", "node": "a", "seq": -1 }),
            json!({ "what": "other", "node": "a" }),
            json!(["here"]),
            json!(null),
        ] {
            assert_eq!(Told::read(bad.clone()), None, "{bad}");
        }
    }
}
