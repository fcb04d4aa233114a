//! Who may ask at all: restrictions by address, by rate, by user.

use std::net::IpAddr;

use super::report::Trouble;
use super::tree::{El, Part, at, children, flag, truth};

/// Requests that one client has open at once: a poll waits, a POST sends, a WebSocket is tried.
const AT_ONCE: u64 = 3;
/// Requests with which a page and its session begin.
const TO_BEGIN: u64 = 10;
/// Requests at once, and in a second, from which on several people may share an address.
const SHARED: u64 = 50;

/// What refuses all clients, or some of them.
pub fn restrictions(part: &Part<'_>) -> Vec<Trouble> {
    let found = [
        addresses(part),
        concurrent(part),
        rate(part),
        users(part),
        anonymous(part),
        certificates(part),
    ];
    found.into_iter().flatten().collect()
}

fn addresses(part: &Part<'_>) -> Option<Trouble> {
    let place = "security/ipSecurity";
    let entries = part.entries(place, "ipAddress").here;
    let allowed = |el: &&El<'_>| flag(**el, "allowed", false);
    let everybody = |el: &&El<'_>| {
        el.attribute("subnetMask")
            .is_some_and(|mask| mask.trim() == "0.0.0.0" || mask.trim() == "0")
    };
    if let Some(el) = entries.iter().filter(|el| !allowed(el)).find(everybody) {
        let text = "ipSecurity refuses every address: this mask takes in all of them";
        return Some(Trouble::error(at(*el), text, "the mask of the network that is meant"));
    }
    let unlisted = part.value(place, "allowUnlisted")?;
    if truth(Some(unlisted.value()), true)
        || entries.iter().filter(allowed).any(|el| everybody(&el))
    {
        return None;
    }
    let here = |el: &&El<'_>| {
        let address: Option<IpAddr> =
            el.attribute("ipAddress").and_then(|ip| ip.trim().parse().ok());
        address.is_some_and(|address| address.is_loopback())
    };
    let place = unlisted.range().start;
    match entries.iter().filter(allowed).any(|el| !here(&el)) {
        true => {
            let text = "ipSecurity lets in the addresses that it names, and nobody else";
            Some(Trouble::advice(place, text, "allowUnlisted=\"true\", if everybody may come"))
        }
        false => {
            let text = "ipSecurity refuses every address that it does not name, and names none of a client";
            Some(Trouble::error(
                place,
                text,
                "allowUnlisted=\"true\", or an <add> with the network of the clients",
            ))
        }
    }
}

/// A limit of `dynamicIpSecurity` that is on.
fn dynamic<'a>(part: &Part<'a>, name: &str) -> Option<El<'a>> {
    let only_logs = part.value("security/dynamicIpSecurity", "enableLoggingOnlyMode");
    if truth(only_logs.map(|value| value.value()), false) {
        return None;
    }
    part.last(&format!("security/dynamicIpSecurity/{name}"))
        .filter(|el| flag(*el, "enabled", false))
}

fn number(el: El<'_>, name: &str, default: u64) -> u64 {
    el.attribute(name).and_then(|value| value.trim().parse().ok()).unwrap_or(default)
}

fn concurrent(part: &Part<'_>) -> Option<Trouble> {
    let el = dynamic(part, "denyByConcurrentRequests")?;
    let most = number(el, "maxConcurrentRequests", 5);
    let fix = format!("maxConcurrentRequests=\"{SHARED}\" or more, or enabled=\"false\"");
    if most < AT_ONCE {
        let text = format!(
            "dynamicIpSecurity allows {most} requests at once, and a client has {AT_ONCE}: a poll waits, a POST sends, a WebSocket opens"
        );
        return Some(Trouble::error(at(el), text, fix));
    }
    (most < SHARED).then(|| {
        let text = format!("dynamicIpSecurity allows {most} requests of one address at once: people who share an address are refused");
        Trouble::advice(at(el), text, fix)
    })
}

fn rate(part: &Part<'_>) -> Option<Trouble> {
    let el = dynamic(part, "denyByRequestRate")?;
    let most = number(el, "maxRequests", 20);
    let interval = number(el, "requestIntervalInMilliseconds", 200).max(1);
    let fix =
        "maxRequests=\"20\" requestIntervalInMilliseconds=\"200\" or more, or enabled=\"false\"";
    if most < TO_BEGIN {
        let text = format!(
            "dynamicIpSecurity allows {most} requests in {interval} ms, and a page and its session begin with {TO_BEGIN} at once"
        );
        return Some(Trouble::error(at(el), text, fix));
    }
    (most.saturating_mul(1000) / interval < SHARED).then(|| {
        let text = format!("dynamicIpSecurity allows {most} requests of one address in {interval} ms: people who share an address are refused");
        Trouble::advice(at(el), text, fix)
    })
}

fn users(part: &Part<'_>) -> Option<Trouble> {
    let rules =
        part.sections("security/authorization").into_iter().flat_map(|el| children(el, "add"));
    let denies = |el: &El<'_>| {
        let deny = el.attribute("accessType").is_some_and(|kind| kind.eq_ignore_ascii_case("deny"));
        let users = el.attribute("users").unwrap_or_default();
        deny && users.split(',').any(|user| matches!(user.trim(), "*" | "?"))
            && el.attribute("verbs").unwrap_or_default().is_empty()
    };
    let mut rules = rules.filter(denies);
    rules.next().map(|el| {
        let text = "authorization refuses clients that have not signed in to IIS";
        Trouble::error(at(el), text, "leave this <add> out")
    })
}

fn anonymous(part: &Part<'_>) -> Option<Trouble> {
    let off = part.value("security/authentication/anonymousAuthentication", "enabled")?;
    (!truth(Some(off.value()), true)).then(|| {
        let text = "clients have to sign in to IIS: those that are no browsers do not";
        Trouble::advice(off.range().start, text, "enabled=\"true\"")
    })
}

fn certificates(part: &Part<'_>) -> Option<Trouble> {
    let flags = part.value("security/access", "sslFlags")?;
    let requires =
        flags.value().split(',').any(|flag| flag.trim().eq_ignore_ascii_case("SslRequireCert"));
    requires.then(|| {
        let text = "IIS asks every client for a certificate of its own";
        Trouble::advice(flags.range().start, text, "sslFlags=\"Ssl\"")
    })
}
