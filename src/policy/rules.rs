//! Rules: other settings for some visitors.

use super::{Eio3Polls, Networks, Origins, Transports, Visitor};

/// Settings for the visitors that meet all conditions of the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The name in refusals and logs.
    pub name: String,
    /// The origins that it is for; `None` for all.
    pub origins: Option<Origins>,
    /// The networks of clients that it is for; `None` for all.
    pub networks: Option<Networks>,
    /// Patterns of user agents; empty for any.
    pub agents: Vec<Pattern>,
    /// Patterns of request paths; empty for any.
    pub paths: Vec<Pattern>,
    /// Patterns of namespaces. A rule that has any applies only when a namespace is joined.
    pub namespaces: Vec<Pattern>,
    /// The transports that this rule allows, preferred first. `None` leaves that to other rules.
    pub transports: Option<Transports>,
    /// The form of polls of Engine.IO 3; `None` to leave that to other rules.
    pub eio3_polls: Option<Eio3Polls>,
}

impl Rule {
    /// What the rule gives, in words: names of transports, `eio3-polls text`.
    pub fn effects(&self) -> Vec<String> {
        let transports = self.transports.iter().flat_map(Transports::names);
        let polls = self.eio3_polls.map(|polls| format!("eio3-polls {polls}"));
        transports.map(|name| (*name).to_owned()).chain(polls).collect()
    }

    pub(super) fn matches(&self, visitor: &Visitor<'_>, namespace: Option<&str>) -> bool {
        let any = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        let namespace_matches = match namespace {
            Some(namespace) => !self.namespaces.is_empty() && any(&self.namespaces, namespace),
            None => self.namespaces.is_empty(),
        };
        namespace_matches
            && self.origins.as_ref().is_none_or(|origins| {
                visitor.origin.is_some_and(|origin| origins.allow(origin, visitor.host))
            })
            && self.networks.as_ref().is_none_or(|networks| {
                visitor.client.address().is_some_and(|address| networks.contains(address))
            })
            && any(&self.agents, visitor.agent)
            && any(&self.paths, visitor.path)
    }
}

/// A text in which `*` stands for any characters. Upper and lower case are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern: `*` stands for any text.
    pub fn new(text: &str) -> Self {
        Pattern(text.to_ascii_lowercase())
    }

    /// Whether a text is of this pattern, as a whole.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("*", "anything", true),
            ("abc", "ABC", true),
            ("abc", "abcd", false),
            ("*MSIE*", "Mozilla/4.0 (compatible; msie 8.0)", true),
            ("*MSIE 9*", "Mozilla/4.0 (compatible; msie 8.0)", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("/socket.io/1/*", "/socket.io/1/websocket/x", true),
            ("ab*", "xab", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }
}
