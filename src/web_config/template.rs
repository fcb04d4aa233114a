//! Texts of rewrite rules with server variables, back-references and maps, such as `https://{HTTP_HOST}/{R:1}`.

use std::collections::HashMap;

use super::pattern::Captures;
use super::request::Request;
use super::tree::{Part, children, flag};

/// Bytes of a text with its variables filled in. IIS takes no longer address.
pub const LONGEST: usize = 16 << 10;
/// Braces in braces.
const DEEPEST: usize = 8;

/// An address as rules change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Without a slash in front.
    pub path: String,
    pub query: String,
}

/// What a text may refer to.
pub struct Scope<'s> {
    pub request: &'s Request,
    pub address: &'s Address,
    /// Whether the client came by https.
    pub secure: bool,
    /// The folder of the file.
    pub folder: &'s str,
    pub maps: &'s Maps,
    pub rule: &'s Captures,
    pub conditions: &'s Captures,
}

/// Fills in a text. `None` if a part of it depends on the client or the machine, or it grows too long.
pub fn fill(text: &str, scope: &Scope<'_>) -> Option<String> {
    fill_at(text, scope, 0)
}

fn fill_at(text: &str, scope: &Scope<'_>, depth: usize) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let inside = &rest[open + 1..];
        let Some(close) = closing(inside) else {
            out.push_str(&rest[open..]);
            return Some(out);
        };
        out.push_str(&variable(&inside[..close], scope, depth)?);
        if out.len() > LONGEST {
            return None;
        }
        rest = &inside[close + 1..];
    }
    out.push_str(rest);
    (out.len() <= LONGEST).then_some(out)
}

/// Where the brace that is open at the start closes.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    text.bytes().position(|b| {
        match b {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        open == 0
    })
}

fn variable(name: &str, scope: &Scope<'_>, depth: usize) -> Option<String> {
    if let Some((function, argument)) = name.split_once(':') {
        let number = || argument.parse::<usize>().ok();
        let of = |captures: &Captures| {
            number().map(|number| captures.get(number).cloned().unwrap_or_default())
        };
        match function {
            "R" => return of(scope.rule),
            "C" => return of(scope.conditions),
            _ if depth >= DEEPEST => return None,
            _ => {}
        }
        let argument = fill_at(argument, scope, depth + 1)?;
        let plain = argument.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        return match function {
            "ToLower" => Some(argument.to_lowercase()),
            "UrlEncode" | "UrlDecode" if plain => Some(argument),
            _ => scope.maps.look_up(function, &argument),
        };
    }
    let Scope { request, address, secure, folder, .. } = scope;
    let either = |yes: &str, no: &str| Some(if *secure { yes } else { no }.to_owned());
    let url = || format!("{folder}{}", address.path);
    let name = name.to_ascii_uppercase();
    match name.as_str() {
        "HTTPS" => either("on", "off"),
        "SERVER_PORT_SECURE" => either("1", "0"),
        "SERVER_PORT" => either("443", "80"),
        "REQUEST_SCHEME" | "HTTP_X_FORWARDED_PROTO" => either("https", "http"),
        "HTTP_X_ARR_SSL" => either("2048|256|CN=ca|CN=site", ""),
        "CACHE_URL" | "HTTP_HOST" | "SERVER_NAME" | "REMOTE_ADDR" | "REMOTE_HOST" => None,
        "QUERY_STRING" => Some(address.query.clone()),
        "REQUEST_METHOD" => Some(request.verb.to_owned()),
        "URL" | "PATH_INFO" | "SCRIPT_NAME" => Some(url()),
        "REQUEST_URI" if address.query.is_empty() => Some(url()),
        "REQUEST_URI" => Some(format!("{}?{}", url(), address.query)),
        "UNENCODED_URL" | "HTTP_X_ORIGINAL_URL" => {
            let mark = if request.query.is_empty() { "" } else { "?" };
            Some(format!("{folder}{}{mark}{}", request.path, request.query))
        }
        "CONTENT_TYPE" => request.header("CONTENT_TYPE").map(str::to_owned),
        _ => request.header(name.strip_prefix("HTTP_")?).map(str::to_owned),
    }
}

/// The `<rewriteMaps>` of a file, by their names in small letters.
#[derive(Debug, Default)]
pub struct Maps(HashMap<String, Map>);

#[derive(Debug, Default)]
struct Map {
    values: HashMap<String, String>,
    ignore_case: bool,
    default: String,
    /// Its entries are in another file.
    elsewhere: bool,
}

impl Maps {
    pub fn read(part: &Part<'_>) -> Self {
        let mut maps = Maps::default();
        for el in part.sections("rewrite/rewriteMaps/rewriteMap") {
            let ignore_case = flag(el, "ignoreCase", true);
            let key = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
            let entries = children(el, "add").filter_map(|add| {
                Some((key(add.attribute("key")?), add.attribute("value")?.to_owned()))
            });
            let map = Map {
                values: entries.collect(),
                ignore_case,
                default: el.attribute("defaultValue").unwrap_or_default().to_owned(),
                elsewhere: el.has_attribute("configSource"),
            };
            maps.0.insert(el.attribute("name").unwrap_or_default().to_lowercase(), map);
        }
        maps
    }

    fn look_up(&self, name: &str, key: &str) -> Option<String> {
        let map = self.0.get(&name.to_lowercase()).filter(|map| !map.elsewhere)?;
        let key = if map.ignore_case { key.to_lowercase() } else { key.to_owned() };
        Some(map.values.get(&key).unwrap_or(&map.default).clone())
    }
}
