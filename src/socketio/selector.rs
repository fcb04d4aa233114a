//! Whom something is for, and how it is sent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Selects sockets of a namespace: those in any of `rooms`, or all if there are none, but those who are in
/// any of `except`. A socket's id is a room of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Any of these.
    pub rooms: Vec<Arc<str>>,
    /// None of these.
    pub except: Vec<Arc<str>>,
}

impl Selector {
    /// Whether it selects a socket that is in these rooms.
    pub fn is_for(&self, rooms: &[Arc<str>]) -> bool {
        let any = |names: &[Arc<str>]| names.iter().any(|name| rooms.contains(name));
        (self.rooms.is_empty() || any(&self.rooms)) && !any(&self.except)
    }
}

/// How an event is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Not to who cannot take it now.
    pub volatile: bool,
    /// Only on this node.
    pub local: bool,
    /// Whether connections that can should compress it; `None` is their choice. This node's own
    /// connections compress by their settings alone.
    pub compress: Option<bool>,
    /// How long acknowledgements may take.
    pub timeout: Option<Duration>,
    /// When it was said, if the others hear of it only later: its node was cut off from them.
    pub late: Option<SystemTime>,
}

/// Names of rooms: one, or several.
pub trait RoomNames {
    /// Adds them to a list.
    fn add_to(self, rooms: &mut Vec<Arc<str>>);
}

impl RoomNames for &str {
    fn add_to(self, rooms: &mut Vec<Arc<str>>) {
        rooms.push(self.into());
    }
}

impl RoomNames for String {
    fn add_to(self, rooms: &mut Vec<Arc<str>>) {
        rooms.push(self.into());
    }
}

impl RoomNames for &String {
    fn add_to(self, rooms: &mut Vec<Arc<str>>) {
        rooms.push(self.as_str().into());
    }
}

impl RoomNames for Arc<str> {
    fn add_to(self, rooms: &mut Vec<Arc<str>>) {
        rooms.push(self);
    }
}

impl<T: RoomNames, const N: usize> RoomNames for [T; N] {
    fn add_to(self, rooms: &mut Vec<Arc<str>>) {
        self.into_iter().for_each(|name| name.add_to(rooms));
    }
}

impl<T: RoomNames> RoomNames for Vec<T> {
    fn add_to(self, rooms: &mut Vec<Arc<str>>) {
        self.into_iter().for_each(|name| name.add_to(rooms));
    }
}

impl<T: RoomNames + Clone> RoomNames for &[T] {
    fn add_to(self, rooms: &mut Vec<Arc<str>>) {
        self.iter().cloned().for_each(|name| name.add_to(rooms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_named_in_many_ways() {
        fn names(rooms: impl RoomNames) -> Vec<Arc<str>> {
            let mut names = Vec::new();
            rooms.add_to(&mut names);
            names
        }
        let (text, shared) = ("a".to_owned(), Arc::<str>::from("a"));
        for one in [names("a"), names(&text), names(text.clone()), names(Arc::clone(&shared))] {
            assert_eq!(one, [Arc::clone(&shared)]);
        }
        let two = [shared, Arc::from("b")];
        for several in [names(["a", "b"]), names(vec!["a", "b"]), names(&["a", "b"][..])] {
            assert_eq!(several, two);
        }
    }
}
