//! The `[[rules]]` tables of the settings file.

use serde::Deserialize;

use crate::policy::payloads::UnknownForm;
use crate::policy::{Networks, Origins, Pattern, Rule, Transports};

/// The most rules of one file. Bounded, because a request is compared with all of them.
const MOST_RULES: usize = 256;

/// One `[[rules]]` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleText {
    /// The name in logs. `None` for the number of the rule.
    pub name: Option<String>,
    /// The origins that it is for; `None` for all.
    pub origins: Option<Vec<String>>,
    /// The networks of clients that it is for; `None` for all.
    pub networks: Option<Vec<String>>,
    /// The user agents that it is for, as patterns; `None` for all.
    pub agents: Option<Vec<String>>,
    /// The paths of pages that it is for, as patterns; `None` for all.
    pub paths: Option<Vec<String>>,
    /// The namespaces that it is for, as patterns; `None` for all.
    pub namespaces: Option<Vec<String>>,
    /// The transports that this rule allows, preferred first. `None` leaves that to other rules.
    pub transports: Option<Vec<String>>,
    /// The form of polls under Engine.IO 3; `None` to leave that to other rules.
    pub eio3_polls: Option<String>,
}

/// An error in a rule.
#[derive(Debug)]
pub struct BadRule {
    /// The index of the rule.
    pub at: usize,
    /// Its key with the error.
    pub key: &'static str,
    pub message: String,
}

fn strs(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(String::as_str)
}

impl RuleText {
    fn read(&self, at: usize, known: &[&'static str]) -> Result<Rule, BadRule> {
        let name = self.name.clone().unwrap_or_else(|| (at + 1).to_string());
        let wrong = |key: &'static str, error: &dyn std::fmt::Display| BadRule {
            at,
            key,
            message: format!("rule {name}: {error}"),
        };
        let lists = [
            ("agents", &self.agents),
            ("paths", &self.paths),
            ("namespaces", &self.namespaces),
            ("networks", &self.networks),
            ("origins", &self.origins),
        ];
        let is_empty = |list: &Option<Vec<String>>| list.as_ref().is_some_and(Vec::is_empty);
        if let Some((key, _)) = lists.iter().find(|(_, list)| is_empty(list)) {
            let message = "an empty list fits nobody; leave the key out to mean everybody";
            return Err(wrong(key, &message));
        }
        if self.transports.is_none() && self.eio3_polls.is_none() {
            return Err(wrong("name", &"it gives neither transports nor eio3-polls"));
        }
        if self.namespaces.is_some() && self.eio3_polls.is_some() {
            let message = "the form of polls is settled before a namespace is joined";
            return Err(wrong("eio3-polls", &message));
        }
        let patterns = |list: &Option<Vec<String>>| -> Vec<Pattern> {
            list.iter().flatten().map(|text| Pattern::new(text)).collect()
        };
        let networks = self.networks.as_deref().map(|list| Networks::parse(strs(list)));
        let origins = self.origins.as_deref().map(|list| Origins::parse(strs(list)));
        let transports =
            self.transports.as_deref().map(|list| Transports::parse(strs(list), known));
        let eio3_polls = self.eio3_polls.as_deref().map(str::parse);
        Ok(Rule {
            networks: networks.transpose().map_err(|error| wrong("networks", &error))?,
            origins: origins.transpose().map_err(|error| wrong("origins", &error))?,
            agents: patterns(&self.agents),
            paths: patterns(&self.paths),
            namespaces: patterns(&self.namespaces),
            transports: transports.transpose().map_err(|error| wrong("transports", &error))?,
            eio3_polls: eio3_polls
                .transpose()
                .map_err(|error: UnknownForm| wrong("eio3-polls", &error))?,
            name: name.clone(),
        })
    }
}

/// Parses all rules. `known` are the names of the transports.
///
/// # Errors
/// The first error.
pub fn read(texts: &[RuleText], known: &[&'static str]) -> Result<Vec<Rule>, BadRule> {
    if texts.len() > MOST_RULES {
        let message = format!("expected {MOST_RULES} rules at most");
        return Err(BadRule { at: MOST_RULES, key: "transports", message });
    }
    texts.iter().enumerate().map(|(at, text)| text.read(at, known)).collect()
}
