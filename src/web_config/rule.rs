//! One inbound rule of URL Rewrite, and whether it takes a request.

use super::condition::{Conditions, Tried};
use super::pattern::{Captures, Pattern, Syntax};
use super::template::Scope;
use super::tree::{El, child, flag, truth};

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    None,
    Rewrite,
    Redirect,
    CustomResponse,
    AbortRequest,
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "none" => Action::None,
            "rewrite" => Action::Rewrite,
            "redirect" => Action::Redirect,
            "customresponse" => Action::CustomResponse,
            "abortrequest" => Action::AbortRequest,
            _ => return None,
        })
    }
}

/// A rule as it is in force.
pub struct Rule<'a> {
    pub el: El<'a>,
    pub name: &'a str,
    /// Segments of the folder in whose `<location>` it is: its pattern sees what comes below.
    pub depth: usize,
    pub enabled: bool,
    pub stops: bool,
    pub pattern: Pattern,
    pub negate: bool,
    pub action: Action,
    /// Where it sends a request to, as the file has it.
    pub url: &'a str,
    pub append_query: bool,
    pub action_el: El<'a>,
    conditions: Conditions<'a>,
}

/// Whether a rule takes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    Yes {
        rule: Captures,
        conditions: Captures,
    },
    No(Why),
    /// That depends on the client, the machine or a pattern that cannot be tried.
    Perhaps {
        rule: Captures,
        conditions: Captures,
    },
}

/// Why a rule does not take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Disabled,
    Pattern,
    Condition,
}

impl<'a> Rule<'a> {
    /// Reads a rule.
    ///
    /// # Errors
    /// The place and the name of what IIS does not know.
    pub fn read(el: El<'a>, depth: usize) -> Result<Self, (El<'a>, String)> {
        let syntax = el.attribute("patternSyntax");
        let syntax = Syntax::named(syntax)
            .ok_or_else(|| (el, format!("patternSyntax=\"{}\"", syntax.unwrap_or_default())))?;
        let matched = child(el, "match");
        let action_el = child(el, "action").unwrap_or(el);
        let kind = child(el, "action").and_then(|action| action.attribute("type"));
        let kind = kind.unwrap_or("None");
        let action = Action::named(kind).ok_or_else(|| (action_el, format!("type=\"{kind}\"")))?;
        let conditions = child(el, "conditions").map(|el| Conditions::read(el, syntax));
        let of_match = |name| matched.and_then(|el| el.attribute(name));
        Ok(Rule {
            el,
            name: el.attribute("name").unwrap_or("without a name"),
            depth,
            enabled: flag(el, "enabled", true),
            stops: flag(el, "stopProcessing", false),
            pattern: Pattern::new(
                of_match("url").unwrap_or_default(),
                syntax,
                truth(of_match("ignoreCase"), true),
            ),
            negate: truth(of_match("negate"), false),
            action,
            url: action_el.attribute("url").unwrap_or_default(),
            append_query: flag(action_el, "appendQueryString", true),
            action_el,
            conditions: conditions.transpose()?.unwrap_or_default(),
        })
    }

    /// Whether it sends requests to another server.
    pub fn forwards(&self) -> bool {
        self.action == Action::Rewrite && self.url.contains("://")
    }

    /// The host that it sends requests to, if any, and the address there, as the file has them.
    pub fn target(&self) -> (&'a str, &'a str) {
        match self.url.split_once("://") {
            Some((_, rest)) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                rest.split_at(end)
            }
            None => ("", self.url.strip_prefix('~').unwrap_or(self.url)),
        }
    }

    /// The place and the reason of each pattern that cannot be tried.
    pub fn broken(&self) -> impl Iterator<Item = (El<'a>, &str)> {
        let at = child(self.el, "match").unwrap_or(self.el);
        let own = self.pattern.error().map(|error| (at, error));
        own.into_iter().chain(self.conditions.broken())
    }

    /// Whether it takes a request. The scope has no captures yet.
    pub fn takes(&self, scope: &Scope<'_>) -> Takes {
        if !self.enabled {
            return Takes::No(Why::Disabled);
        }
        let mut path = scope.address.path.as_str();
        for _ in 0..self.depth {
            path = path.split_once('/').map_or("", |(_, below)| below);
        }
        let mut perhaps = false;
        let rule = match Tried::from(self.pattern.matches(path)).negated(self.negate) {
            Tried::Yes(captures) => captures,
            Tried::No => return Takes::No(Why::Pattern),
            Tried::Unknown => {
                perhaps = true;
                vec![path.to_owned()]
            }
        };
        let (holds, conditions) = self.conditions.hold(&Scope { rule: &rule, ..*scope });
        match holds {
            Some(false) => Takes::No(Why::Condition),
            Some(true) if !perhaps => Takes::Yes { rule, conditions },
            _ => Takes::Perhaps { rule, conditions },
        }
    }
}
