//! `<httpRedirect>`: requests that IIS sends elsewhere without any rule.

use super::pattern::{Match, Pattern, Syntax};
use super::report::Trouble;
use super::template::Address;
use super::tree::{Part, at, children, flag, truth};

/// Whether a request is redirected: what becomes of it, and why.
pub fn redirects(part: &Part<'_>, address: &Address) -> Option<(String, Trouble)> {
    let section = part.last("httpRedirect")?;
    let value = |name| part.value("httpRedirect", name).map(|value| value.value());
    if !truth(value("enabled"), false) {
        return None;
    }
    // Only what lies in the folder itself.
    if truth(value("childOnly"), false) && address.path.contains('/') {
        return None;
    }
    let fits = |pattern: &str| {
        let pattern = Pattern::new(pattern.trim_start_matches('/'), Syntax::Wildcard, true);
        matches!(pattern.matches(&address.path), Match::Yes(_))
    };
    let own = children(section, "add")
        .find(|el| flag(*el, "enabled", true) && el.attribute("wildcard").is_some_and(fits));
    let to = match own {
        Some(el) => el.attribute("destination"),
        None => value("destination"),
    };
    let to = to.filter(|to| !to.is_empty())?;
    let text = "httpRedirect sends requests elsewhere, those of the engine too";
    let fix = "enabled=\"false\", childOnly=\"true\" if only the page is meant, or a rewrite rule";
    Some((
        format!("redirected to {to} by httpRedirect"),
        Trouble::error(at(own.unwrap_or(section)), text, fix),
    ))
}
