//! A transport that failed: what is known of it, and what one more look shows.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::again::{Loss, again};
use super::attempt::{Doing, Known, Seen};
use super::check::{self, Check, Facts, Outcome, millis};
use super::failure::Failure;
use super::generation::{Question, Transport};
use super::http::{Answer, Ask, shown};
use super::pace::Pace;
use super::session::{Place, Session};

/// How long a stream may hold back what was sent, beside what the way takes.
const FLUSH: Duration = Duration::from_secs(2);
/// The time in which a request reaches the server.
const SOON: Duration = Duration::from_millis(200);

/// The result of an attempt that failed after `took`.
pub(super) async fn fails(
    place: Place<'_>,
    transport: Transport,
    known: Known,
    seen: &Seen,
    failure: Failure,
    took: Duration,
) -> Check {
    let (code, lasted) = (code(seen, &failure), took.saturating_sub(seen.open));
    let mut facts = check::failed(transport, seen.step, code);
    facts.insert("ms".into(), millis(took).into());
    let mut text = text(transport, seen, &failure);
    let answer = failure.answer.as_deref();
    if seen.step != "open" && !failure.opened {
        facts.insert("lasted-ms".into(), millis(lasted).into());
    }
    if let Some(silent) = seen.silent {
        facts.insert("silent-ms".into(), millis(silent).into());
    }
    if let Some(code) = seen.close_code {
        facts.insert("close-code".into(), code.into());
    }
    if let Some(late) = known.pace.and_then(Pace::late_ms) {
        facts.insert("rtt-ms".into(), late.into());
    }
    if let Some(label) = answer.and_then(check::refusal) {
        facts.insert("refusal".into(), label.into());
        facts.insert("refusal-text".into(), failure.text.as_str().into());
    }
    if code == "unknown-session" {
        facts.insert("sid-unknown".into(), true.into());
    }
    match transport {
        Transport::WebSocket => of_websocket(&mut facts, place, known, seen, &failure).await,
        _ => of_http(&mut facts, known, seen, answer),
    }
    if let Some(answer) = answer.filter(|answer| answer.status != 101) {
        name_proxy(&mut text, answer);
    }
    let nothing_came = matches!(code, "timeout" | "silent" | "ping");
    if transport.is_stream()
        && nothing_came
        && let Some(answer) = held_back(place, transport, known).await
    {
        facts.insert("pieces-apart".into(), false.into());
        if let Some(encoding) = answer.header("content-encoding") {
            facts.insert("http-encoding".into(), shown(encoding).into());
        }
        text = "the way holds the stream back: all of it came at its end".to_owned();
    }
    if seen.step == "carrying" && matches!(code, "cut" | "closed") {
        let first = Loss { lasted, silent: seen.silent.unwrap_or_default() };
        let quiet = seen.doing == Doing::Quiet;
        let silence = if quiet { known.silence } else { Duration::ZERO };
        facts.extend(again(place, transport, first, silence).await);
    }
    let mut check = Check::new(place.generation.name(), transport.name(), Outcome::Fail, text);
    check.facts = facts;
    check
}

/// The fact `code`: a small message without an answer after a silence is what heartbeats would see.
fn code(seen: &Seen, failure: &Failure) -> &'static str {
    match failure.code {
        "silent" | "timeout" if seen.doing == Doing::Quiet => "ping",
        code => code,
    }
}

fn text(transport: Transport, seen: &Seen, failure: &Failure) -> String {
    let open = millis(seen.open);
    let what = match seen.doing {
        Doing::First => String::new(),
        Doing::Quiet => " in a silence".to_owned(),
        Doing::Bulk => " with many bytes".to_owned(),
    };
    match transport {
        _ if failure.opened => format!("it opened, and then: {}", failure.text),
        _ if seen.step != "open" => format!("opened in {open} ms; then{what}: {}", failure.text),
        Transport::WebSocket if failure.answer.is_some() => {
            format!("the upgrade got {}", failure.text)
        }
        _ => failure.text.clone(),
    }
}

/// What is seen of a WebSocket, and of the same URL by a plain request.
async fn of_websocket(
    facts: &mut Facts,
    place: Place<'_>,
    known: Known,
    seen: &Seen,
    failure: &Failure,
) {
    match failure.answer.as_deref() {
        Some(answer) if answer.status == 101 => {
            facts.insert("upgrade-status".into(), 101.into());
            facts.insert("accept".into(), "wrong".into());
        }
        Some(answer) => check::upgraded(facts, answer, known.ours),
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
    if failure.code == "cut" && failure.text.contains("reset") && seen.step == "open" {
        facts.insert("upgrade-reset".into(), true.into());
    }
    let target = place.generation.opening(place.path, Transport::WebSocket, false);
    let plain = place.way.fetch(&place.get(target)).await.ok();
    check::answered(facts, plain.as_ref(), known.ours);
}

/// What is seen of requests.
fn of_http(facts: &mut Facts, known: Known, seen: &Seen, answer: Option<&Answer>) {
    let status = answer.map_or(0, |answer| answer.status);
    if seen.doing == Doing::Bulk && status == 413 {
        let (pieces, bytes) = Pace::bulk(known.pace);
        facts.insert("up-limit".into(), (pieces as usize * bytes).into());
    }
    if let Some(first) = seen.first_byte {
        facts.insert("first-byte-ms".into(), millis(first).into());
    }
    match seen.silent {
        // The server was reached, and had nothing to say: somebody else gave up waiting.
        Some(silent) if seen.doing == Doing::Quiet && status == 504 => {
            facts.insert("idle-limit-ms".into(), millis(silent).into());
            facts.insert("idle-status".into(), status.into());
        }
        _ => check::answered(facts, answer, known.ours),
    }
}

/// Adds who gave an answer, if it says so.
fn name_proxy(text: &mut String, answer: &Answer) {
    let told: Vec<String> =
        ["server", "via"].iter().filter_map(|name| answer.header(name)).map(shown).collect();
    if !answer.is_engine() && !told.is_empty() {
        text.push_str(&format!(" from {}", told.join(", ")));
    }
}

/// The stream if it comes only when it is over: a session is opened by polling, and asked something that is
/// answered on its stream. The answer has to come before the session is ended.
async fn held_back(place: Place<'_>, transport: Transport, known: Known) -> Option<Answer> {
    let Place { way, path, generation, .. } = place;
    let late = known.pace.and_then(Pace::late_ms).map_or(Duration::ZERO, Duration::from_millis);
    let session = Session::open(place, Transport::Xhr).await.ok()?;
    let sid = session.handshake.sid.clone();
    let Question { packet, answer } = generation.question_on_stream();
    let stream = place.get(generation.carrying(path, transport, &sid));
    let reading = way.fetch_until(stream, |text| answer.is_in(text));
    let ending = async {
        // The stream has to be there first.
        sleep(SOON + late).await;
        let body = generation.payload(&[packet]).into_bytes();
        let target = generation.carrying(path, transport, &sid);
        let ask = Ask::post(target, "text/plain;charset=UTF-8", body);
        let posted = way.fetch(&place.named(ask)).await;
        sleep(FLUSH + late * 2).await;
        let left = Instant::now();
        session.leave().await;
        posted.is_ok().then_some(left)
    };
    let (came, left) = tokio::join!(reading, ending);
    let (stream, came) = came?;
    (came >= left?).then_some(stream)
}
