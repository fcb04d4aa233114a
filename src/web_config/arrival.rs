//! What a rewrite rule has left of a request when it reaches the server.

use super::module::Module;
use super::report::Trouble;
use super::request::Request;
use super::rule::Rule;
use super::template::Address;
use super::tree::at;

/// What arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    AsAsked,
    /// Another path, or none.
    OtherPath,
    /// The path, and not all of the query.
    LessQuery,
}

/// The path that the server sees, from its root.
fn path(address: &Address, module: Module, folder: &str) -> String {
    match module {
        // The rule's own address.
        Module::ReverseProxy => format!("/{}", address.path),
        _ => format!("{folder}{}", address.path),
    }
}

/// Compares what arrives with what the server takes: it answers with its base path and without.
pub fn of(
    request: &Request,
    base: &str,
    folder: &str,
    module: Module,
    address: &Address,
) -> Arrival {
    let path = path(address, module, folder);
    let base = format!("{}/", base.trim_end_matches('/'));
    let below = path.strip_prefix(&base).unwrap_or(&path).trim_start_matches('/');
    if below != request.served {
        return Arrival::OtherPath;
    }
    let has = |pair: &str| address.query.split('&').any(|own| own == pair);
    match request.query.split('&').filter(|pair| !pair.is_empty()).all(has) {
        true => Arrival::AsAsked,
        false => Arrival::LessQuery,
    }
}

pub fn shown(address: &Address, module: Module, folder: &str) -> String {
    let mark = if address.query.is_empty() { "" } else { "?" };
    let text = format!("{}{mark}{}", path(address, module, folder), address.query);
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Why the server cannot tell what a request is for.
pub fn trouble(rule: &Rule<'_>, arrival: Arrival, exemption: &str) -> Option<Trouble> {
    let name = rule.name;
    match arrival {
        Arrival::AsAsked => None,
        Arrival::OtherPath if !rule.forwards() => {
            let text = format!(
                "the rule {name} takes requests to {}, where the server has no Socket.IO",
                rule.url
            );
            Some(Trouble::error(at(rule.el), text, exemption))
        }
        Arrival::OtherPath => {
            let text =
                format!("the rule {name} does not keep the path: the server gets {}", rule.url);
            let fix = "<match url=\"(.*)\" /> and {R:1} at the end of the action's url";
            Some(Trouble::error(at(rule.el), text, fix))
        }
        Arrival::LessQuery => {
            let text = format!(
                "the rule {name} drops the query, in which clients say what they want (EIO, transport, sid)"
            );
            Some(Trouble::error(at(rule.action_el), text, "appendQueryString=\"true\""))
        }
    }
}
