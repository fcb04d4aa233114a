//! The inbound rules of a file, in their order.

use super::collection::{Order, collect};
use super::report::Trouble;
use super::rule::Rule;
use super::tree::{El, Part, at};

/// Rules that are looked at.
const MOST: usize = 1000;

/// Reads the rules in force, and what IIS or this check cannot read of them.
pub fn read<'a>(part: &Part<'a>) -> (Vec<Rule<'a>>, Vec<Trouble>) {
    let levels = part.deep("rewrite/rules");
    let sections: Vec<El<'a>> = levels.iter().map(|(_, el)| *el).collect();
    let entries = collect(&sections, "rule", "name", Order::OuterFirst);
    let depth = |rule: El<'a>| {
        levels.iter().find(|(_, el)| rule.parent() == Some(*el)).map_or(0, |(depth, _)| *depth)
    };
    let mut found = Vec::new();
    let mut rules = Vec::new();
    for el in entries.twice {
        let name = el.attribute("name").unwrap_or_default();
        let text = format!("there is a rule {name} already: IIS answers everything with 500.19");
        found.push(Trouble::error(at(el), text, "another name"));
    }
    for el in entries.here.iter().take(MOST) {
        match Rule::read(*el, depth(*el)) {
            Ok(rule) => rules.push(rule),
            Err((el, what)) => {
                let text =
                    format!("{what} is nothing that IIS knows: it answers everything with 500.19");
                found.push(Trouble::error(
                    at(el),
                    text,
                    "one of the values in the documentation of URL Rewrite",
                ));
            }
        }
    }
    if let Some(el) = entries.here.get(MOST) {
        let text = format!("from here on rules are not looked at: there are more than {MOST}");
        found.push(Trouble::advice(at(*el), text, "fewer rules"));
    }
    (rules, found)
}

/// Patterns that cannot be tried. To be asked after the walks, which notice the slow ones.
pub fn broken(rules: &[Rule<'_>]) -> Vec<Trouble> {
    let enabled = rules.iter().filter(|rule| rule.enabled);
    let texts = enabled.flat_map(|rule| rule.broken().map(move |broken| (rule, broken)));
    texts
        .map(|(rule, (el, why))| {
            let text = format!(
                "a pattern of the rule {} cannot be read here ({why}): whether it takes requests is not known",
                rule.name
            );
            Trouble::advice(at(el), text, "look whether it fits socket.io/")
        })
        .collect()
}
