//! Diagnoses the way to a Socket.IO server from outside: it does what clients do, and says what became of
//! it. Nothing here is shared with the server's side of the protocol.

mod attempt;
mod check;
mod cors;
mod engine;
mod failure;
mod generation;
mod headers;
mod http;
mod idle;
mod instances;
mod options;
mod reach;
mod report;
mod session;
mod stream;
mod target;
mod tls;
mod way;
mod websocket;

use std::time::Duration;

use futures::future::join_all;

pub use check::{Check, Facts, Outcome};
pub use options::Options;
pub use report::Report;
pub use target::Target;

use attempt::{Known, NOT_SPOKEN, attempt, upgrade};
use engine::{Engine, echo, find, plain_echo};
use generation::{Generation, Transport};
use session::Place;

/// The groups of steps beside those of generations.
const GROUP_WAY: &str = "way";
const GROUP_MORE: &str = "more";
/// How long connections are silent: longer than proxies that cut at once, shorter than any heartbeat.
const SILENCE: Duration = Duration::from_secs(6);

/// Is told what is going on.
pub type Progress<'a> = dyn Fn(&str) + Sync + 'a;

/// Diagnoses what the options name.
pub async fn diagnose(options: &Options, progress: &Progress<'_>) -> Report {
    let checks = examine(&options.url, options, progress).await;
    let direct = match &options.direct {
        None => None,
        Some(target) => {
            let told = |what: &str| progress(&format!("direct: {what}"));
            Some(examine(target, options, &told).await)
        }
    };
    Report::new(options, checks, direct)
}

/// All steps of one way. `target` is the address that is asked, which may be another than the one that
/// people use.
async fn examine(target: &Target, options: &Options, progress: &Progress<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let (public, patience) = (&options.url, options.patience());
    let Some(way) = reach::reach(target, public, patience, progress, &mut checks).await else {
        return checks;
    };
    progress("looking for the engine");
    // Behind a proxy the path may be another one.
    let named = if target.path == "/" { public } else { target };
    let Some(engine) = find(&way, named, &mut checks).await else { return checks };
    let main = Place {
        way: &way,
        path: &engine.path,
        generation: engine.main,
        origin: options.origin.as_deref(),
    };
    if silent(&checks) {
        return checks;
    }
    let known = headers(main, public, progress, &mut checks).await;
    transports(main, &engine, known, progress, &mut checks).await;
    more(main, options, known, progress, &mut checks).await;
    checks
}

/// Whether nothing was answered, not even by HTTP.
fn silent(checks: &[Check]) -> bool {
    let engine = checks.iter().find(|check| check.name == "engine");
    engine.is_some_and(|check| check.facts.get("http-status").is_none_or(|status| *status == 0))
}

/// What reaches the server. Returns what is known of it.
async fn headers(
    place: Place<'_>,
    public: &Target,
    progress: &Progress<'_>,
    checks: &mut Vec<Check>,
) -> Known {
    progress("asking the server what reaches it");
    let mut known = Known { ours: false, upgrade_fault: None, silence: Duration::ZERO };
    if let Some(plain) = plain_echo(place).await {
        let upgrade = echo(place).await;
        let check = headers::compare(upgrade.as_ref(), &plain, &place.way.host, public.secure);
        known.ours = true;
        known.upgrade_fault = headers::fault(&check);
        checks.push(check);
    }
    known
}

/// Each transport of each generation.
async fn transports(
    main: Place<'_>,
    engine: &Engine,
    known: Known,
    progress: &Progress<'_>,
    checks: &mut Vec<Check>,
) {
    for generation in Generation::ALL {
        let is_main = generation == engine.main;
        if !engine.found && !is_main {
            continue;
        }
        let silence = if is_main { SILENCE } else { Duration::ZERO };
        progress(&format!("{}: {}", generation.name(), generation.clients()));
        let place = Place { generation, ..main };
        let known = Known { silence, ..known };
        let attempts = generation.transports().iter();
        let mut found = join_all(attempts.map(|one| attempt(place, *one, known))).await;
        // Servers of 4.x say so by polling only, and those of 2.x answer in their own way.
        if found.iter().any(|check| check.text == NOT_SPOKEN) {
            checks.push(Check::new(generation.name(), "all", Outcome::Off, NOT_SPOKEN));
            continue;
        }
        let works = |name: Transport| {
            let of_it = found.iter().find(|check| check.name == name.name());
            of_it.is_some_and(|check| check.outcome == Outcome::Ok)
        };
        let both = works(Transport::WebSocket) && works(Transport::Xhr);
        checks.append(&mut found);
        if both && generation != Generation::V09 {
            progress(&format!("{}: the upgrade", generation.name()));
            checks.push(upgrade(place, known).await);
        }
    }
}

/// What goes beyond single transports.
async fn more(
    main: Place<'_>,
    options: &Options,
    known: Known,
    progress: &Progress<'_>,
    checks: &mut Vec<Check>,
) {
    let outcome = |name: &str, generation: Generation| {
        let of_it = |check: &&Check| check.name == name && check.group == generation.name();
        checks.iter().find(of_it).map(|check| check.outcome)
    };
    let mut found = Vec::new();
    let polls = outcome(Transport::Xhr.name(), main.generation);
    if matches!(polls, Some(Outcome::Ok | Outcome::Fail)) {
        progress("opening sessions, one after the other");
        found.extend(instances::sticky(main, known.ours).await);
    }
    if options.origin.is_some() {
        progress("asking as a page of another origin");
        found.extend(cors::cors(main, known.ours).await);
    }
    if let Some(seconds) = options.idle {
        let longest = Duration::from_secs(seconds);
        // Under EIO=3 a connection may be silent for longer.
        let slow = outcome(Transport::WebSocket.name(), Generation::Eio3) == Some(Outcome::Ok);
        let generation = if slow { Generation::Eio3 } else { main.generation };
        let place = Place { generation, ..main };
        progress(&format!("being silent for up to {seconds} s"));
        let tried = [Transport::WebSocket, Transport::Xhr].map(|transport| async move {
            match outcome(transport.name(), place.generation) {
                Some(Outcome::Ok) => idle::idle(place, transport, longest).await,
                _ => None,
            }
        });
        found.extend(join_all(tried).await.into_iter().flatten());
    }
    checks.append(&mut found);
}

/// A way that leads nowhere is not diagnosed.
fn is_reached(checks: &[Check]) -> bool {
    let stopped = |check: &Check| {
        let first = matches!(check.name.as_str(), "dns" | "tcp");
        let no_tls = check.name == "tls" && check.facts.is_empty();
        (first || no_tls) && check.outcome == Outcome::Fail
    };
    !checks.iter().any(stopped) && !silent(checks)
}
