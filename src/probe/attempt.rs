//! One transport, tested up and down as the diagnostics page does: opened, a message each way, a silence,
//! 64 kB each way.

use std::time::{Duration, Instant};

use super::check::{self, Check, Outcome, millis};
use super::failure::Failure;
use super::generation::{Generation, Transport};
use super::http::Answer;
use super::session::{Place, Session};

/// 64 kB each way, as messages that every server takes.
const PIECES: u32 = 5;
const PIECE: usize = 13_200;
/// Bytes of a small message.
const SMALL: usize = 16;
/// How long a stream may hold back what was sent, once its session is over.
const FLUSH: Duration = Duration::from_secs(2);

/// What is known of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// It is Parlance.
    pub ours: bool,
    /// What is wrong with upgrade requests when they arrive, as it says itself.
    pub upgrade_fault: Option<&'static str>,
    /// How long a connection is to be silent; zero to leave it out.
    pub silence: Duration,
}

/// What an attempt found out, until its end.
#[derive(Default)]
struct Seen {
    step: &'static str,
    open: Duration,
    round: Duration,
    /// How long nothing had gone either way when the connection was lost.
    silent: Option<Duration>,
    close_code: Option<u16>,
    first_byte: Option<Duration>,
    /// A small message passed.
    passed: bool,
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
    let mut session = Session::open(place, transport).await?;
    seen.open = started.elapsed();
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
    seen.passed = true;
    seen.step = "carrying";
    if !known.silence.is_zero() {
        session.ask(1, SMALL, known.silence).await?;
    }
    session.ask(PIECES, PIECE, Duration::ZERO).await?;
    Ok(())
}

fn works(place: Place<'_>, transport: Transport, known: Known, seen: &Seen) -> Check {
    let both = if place.generation.echoes() { "each way" } else { "up" };
    let held = match known.silence.as_secs() {
        0 => String::new(),
        seconds => format!(", {seconds} s of silence"),
    };
    let (open, round) = (millis(seen.open), millis(seen.round));
    let text = format!("open {open} ms, round trip {round} ms, 64 kB {both}{held}");
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
        _ if answer.text().starts_with("Unsupported protocol version") => {
            return off(NOT_SPOKEN.to_owned());
        }
        Some(0) => return off(not_offered(answer)),
        _ if refused => return off(not_offered(answer)),
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

fn not_offered(answer: &Answer) -> String {
    let reason = answer.reason().unwrap_or_else(|| {
        let text = answer.text();
        text.split_once(": ").map(|(_, why)| why.to_owned()).unwrap_or_default()
    });
    match reason.is_empty() || answer.engine_code().is_some() && answer.reason().is_none() {
        true => "the server does not offer it".to_owned(),
        false => super::http::shown(&reason),
    }
}

async fn fails(
    place: Place<'_>,
    transport: Transport,
    known: Known,
    seen: &Seen,
    failure: Failure,
    took: Duration,
) -> Check {
    let mut facts = check::failed(transport, seen.step, failure.code);
    facts.insert("ms".into(), millis(took).into());
    let answer = failure.answer.as_deref();
    let mut text = match seen.step {
        "open" => failure.text.clone(),
        _ => format!("opened in {} ms; then {}", millis(seen.open), failure.text),
    };
    if seen.step != "open" {
        facts.insert("lasted-ms".into(), millis(took.saturating_sub(seen.open)).into());
        if let Some(silent) = seen.silent {
            facts.insert("silent-ms".into(), millis(silent).into());
        }
    }
    if let Some(code) = seen.close_code {
        facts.insert("close-code".into(), code.into());
    }
    if let Some(label) = answer.and_then(check::refusal) {
        facts.insert("refusal".into(), label.into());
        facts.insert("refusal-text".into(), failure.text.as_str().into());
    }
    if failure.code == "unknown-session" {
        facts.insert("sid-unknown".into(), true.into());
    }
    if transport == Transport::WebSocket {
        match answer {
            Some(answer) if answer.status == 101 => {
                facts.insert("upgrade-status".into(), 101.into());
                facts.insert("accept".into(), "wrong".into());
            }
            Some(answer) => {
                check::upgraded(&mut facts, answer, known.ours);
                text = format!("the upgrade got {text}");
            }
            None if seen.step != "open" => {
                facts.insert("upgrade-status".into(), 101.into());
            }
            None if failure.code == "timeout" => {
                facts.insert("upgrade-answered".into(), false.into());
            }
            None => {}
        }
        if let Some(fault) = known.upgrade_fault.filter(|_| seen.step == "open") {
            facts.insert("upgrade-fault".into(), fault.into());
        }
        let target = place.generation.opening(place.path, transport, false);
        let plain = place.way.fetch(&place.get(target)).await.ok();
        check::answered(&mut facts, plain.as_ref(), known.ours);
        if failure.code == "cut" && failure.text.contains("reset") && seen.step == "open" {
            facts.insert("upgrade-reset".into(), true.into());
        }
        // What stands before the server is seen in the answer to the upgrade, too.
        if let Some(answer) = answer.filter(|answer| answer.status != 101) {
            name_proxy(&mut text, answer);
        }
    } else {
        let refused = answer.map_or(0, |answer| answer.status);
        if seen.passed && refused != 200 && failure.code == "refused" {
            text = format!("64 kB up got {}", failure.text);
        }
        if seen.passed && refused == 413 {
            facts.insert("up-limit".into(), (PIECES as usize * PIECE).into());
        }
        check::answered(&mut facts, answer, known.ours);
        if let Some(answer) = answer {
            name_proxy(&mut text, answer);
        }
    }
    if transport.is_stream() {
        if let Some(first) = seen.first_byte {
            facts.insert("first-byte-ms".into(), millis(first).into());
        }
        if matches!(failure.code, "timeout" | "silent") && held_back(place, transport).await {
            facts.insert("pieces-apart".into(), false.into());
            text = "the way holds the stream back: all of it came at its end".to_owned();
        }
    }
    let mut check = Check::new(place.generation.name(), transport.name(), Outcome::Fail, text);
    check.facts = facts;
    check
}

/// Adds who gave an answer, if it says so.
fn name_proxy(text: &mut String, answer: &Answer) {
    let told: Vec<String> = ["server", "via"]
        .iter()
        .filter_map(|name| answer.header(name))
        .map(super::http::shown)
        .collect();
    if !answer.is_engine() && !told.is_empty() {
        text.push_str(&format!(" from {}", told.join(", ")));
    }
}

/// Whether a stream comes only when it is over: a session is opened by polling, its stream is opened and
/// stays silent, and the session is ended by a POST.
async fn held_back(place: Place<'_>, transport: Transport) -> bool {
    let work = async {
        let session = Session::open(place, Transport::Xhr).await.ok()?;
        let sid = session.handshake.sid.clone();
        let target = place.generation.carrying(place.path, transport, &sid);
        let opening = async { place.way.fetch(&place.get(target)).await.ok() };
        let ending = async {
            tokio::time::sleep(FLUSH).await;
            session.leave().await;
        };
        let (answer, ()) = tokio::join!(opening, ending);
        Some(answer?.status == 200)
    };
    work.await.unwrap_or(false)
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
