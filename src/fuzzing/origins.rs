//! Origins of pages, and the rules that allow them.

use http::Uri;

use super::input::Input;
use crate::policy::origin::of_url;
use crate::policy::{Origin, Origins};

/// A rule that is accepted is written as it is read, and matches some page. Another URL parser agrees that the
/// pages it allows are of the host it names. A refusal comes with a setting that would allow the page.
pub fn origins(data: &[u8]) {
    let mut input = Input(data);
    let line = |input: &mut Input<'_>| String::from_utf8_lossy(input.line()).into_owned();
    let of_a_url = of_url(data);
    assert!(of_a_url.is_none_or(|origin| data.starts_with(origin.as_bytes())));
    let (rules, origin, host) = (line(&mut input), line(&mut input), line(&mut input));
    // The other parser accepts no longer schemes.
    let long = |text: &str| text.split_once("://").is_some_and(|(scheme, _)| scheme.len() > 64);
    for rule in rules.split(',').filter(|rule| !long(rule) && !long(&origin)) {
        let Ok(parsed) = Origins::parse([rule]) else { continue };
        let name = parsed.names().concat();
        assert_eq!(Origins::parse([&*name]).as_ref(), Ok(&parsed), "{rule:?} is written {name:?}");
        if !matches!(&*name, "*" | "same-host" | "null") {
            check_matches_page(&parsed, &name);
            if parsed.allow(&origin, Some(&host)) {
                check_host(&name, &origin);
            }
        }
    }
    if Origins::parse(["same-host"]).is_ok_and(|same| same.allow(&origin, Some(&host))) {
        let page = Origin::parse(&origin).expect("an origin");
        assert!(host.to_ascii_lowercase().starts_with(&page.host.to_ascii_lowercase()));
    }
    if let Ok(parsed) = Origins::parse(rules.split(',')) {
        check_offered_setting(&parsed, &origin);
    }
    if let Some(origin) = of_url(origin.as_bytes()) {
        let (_, authority) = origin.split_once("://").expect("with a scheme");
        assert!(!authority.contains(['/', '?', '#']), "more than an origin: {origin:?}");
    }
}

/// There is a page that a browser can open and the rule matches.
fn check_matches_page(rule: &Origins, name: &str) {
    if name.ends_with("://") {
        assert!(!matches!(name, "http://" | "https://" | "ws://" | "wss://"), "{name:?}");
        assert!(rule.allow(name, None) && rule.allow(&format!("{name}a"), None), "{name:?}");
        return;
    }
    let (scheme, authority) = name.split_once("://").unwrap_or(("https", name));
    let authority = authority.replacen("*.", "sub.", 1);
    let page = format!("{scheme}://{authority}");
    let url: Uri = page.parse().unwrap_or_else(|error| panic!("{name:?} fits no page: {error}"));
    assert!(url.host().is_some_and(|host| !host.is_empty()), "{name:?} names no host");
    assert!(!matches!(scheme, "ws" | "wss"), "{name:?} is the origin of no page");
    assert!(rule.allow(&page, None), "{name:?} does not fit {page:?}");
}

/// Another URL parser finds the rule's host in an origin that the rule allows.
fn check_host(name: &str, origin: &str) {
    if name.ends_with("://") {
        assert!(origin.to_ascii_lowercase().starts_with(name), "{name:?} allows {origin:?}");
        return;
    }
    let (_, authority) = name.split_once("://").unwrap_or(("", name));
    let url = if origin.contains("://") { origin.to_owned() } else { format!("http://{origin}") };
    let url: Uri =
        url.parse().unwrap_or_else(|error| panic!("{name:?} allows {origin:?}: {error}"));
    let theirs = url.host().unwrap_or_default().to_ascii_lowercase();
    let named: Uri = authority.replacen("*.", "", 1).parse().expect("checked before");
    let named = named.host().unwrap_or_default();
    let fits = match authority.starts_with("*.") {
        true => theirs.strip_suffix(named).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
        false => theirs == named,
    };
    assert!(fits, "{name:?} allows {origin:?}");
}

/// The setting that is offered to the operator allows the page.
fn check_offered_setting(rules: &Origins, origin: &str) {
    let setting = rules.setting_with(origin);
    let table: toml::Table = toml::from_str(&setting).expect("a line for the settings file");
    let list: Vec<String> = table["origins"].clone().try_into().expect("a list");
    let offered = Origins::parse(list.iter().map(String::as_str)).expect("of origins");
    assert!(offered.allow(origin, None), "{setting} does not allow {origin:?}");
}
