//! What the page has the server do. It gets no answer: it sees the effect.

use serde_json::Value;
use tracing::info;

use super::hub::{Hub, Mode};
use super::shown::LONGEST;
use crate::socketio::{Broadcast, Event, Socket};

/// Events that clients take for something else.
const RESERVED: [&str; 7] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "error",
    "newListener",
    "removeListener",
];
/// After so many sockets others have their turn.
const BATCH: usize = 64;

/// What to do, and with which sockets: those in a room, or all of a namespace.
#[derive(Debug, PartialEq)]
struct Command<'a> {
    namespace: &'a str,
    room: Option<&'a str>,
    what: What<'a>,
}

#[derive(Debug, PartialEq)]
enum What<'a> {
    Join(&'a str),
    Leave(&'a str),
    Disconnect { close: bool },
    Emit { name: &'a str, args: &'a [Value] },
}

impl<'a> Command<'a> {
    /// Reads an event of the page; `None` if it is no command.
    fn of(event: &'a Event) -> Option<Self> {
        let room = |room: Option<&'a Value>| match room {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(room)) => Some(Some(room.as_str())),
            Some(_) => None,
        };
        let namespace = event.args.values.first()?.as_str()?;
        let (room, what) = match (&*event.name, &event.args.values[1..]) {
            ("_disconnect", [close, rest @ ..]) => {
                (room(rest.first())?, What::Disconnect { close: close.as_bool()? })
            }
            (what @ ("join" | "leave"), [Value::String(name), rest @ ..])
                if name.chars().count() <= LONGEST =>
            {
                let what = if what == "join" { What::Join(name) } else { What::Leave(name) };
                (room(rest.first())?, what)
            }
            ("emit", [filter, name, args @ ..]) if event.args.attachments.is_empty() => {
                let name = name.as_str().filter(|name| !RESERVED.contains(name))?;
                (room(Some(filter))?, What::Emit { name, args })
            }
            _ => return None,
        };
        Some(Command { namespace, room, what })
    }
}

/// Does what a page asks for. In production mode it has no such buttons.
pub async fn obey(hub: &Hub, admin: &Socket, event: &Event) {
    let Some(command) = Command::of(event).filter(|_| hub.mode == Mode::Development) else {
        return;
    };
    let Command { namespace, room, what } = command;
    let sockets = hub.sockets.in_room(namespace, room);
    let (sid, count) = (admin.session().sid(), sockets.len());
    let broadcast = match what {
        What::Join(room) => {
            info!(%sid, namespace, room, sockets = count, "an administrator had clients join a room");
            None
        }
        What::Leave(room) => {
            info!(%sid, namespace, room, sockets = count, "an administrator had clients leave a room");
            None
        }
        What::Emit { name, args } => {
            info!(%sid, namespace, sockets = count, "an administrator sent an event");
            Some(Broadcast::new(namespace.into(), name, args.to_vec()))
        }
        What::Disconnect { .. } => {
            info!(%sid, namespace, sockets = count, "an administrator disconnected clients");
            None
        }
    };
    for (number, socket) in sockets.iter().enumerate() {
        match (&what, &broadcast) {
            // Each is in the room of its own already, and stays there.
            (What::Join(room) | What::Leave(room), _) if *room == socket.id() => {}
            (What::Join(room), _) => socket.join(*room),
            (What::Leave(room), _) => socket.leave(*room),
            (What::Disconnect { close }, _) => socket.disconnect(*close),
            (What::Emit { .. }, Some(broadcast)) => socket.emit_shared(broadcast),
            (What::Emit { .. }, None) => {}
        }
        if number % BATCH == BATCH - 1 {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::socketio::{Ack, Args};

    #[test]
    fn commands_are_read_and_others_ignored() {
        let event = |name: &str, args: Value| Event {
            name: name.into(),
            args: Args::from(serde_json::from_value::<Vec<Value>>(args).unwrap()),
            ack: Ack::default(),
        };
        let disconnect =
            |room, close| Command { namespace: "/", room, what: What::Disconnect { close } };
        for (args, expected) in [
            (json!(["/", true, "id"]), Some(disconnect(Some("id"), true))),
            (json!(["/", false]), Some(disconnect(None, false))),
            (json!(["/", false, null]), Some(disconnect(None, false))),
            (json!(["/", false, 5]), None),
            (json!(["/"]), None),
            (json!([]), None),
            (json!([5, true]), None),
        ] {
            assert_eq!(Command::of(&event("_disconnect", args.clone())), expected, "{args}");
        }
        let (join, leave): (fn(_) -> _, fn(_) -> _) = (What::Join, What::Leave);
        for (name, what) in [("join", join), ("leave", leave)] {
            for (args, filter) in [
                (json!(["/", "room", "id"]), Some("id")),
                (json!(["/", "room"]), None),
                (json!(["/", "room", null]), None),
            ] {
                let expected = Command { namespace: "/", room: filter, what: what("room") };
                assert_eq!(
                    Command::of(&event(name, args.clone())),
                    Some(expected),
                    "{name} {args}"
                );
            }
        }
        let given = event("emit", json!(["/", null, "hello", 1]));
        let args = &[json!(1)][..];
        let what = What::Emit { name: "hello", args };
        assert_eq!(Command::of(&given), Some(Command { namespace: "/", room: None, what }));
        for (name, args) in [
            ("emit", json!(["/", null, "disconnect"])),
            ("emit", json!(["/", null])),
            ("emit", json!(["/", null, 5])),
            ("join", json!(["/"])),
            ("join", json!(["/", 5])),
            ("join", json!(["/", null, "id"])),
            ("join", json!(["/", "x".repeat(257)])),
            ("leave", json!(["/", "room", 5])),
            ("hello", json!([])),
        ] {
            assert_eq!(Command::of(&event(name, args.clone())), None, "{name} {args}");
        }
    }
}
