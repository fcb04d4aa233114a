//! What is published, byte by byte.
//!
//! A broadcast is `[uid, {type, data, nsp}, {rooms, except, flags}]` in MessagePack. Requests and responses are
//! objects: JSON, or MessagePack if there is binary in them, which servers before `@socket.io/redis-adapter` end by.

mod broadcast;

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::oldest::OldestAdapter;

use crate::cluster::node_format::{
    Details, EVENT, Event, First, FormatError, List, Names, Opts, Parts, encode,
};
use crate::socketio::{Args, Flags, Packet, Selector, SocketDetails};

pub use broadcast::{Broadcast, Channels};

/// What a request asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask<'a> {
    Join(&'a Selector, &'a [Arc<str>]),
    Leave(&'a Selector, &'a [Arc<str>]),
    Disconnect(&'a Selector, bool),
    Fetch(&'a Selector),
    ServerSide(&'a Packet),
    Clients(&'a Packet, &'a Selector, Flags),
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct RequestBody<'a> {
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    r#type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<Event<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<Whom<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Names<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<List<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Whom<'a> {
    Selected { rooms: Names<'a>, except: Names<'a> },
    Sent(Opts<'a>),
}

impl<'a> From<&'a Selector> for Whom<'a> {
    fn from(selector: &'a Selector) -> Self {
        Whom::Selected { rooms: Names(&selector.rooms), except: Names(&selector.except) }
    }
}

/// Writes a request.
pub fn write_request(
    uid: &str,
    request: Option<&str>,
    namespace: &str,
    ask: Ask<'_>,
    oldest: OldestAdapter,
) -> Result<Vec<u8>, FormatError> {
    let body = RequestBody { uid, request_id: request, ..RequestBody::default() };
    let (body, is_binary) = match ask {
        Ask::Join(selector, rooms) | Ask::Leave(selector, rooms) => {
            let r#type = if matches!(ask, Ask::Join(..)) { 2 } else { 3 };
            let (opts, rooms) = (Some(selector.into()), Some(Names(rooms)));
            (RequestBody { r#type, opts, rooms, ..body }, false)
        }
        Ask::Disconnect(selector, close) => {
            let (opts, close) = (Some(selector.into()), Some(close));
            (RequestBody { r#type: 4, opts, close, ..body }, false)
        }
        Ask::Fetch(selector) => {
            (RequestBody { r#type: 5, opts: Some(selector.into()), ..body }, false)
        }
        Ask::ServerSide(packet) => {
            let is_binary = !packet.args.attachments.is_empty();
            (RequestBody { r#type: 6, data: Some(List(packet)), ..body }, is_binary)
        }
        Ask::Clients(packet, selector, flags) => {
            let is_binary = !packet.args.attachments.is_empty();
            let packet = Some(Event { packet, namespace: Some(namespace), kind: EVENT });
            let opts = Some(Whom::Sent(Opts { selector, flags }));
            (RequestBody { r#type: 7, packet, opts, ..body }, is_binary)
        }
    };
    encode(&body, is_binary && oldest.has_binary_requests())
}

/// Writes the question which sockets there are, as servers with socket.io-redis before 6 understand it. A node of this
/// kind sees by the name that it is none of theirs, and that it is asked in its own words as well.
pub fn write_old_fetch(
    uid: &str,
    request: &str,
    rooms: &[Arc<str>],
) -> Result<Vec<u8>, FormatError> {
    let body = OldFetch { uid, requestid: request, r#type: 0, rooms: Names(rooms) };
    encode(&body, false)
}

#[derive(Serialize)]
struct OldFetch<'a> {
    uid: &'a str,
    requestid: &'a str,
    r#type: u8,
    rooms: Names<'a>,
}

/// A request of another node, or of an emitter.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// An emitter may have none, and old servers have none.
    pub uid: Option<Arc<str>>,
    /// What the answer is to name; without it there is to be none.
    pub id: Option<Arc<str>>,
    /// Whether it is of socket.io-redis 5, whose answers have another key.
    pub is_old: bool,
    pub asked: Asked,
}

#[derive(Debug, PartialEq)]
pub enum Asked {
    Sockets(Selector),
    AllRooms,
    RoomsOf(Arc<str>),
    Join(Selector, Vec<Arc<str>>),
    Leave(Selector, Vec<Arc<str>>),
    Disconnect(Selector, bool),
    /// One of the last three for one socket: only its node answers.
    OfOne(Arc<str>, Box<Asked>),
    Fetch(Selector),
    ServerSide(Packet),
    Clients {
        packet: Packet,
        namespace: Option<Arc<str>>,
        selector: Selector,
        flags: Flags,
    },
    /// An event that socket.io-redis 5 has no name for: nobody here knows it.
    Custom,
}

impl Request {
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::read(bytes)?;
        let uid = parts.some_text("uid")?;
        let number = parts.number("type")?;
        if let Some(id) = parts.some_text("requestid")? {
            let asked = old(number, &mut parts)?;
            return Ok(Request { uid, id: Some(id), is_old: true, asked });
        }
        let id = parts.some_text("requestId")?;
        let asked = match number {
            0 => Asked::Sockets(rooms(parts.rooms("rooms")?)),
            1 => Asked::AllRooms,
            2..=4 => {
                let one = parts.some_text("sid")?;
                let selector = match &one {
                    Some(id) => rooms(vec![Arc::clone(id)]),
                    None => parts.opts()?.0,
                };
                let asked = match (number, &one) {
                    (4, _) => Asked::Disconnect(selector, parts.flag("close")),
                    (_, Some(_)) => joined(number == 2, selector, vec![parts.text("room")?]),
                    (_, None) => joined(number == 2, selector, parts.rooms("rooms")?),
                };
                of_one(one, asked)
            }
            5 => Asked::Fetch(parts.opts()?.0),
            6 => {
                let data = parts.take("data").unwrap_or_default();
                Asked::ServerSide(parts.list_of(data)?)
            }
            7 => {
                let packet = parts.take("packet").unwrap_or_default();
                let (packet, namespace) = parts.event_of(packet)?;
                let (selector, flags) = parts.opts()?;
                Asked::Clients { packet, namespace, selector, flags }
            }
            other => return Err(FormatError::Unknown(other)),
        };
        Ok(Request { uid, id, is_old: false, asked })
    }
}

fn rooms(rooms: Vec<Arc<str>>) -> Selector {
    Selector { rooms, except: Vec::new() }
}

fn joined(joins: bool, selector: Selector, rooms: Vec<Arc<str>>) -> Asked {
    if joins { Asked::Join(selector, rooms) } else { Asked::Leave(selector, rooms) }
}

fn of_one(one: Option<Arc<str>>, asked: Asked) -> Asked {
    match one {
        Some(id) => Asked::OfOne(id, Box::new(asked)),
        None => asked,
    }
}

/// What a request of socket.io-redis 5 asks.
fn old(number: u64, parts: &mut Parts) -> Result<Asked, FormatError> {
    Ok(match number {
        0 => Asked::Sockets(rooms(parts.rooms("rooms")?)),
        1 => Asked::RoomsOf(parts.text("sid")?),
        2 => Asked::AllRooms,
        3 | 4 => {
            let (id, room) = (parts.text("sid")?, parts.text("room")?);
            of_one(Some(Arc::clone(&id)), joined(number == 3, rooms(vec![id]), vec![room]))
        }
        5 => Asked::Custom,
        6 => {
            let id = parts.text("sid")?;
            let asked = Asked::Disconnect(rooms(vec![Arc::clone(&id)]), parts.flag("close"));
            of_one(Some(id), asked)
        }
        other => return Err(FormatError::Unknown(other)),
    })
}

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Say<'a> {
    /// Ids: their key, and they.
    Names(&'static str, &'a [Arc<str>]),
    Sockets(&'a [SocketDetails]),
    Done,
    ServerSide(&'a Args),
    Count(usize),
    Ack(&'a Args),
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct ResponseBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "requestid")]
    old_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<Names<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Names<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets: Option<Found<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<First<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<First<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Found<'a> {
    Ids(Names<'a>),
    Sockets(Vec<Details<'a>>),
}

/// Writes a response.
pub fn write_response(
    request: &str,
    is_old: bool,
    say: Say<'_>,
    oldest: OldestAdapter,
) -> Result<Vec<u8>, FormatError> {
    let body = match is_old {
        true => ResponseBody { old_request_id: Some(request), ..ResponseBody::default() },
        false => ResponseBody { request_id: Some(request), ..ResponseBody::default() },
    };
    let (body, is_binary) = match say {
        Say::Names("clients", ids) => (ResponseBody { clients: Some(Names(ids)), ..body }, false),
        Say::Names("rooms", ids) => (ResponseBody { rooms: Some(Names(ids)), ..body }, false),
        Say::Names(_, ids) => {
            (ResponseBody { sockets: Some(Found::Ids(Names(ids))), ..body }, false)
        }
        Say::Sockets(sockets) => {
            let sockets = sockets.iter().map(Details).collect();
            (ResponseBody { sockets: Some(Found::Sockets(sockets)), ..body }, false)
        }
        Say::Done => (body, false),
        Say::ServerSide(args) => {
            let is_binary = !args.attachments.is_empty();
            (ResponseBody { r#type: Some(6), data: First::of(args), ..body }, is_binary)
        }
        Say::Count(count) => {
            (ResponseBody { r#type: Some(8), client_count: Some(count), ..body }, false)
        }
        Say::Ack(args) => {
            let is_binary = !args.attachments.is_empty();
            (ResponseBody { r#type: Some(9), packet: First::of(args), ..body }, is_binary)
        }
    };
    encode(&body, is_binary && oldest.has_binary_requests())
}

/// A response of another node: to which request, and what is in it.
#[derive(Debug)]
pub struct Response {
    pub request: Arc<str>,
    parts: Parts,
}

/// What a broadcast with acknowledgements is told.
#[derive(Debug, PartialEq)]
pub enum Told {
    Count(usize),
    Ack(Args),
}

impl Response {
    /// `None` if it answers no request that has a name.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, FormatError> {
        let mut parts = Parts::read(bytes)?;
        let request = match parts.some_text("requestId")? {
            Some(request) => Some(request),
            None => parts.some_text("requestid")?,
        };
        Ok(request.map(|request| Response { request, parts }))
    }

    /// Old servers say nothing of their sockets but their ids.
    pub fn sockets(mut self) -> Result<Vec<SocketDetails>, FormatError> {
        if !self.parts.has("clients") {
            return self.parts.sockets();
        }
        let ids = self.parts.rooms("clients")?.into_iter();
        Ok(ids
            .map(|id| SocketDetails { id: (*id).into(), rooms: vec![id], ..no_details() })
            .collect())
    }

    pub fn args(mut self) -> Args {
        self.parts.answer("data")
    }

    pub fn told(mut self) -> Result<Told, FormatError> {
        match self.parts.number("type")? {
            8 => {
                let count = self.parts.number("clientCount")?;
                let count = usize::try_from(count);
                count.map(Told::Count).map_err(|_| FormatError::Mistyped("clientCount"))
            }
            9 => Ok(Told::Ack(self.parts.answer("packet"))),
            other => Err(FormatError::Unknown(other)),
        }
    }
}

fn no_details() -> SocketDetails {
    let nothing = || Value::Object(Map::new());
    let (handshake, data) = (nothing(), nothing());
    SocketDetails { id: String::new(), handshake, rooms: Vec::new(), data }
}

/// Any bytes are a request, a response and a broadcast, or none; what was read can be written, and is the same when it is
/// read again. For the properties of `fuzzing`.
///
/// # Panics
/// If that does not hold.
#[cfg(any(test, feature = "fuzzing"))]
pub fn any_bytes(bytes: &[u8]) {
    if let Ok(Some(_)) = Response::read(bytes) {
        let response = || Response::read(bytes).ok().flatten();
        let _ = response().map(Response::sockets);
        let _ = response().map(Response::args);
        let _ = response().map(Response::told);
    }
    if let Ok(request) = Request::read(bytes) {
        let ask = match &request.asked {
            Asked::Join(selector, rooms) => Some(Ask::Join(selector, rooms)),
            Asked::Leave(selector, rooms) => Some(Ask::Leave(selector, rooms)),
            Asked::Disconnect(selector, close) => Some(Ask::Disconnect(selector, *close)),
            Asked::Fetch(selector) => Some(Ask::Fetch(selector)),
            _ => None,
        };
        let written = ask.map(|ask| write_request("u", Some("r"), "/", ask, OldestAdapter::V7));
        if let Some(Ok(written)) = written {
            let again = Request::read(&written).map(|again| again.asked);
            assert_eq!(again.ok(), Some(request.asked));
        }
    }
    for oldest in [OldestAdapter::V7, OldestAdapter::V0_1] {
        let Ok(first) = Broadcast::read(bytes, oldest) else { continue };
        let _ = Broadcast::read_first("socket.io#/#u", bytes);
        // Numbers that MessagePack has not are lost the first time.
        let write = |it: &Broadcast| {
            let whom = (&it.selector, it.flags);
            Broadcast::write(&it.uid, &it.namespace, &it.packet, whom, OldestAdapter::V7)
        };
        let Ok(written) = write(&first) else { continue };
        let Ok(second) = Broadcast::read(&written, OldestAdapter::V7) else { continue };
        let again = write(&second).ok();
        let third = again.and_then(|again| Broadcast::read(&again, OldestAdapter::V7).ok());
        assert_eq!(third, Some(second));
    }
}

#[cfg(test)]
mod tests;
