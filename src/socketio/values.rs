//! Typed values on the wire: what serde can write and read, with binary in place.
//!
//! A tuple, or an array of fixed length, stands for several arguments; anything else for one. Binary is
//! [`Bytes`] anywhere inside of a value.

mod de;
mod in_place;
mod ser;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use in_place::InPlace;

/// A value does not have the type that was asked for, or cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        ValueError(message.to_string())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        ValueError(message.to_string())
    }
}

/// The arguments of an event or of an acknowledgement, as they are on the wire.
///
/// Whoever wants no types passes these on as they came, without a copy.
///
/// ```
/// use bytes::Bytes;
/// use parlance::socketio::Args;
///
/// let args = Args::of(&("hi", 7, Bytes::from_static(b"\x01")))?;
/// assert_eq!(args.values.len(), 3);
/// assert_eq!(args.parse::<(String, u8, Bytes)>()?.2, &b"\x01"[..]);
/// # Ok::<(), parlance::socketio::ValueError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Args {
    /// In place of each binary part is `{"_placeholder":true,"num":N}`, where N is an index into
    /// `attachments`.
    pub values: Vec<Value>,
    /// Binary parts, in order.
    pub attachments: Vec<Bytes>,
}

impl Args {
    /// Writes a value: a tuple as several arguments, anything else as one.
    ///
    /// # Errors
    /// If the value cannot be written as JSON: a key of a map is no text, or its own code fails.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self, ValueError> {
        ser::write(value)
    }

    /// Reads all arguments: a tuple gets one for each of its elements, anything else the first. What
    /// is missing is `None` to an `Option`, and what is too much is left out.
    ///
    /// # Errors
    /// If they are of another type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        de::read_all(self)
    }

    /// Reads one argument.
    ///
    /// # Errors
    /// If it is of another type, or missing, and `T` is no `Option`.
    pub fn get<T: DeserializeOwned>(&self, index: usize) -> Result<T, ValueError> {
        de::read(self.values.get(index), &self.attachments)
            .map_err(|ValueError(message)| ValueError(format!("argument {}: {message}", index + 1)))
    }

    /// These with binary in place, to be written in another format than JSON.
    pub fn in_place(&self) -> InPlace<'_> {
        InPlace(self)
    }
}

impl From<Vec<Value>> for Args {
    fn from(values: Vec<Value>) -> Self {
        Args { values, attachments: Vec::new() }
    }
}

/// What can be sent: any value that serde can write, or [`Args`].
pub trait IntoArgs {
    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    fn into_args(self) -> Result<Args, ValueError>;
}

impl<T: Serialize> IntoArgs for T {
    fn into_args(self) -> Result<Args, ValueError> {
        Args::of(&self)
    }
}

impl IntoArgs for Args {
    fn into_args(self) -> Result<Args, ValueError> {
        Ok(self)
    }
}

/// What can be made of an acknowledgement: any value that serde can read, or [`Args`].
pub trait FromArgs: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// If the arguments are of another type.
    fn from_args(args: Args) -> Result<Self, ValueError>;
}

impl<T: DeserializeOwned> FromArgs for T {
    fn from_args(args: Args) -> Result<Self, ValueError> {
        args.parse()
    }
}

impl FromArgs for Args {
    fn from_args(args: Args) -> Result<Self, ValueError> {
        Ok(args)
    }
}

/// The number of an attachment, if `value` stands for one.
fn attachment<'a>(value: &Value, attachments: &'a [Bytes]) -> Option<&'a Bytes> {
    if attachments.is_empty() {
        return None;
    }
    let map =
        value.as_object().filter(|map| map.get("_placeholder") == Some(&Value::Bool(true)))?;
    attachments.get(usize::try_from(map.get("num")?.as_u64()?).ok()?)
}

/// Stands for the attachment of that number.
fn placeholder(number: usize) -> Value {
    serde_json::json!({ "_placeholder": true, "num": number })
}

#[cfg(test)]
mod tests;
