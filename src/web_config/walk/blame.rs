//! Why a request does not reach the server: the rule or the handler that is the cause, and what to change.

use super::super::handlers;
use super::super::report::Trouble;
use super::super::rule::{Takes, Why};
use super::super::tree::at;
use super::{State, Walk};

impl Walk<'_, '_> {
    /// What lets the engine's requests pass before a rule takes them.
    pub(super) fn exemption(&self) -> String {
        let hosted = self.handlers.here.iter().any(|el| handlers::module(*el).is_some());
        if let Some(rule) = self.rules.iter().find(|rule| rule.forwards() && !hosted) {
            return format!("the rule {} before it, with stopProcessing=\"true\"", rule.name);
        }
        let first = self.request.path.split('/').next().unwrap_or_default().replace('.', "\\.");
        format!(
            "a rule before it: <match url=\"^{first}/\" /> with <action type=\"None\" /> and stopProcessing=\"true\""
        )
    }

    /// The rule that led a request astray.
    pub(super) fn changed(&self, state: &State) -> Option<Trouble> {
        let rule = &self.rules[state.changed_by?];
        let text =
            format!("the rule {} takes requests to {}, away from the server", rule.name, rule.url);
        Some(Trouble::error(at(rule.el), text, self.exemption()))
    }

    /// Why no rule passes a request to another server, if there are such rules.
    pub(super) fn missed(&self) -> Option<Trouble> {
        let address = self.asked();
        let rule = self.rules.iter().find(|rule| rule.forwards())?;
        let place = at(rule.el);
        let name = rule.name;
        Some(match self.takes(rule, &address) {
            Takes::No(Why::Disabled) => {
                let text = format!("the rule {name} would pass requests on, and is off");
                Trouble::error(place, text, "enabled=\"true\"")
            }
            Takes::No(Why::Pattern) => {
                let pattern = rule.pattern.text();
                let text = match rule.negate {
                    true => format!("the rule {name} passes on all but {pattern}"),
                    false => format!("the rule {name} passes on {pattern} alone"),
                };
                Trouble::error(place, text, "<match url=\"(.*)\" />")
            }
            _ => {
                let text = format!(
                    "the rule {name} would pass requests on, and its conditions do not hold"
                );
                Trouble::error(place, text, "no such conditions")
            }
        })
    }

    pub(super) fn nothing(&self) -> Trouble {
        Trouble::error(
            at(self.part.server()),
            "no handler passes requests on: IIS looks for files and answers 404",
            "add <handlers><add name=\"parlance\" path=\"*\" verb=\"*\" modules=\"httpPlatformHandler\" resourceType=\"Unspecified\" /></handlers>",
        )
    }
}
