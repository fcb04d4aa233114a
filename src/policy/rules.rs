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

    /// Whether whoever this rule matches was matched by an earlier one that gives the same settings, as
    /// far as their conditions show it.
    pub fn never_counts_after(&self, earlier: &Rule) -> bool {
        let gives_all = (self.transports.is_none() || earlier.transports.is_some())
            && (self.eio3_polls.is_none() || earlier.eio3_polls.is_some());
        // Rules with namespaces and rules without apply at different moments.
        let same_moment = self.namespaces.is_empty() == earlier.namespaces.is_empty();
        let patterns = |own: &[Pattern], of: &[Pattern]| {
            let is_within = |own: &Pattern| of.iter().any(|of| own == of || of.is_any());
            of.is_empty() || (!own.is_empty() && own.iter().all(is_within))
        };
        let networks = match (&self.networks, &earlier.networks) {
            (_, None) => true,
            (Some(own), Some(of)) => of.include(own),
            (None, Some(_)) => false,
        };
        let origins = match (&self.origins, &earlier.origins) {
            (_, None) => true,
            (Some(own), Some(of)) => of.include(own),
            (None, Some(_)) => false,
        };
        gives_all
            && same_moment
            && networks
            && origins
            && patterns(&self.agents, &earlier.agents)
            && patterns(&self.paths, &earlier.paths)
            && patterns(&self.namespaces, &earlier.namespaces)
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

    fn is_any(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|b| b == b'*')
    }

    /// Whether some text that begins with `prefix` may be of this pattern.
    pub fn may_begin_with(&self, prefix: &str) -> bool {
        let (start, prefix) =
            (self.0.split('*').next().unwrap_or_default(), prefix.to_ascii_lowercase());
        match self.0.contains('*') {
            true => start.starts_with(&prefix) || prefix.starts_with(start),
            false => start.starts_with(&prefix),
        }
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

    #[test]
    fn beginnings() {
        for (pattern, prefix, may) in [
            ("/socket.io/1/*", "/socket.io/", true),
            ("/socket.io/", "/socket.io/", true),
            ("*", "/socket.io/", true),
            ("*/1/*", "/socket.io/", true),
            ("/SOCKET*", "/socket.io/", true),
            ("/socket", "/socket.io/", false),
            ("/rt/*", "/socket.io/", false),
            ("/chat/socket.io/*", "/socket.io/", false),
        ] {
            assert_eq!(Pattern::new(pattern).may_begin_with(prefix), may, "{pattern}");
        }
    }

    #[test]
    fn a_rule_never_counts_after_one_that_fits_all_of_its_visitors() {
        let known = ["websocket", "xhr-polling"];
        let networks = |list: &[&str]| Some(Networks::parse(list.iter().copied()).unwrap());
        let origins = |list: &[&str]| Some(Origins::parse(list.iter().copied()).unwrap());
        let patterns = |list: &[&str]| list.iter().map(|text| Pattern::new(text)).collect();
        let base = || Rule {
            transports: Some(Transports::parse(["websocket"], &known).unwrap()),
            ..Rule::default()
        };
        let network = |list| Rule { networks: networks(list), ..base() };
        let page = |list| Rule { origins: origins(list), ..base() };
        let agent = |list| Rule { agents: patterns(list), ..base() };
        let room = |list| Rule { namespaces: patterns(list), ..base() };
        let polls = |rule| Rule { eio3_polls: Some(Eio3Polls::Text), ..rule };
        for (earlier, later, never) in [
            (base(), base(), true),
            (base(), network(&["10.0.0.0/8"]), true),
            (network(&["10.0.0.0/8"]), base(), false),
            (network(&["10.0.0.0/8"]), network(&["10.1.0.0/16", "10.2.3.4"]), true),
            (network(&["10.0.0.0/8"]), network(&["10.1.0.0/16", "192.0.2.1"]), false),
            (network(&["10.1.0.0/16"]), network(&["10.0.0.0/8"]), false),
            (network(&["10.0.0.0/8"]), network(&["::/0"]), false),
            (page(&["*"]), page(&["https://a.example"]), true),
            (page(&["https://a.example", "b.example"]), page(&["b.example"]), true),
            (page(&["https://a.example"]), page(&["a.example"]), false),
            (page(&["*"]), base(), false),
            (agent(&["*MSIE 8*"]), agent(&["*msie 8*"]), true),
            (agent(&["**"]), agent(&["*msie 8*"]), true),
            (agent(&["*"]), base(), false),
            (agent(&["*MSIE 8*"]), agent(&["*MSIE 9*"]), false),
            (
                agent(&["*MSIE 8*"]),
                Rule { networks: networks(&["10.0.0.1"]), ..agent(&["*MSIE 8*"]) },
                true,
            ),
            (room(&["/"]), room(&["/"]), true),
            (base(), room(&["/"]), false),
            (room(&["/"]), base(), false),
            (base(), polls(base()), false),
            (polls(base()), base(), true),
            (Rule { transports: None, ..polls(base()) }, base(), false),
        ] {
            assert_eq!(later.never_counts_after(&earlier), never, "{later:?} after {earlier:?}");
        }
    }
}
