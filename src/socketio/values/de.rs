//! Reads values from JSON with placeholders for binary parts.

use bytes::Bytes;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Value, map};

use super::{Args, ValueError, attachment};

/// See [`Args::parse`].
pub fn read_all<T: DeserializeOwned>(args: &Args) -> Result<T, ValueError> {
    T::deserialize(All(args))
}

/// Reads one value, which may be missing.
pub fn read<T: DeserializeOwned>(
    value: Option<&Value>,
    attachments: &[Bytes],
) -> Result<T, ValueError> {
    T::deserialize(One { value, attachments })
}

/// All arguments.
struct All<'a>(&'a Args);

impl<'a> All<'a> {
    fn first(&self) -> One<'a> {
        One { value: self.0.values.first(), attachments: &self.0.attachments }
    }
}

/// One value, which may be missing.
#[derive(Clone, Copy)]
struct One<'a> {
    value: Option<&'a Value>,
    attachments: &'a [Bytes],
}

impl<'a> One<'a> {
    fn of(self, value: &'a Value) -> Self {
        One { value: Some(value), ..self }
    }

    fn there(self) -> Result<&'a Value, ValueError> {
        self.value.ok_or_else(|| ValueError::custom("it is missing"))
    }
}

/// Methods for which the first argument is all there is.
macro_rules! of_first {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $type,)* v: V) -> Result<V::Value, ValueError> {
            self.first().$method($($name,)* v)
        })*
    };
}

impl<'de> Deserializer<'de> for All<'de> {
    type Error = ValueError;

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_seq(Arguments { args: self.0, next: 0, len })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    of_first! {
        deserialize_any(); deserialize_bool();
        deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64();
        deserialize_i128(); deserialize_u8(); deserialize_u16(); deserialize_u32();
        deserialize_u64(); deserialize_u128(); deserialize_f32(); deserialize_f64();
        deserialize_char(); deserialize_str(); deserialize_string();
        deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_seq(); deserialize_map(); deserialize_identifier(); deserialize_ignored_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}

/// The arguments for the elements of a tuple.
struct Arguments<'a> {
    args: &'a Args,
    next: usize,
    len: usize,
}

impl<'de> SeqAccess<'de> for Arguments<'de> {
    type Error = ValueError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        if self.next == self.len {
            return Ok(None);
        }
        let value = self.args.values.get(self.next);
        self.next += 1;
        let element = seed.deserialize(One { value, attachments: &self.args.attachments });
        element
            .map(Some)
            .map_err(|error| ValueError::custom(format_args!("argument {}: {error}", self.next)))
    }
}

impl<'de> Deserializer<'de> for One<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let value = self.there()?;
        if let Some(bytes) = attachment(value, self.attachments) {
            return visitor.visit_byte_buf(bytes.to_vec());
        }
        match value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(v) => visitor.visit_bool(*v),
            Value::Number(number) => number.deserialize_any(visitor).map_err(ValueError::custom),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), one: self }),
            Value::Object(map) => {
                visitor.visit_map(Entries { left: map.iter(), value: None, one: self })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            None | Some(Value::Null) => visitor.visit_none(),
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.there()? {
            Value::String(name) => {
                visitor.visit_enum(Variant { name, one: One { value: None, ..self } })
            }
            Value::Object(map) if map.len() == 1 => match map.iter().next() {
                Some((name, value)) => visitor.visit_enum(Variant { name, one: self.of(value) }),
                None => Err(ValueError::custom("no variant")),
            },
            _ => Err(ValueError::custom("a variant is a text, or an object with one key")),
        }
    }

    /// Binary is no text, even if its bytes could be.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match attachment(self.there()?, self.attachments) {
            Some(bytes) => Err(ValueError::invalid_type(Unexpected::Bytes(bytes), &visitor)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_string(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Items of an array.
struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    one: One<'a>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ValueError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        let one = self.one;
        self.items.next().map(|item| seed.deserialize(one.of(item))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// Entries of an object.
struct Entries<'a> {
    left: map::Iter<'a>,
    value: Option<&'a Value>,
    one: One<'a>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ValueError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.value = Some(value);
        let key: StrDeserializer<'_, ValueError> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ValueError> {
        seed.deserialize(One { value: self.value.take(), ..self.one })
    }
}

/// A variant of an enum, and its content, if it has some.
struct Variant<'a> {
    name: &'a str,
    one: One<'a>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ValueError;
    type Variant = One<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, One<'de>), ValueError> {
        let name: StrDeserializer<'_, ValueError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.one))
    }
}

impl<'de> VariantAccess<'de> for One<'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        match self.value {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(ValueError::custom("a variant without content has some")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, ValueError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_any(visitor)
    }
}
