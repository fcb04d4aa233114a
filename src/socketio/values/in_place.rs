//! Arguments with binary in place, for formats that have binary: what nodes of a cluster send each other.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use super::{Args, attachment, placeholder};

/// [`Args`] as a list of values with binary in place; see [`Args::in_place`].
#[derive(Debug)]
pub struct InPlace<'a>(pub(super) &'a Args);

impl Serialize for InPlace<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.items())
    }
}

impl InPlace<'_> {
    /// Each of them alone, to be written among others.
    pub fn items(&self) -> impl ExactSizeIterator<Item = impl Serialize + '_> + '_ {
        let Args { values, attachments } = self.0;
        values.iter().map(|value| Item { value, attachments })
    }
}

struct Item<'a> {
    value: &'a Value,
    attachments: &'a [Bytes],
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attachments = self.attachments;
        if let Some(bytes) = attachment(self.value, attachments) {
            return serializer.serialize_bytes(bytes);
        }
        match self.value {
            Value::Array(items) => {
                serializer.collect_seq(items.iter().map(|value| Item { value, attachments }))
            }
            Value::Object(map) => serializer
                .collect_map(map.iter().map(|(key, value)| (key, Item { value, attachments }))),
            // Numbers are texts to serde_json, with all their digits; binary formats want them as they are.
            Value::Number(number) if serializer.is_human_readable() => number.serialize(serializer),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => serializer.serialize_u64(number),
                (_, Some(number), _) => serializer.serialize_i64(number),
                (.., Some(number)) => serializer.serialize_f64(number),
                _ => serializer.serialize_none(),
            },
            value => value.serialize(serializer),
        }
    }
}

impl Args {
    /// Reads a list of values in which binary is in place.
    ///
    /// # Errors
    /// If it is no list, or holds what JSON has not.
    pub fn from_in_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut args = Args::default();
        let list = Reader(&mut args.attachments);
        if let Value::Array(values) = deserializer.deserialize_any(list)? {
            args.values = values;
            return Ok(args);
        }
        Err(serde::de::Error::custom("arguments are a list"))
    }

    /// Reads one value in which binary is in place.
    ///
    /// # Errors
    /// If it holds what JSON has not.
    pub fn one_from_in_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut attachments = Vec::new();
        let values = vec![deserializer.deserialize_any(Reader(&mut attachments))?];
        Ok(Args { values, attachments })
    }

    /// Arguments that were taken out of others: with the attachments that stand in them, and no others.
    pub fn taken_from(mut values: Vec<Value>, attachments: &[Bytes]) -> Self {
        let mut kept = Vec::new();
        if !attachments.is_empty() {
            values.iter_mut().for_each(|value| keep(value, attachments, &mut kept));
        }
        Args { values, attachments: kept }
    }
}

/// Numbers placeholders anew, and collects what they stand for.
fn keep(value: &mut Value, attachments: &[Bytes], kept: &mut Vec<Bytes>) {
    if let Some(bytes) = attachment(value, attachments) {
        kept.push(bytes.clone());
        *value = placeholder(kept.len() - 1);
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| keep(item, attachments, kept)),
        Value::Object(map) => map.values_mut().for_each(|item| keep(item, attachments, kept)),
        _ => {}
    }
}

/// Reads a value, and puts its binary parts into a list.
struct Reader<'a>(&'a mut Vec<Bytes>);

impl<'de> serde::de::DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Extension(self.0))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_bytes<E>(self, v: &[u8]) -> Result<Value, E> {
        self.0.push(Bytes::copy_from_slice(v));
        Ok(placeholder(self.0.len() - 1))
    }

    fn visit_byte_buf<E>(self, v: Vec<u8>) -> Result<Value, E> {
        self.0.push(v.into());
        Ok(placeholder(self.0.len() - 1))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Reader(self.0))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<Key>()? {
            let value = map.next_value_seed(Reader(self.0))?;
            if key.0 == "$serde_json::private::Number"
                && let Some(number) = value.as_str().and_then(|text| text.parse::<Number>().ok())
            {
                return Ok(Value::Number(number));
            }
            entries.insert(key.0, value);
        }
        Ok(Value::Object(entries))
    }
}

/// Reads an extension of MessagePack, which is a number and bytes.
struct Extension<'a>(&'a mut Vec<Bytes>);

impl<'de> Visitor<'de> for Extension<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an extension")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let kind = seq.next_element::<i8>()?.unwrap_or_default();
        let data = seq.next_element_seed(Reader(self.0))?.unwrap_or_default();
        let Some(bytes) = attachment(&data, self.0) else { return Ok(data) };
        if let Some(value) = extension(kind, bytes) {
            self.0.pop();
            return Ok(value);
        }
        Ok(data)
    }
}

/// The meaning of an extension: MessagePack's own times, and what an encoder of Node's made of `undefined` and
/// of times. `None` if it has none here.
fn extension(kind: i8, bytes: &[u8]) -> Option<Value> {
    match (kind, bytes.len()) {
        (0, 1) => Some(Value::Null),
        (0, 8) => Some(time(i64::from_be_bytes(bytes.try_into().ok()?))),
        (-1, 4) => Some(time(1000 * i64::from(u32::from_be_bytes(bytes.try_into().ok()?)))),
        (-1, 8) => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            let (nanoseconds, seconds) = (both >> 34, both & ((1 << 34) - 1));
            Some(time((1000 * seconds + nanoseconds / 1_000_000).cast_signed()))
        }
        (-1, 12) => {
            let nanoseconds = u32::from_be_bytes(bytes[..4].try_into().ok()?);
            let seconds = i64::from_be_bytes(bytes[4..].try_into().ok()?);
            let ms = i64::from(nanoseconds / 1_000_000);
            Some(time(seconds.saturating_mul(1000).saturating_add(ms)))
        }
        _ => None,
    }
}

/// A time in milliseconds as JSON has it, `1970-01-01T00:00:00.000Z`; or the number, if it has no such form.
fn time(ms: i64) -> Value {
    const YEAR_10000: u64 = 253_402_300_800_000;
    let Some(since) = u64::try_from(ms).ok().filter(|ms| *ms < YEAR_10000) else {
        return ms.into();
    };
    // Thu, 01 Jan 1970 00:00:00 GMT
    let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(since));
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(&http[8..11]).map_or(1, |at| at / 3 + 1);
    let (year, day, clock) = (&http[12..16], &http[5..7], &http[17..25]);
    format!("{year}-{month:02}-{day}T{clock}.{:03}Z", since % 1000).into()
}

/// A key of a map, which in other formats may be a number.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut attachments = Vec::new();
        match deserializer.deserialize_any(Reader(&mut attachments))? {
            Value::String(key) => Ok(Key(key)),
            other => Ok(Key(other.to_string())),
        }
    }
}
