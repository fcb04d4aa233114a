//! Arguments with binary in place, for formats that have binary: what nodes of a cluster send each other.

use std::fmt;

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
        let Args { values, attachments } = self.0;
        serializer.collect_seq(values.iter().map(|value| Item { value, attachments }))
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
            // Numbers are texts to serde_json; other formats want them as they are.
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
        deserializer.deserialize_any(self)
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
