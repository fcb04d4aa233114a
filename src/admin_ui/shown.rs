//! What the page shows of a socket, and of what it said: bounded, and without secrets of the session.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::admission::ClientInfo;
use crate::socketio::Socket;
use crate::telemetry::day;

/// Characters of a session id that name its client. A whole one would let a reader take over the session.
const CLIENT_ID: usize = 12;
/// Characters of one text.
pub const LONGEST: usize = 256;
/// Bytes of a query.
const QUERY: usize = 1024;
/// Bytes of the names of a socket's rooms, each with [`VALUE`] more.
const ROOMS: usize = 2048;
/// Bytes of one event's values, at all depths: each counts as [`VALUE`], and texts as what they have.
const EVENT: usize = 2048;
const VALUE: usize = 16;
/// Arrays and objects in each other.
const DEPTH: usize = 8;

/// A socket as the page has it. `transport` is the one in use.
pub fn socket(socket: &Socket, transport: &'static str) -> Value {
    let session = socket.session();
    let handshake = session.handshake();
    let sid = session.sid();
    let visitor = ClientInfo::of(session).map(ClientInfo::visitor);
    let mut headers = Map::new();
    if let Some(visitor) = &visitor {
        let agent = Some(visitor.agent).filter(|agent| !agent.is_empty());
        for (name, value) in
            [("host", visitor.host), ("origin", visitor.origin), ("user-agent", agent)]
        {
            headers.extend(value.map(|value| (name.to_owned(), cut(value).into())));
        }
    }
    let query = handshake.query.as_bytes();
    let query = form_urlencoded::parse(&query[..query.len().min(QUERY)]);
    let query: Map<String, Value> =
        query.map(|(name, value)| (cut(&name).into(), shown_value(&name, &value))).collect();
    json!({
        "id": socket.id(),
        "clientId": sid.as_str()[..CLIENT_ID],
        "transport": transport_name(transport),
        "nsp": **socket.namespace().name(),
        "data": { "generation": handshake.generation, "proxy": handshake.proxy.as_deref() },
        "handshake": {
            "address": handshake.remote.map_or("unknown".to_owned(), |remote| remote.to_string()),
            "headers": headers,
            "query": query,
            "issued": handshake.issued,
            "secure": handshake.secure,
            "time": iso(handshake.time()),
            "url": "",
            "xdomain": visitor.is_some_and(|visitor| visitor.origin.is_some()),
        },
        "rooms": rooms(socket),
    })
}

/// A value of a query as it is shown: without secrets.
fn shown_value(name: &str, value: &str) -> Value {
    match name {
        "resume" | "token" => "…".into(),
        _ => cut(value).into(),
    }
}

/// The rooms that a socket is in: the one of its own, and of the others as many as fit.
fn rooms(socket: &Socket) -> Vec<String> {
    bounded_rooms(&socket.rooms())
}

fn bounded_rooms(rooms: &[Arc<str>]) -> Vec<String> {
    let mut left = ROOMS;
    let mut shown = Vec::new();
    for room in rooms {
        let room = cut(room).into_owned();
        let Some(rest) = left.checked_sub(room.len() + VALUE) else { break };
        left = rest;
        shown.push(room);
    }
    shown
}

/// The page has words for two of them, and shows all others as they are.
pub fn transport_name(transport: &'static str) -> &'static str {
    if transport == "xhr-polling" { "polling" } else { transport }
}

/// The event's name and arguments, cut to what fits; of binary parts only their sizes.
pub fn event(name: &str, args: &[Value], attachments: &[Bytes]) -> Value {
    let mut left = EVENT;
    let mut shown = vec![Value::from(cut(name))];
    for arg in args {
        if left == 0 {
            break;
        }
        shown.push(bounded(arg, attachments, &mut left, DEPTH));
    }
    Value::Array(shown)
}

fn bounded(value: &Value, attachments: &[Bytes], left: &mut usize, depth: usize) -> Value {
    *left = left.saturating_sub(VALUE);
    if let Some(size) = binary(value, attachments) {
        return format!("({size} bytes)").into();
    }
    match value {
        Value::String(text) => counted(text, left),
        Value::Array(_) | Value::Object(_) if depth == 0 => "(more)".into(),
        Value::Array(values) => {
            let mut shown = Vec::new();
            for value in values {
                if *left == 0 {
                    shown.push("(more)".into());
                    break;
                }
                shown.push(bounded(value, attachments, left, depth - 1));
            }
            shown.into()
        }
        Value::Object(fields) => {
            let mut shown = Map::new();
            for (name, value) in fields {
                if *left == 0 {
                    shown.insert("(more)".into(), true.into());
                    break;
                }
                // A part of a secret is not shown either.
                let value = match (&**name, value) {
                    ("token" | "resume", Value::String(_)) => "…".into(),
                    _ => bounded(value, attachments, left, depth - 1),
                };
                let name = cut(name);
                *left = left.saturating_sub(name.len());
                shown.insert(name.into(), value);
            }
            shown.into()
        }
        // Numbers come as they were written, however long.
        Value::Number(number) => match number.as_f64() {
            Some(_) if number.to_string().len() <= LONGEST => value.clone(),
            _ => "(number)".into(),
        },
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn counted(text: &str, left: &mut usize) -> Value {
    let text = cut(text);
    *left = left.saturating_sub(text.len());
    text.into()
}

/// The size of the binary part that a value stands for.
fn binary(value: &Value, attachments: &[Bytes]) -> Option<usize> {
    let fields = value.as_object().filter(|_| !attachments.is_empty())?;
    if fields.get("_placeholder") != Some(&Value::Bool(true)) {
        return None;
    }
    let at = usize::try_from(fields.get("num")?.as_u64()?).ok()?;
    attachments.get(at).map(Bytes::len)
}

/// The text, or the first [`LONGEST`] characters of it and an ellipsis.
pub fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// The time now, as the page takes it.
pub fn now() -> Value {
    iso(SystemTime::now()).into()
}

pub fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// As `toISOString()` writes a time.
fn iso(time: SystemTime) -> String {
    let ((year, month, date), since) = (day(time), since_epoch(time));
    let seconds = since.as_secs() % 86_400;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let ms = since.subsec_millis();
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_browsers() {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(iso(at(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(at(1_795_395_189_521)), "2026-11-23T00:53:09.521Z");
    }

    #[test]
    fn rooms_are_cut_to_what_fits() {
        let rooms: Vec<Arc<str>> = (0..1000).map(|n| format!("room {n}").into()).collect();
        let shown = bounded_rooms(&rooms);
        assert_eq!((&*shown[0], &*shown[1]), ("room 0", "room 1"));
        assert!((50..200).contains(&shown.len()), "{}", shown.len());
        let long = bounded_rooms(&["own".into(), "é".repeat(300).into()]);
        assert_eq!(long, ["own".to_owned(), format!("{}…", "é".repeat(256))]);
    }

    #[test]
    fn events_are_cut_to_what_fits() {
        let attachments = [Bytes::from_static(b"12345")];
        let args = [
            json!({ "_placeholder": true, "num": 0 }),
            json!({ "_placeholder": true, "num": 1 }),
            json!([1, true, null, "é".repeat(300)]),
        ];
        let long = format!("{}…", "é".repeat(256));
        assert_eq!(
            event("x", &args, &attachments),
            json!(["x", "(5 bytes)", { "_placeholder": true, "num": 1 }, [1, true, null, long]])
        );
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(event("x", &[deep], &[]).to_string(), r#"["x",[[[[[[[["(more)"]]]]]]]]]"#);
        let wide = event("x", &[json!(vec![0; 1000]), json!("not any more")], &[]);
        let values = wide[1].as_array().unwrap();
        assert_eq!((values.len(), wide.get(2)), (EVENT / VALUE, None));
        assert_eq!(values.last(), Some(&json!("(more)")));
        let long = vec!["é".repeat(300); 100];
        assert!(event("x", &[json!(long)], &[]).to_string().len() < EVENT + 2 * LONGEST + 64);
        let number: Value = serde_json::from_str(&"9".repeat(10_000)).unwrap();
        assert_eq!(event("x", &[number], &[]), json!(["x", "(number)"]));
    }
}
