//! The rules of the settings file, as the operator writes them.

use serde::Deserialize;

use crate::policy::{Networks, Origins, Pattern, Rule, Transports};

/// Rules of one file; each request looks through them.
const MOST_RULES: usize = 256;

/// One `[[rules]]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleText {
    /// What logs call it; its number if it has none.
    pub name: Option<String>,
    pub origins: Option<Vec<String>>,
    pub networks: Option<Vec<String>>,
    pub agents: Option<Vec<String>>,
    pub paths: Option<Vec<String>>,
    pub namespaces: Option<Vec<String>>,
    pub transports: Vec<String>,
}

fn strs(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(String::as_str)
}

impl RuleText {
    fn read(&self, number: usize, known: &[&'static str]) -> Result<Rule, String> {
        let name = self.name.clone().unwrap_or_else(|| number.to_string());
        let wrong = |error: &dyn std::fmt::Display| format!("rule {name}: {error}");
        let patterns = |list: &Option<Vec<String>>| -> Vec<Pattern> {
            list.iter().flatten().map(|text| Pattern::new(text)).collect()
        };
        let networks = self.networks.as_deref().map(|list| Networks::parse(strs(list)));
        let origins = self.origins.as_deref().map(|list| Origins::parse(strs(list)));
        let rule = Rule {
            networks: networks.transpose().map_err(|error| wrong(&error))?,
            origins: origins.transpose().map_err(|error| wrong(&error))?,
            agents: patterns(&self.agents),
            paths: patterns(&self.paths),
            namespaces: patterns(&self.namespaces),
            transports: Transports::parse(strs(&self.transports), known)
                .map_err(|error| wrong(&error))?,
            name: name.clone(),
        };
        let lists = [&self.agents, &self.paths, &self.namespaces, &self.networks, &self.origins];
        if lists.iter().any(|list| list.as_ref().is_some_and(Vec::is_empty)) {
            return Err(wrong(&"an empty list fits nobody; leave the key out to mean everybody"));
        }
        Ok(rule)
    }
}

/// Reads all rules.
///
/// # Errors
/// What is wrong with the first that is.
pub fn read(texts: &[RuleText], known: &[&'static str]) -> Result<Vec<Rule>, String> {
    if texts.len() > MOST_RULES {
        return Err(format!("expected {MOST_RULES} rules at most"));
    }
    texts.iter().enumerate().map(|(at, text)| text.read(at + 1, known)).collect()
}
