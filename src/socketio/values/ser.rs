//! Writes values as JSON with placeholders for binary parts.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Map, Number, Value};

use super::{Args, ValueError, placeholder};

/// The names by which serde_json writes its own numbers and texts.
const NUMBER: &str = "$serde_json::private::Number";
const RAW: &str = "$serde_json::private::RawValue";

/// See [`Args::of`].
pub fn write<T: Serialize + ?Sized>(value: &T) -> Result<Args, ValueError> {
    let (mut attachments, mut several) = (Vec::new(), false);
    let one = One { found: &mut attachments, several: Some(&mut several) };
    let values = match value.serialize(one)? {
        Value::Array(values) if several => values,
        value => vec![value],
    };
    Ok(Args { values, attachments })
}

/// Binary parts that were found.
type Found<'a> = &'a mut Vec<Bytes>;

fn inner<T: Serialize + ?Sized>(value: &T, found: Found<'_>) -> Result<Value, ValueError> {
    value.serialize(One { found, several: None })
}

/// Writes one value.
struct One<'a> {
    found: Found<'a>,
    /// Is there for the value that is all there is: set if it stands for several arguments.
    several: Option<&'a mut bool>,
}

/// A list that is being written; a variant of an enum has a name.
struct List<'a> {
    found: Found<'a>,
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl<'a> List<'a> {
    fn new(found: Found<'a>, variant: Option<&'static str>) -> Self {
        List { found, items: Vec::new(), variant }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.items.push(inner(value, self.found)?);
        Ok(())
    }

    fn end(self) -> Value {
        named(self.variant, Value::Array(self.items))
    }
}

/// An object that is being written.
struct Object<'a> {
    found: Found<'a>,
    map: Map<String, Value>,
    key: Option<String>,
    variant: Option<&'static str>,
    /// The name of one of serde_json's own values.
    own: Option<&'static str>,
}

impl<'a> Object<'a> {
    fn new(found: Found<'a>, variant: Option<&'static str>) -> Self {
        Object { found, map: Map::new(), key: None, variant, own: None }
    }

    fn put<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), ValueError> {
        let value = inner(value, self.found)?;
        self.map.insert(key, value);
        Ok(())
    }

    fn end(mut self) -> Result<Value, ValueError> {
        if let Some(own) = self.own {
            let text = self.map.remove(own);
            let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
            return serde_json::from_str(text).map_err(ValueError::custom);
        }
        Ok(named(self.variant, Value::Object(self.map)))
    }
}

fn named(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Object(Map::from_iter([(variant.to_owned(), value)])),
        None => value,
    }
}

/// Methods that write one value in any case.
macro_rules! scalars {
    ($($method:ident($type:ty) $value:ident => $made:expr;)*) => {
        $(fn $method(self, $value: $type) -> Result<Value, ValueError> {
            Ok($made)
        })*
    };
}

impl<'a> Serializer for One<'a> {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    scalars! {
        serialize_bool(bool) v => Value::Bool(v);
        serialize_i8(i8) v => v.into();
        serialize_i16(i16) v => v.into();
        serialize_i32(i32) v => v.into();
        serialize_i64(i64) v => v.into();
        serialize_u8(u8) v => v.into();
        serialize_u16(u16) v => v.into();
        serialize_u32(u32) v => v.into();
        serialize_u64(u64) v => v.into();
        serialize_i128(i128) v => Number::from_i128(v).map_or(Value::Null, Value::Number);
        serialize_u128(u128) v => Number::from_u128(v).map_or(Value::Null, Value::Number);
        serialize_f32(f32) v => v.into();
        serialize_f64(f64) v => v.into();
        serialize_char(char) v => v.to_string().into();
        serialize_str(&str) v => v.into();
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<Value, ValueError> {
        self.found.push(Bytes::copy_from_slice(v));
        Ok(placeholder(self.found.len() - 1))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(match self.several {
            Some(several) => {
                *several = true;
                Value::Array(Vec::new())
            }
            None => Value::Null,
        })
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, ValueError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        Ok(named(Some(variant), inner(value, self.found)?))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<List<'a>, ValueError> {
        Ok(List::new(self.found, None))
    }

    fn serialize_tuple(self, _len: usize) -> Result<List<'a>, ValueError> {
        let One { found, several } = self;
        if let Some(several) = several {
            *several = true;
        }
        Ok(List::new(found, None))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<List<'a>, ValueError> {
        Ok(List::new(self.found, None))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<List<'a>, ValueError> {
        Ok(List::new(self.found, Some(variant)))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Object<'a>, ValueError> {
        Ok(Object::new(self.found, None))
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Object<'a>, ValueError> {
        let own = (name == NUMBER || name == RAW).then_some(name);
        Ok(Object { own, ..Object::new(self.found, None) })
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Object<'a>, ValueError> {
        Ok(Object::new(self.found, Some(variant)))
    }
}

/// Compound values that are lists.
macro_rules! lists {
    ($($trait:ident::$method:ident;)*) => {
        $(impl $trait for List<'_> {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.push(value)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.end())
            }
        })*
    };
}

lists! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// Compound values that are objects with known keys.
macro_rules! structs {
    ($($trait:ident;)*) => {
        $(impl $trait for Object<'_> {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), ValueError> {
                self.put(key.to_owned(), value)
            }

            fn end(self) -> Result<Value, ValueError> {
                self.end()
            }
        })*
    };
}

structs! {
    SerializeStruct;
    SerializeStructVariant;
}

impl SerializeMap for Object<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key = Some(match inner(key, self.found)? {
            Value::String(key) => key,
            key @ (Value::Number(_) | Value::Bool(_)) => key.to_string(),
            _ => return Err(ValueError::custom("a key is text")),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let key = self.key.take().unwrap_or_default();
        self.put(key, value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.end()
    }
}
