//! Handlers: which one gets a request.

use super::collection::{Entries, Order, collect};
use super::module::Module;
use super::report::Trouble;
use super::request::Request;
use super::template::Address;
use super::tree::{El, Part, at};

/// Who gets a request.
pub enum Choice<'a> {
    /// A module that hosts the server, by this handler.
    Hosted(Module, El<'a>),
    /// Something that answers by itself, by this handler.
    Other(El<'a>),
    /// No handler of the file: IIS looks for a file.
    Nobody,
}

/// The handlers in force, in the order in which they are asked.
pub fn entries<'a>(part: &Part<'a>) -> Entries<'a> {
    collect(&part.sections("handlers"), "add", "name", Order::InnerFirst)
}

/// The module that hosts the server by this handler.
pub fn module(handler: El<'_>) -> Option<Module> {
    let modules = handler.attribute("modules").unwrap_or_default();
    modules.split(',').find_map(|name| Module::named(name.trim()))
}

pub fn name(handler: El<'_>) -> &str {
    handler.attribute("name").unwrap_or("without a name")
}

pub fn choose<'a>(handlers: &Entries<'a>, request: &Request, address: &Address) -> Choice<'a> {
    let taken = handlers.here.iter().find(|handler| misfit(**handler, request, address).is_none());
    match taken {
        Some(handler) => match module(*handler) {
            Some(module) => Choice::Hosted(module, *handler),
            None => Choice::Other(*handler),
        },
        None => Choice::Nobody,
    }
}

/// Why a handler does not take a request, and what to write instead; `None` if it takes it.
pub fn misfit(handler: El<'_>, request: &Request, address: &Address) -> Option<(String, String)> {
    let of = |name| handler.attribute(name).map(str::trim);
    let path = of("path").unwrap_or_default();
    if !path.split(',').any(|pattern| takes(pattern.trim(), &address.path)) {
        let text = format!("takes path=\"{path}\" alone");
        return Some((text, "path=\"*\"".into()));
    }
    let verbs = of("verb").unwrap_or_default();
    let is_own = |verb: &str| verb == "*" || verb.eq_ignore_ascii_case(request.verb);
    if !verbs.split(',').any(|verb| is_own(verb.trim())) {
        return Some((format!("takes verb=\"{verbs}\" alone"), "verb=\"*\"".into()));
    }
    let kind = of("resourceType").unwrap_or("Unspecified");
    if !kind.eq_ignore_ascii_case("Unspecified") && !is_there(kind, address) {
        let text = format!(
            "takes what is there on the disk alone (resourceType=\"{kind}\"), and the engine's addresses are no files"
        );
        return Some((text, "resourceType=\"Unspecified\"".into()));
    }
    if of("preCondition").is_some_and(|conditions| conditions.contains("classicMode")) {
        let text = "is for application pools in classic mode alone".into();
        return Some((text, "no preCondition".into()));
    }
    None
}

fn is_there(kind: &str, address: &Address) -> bool {
    // Only the folder of the site itself is known to be there.
    let folder = kind.eq_ignore_ascii_case("Directory") || kind.eq_ignore_ascii_case("Either");
    folder && address.path.is_empty()
}

/// Whether a handler's path takes an address. What follows the name of a file is passed to it as well.
fn takes(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_start_matches('/');
    match pattern {
        "*" => return true,
        "" => return false,
        "*." => return !path.rsplit('/').next().unwrap_or_default().contains('.'),
        _ => {}
    }
    let fits = |text: &str| fits(pattern.as_bytes(), text.as_bytes());
    let mut ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    let names = |start: &str| fits(start) || start.rsplit('/').next().is_some_and(fits);
    fits(path) || ends.any(|end| names(&path[..end]))
}

/// Whether a text fits a pattern in which `*` stands for any text and `?` for a character.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: it takes one more.
    let mut retry = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, from));
            }
            Some(c) if *c == b'?' || c.eq_ignore_ascii_case(&text[from]) => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((after, taken)) = retry else { return false };
                retry = Some((after, taken + 1));
                (at, from) = (after, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

/// Whether `accessPolicy` lets a handler run.
pub fn forbidden(part: &Part<'_>, handler: El<'_>) -> Option<Trouble> {
    let policy = part.value("handlers", "accessPolicy")?;
    let needed = handler.attribute("requireAccess").unwrap_or("Script").trim();
    let allowed = policy.value().split(',').any(|right| right.trim().eq_ignore_ascii_case(needed));
    (!needed.eq_ignore_ascii_case("None") && !allowed).then(|| {
        let text = format!(
            "the handler {} needs the right {needed}, and accessPolicy does not give it",
            name(handler)
        );
        Trouble::error(policy.range().start, text, "accessPolicy=\"Read, Script\"")
    })
}

/// Why the file's own handler does not get a request that nobody else got.
pub fn blame(handlers: &Entries<'_>, request: &Request, address: &Address) -> Option<Trouble> {
    let hosts = handlers.here.iter().find(|handler| module(**handler).is_some());
    if let Some(handler) = hosts {
        let (why, fix) = misfit(*handler, request, address)?;
        let entry = module(*handler) == Some(Module::IisNode) && why.starts_with("takes path");
        let fix = match entry {
            true => format!(
                "a rewrite rule with <match url=\".*\" /> whose <action type=\"Rewrite\"> has url=\"{}\"",
                handler.attribute("path").unwrap_or_default()
            ),
            false => fix,
        };
        let more = if entry { ": nothing sends requests of the engine to it" } else { "" };
        let text = format!("the handler {} {why}{more}", name(*handler));
        return Some(Trouble::error(at(*handler), text, fix));
    }
    let gone = handlers.gone.iter().find(|(handler, _)| module(*handler).is_some());
    gone.map(|(handler, by)| {
        let text =
            format!("<{}> takes the handler {} out again", by.tag_name().name(), name(*handler));
        Trouble::error(at(*by), text, "write it above the <add>, or leave it out")
    })
}

/// Whether `<modules>` takes the module out that hosts the server.
pub fn module_removed(part: &Part<'_>, module: Module) -> Option<Trouble> {
    let mut removed = part.sections("modules/remove").into_iter();
    let is = |el: &El<'_>| el.attribute("name").and_then(|name| Module::named(name.trim()));
    removed.find(|el| is(el) == Some(module)).map(|el| {
        let text = format!("{module} is removed here, and hosts the server");
        Trouble::error(at(el), text, "leave this <remove> out")
    })
}
