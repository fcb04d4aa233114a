//! A message that was decoded, and what is taken out of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{FormatError, MAX_BYTES, MAX_DEPTH};
use crate::socketio::{Args, Flags, Packet, Selector, SocketDetails};

/// No answer is waited for longer, whatever another node asks for.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);
/// Packets of the type EVENT, and those of old servers which had binary.
const EVENTS: [u64; 2] = [2, 5];

/// An object, and the binary parts for which placeholders stand in it.
#[derive(Debug)]
pub struct Parts {
    map: Map<String, Value>,
    attachments: Vec<Bytes>,
}

/// Text is JSON if it begins with this; anything else is MessagePack.
const JSON: u8 = b'{';

impl Parts {
    /// Decodes an object.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let Args { mut values, attachments } = decode(bytes)?;
        match values.pop() {
            Some(Value::Object(map)) => Ok(Parts { map, attachments }),
            _ => Err(FormatError::Mistyped("message")),
        }
    }

    /// Decodes a list, each of its objects as one.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn read_list(bytes: &[u8]) -> Result<(Vec<Value>, Parts), FormatError> {
        let Args { mut values, attachments } = decode(bytes)?;
        match values.pop() {
            Some(Value::Array(items)) => Ok((items, Parts { map: Map::new(), attachments })),
            _ => Err(FormatError::Mistyped("message")),
        }
    }

    /// An object in it, with binary parts in place of the same placeholders.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn inner(&mut self, key: &'static str) -> Result<Parts, FormatError> {
        match self.map.remove(key) {
            Some(Value::Object(map)) => Ok(Parts { map, attachments: self.attachments.clone() }),
            _ => Err(FormatError::Mistyped(key)),
        }
    }

    /// Takes a value out; `null` counts as not there.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    /// Whether there is something.
    pub fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// A text.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn text(&mut self, key: &'static str) -> Result<Arc<str>, FormatError> {
        self.take(key).as_ref().and_then(name).ok_or(FormatError::Mistyped(key))
    }

    /// A text that need not be there.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn some_text(&mut self, key: &'static str) -> Result<Option<Arc<str>>, FormatError> {
        match self.take(key) {
            Some(value) => name(&value).map(Some).ok_or(FormatError::Mistyped(key)),
            None => Ok(None),
        }
    }

    /// A number that is not negative.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn number(&mut self, key: &'static str) -> Result<u64, FormatError> {
        self.take(key).as_ref().and_then(whole).ok_or(FormatError::Mistyped(key))
    }

    /// Yes or no; what is missing or anything else is no.
    pub fn flag(&mut self, key: &str) -> bool {
        self.take(key) == Some(Value::Bool(true))
    }

    /// Names of rooms.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn rooms(&mut self, key: &'static str) -> Result<Vec<Arc<str>>, FormatError> {
        match self.take(key) {
            Some(value) => names(&value).ok_or(FormatError::Mistyped(key)),
            None => Ok(Vec::new()),
        }
    }

    /// Whom something is for, and how it is sent: `opts`.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn opts(&mut self) -> Result<(Selector, Flags), FormatError> {
        let opts = self.take("opts").unwrap_or_default();
        self.opts_of(opts)
    }

    /// The same of a value.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn opts_of(&self, opts: Value) -> Result<(Selector, Flags), FormatError> {
        let list = |key: &'static str| match &opts[key] {
            Value::Null => Ok(Vec::new()),
            value => names(value).ok_or(FormatError::Mistyped(key)),
        };
        let selector = Selector { rooms: list("rooms")?, except: list("except")? };
        let flags = &opts["flags"];
        let flags = Flags {
            volatile: flags["volatile"].as_bool().unwrap_or(false),
            local: false,
            compress: flags["compress"].as_bool(),
            timeout: flags["timeout"].as_f64().filter(|ms| *ms > 0.0).map(duration),
            late: whole(&flags["late"]).and_then(time),
        };
        Ok((selector, flags))
    }

    /// An event with the type of its packet: `{type, data}`. Returns the packet's namespace as well, if it
    /// has one.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn event_of(&self, packet: Value) -> Result<(Packet, Option<Arc<str>>), FormatError> {
        let Value::Object(mut packet) = packet else { return Err(FormatError::Mistyped("packet")) };
        if !packet.get("type").and_then(whole).is_some_and(|kind| EVENTS.contains(&kind)) {
            return Err(FormatError::Mistyped("type of packet"));
        }
        // Servers with socket.io-redis before 1 publish what is left when the binary was taken out.
        if packet.get("attachments").and_then(whole).is_some_and(|count| count > 0) {
            return Err(FormatError::Mistyped("binary"));
        }
        let namespace = packet.get("nsp").and_then(name);
        let data = packet.remove("data").unwrap_or_default();
        Ok((self.list_of(data)?, namespace))
    }

    /// An event as a list: its name, and its arguments.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn list_of(&self, list: Value) -> Result<Packet, FormatError> {
        let Value::Array(mut values) = list else { return Err(FormatError::Mistyped("data")) };
        let first = (!values.is_empty()).then(|| values.remove(0));
        let name = first.as_ref().and_then(name).ok_or(FormatError::Mistyped("name"))?;
        let args = Args::taken_from(values, &self.attachments);
        Ok(Packet { name: name.as_ref().to_owned(), args })
    }

    /// The argument of an answer, if there is one.
    pub fn answer(&mut self, key: &str) -> Args {
        let values = self.map.remove(key).into_iter().collect();
        Args::taken_from(values, &self.attachments)
    }

    /// Sockets: `sockets`.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    pub fn sockets(&mut self) -> Result<Vec<SocketDetails>, FormatError> {
        let Some(Value::Array(sockets)) = self.take("sockets") else {
            return Err(FormatError::Mistyped("sockets"));
        };
        sockets.into_iter().map(|socket| self.socket(socket)).collect()
    }

    fn socket(&self, socket: Value) -> Result<SocketDetails, FormatError> {
        let Value::Object(mut map) = socket else { return Err(FormatError::Mistyped("socket")) };
        let mut take = |key: &str| map.remove(key).unwrap_or_default();
        let id = name(&take("id")).ok_or(FormatError::Mistyped("id"))?;
        let rooms = names(&take("rooms")).ok_or(FormatError::Mistyped("rooms"))?;
        let handshake = self.without_binary(take("handshake"));
        let data = self.without_binary(take("data"));
        Ok(SocketDetails { id: id.as_ref().to_owned(), handshake, rooms, data })
    }

    /// A value with binary as Node has it in JSON.
    pub fn without_binary(&self, value: Value) -> Value {
        let mut args = Args::taken_from(vec![value], &self.attachments);
        let mut value = args.values.pop().unwrap_or_default();
        if !args.attachments.is_empty() {
            spell_out(&mut value, &mut args.attachments.into_iter());
        }
        value
    }
}

fn spell_out(value: &mut Value, parts: &mut impl Iterator<Item = Bytes>) {
    match value {
        Value::Object(map) if map.contains_key("_placeholder") => {
            let bytes = parts.next().unwrap_or_default();
            *value = json!({ "type": "Buffer", "data": &*bytes });
        }
        Value::Array(items) => items.iter_mut().for_each(|item| spell_out(item, parts)),
        Value::Object(map) => map.values_mut().for_each(|item| spell_out(item, parts)),
        _ => {}
    }
}

/// Reads one value of either format, to its end.
///
/// # Errors
/// If it is malformed, too long, or too deep.
pub fn decode(bytes: &[u8]) -> Result<Args, FormatError> {
    struct One(Args);
    impl<'de> Deserialize<'de> for One {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            Args::one_from_in_place(from).map(One)
        }
    }
    let malformed = |error: String| FormatError::Malformed(error);
    match bytes {
        _ if bytes.len() > MAX_BYTES => Err(FormatError::TooLarge(bytes.len())),
        [JSON, ..] => {
            let read = serde_json::from_slice::<One>(bytes);
            read.map(|One(args)| args).map_err(|error| malformed(error.to_string()))
        }
        _ => {
            let mut rest = bytes;
            let mut reader = rmp_serde::Deserializer::new(&mut rest);
            reader.set_max_depth(MAX_DEPTH);
            let read = One::deserialize(&mut reader);
            let One(args) = read.map_err(|error| malformed(error.to_string()))?;
            match rest.len() {
                0 => Ok(args),
                more => Err(malformed(format!("{more} bytes too many"))),
            }
        }
    }
}

/// Names may be numbers, as JavaScript has them.
pub fn name(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn names(value: &Value) -> Option<Vec<Arc<str>>> {
    value.as_array()?.iter().map(name).collect()
}

/// A whole number, which may be written as a fraction.
pub fn whole(value: &Value) -> Option<u64> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0);
    value.as_u64().or(number.map(|number| number as u64))
}

fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(MAX_TIMEOUT).min(MAX_TIMEOUT)
}

fn time(ms: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms))
}
