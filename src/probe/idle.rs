//! Searches for time-outs on the way: connections that are silent for longer and longer, all at once.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::GROUP_MORE;
use super::check::{self, Check, Outcome, millis};
use super::failure::Failure;
use super::generation::{Generation, Transport};
use super::session::{Place, Session};

/// Silences that are tried, as far as they are asked for: usual time-outs, and a little more.
const LADDER: [u64; 14] = [2, 5, 11, 16, 21, 31, 46, 61, 76, 91, 121, 181, 301, 601];
/// A silence this near to the end of the session would be ended by the server itself.
const MARGIN: Duration = Duration::from_secs(2);

struct Held {
    silence: Duration,
    /// How long nothing had gone either way when it was lost, and why; `None` if it held.
    lost: Option<(Duration, Failure)>,
}

/// Tries silences of at most `longest`. `None` if no connection can be opened.
pub(super) async fn idle(
    place: Place<'_>,
    transport: Transport,
    longest: Duration,
) -> Option<Check> {
    let session = Session::open(place, transport).await.ok()?;
    // The server of 4.x speaks after an interval, those of older clients wait for theirs.
    let handshake = session.handshake.clone();
    session.leave().await;
    let patient = match place.generation {
        Generation::Eio4 => handshake.ping_interval,
        Generation::Eio3 if transport.is_poll() => handshake.ping_interval,
        Generation::Eio3 => handshake.ping_interval + handshake.ping_timeout,
        // Its heartbeats come at times of its own.
        Generation::V09 => Duration::from_secs(20),
    };
    let most = longest.min(patient.saturating_sub(MARGIN));
    let mut silences: Vec<Duration> = LADDER.iter().map(|s| Duration::from_secs(*s)).collect();
    silences.retain(|silence| *silence < most);
    silences.push(most);
    let held = join_all(silences.iter().map(|silence| hold(place, transport, *silence))).await;
    let held: Vec<Held> = held.into_iter().flatten().collect();
    let name = format!("idle {}", transport.name());
    let stood = held.iter().filter(|one| one.lost.is_none()).map(|one| one.silence).max();
    let lost: Vec<&Held> = held.iter().filter(|one| one.lost.is_some()).collect();
    let Some((silence, failure)) = lost.first().and_then(|one| one.lost.as_ref()) else {
        let limit = match longest > most {
            true => format!(" (this server's heartbeat allows no longer: {} s)", patient.as_secs()),
            false => String::new(),
        };
        let text = format!("{} s of silence are no harm{limit}", most.as_secs());
        let check = Check::new(GROUP_MORE, name, Outcome::Ok, text);
        return Some(check.with("longest-s", most.as_secs()));
    };
    // A loss that is seen has its time; one that is not lies between two silences.
    let seen = failure.code == "cut" || failure.code == "closed" || failure.answer.is_some();
    let between = stood.unwrap_or_default();
    let text = match seen {
        true => format!("cut after {:.1} s of silence: {}", silence.as_secs_f64(), failure.text),
        false => format!(
            "after {} s of silence nothing passes any more; after {} s it does",
            lost.first().map_or(0, |one| one.silence.as_secs()),
            between.as_secs()
        ),
    };
    // Heartbeats come sooner than that, so sessions live; it shows as soon as they are made slower.
    let harmless = *silence > handshake.ping_interval && place.generation == Generation::Eio3;
    let outcome = if harmless { Outcome::Warn } else { Outcome::Fail };
    let mut check = Check::new(GROUP_MORE, name, outcome, text).with("held-s", between.as_secs());
    check.facts = check::failed(transport, "carrying", failure.code);
    check.facts.insert("silent-ms".into(), millis(*silence).into());
    let limit = if seen { *silence } else { lost.first().map_or(*silence, |one| one.silence) };
    check.facts.insert("idle-limit-ms".into(), millis(limit).into());
    Some(check)
}

async fn hold(place: Place<'_>, transport: Transport, silence: Duration) -> Option<Held> {
    let mut session = Session::open(place, transport).await.ok()?;
    let started = Instant::now();
    let lost = session.ask(1, 16, silence).await.err();
    let lost = lost.map(|failure| (started.elapsed().min(session.heard.elapsed()), failure));
    session.leave().await;
    Some(Held { silence, lost })
}
