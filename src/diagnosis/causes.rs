//! The table of causes, and the one function that names them.
//!
//! The table is `causes.json`. The page has it, too (`static/causes.js` reads it as this file does), and
//! `docs/fallback.md` is made of it. Rules are tried in order; the first whose conditions all hold names the
//! cause.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::{Fact, Facts};

/// A cause of fallbacks and losses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Its name, for programs.
    pub cause: String,
    /// Where it sits: `browser`, `way`, `proxy`, `policy` or `server`.
    #[serde(rename = "where")]
    pub place: String,
    /// It in a line.
    pub title: String,
    /// What mends it.
    pub remedy: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(deserialize_with = "conditions")]
    when: Vec<Condition>,
    certainty: Certainty,
    /// Parts of the evidence; `{name}` stands for a fact. A part is left out if one of its facts is
    /// unknown.
    evidence: Vec<String>,
}

/// How sure a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// The facts are known, but not what they mean.
    Unknown,
    /// Mostly it is this.
    Likely,
    /// It can be nothing else.
    Certain,
}

/// A condition on one fact.
#[derive(Debug)]
struct Condition {
    fact: String,
    is: Is,
}

#[derive(Debug)]
enum Is {
    OneOf(Vec<Fact>),
    /// Each has to hold.
    Compared(Vec<(Comparison, f64)>),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// What the facts come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The name of a [`Cause`], or `unknown`.
    pub cause: &'static str,
    /// Where it sits.
    pub place: &'static str,
    /// How sure that is.
    pub certainty: Certainty,
    /// The cause in a line.
    pub title: &'static str,
    /// The facts that decided, in a line.
    pub evidence: String,
    /// What mends it.
    pub remedy: &'static str,
}

/// The table as it is written.
pub const TABLE: &str = include_str!("causes.json");

static CAUSES: LazyLock<Vec<Cause>> = LazyLock::new(|| {
    // Tests hold that it can be read; without causes all is unknown.
    serde_json::from_str(TABLE).unwrap_or_default()
});

/// All causes, in the order in which they are tried.
pub fn causes() -> &'static [Cause] {
    &CAUSES
}

/// Names the cause.
pub fn diagnose(facts: &Facts) -> Verdict {
    let rules = CAUSES.iter().flat_map(|cause| cause.rules.iter().map(move |rule| (cause, rule)));
    let found = rules.into_iter().find(|(_, rule)| rule.when.iter().all(|it| it.holds(facts)));
    let Some((cause, rule)) = found else { return Verdict::unknown(facts) };
    let parts: Vec<String> = rule.evidence.iter().filter_map(|part| filled(part, facts)).collect();
    Verdict {
        cause: &cause.cause,
        place: &cause.place,
        certainty: rule.certainty,
        title: &cause.title,
        evidence: parts.join("; "),
        remedy: &cause.remedy,
    }
}

impl Verdict {
    fn unknown(facts: &Facts) -> Self {
        Verdict {
            cause: "unknown",
            place: "unknown",
            certainty: Certainty::Unknown,
            title: "The cause is not known",
            evidence: facts.to_string(),
            remedy: "Run parlance diagnose from the network of the client, and compare with --direct",
        }
    }

    /// Whether a cause is named.
    pub fn is_known(&self) -> bool {
        self.certainty > Certainty::Unknown
    }

    /// As pages, administrators and programs get it.
    pub fn to_json(&self) -> Value {
        json!({
            "cause": self.cause, "where": self.place, "certainty": self.certainty.name(),
            "title": self.title, "evidence": self.evidence, "remedy": self.remedy,
        })
    }
}

impl Certainty {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Certainty::Unknown => "unknown",
            Certainty::Likely => "likely",
            Certainty::Certain => "certain",
        }
    }
}

impl Condition {
    fn holds(&self, facts: &Facts) -> bool {
        let Some(fact) = facts.get(&self.fact) else { return false };
        match (&self.is, fact) {
            (Is::OneOf(values), fact) => values.contains(fact),
            (Is::Compared(all), Fact::Number(number)) => {
                all.iter().all(|(comparison, bound)| comparison.holds(*number, *bound))
            }
            (Is::Compared(_), _) => false,
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Comparison::Less => number < bound,
            Comparison::AtMost => number <= bound,
            Comparison::More => number > bound,
            Comparison::AtLeast => number >= bound,
        }
    }

    fn parse(sign: &str) -> Option<Self> {
        Some(match sign {
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::More,
            ">=" => Comparison::AtLeast,
            _ => return None,
        })
    }
}

/// A part of the evidence with its facts in place; `None` if one of them is unknown.
fn filled(part: &str, facts: &Facts) -> Option<String> {
    let mut pieces = part.split('{');
    let mut line = pieces.next()?.to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}')?;
        line.push_str(&facts.get(name)?.to_string());
        line.push_str(rest);
    }
    Some(line)
}

/// `{"fact": "value", "other": [1, 2], "third": {">=": 3}}`.
impl<'de> Deserialize<'de> for Is {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let fact = |value: Value| match value {
            Value::String(text) => Ok(Fact::from(text.as_str())),
            Value::Number(number) => Ok(Fact::Number(number.as_f64().unwrap_or_default())),
            Value::Bool(bool) => Ok(Fact::Bool(bool)),
            _ => Err(D::Error::custom("a fact is a text, a number, true or false")),
        };
        let compared = |(sign, bound): (String, Value)| {
            let comparison = Comparison::parse(&sign).zip(bound.as_f64());
            comparison
                .ok_or_else(|| D::Error::custom("a comparison is <, <=, > or >= and a number"))
        };
        match Value::deserialize(from)? {
            Value::Array(values) => {
                values.into_iter().map(fact).collect::<Result<_, _>>().map(Is::OneOf)
            }
            Value::Object(all) => {
                all.into_iter().map(compared).collect::<Result<_, _>>().map(Is::Compared)
            }
            value => Ok(Is::OneOf(vec![fact(value)?])),
        }
    }
}

fn conditions<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Condition>, D::Error> {
    let all = std::collections::BTreeMap::<String, Is>::deserialize(from)?;
    Ok(all.into_iter().map(|(fact, is)| Condition { fact, is }).collect())
}

#[cfg(test)]
mod tests;
