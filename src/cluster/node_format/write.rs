//! Writing messages.

use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{FormatError, MAX_BYTES};
use crate::cluster::message::{Content, Message};
use crate::socketio::{Args, Flags, Packet, Selector, SocketDetails};

/// Writes a message: as MessagePack if there is binary in it, otherwise as JSON.
///
/// # Errors
/// If it is too long, or too deep.
pub fn write(message: &Message) -> Result<Vec<u8>, FormatError> {
    encode(&Whole::of(message), has_binary(&message.content))
}

/// Writes a message as MessagePack: for readers who want that in any case.
///
/// # Errors
/// If it is too long, or too deep.
pub fn write_binary(message: &Message) -> Result<Vec<u8>, FormatError> {
    encode_binary(&Whole::of(message))
}

/// The same, with the place of a log up to which its reader is to have read before it takes the message.
///
/// # Errors
/// If it is too long, or too deep.
pub fn write_binary_after(message: &Message, after: Option<&str>) -> Result<Vec<u8>, FormatError> {
    encode_binary(&Whole { after, ..Whole::of(message) })
}

/// Writes what a message says: its `data` alone, if its type has some.
///
/// # Errors
/// If it is too long, or too deep.
pub fn write_data(content: &Content) -> Result<Option<Vec<u8>>, FormatError> {
    Data::of(content).map(|data| encode(&data, has_binary(content))).transpose()
}

/// Writes a value in one format or the other.
///
/// # Errors
/// If it is too long.
pub fn encode(value: &impl Serialize, is_binary: bool) -> Result<Vec<u8>, FormatError> {
    if is_binary {
        return encode_binary(value);
    }
    let mut written = Bounded(Vec::new());
    let mut serializer = serde_json::Serializer::with_formatter(&mut written, NodesJson);
    match value.serialize(&mut serializer) {
        Ok(()) => Ok(written.0),
        Err(error) => Err(written.why(error)),
    }
}

/// Writes a value as MessagePack.
///
/// # Errors
/// If it is too long.
pub fn encode_binary(value: &impl Serialize) -> Result<Vec<u8>, FormatError> {
    let mut written = Bounded(Vec::new());
    let mut serializer = rmp_serde::Serializer::new(&mut written).with_struct_map();
    match value.serialize(&mut serializer) {
        Ok(()) => Ok(written.0),
        Err(error) => Err(written.why(error)),
    }
}

/// JSON that has binary as Node writes it.
struct NodesJson;

impl serde_json::ser::Formatter for NodesJson {
    fn write_byte_array<W>(&mut self, writer: &mut W, bytes: &[u8]) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        writer.write_all(br#"{"type":"Buffer","data":["#)?;
        for (at, byte) in bytes.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(writer, "{comma}{byte}")?;
        }
        writer.write_all(b"]}")
    }
}

/// What is written, up to the bound.
struct Bounded(Vec<u8>);

impl Bounded {
    fn why(&self, error: impl std::fmt::Display) -> FormatError {
        match self.0.len() {
            bytes if bytes > MAX_BYTES => FormatError::TooLarge(bytes),
            _ => FormatError::Malformed(error.to_string()),
        }
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        match self.0.len() > MAX_BYTES {
            true => Err(io::Error::other("too long")),
            false => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn has_binary(content: &Content) -> bool {
    let args = match content {
        Content::Broadcast { packet, .. } | Content::ServerSideEmit { packet, .. } => &packet.args,
        Content::ServerSideEmitResponse { args, .. } | Content::BroadcastAck { args, .. } => args,
        _ => return false,
    };
    !args.attachments.is_empty()
}

#[derive(Serialize)]
struct Whole<'a> {
    r#type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
    uid: &'a str,
    nsp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
}

impl<'a> Whole<'a> {
    fn of(message: &'a Message) -> Self {
        let Message { uid, namespace, content } = message;
        let data = Data::of(content);
        Whole { r#type: content.number(), data, uid, nsp: namespace, after: None }
    }
}

/// All that the `data` of a message may have.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<Opts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Names<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets: Option<Vec<Details<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_count: Option<usize>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Event(Event<'a>),
    List(List<'a>),
    Answer(First<'a>),
}

impl<'a> Data<'a> {
    fn of(content: &'a Content) -> Option<Self> {
        let nothing = Data::default;
        let opts = |selector, flags| Some(Opts { selector, flags });
        let bare = |selector| opts(selector, Flags::default());
        let answer = |args| First::of(args).map(Said::Answer);
        Some(match content {
            Content::InitialHeartbeat | Content::Heartbeat | Content::AdapterClose => return None,
            Content::Broadcast { packet, selector, flags, request } => Data {
                packet: Some(Said::Event(Event { packet, namespace: None, kind: EVENT })),
                opts: opts(selector, *flags),
                request_id: request.as_deref(),
                ..nothing()
            },
            Content::SocketsJoin { selector, rooms }
            | Content::SocketsLeave { selector, rooms } => {
                Data { opts: bare(selector), rooms: Some(Names(rooms)), ..nothing() }
            }
            Content::DisconnectSockets { selector, close } => {
                Data { opts: bare(selector), close: Some(*close), ..nothing() }
            }
            Content::FetchSockets { selector, request } => {
                Data { opts: bare(selector), request_id: Some(request), ..nothing() }
            }
            Content::FetchSocketsResponse { request, sockets } => Data {
                request_id: Some(request),
                sockets: Some(sockets.iter().map(Details).collect()),
                ..nothing()
            },
            Content::ServerSideEmit { packet, request } => Data {
                packet: Some(Said::List(List(packet))),
                request_id: request.as_deref(),
                ..nothing()
            },
            Content::ServerSideEmitResponse { request, args }
            | Content::BroadcastAck { request, args } => {
                Data { packet: answer(args), request_id: Some(request), ..nothing() }
            }
            Content::BroadcastClientCount { request, count } => {
                Data { request_id: Some(request), client_count: Some(*count), ..nothing() }
            }
        })
    }
}

/// An event as a packet: `{type, data}`, and `nsp` where that is wanted.
#[derive(Debug)]
pub struct Event<'a> {
    /// The event.
    pub packet: &'a Packet,
    /// The namespace, if it is to be said here.
    pub namespace: Option<&'a str>,
    /// The type of the packet: [`EVENT`], or [`BINARY_EVENT`].
    pub kind: u8,
}

/// The type of packets, with binary or without.
pub const EVENT: u8 = 2;
/// The type of packets that have binary, for servers before Socket.IO 3, which do not look for it in others. Later
/// ones disconnect their clients when they get it.
pub const BINARY_EVENT: u8 = 5;

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + usize::from(self.namespace.is_some())))?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("data", &List(self.packet))?;
        if let Some(namespace) = self.namespace {
            map.serialize_entry("nsp", namespace)?;
        }
        map.end()
    }
}

/// An event as a list: its name, and its arguments.
#[derive(Debug)]
pub struct List<'a>(pub &'a Packet);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Packet { name, args } = self.0;
        let args = args.in_place();
        let mut list = serializer.serialize_seq(Some(1 + args.items().len()))?;
        list.serialize_element(name)?;
        for item in args.items() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}

/// The first of some arguments: answers between nodes have one.
#[derive(Debug)]
pub struct First<'a>(&'a Args);

impl<'a> First<'a> {
    /// `None` if there is none.
    pub fn of(args: &'a Args) -> Option<Self> {
        (!args.values.is_empty()).then_some(First(args))
    }
}

impl Serialize for First<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.in_place().items().next() {
            Some(first) => first.serialize(serializer),
            None => serializer.serialize_unit(),
        }
    }
}

/// Names of rooms.
#[derive(Debug)]
pub struct Names<'a>(pub &'a [Arc<str>]);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|name| &**name))
    }
}

/// Whom something is for, and how it is sent.
#[derive(Debug)]
pub struct Opts<'a> {
    /// Whom.
    pub selector: &'a Selector,
    /// How.
    pub flags: Flags,
}

impl Serialize for Opts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Flags { volatile, local: _, compress, timeout, late } = self.flags;
        let mut flags = Map::new();
        if volatile {
            flags.insert("volatile".to_owned(), true.into());
        }
        if let Some(compress) = compress {
            flags.insert("compress".to_owned(), compress.into());
        }
        if let Some(timeout) = timeout {
            let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            flags.insert("timeout".to_owned(), ms.into());
        }
        if let Some(since) = late.and_then(|late| late.duration_since(UNIX_EPOCH).ok()) {
            let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            flags.insert("late".to_owned(), ms.into());
        }
        let flags = Args::from(vec![Value::Object(flags)]);
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("rooms", &Names(&self.selector.rooms))?;
        map.serialize_entry("except", &Names(&self.selector.except))?;
        map.serialize_entry("flags", &First(&flags))?;
        map.end()
    }
}

/// A socket.
#[derive(Debug)]
pub struct Details<'a>(pub &'a SocketDetails);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SocketDetails { id, handshake, rooms, data } = self.0;
        let values = Args::from(vec![handshake.clone(), data.clone()]);
        let values = values.in_place();
        let mut values = values.items();
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("id", id)?;
        map.serialize_entry("handshake", &values.next())?;
        map.serialize_entry("rooms", &Names(rooms))?;
        map.serialize_entry("data", &values.next())?;
        map.end()
    }
}
