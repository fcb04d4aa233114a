//! What is known about one attempt to use a transport, or about one loss.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// Facts by their names. `docs/fallback.md` lists the names. A fact that is not there is unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts(BTreeMap<Box<str>, Fact>);

/// A fact's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A word or a line.
    Text(Box<str>),
    /// A number; times are in milliseconds.
    Number(f64),
    /// Whether it is so.
    Bool(bool),
}

impl Facts {
    /// Facts of one attempt at most, and bytes of a name and of a text. What a client sends beyond
    /// that is left out.
    pub const MOST: usize = 32;
    const LONGEST_NAME: usize = 32;
    const LONGEST_TEXT: usize = 200;

    /// What a client may tell: what it saw itself. Other facts of it are left out.
    const OF_CLIENTS: &[&str] = &include!("of_clients.rs");

    /// The facts of a JSON object that a client sent.
    pub fn from_client(object: &Map<String, Value>) -> Self {
        let mut facts = Facts::from_json(object);
        facts.0.retain(|name, _| Self::OF_CLIENTS.contains(&&**name));
        facts
    }

    /// The facts of a JSON object. Values that are no fact are left out.
    pub fn from_json(object: &Map<String, Value>) -> Self {
        let mut facts = Facts::default();
        for (name, value) in object {
            match value {
                Value::String(text) => facts.set(name, text.as_str()),
                Value::Number(number) => facts.set(name, number.as_f64().unwrap_or_default()),
                Value::Bool(bool) => facts.set(name, *bool),
                _ => {}
            }
        }
        facts
    }

    /// Sets a fact; does nothing if there are as many as may be.
    pub fn set(&mut self, name: &str, value: impl Into<Fact>) {
        let known = self.0.contains_key(name);
        if name.len() <= Self::LONGEST_NAME && (known || self.0.len() < Self::MOST) {
            self.0.insert(name.into(), value.into());
        }
    }

    /// Adds facts that somebody else knows, who is believed rather than who told these.
    pub fn extend(&mut self, others: &Facts) {
        for (name, value) in &others.0 {
            self.set(name, value.clone());
        }
    }

    /// A fact, if it is known.
    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.0.get(name)
    }

    /// A fact that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Fact::Text(text) => Some(text),
            _ => None,
        }
    }

    /// All, as a JSON object.
    pub fn to_json(&self) -> Value {
        let value = |fact: &Fact| match fact {
            Fact::Text(text) => Value::from(&**text),
            Fact::Number(number) => Value::from(*number),
            Fact::Bool(bool) => Value::from(*bool),
        };
        self.0.iter().map(|(name, fact)| (name.to_string(), value(fact))).collect()
    }
}

/// `name=value`, one after the other.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, fact)) in self.0.iter().enumerate() {
            let gap = if number == 0 { "" } else { ", " };
            write!(f, "{gap}{name}={fact}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Text(text) => text.fmt(f),
            Fact::Number(number) => number.fmt(f),
            Fact::Bool(bool) => bool.fmt(f),
        }
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        let mut end = text.len().min(Facts::LONGEST_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // It goes into logs and pages.
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        Fact::Text(text[..end].chars().map(clean).collect::<String>().into())
    }
}

impl From<f64> for Fact {
    fn from(number: f64) -> Self {
        Fact::Number(number)
    }
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Fact::Number(number as f64)
    }
}

impl From<u16> for Fact {
    fn from(number: u16) -> Self {
        Fact::Number(number.into())
    }
}

impl From<std::time::Duration> for Fact {
    fn from(time: std::time::Duration) -> Self {
        Fact::from(time.as_millis() as u64)
    }
}

impl From<bool> for Fact {
    fn from(bool: bool) -> Self {
        Fact::Bool(bool)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(value: &Value) -> Facts {
        Facts::from_json(value.as_object().unwrap())
    }

    #[test]
    fn what_a_client_sends_is_bounded() {
        let long = "é".repeat(200);
        let told = facts(
            &json!({ "code": "cut\n\u{1b}[31m", "ms": 12, "ok": true, "list": [1], "long": long }),
        );
        assert_eq!(told.text("code"), Some("cut  [31m"));
        assert_eq!(told.get("ms"), Some(&Fact::Number(12.0)));
        assert_eq!(told.get("ok"), Some(&Fact::Bool(true)));
        assert_eq!(told.get("list"), None);
        assert_eq!(told.text("long").map(str::len), Some(200));
        assert_eq!(
            told.to_string(),
            format!("code=cut  [31m, long={}, ms=12, ok=true", "é".repeat(100))
        );
        assert_eq!(told.to_json()["ms"], 12.0);

        let mut many = Facts::default();
        (0..100).for_each(|n| many.set(&format!("fact-{n}"), true));
        assert_eq!(many.0.len(), Facts::MOST);
        many.set("fact-0", false);
        assert_eq!(many.get("fact-0"), Some(&Fact::Bool(false)), "one that is there can change");
        let mut one = Facts::default();
        one.set(&"n".repeat(33), true);
        assert_eq!(one, Facts::default());
        one.set("a", 1u64);
        one.extend(&facts(&json!({ "a": 2, "b": 3 })));
        assert_eq!(one, facts(&json!({ "a": 2, "b": 3 })));
    }
}
