//! Whether all requests of a session reach the process that has it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::GROUP_MORE;
use super::attempt::Known;
use super::check::{Check, Outcome};
use super::engine::plain_echo;
use super::generation::{Generation, Transport};
use super::http::{Answer, Ask};
use super::session::Place;

/// Sessions that are opened, fewer if each takes long, and requests that follow in each, on connections of
/// their own.
const SESSIONS: u32 = 6;
const SESSIONS_IF_LATE: u32 = 2;
const FOLLOW: u32 = 2;

#[derive(Default)]
struct Count {
    asked: u32,
    unknown: u32,
    cookies: Vec<String>,
}

/// Opens sessions by polling, and follows each up. `None` if polling cannot be tested.
pub(super) async fn sticky(place: Place<'_>, known: Known) -> Option<Check> {
    if place.generation == Generation::V09 {
        return None;
    }
    let late = known.pace.is_some_and(|pace| pace.late_ms().is_some());
    let sessions = if late { SESSIONS_IF_LATE } else { SESSIONS };
    let bare = follow(place, sessions, false).await?;
    let instances = if known.ours { names(place, sessions).await } else { BTreeSet::new() };
    let found = instances.len();
    let told = match found {
        0 | 1 => String::new(),
        _ => format!("; {found} instances answer"),
    };
    let check = |outcome, text: String| {
        Check::new(GROUP_MORE, "instances", outcome, text)
            .with("requests", bare.asked)
            .with("unknown", bare.unknown)
            .with("instances", instances.iter().cloned().collect::<Vec<_>>())
    };
    if bare.unknown == 0 {
        let outcome = if found > 1 { Outcome::Warn } else { Outcome::Ok };
        let text = format!("all {} requests reached their session{told}", bare.asked);
        return Some(check(outcome, text));
    }
    let ratio = f64::from(bare.unknown) / f64::from(bare.asked);
    let lost = format!("{} of {} requests did not reach their session", bare.unknown, bare.asked);
    let by_cookie = match bare.cookies.is_empty() {
        true => None,
        false => follow(place, sessions, true).await.filter(|count| count.unknown == 0),
    };
    let with_facts = |check: Check| {
        check
            .fact("transport", Transport::Xhr.name())
            .fact("step", "carrying")
            .fact("code", "unknown-session")
            .fact("sid-unknown", true)
            .fact("sid-unknown-ratio", (ratio * 100.0).round() / 100.0)
            .fact("servers", found.max(1))
    };
    Some(match by_cookie {
        Some(_) => {
            let names: Vec<&str> =
                bare.cookies.iter().filter_map(|line| line.split('=').next()).collect();
            let text = format!(
                "{lost} without the cookie {}; with it all do: clients that keep no cookies fail{told}",
                names.join(", ")
            );
            check(Outcome::Warn, text).with("cookies", names)
        }
        None => with_facts(check(Outcome::Fail, format!("{lost}{told}"))),
    })
}

/// Other steps that found no session failed for the reason that was found here.
pub(super) fn explain(found: &Check, checks: &mut [Check]) {
    for check in checks.iter_mut().filter(|check| is_lost(check)) {
        for name in ["sid-unknown-ratio", "servers"] {
            if let Some(value) = found.facts.get(name) {
                check.facts.insert(name.into(), value.clone());
            }
        }
    }
}

/// Whether the session of a step was not there. Servers of 0.9 take what is posted to any session, so that
/// nothing is heard of it.
fn is_lost(check: &Check) -> bool {
    let is = |name: &str, values: &[&str]| {
        check.facts.get(name).and_then(Value::as_str).is_some_and(|value| values.contains(&value))
    };
    let unheard = check.group == Generation::V09.name()
        && !is("transport", &[Transport::WebSocket.name()])
        && is("code", &["silent", "timeout", "closed"]);
    unheard || check.facts.contains_key("sid-unknown")
}

async fn follow(place: Place<'_>, sessions: u32, with_cookies: bool) -> Option<Count> {
    let Place { way, path, generation, .. } = place;
    let mut count = Count::default();
    for number in 0..sessions {
        let opening = place.get(generation.opening(path, Transport::Xhr, false));
        let answer = way.fetch(&opening).await.ok().filter(|answer| answer.status == 200)?;
        let packets = generation.packets(&answer.text()).ok()?;
        let sid = generation.handshake(packets.first()?).ok()?.sid;
        let cookies: Vec<String> = answer
            .all("set-cookie")
            .iter()
            .filter_map(|line| line.split(';').next())
            .map(str::to_owned)
            .collect();
        if number == 0 {
            count.cookies = cookies.clone();
        }
        for turn in 0..FOLLOW {
            let packet = match turn + 1 == FOLLOW {
                true => generation.goodbye().to_owned(),
                false => generation.question(turn, 8).packet,
            };
            let target = generation.carrying(path, Transport::Xhr, &sid);
            let body = generation.payload(&[packet]).into_bytes();
            let mut ask = Ask::post(target, "text/plain;charset=UTF-8", body);
            if with_cookies {
                ask = ask.with("Cookie", cookies.join("; "));
            }
            let Ok(answer) = way.fetch(&ask).await else { continue };
            count.asked += 1;
            count.unknown += u32::from(is_unknown(&answer));
        }
    }
    (count.asked > 0).then_some(count)
}

fn is_unknown(answer: &Answer) -> bool {
    answer.engine_code() == Some(1)
}

/// The names of the processes that answer.
async fn names(place: Place<'_>, requests: u32) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for _ in 0..requests {
        names.extend(plain_echo(place).await.map(|echo| echo.instance));
    }
    names
}
