//! One inbound rule of URL Rewrite, and whether it takes a request.

use super::pattern::{Captures, Match, Pattern, Syntax};
use super::template::{Scope, fill};
use super::tree::{El, child, children, flag, truth};

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

/// What a condition compares.
enum Test {
    Pattern(Pattern),
    File,
    Folder,
}

struct Condition<'a> {
    el: El<'a>,
    input: &'a str,
    test: Test,
    negate: bool,
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
    conditions: Vec<Condition<'a>>,
    any: bool,
    track_all: bool,
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

/// A condition or a match, tried.
enum Tried {
    Yes(Captures),
    No,
    Unknown,
}

impl Tried {
    fn negated(self, negate: bool) -> Self {
        match (self, negate) {
            (tried, false) => tried,
            (Tried::Yes(_), true) => Tried::No,
            (Tried::No, true) => Tried::Yes(Vec::new()),
            (Tried::Unknown, true) => Tried::Unknown,
        }
    }
}

impl From<Match> for Tried {
    fn from(matched: Match) -> Self {
        match matched {
            Match::Yes(captures) => Tried::Yes(captures),
            Match::No => Tried::No,
            Match::Unknown => Tried::Unknown,
        }
    }
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
        let conditions = child(el, "conditions");
        let read = |el: El<'a>| {
            let kind = el.attribute("matchType").unwrap_or("Pattern").to_ascii_lowercase();
            let pattern = el.attribute("pattern").unwrap_or_default();
            let test = match kind.as_str() {
                "isfile" => Test::File,
                "isdirectory" => Test::Folder,
                "pattern" => {
                    Test::Pattern(Pattern::new(pattern, syntax, flag(el, "ignoreCase", true)))
                }
                _ => return Err((el, format!("matchType=\"{kind}\""))),
            };
            let input = el.attribute("input").unwrap_or_default();
            Ok(Condition { el, input, test, negate: flag(el, "negate", false) })
        };
        let all = conditions.into_iter().flat_map(|el| children(el, "add"));
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
            any: conditions
                .and_then(|el| el.attribute("logicalGrouping"))
                .is_some_and(|kind| kind.eq_ignore_ascii_case("MatchAny")),
            track_all: conditions.is_some_and(|el| flag(el, "trackAllCaptures", false)),
            conditions: all.map(read).collect::<Result<_, _>>()?,
        })
    }

    /// Whether it sends requests to another server.
    pub fn forwards(&self) -> bool {
        self.action == Action::Rewrite && self.url.contains("://")
    }

    /// The place and the reason of each pattern that cannot be tried.
    pub fn broken(&self) -> impl Iterator<Item = (El<'a>, &str)> {
        let at = child(self.el, "match").unwrap_or(self.el);
        let own = self.pattern.error().map(|error| (at, error));
        let others = self.conditions.iter().filter_map(|condition| match &condition.test {
            Test::Pattern(pattern) => Some((condition.el, pattern.error()?)),
            _ => None,
        });
        own.into_iter().chain(others)
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
        let (holds, conditions) = self.conditions_hold(&Scope { rule: &rule, ..*scope });
        match holds {
            Some(false) => Takes::No(Why::Condition),
            Some(true) if !perhaps => Takes::Yes { rule, conditions },
            _ => Takes::Perhaps { rule, conditions },
        }
    }

    /// Whether the conditions hold, `None` if that is not known, and their captures.
    fn conditions_hold(&self, scope: &Scope<'_>) -> (Option<bool>, Captures) {
        let mut captures = Captures::new();
        if self.conditions.is_empty() {
            return (Some(true), captures);
        }
        let mut unknown = false;
        for condition in &self.conditions {
            let tried = condition.holds(&Scope { conditions: &captures, ..*scope });
            match (tried, self.any) {
                (Tried::Yes(mut found), any) => {
                    match self.track_all && !captures.is_empty() {
                        true => captures.extend(found.drain(..).skip(1)),
                        false if found.is_empty() => {}
                        false => captures = found,
                    }
                    if any {
                        return (Some(true), captures);
                    }
                }
                (Tried::No, false) => return (Some(false), captures),
                (Tried::No, true) => {}
                (Tried::Unknown, _) => unknown = true,
            }
        }
        match (unknown, self.any) {
            (true, _) => (None, captures),
            (false, any) => (Some(!any), captures),
        }
    }
}

impl Condition<'_> {
    fn holds(&self, scope: &Scope<'_>) -> Tried {
        let tried = match &self.test {
            // Nothing that clients of the engine ask for lies in a folder of IIS.
            Test::File => Tried::No,
            Test::Folder if scope.address.path.is_empty() => Tried::Yes(Captures::new()),
            Test::Folder => Tried::No,
            Test::Pattern(pattern) => match fill(self.input, scope) {
                Some(input) => pattern.matches(&input).into(),
                None if pattern.takes_all() => Tried::Yes(Captures::new()),
                None => Tried::Unknown,
            },
        };
        tried.negated(self.negate)
    }
}
