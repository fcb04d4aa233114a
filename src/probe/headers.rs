//! What the way does to the headers of a request.

use serde_json::json;

use super::GROUP_WAY;
use super::check::{Check, Outcome};
use super::engine::Echo;

/// Headers that an upgrade needs at the server.
const NEEDED: [&str; 4] = ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version"];
/// Headers that this command sends, or that every client does.
const SENT: [&str; 8] = [
    "host",
    "user-agent",
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "accept-encoding",
    "origin",
];

/// Compares the upgrade request that was sent with the one that arrived. `upgrade` is `None` if only a
/// plain request came back; `host` and `secure` are of the address that people use.
pub(super) fn compare(upgrade: Option<&Echo>, plain: &Echo, host: &str, secure: bool) -> Check {
    let echo = upgrade.unwrap_or(plain);
    let mut wrong = Vec::new();
    let mut facts = super::check::Facts::new();
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !echo.has(name)).collect();
    let connection = echo.header("connection").unwrap_or_default().to_ascii_lowercase();
    let lost = |name: &str| missing.contains(&name);
    if upgrade.is_none() {
        wrong.push("a request to upgrade never arrives, a plain one does".to_owned());
    } else if lost("upgrade") {
        wrong.push("the way drops the Upgrade header".to_owned());
        facts.insert("upgrade-fault".into(), "upgrade-missing".into());
    } else if !connection.split(',').any(|word| word.trim() == "upgrade") {
        wrong.push("the way replaces the Connection header".to_owned());
        facts.insert("upgrade-fault".into(), "connection-missing".into());
    } else if !missing.is_empty() {
        wrong.push(format!("the way drops {}", missing.join(", ")));
        let fault = if lost("sec-websocket-key") { "key-missing" } else { "websocket-version" };
        facts.insert("upgrade-fault".into(), fault.into());
    }
    if echo.version == "HTTP/1.0" {
        wrong.push("the server is asked by HTTP/1.0".to_owned());
        facts.insert("upgrade-fault".into(), "http10".into());
    }
    let mut notes = Vec::new();
    let arrived = echo.header("host").unwrap_or_default();
    if !arrived.eq_ignore_ascii_case(host) {
        notes.push(format!("Host arrives as {arrived}"));
    }
    let scheme = if secure { "https" } else { "http" };
    if echo.scheme != scheme {
        notes.push(format!("the server takes the connection for {}", echo.scheme));
    }
    let added: Vec<String> = echo
        .headers
        .iter()
        .filter(|(name, _)| !SENT.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    notes.push(format!("the server takes you for {}", echo.client));
    if !added.is_empty() {
        notes.push(format!("added: {}", added.join("; ")));
    }
    let outcome = if wrong.is_empty() { Outcome::Ok } else { Outcome::Fail };
    wrong.append(&mut notes);
    let mut check = Check::new(GROUP_WAY, "headers", outcome, wrong.join("; "))
        .with("arrived", json!(echo.headers))
        .with("http", echo.version.as_str())
        .with("client", echo.client.as_str())
        .with("scheme", echo.scheme.as_str())
        .with("instance", echo.instance.as_str());
    if !facts.is_empty() {
        facts.insert("transport".into(), "websocket".into());
        facts.insert("step".into(), "open".into());
        facts.insert("code".into(), "refused".into());
        facts.insert("upgrade-seen".into(), "refused".into());
        check.facts = facts;
    }
    check
}

/// The fault that was found in upgrade requests.
pub(super) fn fault(check: &Check) -> Option<&'static str> {
    const KNOWN: [&str; 5] =
        ["upgrade-missing", "connection-missing", "key-missing", "websocket-version", "http10"];
    let told = check.facts.get("upgrade-fault")?.as_str()?;
    KNOWN.into_iter().find(|known| *known == told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(headers: &[(&str, &str)], version: &str) -> Echo {
        let own = |text: &str| text.to_owned();
        Echo {
            instance: own("a"),
            headers: headers.iter().map(|(name, value)| (own(name), own(value))).collect(),
            version: own(version),
            client: own("203.0.113.7"),
            scheme: own("http"),
        }
    }

    #[test]
    fn what_a_way_does_to_an_upgrade_is_named() {
        let all = [
            ("host", "a"),
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "x"),
            ("sec-websocket-version", "13"),
        ];
        let without = |gone: &str| -> Vec<(&str, &str)> {
            all.into_iter().filter(|(name, _)| *name != gone).collect()
        };
        let closed = [&without("connection")[..], &[("connection", "close")]].concat();
        for (headers, version, fault) in [
            (all.to_vec(), "HTTP/1.1", None),
            (without("upgrade"), "HTTP/1.1", Some("upgrade-missing")),
            (closed, "HTTP/1.1", Some("connection-missing")),
            (without("connection"), "HTTP/1.1", Some("connection-missing")),
            (without("sec-websocket-key"), "HTTP/1.1", Some("key-missing")),
            (without("sec-websocket-version"), "HTTP/1.1", Some("websocket-version")),
            (all.to_vec(), "HTTP/1.0", Some("http10")),
        ] {
            let seen = echo(&headers, version);
            let check = compare(Some(&seen), &seen, "a", false);
            let told = check.facts.get("upgrade-fault").and_then(|fault| fault.as_str());
            assert_eq!(told, fault, "{}", check.text);
            assert_eq!(check.outcome == Outcome::Ok, fault.is_none());
        }
        let seen = echo(&[("host", "b"), ("via", "1.1 x")], "HTTP/1.1");
        let check = compare(None, &seen, "a", true);
        for words in ["never arrives", "Host arrives as b", "for http;", "added: via: 1.1 x"] {
            assert!(check.text.contains(words), "{}", check.text);
        }
    }
}
