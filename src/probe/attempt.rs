//! One transport, tested up and down as the diagnostics page does: opened, a message each way, a silence,
//! 64 kB each way.

use std::time::{Duration, Instant};

use super::check::{self, Check, Outcome, millis};
use super::failed::fails;
use super::failure::Failure;
use super::generation::{Generation, Transport};
use super::http::Answer;
use super::pace::Pace;
use super::session::{Place, Session};

/// Bytes of a small message.
pub(super) const SMALL: usize = 16;

/// What is known of the server and the way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// It is Parlance.
    pub ours: bool,
    /// What is wrong with upgrade requests when they arrive, as it says itself.
    pub upgrade_fault: Option<&'static str>,
    /// How long a connection is to be silent; zero to leave it out.
    pub silence: Duration,
    /// How fast it is, if that could be measured.
    pub pace: Option<Pace>,
}

/// What an attempt found out, until its end.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub step: &'static str,
    pub open: Duration,
    round: Duration,
    /// How long nothing had gone either way when the connection was lost.
    pub silent: Option<Duration>,
    pub close_code: Option<u16>,
    pub first_byte: Option<Duration>,
    /// What was under way.
    pub doing: Doing,
}

/// What an open connection is tested with, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Doing {
    #[default]
    First,
    /// A silence, and a small message after it.
    Quiet,
    /// Many bytes.
    Bulk,
}

/// Tests one transport.
pub(super) async fn attempt(place: Place<'_>, transport: Transport, known: Known) -> Check {
    let started = Instant::now();
    let mut seen = Seen { step: "open", ..Seen::default() };
    let done = run(place, transport, known, &mut seen, started).await;
    let failure = match done {
        Ok(()) => return works(place, transport, known, &seen),
        Err(failure) => failure,
    };
    if let Some(check) = decided(place, transport, &failure, known) {
        return check;
    }
    fails(place, transport, known, &seen, failure, started.elapsed()).await
}

async fn run(
    place: Place<'_>,
    transport: Transport,
    known: Known,
    seen: &mut Seen,
    started: Instant,
) -> Result<(), Failure> {
    let opening = Session::open(place, transport).await;
    seen.open = started.elapsed();
    let mut session =
        opening.inspect_err(|why| seen.step = if why.opened { "trial" } else { "open" })?;
    seen.step = "trial";
    let outcome = carry(&mut session, known, seen).await;
    seen.close_code = session.close_code;
    seen.first_byte = session.first_byte;
    if outcome.is_err() {
        seen.silent = Some(session.heard.elapsed());
    }
    session.leave().await;
    outcome
}

async fn carry(session: &mut Session<'_>, known: Known, seen: &mut Seen) -> Result<(), Failure> {
    seen.round = session.ask(1, SMALL, Duration::ZERO).await?;
    seen.step = "carrying";
    if !known.silence.is_zero() {
        seen.doing = Doing::Quiet;
        session.ask(1, SMALL, known.silence).await?;
    }
    seen.doing = Doing::Bulk;
    let (pieces, bytes) = Pace::bulk(known.pace);
    session.ask(pieces, bytes, Duration::ZERO).await?;
    Ok(())
}

fn works(place: Place<'_>, transport: Transport, known: Known, seen: &Seen) -> Check {
    let both = if place.generation.echoes() { "each way" } else { "up" };
    let held = match known.silence.as_secs() {
        0 => String::new(),
        seconds => format!(", {seconds} s of silence"),
    };
    let (open, round) = (millis(seen.open), millis(seen.round));
    let (pieces, bytes) = Pace::bulk(known.pace);
    let kilobytes = (pieces as usize * bytes / 1024).max(1);
    let text = format!("open {open} ms, round trip {round} ms, {kilobytes} kB {both}{held}");
    let check = Check::new(place.generation.name(), transport.name(), Outcome::Ok, text)
        .with("open-ms", open)
        .with("round-trip-ms", round);
    match seen.first_byte {
        Some(first) => check.with("first-byte-ms", millis(first)).with("pieces-apart", true),
        None => check,
    }
}

/// What the server decided itself is no fault: a transport that it does not offer, a generation that it
/// does not speak, a page that has to be named.
fn decided(
    place: Place<'_>,
    transport: Transport,
    failure: &Failure,
    known: Known,
) -> Option<Check> {
    let answer = failure.answer.as_ref()?;
    let off = |text: String| {
        Some(Check::new(place.generation.name(), transport.name(), Outcome::Off, text))
    };
    let refused = answer.text().starts_with("Transport unknown");
    if place.generation == Generation::Eio4 && answer.status == 200 && transport == Transport::Xhr {
        let of_2 = Generation::Eio3.packets(&answer.text()).ok()?;
        return match of_2.first().is_some_and(|first| Generation::Eio3.handshake(first).is_ok()) {
            true => off(NOT_SPOKEN.to_owned()),
            false => None,
        };
    }
    match answer.engine_code() {
        Some(5) => return off(NOT_SPOKEN.to_owned()),
        Some(0) if place.generation == Generation::V09 && !known.ours => {
            return off(NOT_SPOKEN.to_owned());
        }
        // A server of 2.x, and one of 0.9.
        _ if answer.text().starts_with("Unsupported protocol version")
            || answer.text() == "Welcome to socket.io." =>
        {
            return off(NOT_SPOKEN.to_owned());
        }
        Some(0) => return Some(not_offered(place, transport, answer)),
        _ if refused => return Some(not_offered(place, transport, answer)),
        _ => {}
    }
    let unnamed = place.origin.is_none() && failure.code == "forbidden";
    let by_page = matches!(check::refusal(answer), Some("unnamed" | "origin"));
    if unnamed && by_page {
        return off("only pages that are named may connect: say which by --origin".to_owned());
    }
    let is_09 = place.generation == Generation::V09;
    let elsewhere = is_09 && !known.ours && !answer.text().contains("handshake");
    if elsewhere && matches!(answer.status, 400 | 404) {
        return off(NOT_SPOKEN.to_owned());
    }
    None
}

/// The text of a transport of a generation that the server does not speak.
pub(super) const NOT_SPOKEN: &str = "the server does not speak this generation";

fn not_offered(place: Place<'_>, transport: Transport, answer: &Answer) -> Check {
    let text = why_not_offered(answer);
    let mut check =
        Check::new(place.generation.name(), transport.name(), Outcome::Off, text.clone());
    // Parlance says that it is its settings. Others have no streams, whatever is set.
    if check::refusal(answer) == Some("transport") {
        check.facts = check::failed(transport, "open", "refused");
        check = check.fact("refusal", "transport").fact("refusal-text", text);
    } else if !transport.is_stream() {
        check.facts = check::failed(transport, "open", "refused");
        check = check.fact("offered", false);
    }
    check
}

fn why_not_offered(answer: &Answer) -> String {
    let reason = answer.reason().unwrap_or_else(|| {
        let text = answer.text();
        text.split_once(": ").map(|(_, why)| why.to_owned()).unwrap_or_default()
    });
    match reason.is_empty() || answer.engine_code().is_some() && answer.reason().is_none() {
        true => "the server does not offer it".to_owned(),
        false => super::http::shown(&reason),
    }
}

/// The upgrade from polling to a WebSocket, of which both work alone.
pub(super) async fn upgrade(place: Place<'_>, known: Known) -> Check {
    let started = Instant::now();
    let group = place.generation.name();
    let failed = |step: &str, failure: Failure| {
        let text = format!("{}: {}", step, failure.text);
        let mut check = Check::new(group, "upgrade", Outcome::Fail, text);
        check.facts = check::failed(Transport::WebSocket, step, failure.code);
        check.facts.insert("ms".into(), millis(started.elapsed()).into());
        if let Some(answer) = failure.answer.as_deref() {
            check::upgraded(&mut check.facts, answer, known.ours);
            if failure.code == "unknown-session" || answer.text().contains("Session ID unknown") {
                check.facts.insert("sid-unknown".into(), true.into());
            }
        }
        let by = if known.ours { "parlance" } else { "socketio" };
        check.fact("http-by", by)
    };
    let mut session = match Session::open(place, Transport::Xhr).await {
        Ok(session) => session,
        Err(failure) => return failed("session", failure),
    };
    if let Err((step, failure)) = session.upgrade().await {
        return failed(step, failure);
    }
    let took = match session.ask(1, SMALL, Duration::ZERO).await {
        Ok(_) => started.elapsed(),
        Err(failure) => return failed("trial", failure),
    };
    session.leave().await;
    let text = format!("from polling to websocket in {} ms", millis(took));
    Check::new(group, "upgrade", Outcome::Ok, text).with("ms", millis(took))
}
