//! All steps of one way, in their order.

use std::time::Duration;

use futures::future::join_all;

use super::attempt::{Known, NOT_SPOKEN, attempt, upgrade};
use super::check::{Check, Outcome};
use super::engine::{Engine, echo, find, plain_echo};
use super::generation::{Generation, Transport};
use super::pace::Pace;
use super::session::Place;
use super::target::Target;
use super::{Options, Progress, cors, headers, idle, instances, reach, silent};

/// How long connections are silent: longer than proxies that cut at once, shorter than any heartbeat.
const SILENCE: Duration = Duration::from_secs(6);

/// What is found out about one way, step by step.
struct Examination<'a> {
    /// The generation of it is the newest that the server speaks.
    main: Place<'a>,
    options: &'a Options,
    progress: &'a Progress<'a>,
    known: Known,
    checks: Vec<Check>,
}

/// All steps of one way. `target` is the address that is asked, which may be another than the one that
/// people use.
pub(super) async fn examine(
    target: &Target,
    options: &Options,
    progress: &Progress<'_>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let (public, patience) = (&options.url, options.patience());
    let Some(way) = reach::reach(target, public, patience, progress, &mut checks).await else {
        return checks;
    };
    progress("looking for the engine");
    // Behind a proxy the path may be another one.
    let named = if target.path == "/" { public } else { target };
    let Some(engine) = find(&way, named, &mut checks).await else { return checks };
    if silent(&checks) {
        return checks;
    }
    let main = Place {
        way: &way,
        path: &engine.path,
        generation: engine.main,
        origin: options.origin.as_deref(),
    };
    let known = Known::default();
    let mut examination = Examination { main, options, progress, known, checks };
    examination.headers().await;
    examination.pace(&engine).await;
    examination.transports(&engine).await;
    examination.more().await;
    examination.checks
}

impl Examination<'_> {
    /// What reaches the server.
    async fn headers(&mut self) {
        (self.progress)("asking the server what reaches it");
        if let Some(plain) = plain_echo(self.main).await {
            let upgrade = echo(self.main).await;
            let (host, secure) = (&self.main.way.host, self.options.url.secure);
            let check = headers::compare(upgrade.as_ref(), &plain, host, secure);
            self.known.ours = true;
            self.known.upgrade_fault = headers::fault(&check);
            self.checks.push(check);
        }
    }

    /// How fast it is.
    async fn pace(&mut self, engine: &Engine) {
        if engine.found {
            (self.progress)("measuring how fast it is");
            self.known.pace = Pace::measure(self.main).await;
            self.checks.extend(self.known.pace.map(Pace::check));
        }
    }

    /// Each transport of each generation.
    async fn transports(&mut self, engine: &Engine) {
        for generation in Generation::ALL {
            let is_main = generation == engine.main;
            if !engine.found && !is_main {
                continue;
            }
            let silence = if is_main { SILENCE } else { Duration::ZERO };
            (self.progress)(&format!("{}: {}", generation.name(), generation.clients()));
            let place = Place { generation, ..self.main };
            let known = Known { silence, ..self.known };
            let attempts = generation.transports().iter();
            let mut found = join_all(attempts.map(|one| attempt(place, *one, known))).await;
            // Servers of 4.x say so by polling only, and those of 2.x answer in their own way.
            if found.iter().any(|check| check.text == NOT_SPOKEN) {
                self.checks.push(Check::new(generation.name(), "all", Outcome::Off, NOT_SPOKEN));
                continue;
            }
            self.checks.append(&mut found);
            let works = |name| self.outcome(name, generation) == Some(Outcome::Ok);
            let both = works(Transport::WebSocket) && works(Transport::Xhr);
            if both && generation != Generation::V09 {
                (self.progress)(&format!("{}: the upgrade", generation.name()));
                self.checks.push(upgrade(place, known).await);
            }
        }
    }

    fn outcome(&self, transport: Transport, generation: Generation) -> Option<Outcome> {
        let of_it =
            |check: &&Check| check.name == transport.name() && check.group == generation.name();
        self.checks.iter().find(of_it).map(|check| check.outcome)
    }

    /// What goes beyond single transports.
    async fn more(&mut self) {
        let (main, known) = (self.main, self.known);
        let polls = self.outcome(Transport::Xhr, main.generation);
        if matches!(polls, Some(Outcome::Ok | Outcome::Fail)) {
            (self.progress)("opening sessions, one after the other");
            if let Some(found) = instances::sticky(main, known).await {
                instances::explain(&found, &mut self.checks);
                self.checks.push(found);
            }
        }
        if self.options.origin.is_some() {
            (self.progress)("asking as a page of another origin");
            self.checks.extend(cors::cors(main, known.ours).await);
        }
        if let Some(seconds) = self.options.idle {
            let longest = Duration::from_secs(seconds);
            // Under EIO=3 a connection may be silent for longer.
            let slow = self.outcome(Transport::WebSocket, Generation::Eio3) == Some(Outcome::Ok);
            let generation = if slow { Generation::Eio3 } else { main.generation };
            let place = Place { generation, ..main };
            (self.progress)(&format!("being silent for up to {seconds} s"));
            let this = &*self;
            let tried = [Transport::WebSocket, Transport::Xhr].map(|transport| async move {
                match this.outcome(transport, place.generation) {
                    Some(Outcome::Ok) => idle::idle(place, transport, longest).await,
                    _ => None,
                }
            });
            let found = join_all(tried).await;
            self.checks.extend(found.into_iter().flatten());
        }
    }
}
