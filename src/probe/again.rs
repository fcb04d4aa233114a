//! A connection that was lost is tried again in two ways at once: quiet as the first one was, and never
//! quiet. What becomes of them tells a limit of silence from one of time.

use std::time::{Duration, Instant};

use super::attempt::SMALL;
use super::check::{Facts, millis};
use super::generation::Transport;
use super::session::{Place, Session};

/// Pauses of the one that is never quiet.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);
/// How much longer than the first it may live, and the difference of two times that are the same.
const LONGER: Duration = Duration::from_secs(1);
const SAME: Duration = Duration::from_millis(150);

/// A loss: after what time, and how long nothing had come before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    pub lasted: Duration,
    pub silent: Duration,
}

/// The facts that further tries add to those of `first`. `silence` is that of a quiet connection; zero if
/// the first was not quiet.
pub(super) async fn again(
    place: Place<'_>,
    transport: Transport,
    first: Loss,
    silence: Duration,
) -> Facts {
    let (busy, quiet) = tokio::join!(busy(place, transport, first), async {
        if silence.is_zero() { None } else { quiet(place, transport, silence).await }
    });
    compared(first, busy, quiet)
}

fn compared(first: Loss, busy: Option<Loss>, quiet: Option<Loss>) -> Facts {
    let mut facts = Facts::new();
    let mut told = |count: u32, name: &str, time: Duration| {
        facts.insert("cuts".into(), count.into());
        facts.insert(name.into(), millis(time).into());
    };
    let lasted_too = |other: &Loss| is_same(first.lasted, other.lasted);
    match (busy, quiet) {
        (Some(busy), quiet) if lasted_too(&busy) => {
            told(
                2 + u32::from(quiet.as_ref().is_some_and(lasted_too)),
                "cuts-lasted-ms",
                first.lasted,
            );
        }
        (None, Some(quiet)) if is_same(first.silent, quiet.silent) => {
            told(2, "cuts-silent-ms", first.silent);
        }
        _ => {}
    }
    facts
}

fn is_same(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= SAME.max(one / 10)
}

async fn busy(place: Place<'_>, transport: Transport, first: Loss) -> Option<Loss> {
    let mut session = Session::open(place, transport).await.ok()?;
    let (started, pause) = (Instant::now(), (first.lasted / 4).clamp(SHORTEST, LONGEST));
    while started.elapsed() < first.lasted + first.lasted / 5 + LONGER {
        if session.ask(1, SMALL, pause).await.is_err() {
            return Some(Loss { lasted: started.elapsed(), silent: session.heard.elapsed() });
        }
    }
    session.leave().await;
    None
}

async fn quiet(place: Place<'_>, transport: Transport, silence: Duration) -> Option<Loss> {
    let mut session = Session::open(place, transport).await.ok()?;
    let started = Instant::now();
    let asked = session.ask(1, SMALL, Duration::ZERO).await;
    if asked.is_err() || session.ask(1, SMALL, silence).await.is_err() {
        return Some(Loss { lasted: started.elapsed(), silent: session.heard.elapsed() });
    }
    session.leave().await;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_silence_is_told_from_one_of_time() {
        let loss = |lasted: u64, silent: u64| Loss {
            lasted: Duration::from_millis(lasted),
            silent: Duration::from_millis(silent),
        };
        for (first, busy, quiet, facts) in [
            // Whatever it does, it lives 5 s.
            (
                loss(5000, 4990),
                Some(loss(5020, 300)),
                Some(loss(4980, 4970)),
                "3 cuts-lasted-ms 5000",
            ),
            (loss(22, 15), Some(loss(30, 2)), None, "2 cuts-lasted-ms 22"),
            // Only a quiet one is cut.
            (loss(5000, 4990), None, Some(loss(5010, 5000)), "2 cuts-silent-ms 4990"),
            // Chance.
            (loss(5000, 4990), None, None, ""),
            (loss(5000, 4990), None, Some(loss(2000, 1990)), ""),
            (loss(5000, 4990), Some(loss(2000, 10)), Some(loss(5000, 4990)), ""),
        ] {
            let told = compared(first, busy, quiet);
            let words: Vec<String> = match told.get("cuts") {
                Some(cuts) => told
                    .iter()
                    .filter(|(name, _)| *name != "cuts")
                    .map(|(name, time)| format!("{cuts} {name} {time}"))
                    .collect(),
                None => told.keys().cloned().collect(),
            };
            assert_eq!(words.join(","), facts, "{first:?} {busy:?} {quiet:?}");
        }
    }
}
