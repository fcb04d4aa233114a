//! Patterns of rewrite rules: ECMAScript, wildcards, exact text. Each attempt to match is bounded: a pattern that
//! takes longer is not known to match.

use std::cell::Cell;

use fancy_regex::{Regex, RegexBuilder};

use super::ecmascript::translate;

/// How often an attempt goes back to try another way.
const MOST_STEPS: usize = 20_000;
/// Bytes of the program that a pattern becomes.
const LARGEST: usize = 1 << 18;
/// Instructions for what can only be tried step by step.
const MOST_INSTRUCTIONS: usize = 4096;
/// Bytes of a pattern.
const LONGEST: usize = 4096;

/// The syntax of a rule's patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    EcmaScript,
    Wildcard,
    Exact,
}

impl Syntax {
    /// The syntax that the attribute `patternSyntax` names; `None` if IIS knows none such.
    pub fn named(name: Option<&str>) -> Option<Self> {
        match name.unwrap_or("ECMAScript").to_ascii_lowercase().as_str() {
            "ecmascript" => Some(Syntax::EcmaScript),
            "wildcard" => Some(Syntax::Wildcard),
            "exactmatch" => Some(Syntax::Exact),
            _ => None,
        }
    }
}

/// What matched: the whole, and each group. A group that took no part is empty.
pub type Captures = Vec<String>;

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    Yes(Captures),
    No,
    /// The pattern cannot be read, or takes too long.
    Unknown,
}

#[derive(Debug)]
enum Kind {
    Regex(Regex),
    Exact,
    Broken,
}

#[derive(Debug)]
pub struct Pattern {
    text: String,
    ignore_case: bool,
    kind: Kind,
    /// Why it cannot be tried, as soon as that is known.
    error: Option<String>,
    too_slow: Cell<bool>,
}

impl Pattern {
    pub fn new(text: &str, syntax: Syntax, ignore_case: bool) -> Self {
        let built = match syntax {
            Syntax::Exact => Ok(Kind::Exact),
            _ if text.len() > LONGEST => Err(format!("it is longer than {LONGEST} characters")),
            Syntax::Wildcard => regex(&wildcard(text), ignore_case),
            Syntax::EcmaScript => translate(text).and_then(|text| regex(&text, ignore_case)),
        };
        let (kind, error) = match built {
            Ok(kind) => (kind, None),
            Err(error) => (Kind::Broken, Some(error)),
        };
        Pattern { text: text.to_owned(), ignore_case, kind, error, too_slow: Cell::new(false) }
    }

    /// The pattern as the file has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why it cannot be tried.
    pub fn error(&self) -> Option<&str> {
        match self.too_slow.get() {
            true => Some("it takes too long to try"),
            false => self.error.as_deref(),
        }
    }

    /// Whether it matches any text at all, so that the text need not be known.
    pub fn takes_all(&self) -> bool {
        match self.kind {
            Kind::Regex(_) => {
                matches!(&*self.text, "" | ".*" | "(.*)" | "^" | "^.*$" | "^(.*)$" | "*")
            }
            Kind::Exact | Kind::Broken => false,
        }
    }

    pub fn matches(&self, input: &str) -> Match {
        match &self.kind {
            _ if self.too_slow.get() => Match::Unknown,
            Kind::Broken => Match::Unknown,
            Kind::Exact => {
                let same = match self.ignore_case {
                    true => self.text.to_lowercase() == input.to_lowercase(),
                    false => self.text == input,
                };
                if same { Match::Yes(vec![input.to_owned()]) } else { Match::No }
            }
            Kind::Regex(regex) => match regex.captures(input) {
                Ok(None) => Match::No,
                Ok(Some(found)) => {
                    let group = |group: Option<fancy_regex::Match<'_>>| {
                        group.map(|group| group.as_str().to_owned()).unwrap_or_default()
                    };
                    Match::Yes(found.iter().map(group).collect())
                }
                Err(_) => {
                    self.too_slow.set(true);
                    Match::Unknown
                }
            },
        }
    }
}

fn regex(text: &str, ignore_case: bool) -> Result<Kind, String> {
    let built = RegexBuilder::new(text)
        .case_insensitive(ignore_case)
        .backtrack_limit(MOST_STEPS)
        .delegate_size_limit(LARGEST)
        .max_prog_size(MOST_INSTRUCTIONS)
        .build();
    built.map(Kind::Regex).map_err(|error| {
        error.to_string().lines().next_back().unwrap_or_default().trim().to_owned()
    })
}

/// `*` stands for any text and is a group, `?` for a character.
fn wildcard(text: &str) -> String {
    let part = |c: char| match c {
        '*' => "((?s:.*))".to_owned(),
        '?' => "(?s:.)".to_owned(),
        c => format!(r"\x{{{:x}}}", c as u32),
    };
    format!("^{}$", text.chars().map(part).collect::<String>())
}
