//! Entries of the stream, as Node's adapter writes them: `uid`, `nsp`, `type`, and `data` as JSON or, with
//! binary, as MessagePack in base64. Ours have a `serial` as well, by which an entry that was added twice is
//! known.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redis::{Value, from_redis_value_ref};

use crate::cluster::message::Content;
use crate::cluster::node_format::{FormatError, read_data, write_data};
use crate::socketio::Place;

/// The place of an entry: two numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    ms: u64,
    number: u64,
}

/// Entries of one millisecond that have a place. Redis itself adds fewer; there are more only if its clock
/// was put back, as it then goes on counting in the last millisecond that it had.
const PER_MS: u64 = 1 << 12;

impl Id {
    /// The place as one number, which is exact in JavaScript until the year 2039: `ms * 4096 + number`. `None`
    /// for what does not fit.
    pub fn place(self) -> Option<Place> {
        let ms = self.ms.checked_mul(PER_MS).filter(|ms| *ms < 1 << 53)?;
        let number = (self.number < PER_MS).then_some(ms + self.number)?;
        Some(Place { number, at: self.ms })
    }

    /// The place that has that number.
    pub fn at(place: u64) -> Self {
        Id { ms: place / PER_MS, number: place % PER_MS }
    }

    /// The next place after it that has a number, if it has one.
    pub fn next_with_place(self) -> Self {
        let next = self.next();
        match next.number < PER_MS {
            true => next,
            false => Id { ms: next.ms.saturating_add(1), number: 0 },
        }
    }

    /// The number of the last place up to this one that has one.
    pub fn place_up_to(self) -> u64 {
        let last = Id { number: self.number.min(PER_MS - 1), ..self };
        last.place().map_or(u64::MAX, |place| place.number)
    }

    /// The next place after it.
    pub fn next(self) -> Self {
        match self.number.checked_add(1) {
            Some(number) => Id { number, ..self },
            None => Id { ms: self.ms.saturating_add(1), number: 0 },
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (ms, number) = text.split_once('-').ok_or(())?;
        if !is_number(ms) || !is_number(number) {
            return Err(());
        }
        let (ms, number) = (ms.parse().map_err(drop)?, number.parse().map_err(drop)?);
        Ok(Id { ms, number })
    }
}

/// Which node added an entry, and which of its entries it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial {
    pub node: Arc<str>,
    pub number: u64,
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.number)
    }
}

impl FromStr for Serial {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (node, number) = text.rsplit_once('.').ok_or(())?;
        Ok(Serial { node: node.into(), number: number.parse().map_err(drop)? })
    }
}

/// An entry as it is read. What it says is decoded when it is wanted.
#[derive(Debug)]
pub struct Entry {
    pub id: Id,
    pub uid: Arc<str>,
    pub namespace: Arc<str>,
    pub serial: Option<Serial>,
    number: u64,
    data: Option<String>,
}

impl Entry {
    /// `None` if it is none of an adapter's.
    pub fn read(id: Id, fields: &HashMap<String, Value>) -> Option<Self> {
        let text = |key| fields.get(key).and_then(|value| from_redis_value_ref(value).ok());
        let text = |key| -> Option<String> { text(key) };
        Some(Entry {
            id,
            uid: text("uid")?.into(),
            namespace: text("nsp")?.into(),
            serial: text("serial").and_then(|serial| serial.parse().ok()),
            number: text("type")?.parse().ok()?,
            data: text("data"),
        })
    }

    /// Whether it is an event for clients.
    pub fn is_broadcast(&self) -> bool {
        self.number == 3
    }

    /// What it says.
    pub fn content(&self) -> Result<Content, FormatError> {
        content(self.number, self.data.as_deref())
    }
}

/// What an entry of that `type` says with that `data`.
pub fn content(number: u64, data: Option<&str>) -> Result<Content, FormatError> {
    match data {
        Some(data) if !data.starts_with('{') => {
            let bytes = STANDARD.decode(data);
            let bytes = bytes.map_err(|error| FormatError::Malformed(error.to_string()))?;
            read_data(number, Some(&bytes))
        }
        data => read_data(number, data.map(str::as_bytes)),
    }
}

/// The `data` of an entry that says this.
pub fn data(content: &Content) -> Result<String, FormatError> {
    let bytes = write_data(content)?.unwrap_or_default();
    if bytes.starts_with(b"{") {
        return String::from_utf8(bytes).map_err(|error| FormatError::Malformed(error.to_string()));
    }
    Ok(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::message::Content;
    use crate::socketio::{Args, Flags, Packet, Selector};

    #[test]
    fn places_are_two_numbers_in_order() {
        let id = |text: &str| text.parse::<Id>();
        assert!(
            id("2-10").unwrap() > id("2-9").unwrap() && id("10-0").unwrap() > id("9-9").unwrap()
        );
        assert_eq!(id("1795394925698-0").unwrap().to_string(), "1795394925698-0");
        for wrong in
            ["", "-", "1", "1-", "-1", "1-2-3", "+1-0", "1-+0", "a-0", "99999999999999999999-0"]
        {
            assert_eq!(id(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_with_binary_and_without() {
        for attachments in [vec![], vec![bytes::Bytes::from_static(&[1, 2, 255])]] {
            let value = match attachments.is_empty() {
                true => serde_json::json!({ "a": 1 }),
                false => serde_json::json!({ "_placeholder": true, "num": 0 }),
            };
            let args = Args { values: vec![value], attachments };
            let packet = Packet { name: "e".to_owned(), args };
            let (selector, flags) = (Selector::default(), Flags::default());
            let content = Content::Broadcast { packet, selector, flags, request: None };
            let field = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            let fields = [
                ("uid", field("u")),
                ("nsp", field("/")),
                ("type", field("3")),
                ("data", field(&data(&content).unwrap())),
                ("serial", field("abc.7")),
            ];
            let fields = fields.map(|(key, value)| (key.to_owned(), value)).into();
            let entry = Entry::read(Id::default(), &fields).unwrap();
            assert_eq!(entry.content().unwrap(), content);
            assert_eq!(entry.serial.unwrap().to_string(), "abc.7");
        }
        assert!(Entry::read(Id::default(), &HashMap::new()).is_none());
    }
}
