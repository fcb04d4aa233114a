//! The conditions of a rewrite rule.

use super::pattern::{Captures, Match, Pattern, Syntax};
use super::template::{Scope, fill};
use super::tree::{El, children, flag};

/// All conditions of a rule.
#[derive(Default)]
pub struct Conditions<'a> {
    list: Vec<Condition<'a>>,
    /// Whether one is enough.
    any: bool,
    /// Whether the captures of all of them count, and not of the last one alone.
    track_all: bool,
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

/// A condition or a match, tried.
pub enum Tried {
    Yes(Captures),
    No,
    Unknown,
}

impl Tried {
    pub fn negated(self, negate: bool) -> Self {
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

impl<'a> Conditions<'a> {
    /// Reads `<conditions>`.
    ///
    /// # Errors
    /// The place and the name of what IIS does not know.
    pub fn read(el: El<'a>, syntax: Syntax) -> Result<Self, (El<'a>, String)> {
        let any = el.attribute("logicalGrouping");
        let list = children(el, "add").map(|add| Condition::read(add, syntax));
        Ok(Conditions {
            list: list.collect::<Result<_, _>>()?,
            any: any.is_some_and(|kind| kind.eq_ignore_ascii_case("MatchAny")),
            track_all: flag(el, "trackAllCaptures", false),
        })
    }

    /// The place and the reason of each pattern that cannot be tried.
    pub fn broken(&self) -> impl Iterator<Item = (El<'a>, &str)> {
        self.list.iter().filter_map(|condition| match &condition.test {
            Test::Pattern(pattern) => Some((condition.el, pattern.error()?)),
            _ => None,
        })
    }

    /// Whether they hold, `None` if that is not known, and their captures.
    pub fn hold(&self, scope: &Scope<'_>) -> (Option<bool>, Captures) {
        let mut captures = Captures::new();
        if self.list.is_empty() {
            return (Some(true), captures);
        }
        let mut unknown = false;
        for condition in &self.list {
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

impl<'a> Condition<'a> {
    fn read(el: El<'a>, syntax: Syntax) -> Result<Self, (El<'a>, String)> {
        let kind = el.attribute("matchType").unwrap_or("Pattern").to_ascii_lowercase();
        let pattern = el.attribute("pattern").unwrap_or_default();
        let test = match kind.as_str() {
            "isfile" => Test::File,
            "isdirectory" => Test::Folder,
            "pattern" => Test::Pattern(Pattern::new(pattern, syntax, flag(el, "ignoreCase", true))),
            _ => return Err((el, format!("matchType=\"{kind}\""))),
        };
        let input = el.attribute("input").unwrap_or_default();
        Ok(Condition { el, input, test, negate: flag(el, "negate", false) })
    }

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
