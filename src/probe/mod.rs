//! Diagnoses the way to a Socket.IO server from outside: it does what clients do, and says what became of
//! it. Nothing here is shared with the server's side of the protocol.

pub mod admin;
mod again;
mod attempt;
mod check;
mod cors;
mod engine;
mod examine;
mod failed;
mod failure;
mod generation;
mod headers;
mod http;
mod idle;
mod instances;
mod options;
mod pace;
mod reach;
mod report;
mod session;
mod stream;
mod target;
mod tls;
mod way;
mod websocket;

pub use check::{Check, Facts, Outcome};
pub use options::Options;
pub use report::Report;
pub use target::Target;

use examine::examine;

/// The groups of steps beside those of generations.
const GROUP_WAY: &str = "way";
const GROUP_MORE: &str = "more";

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

/// Whether nothing was answered, not even by HTTP.
fn silent(checks: &[Check]) -> bool {
    let engine = checks.iter().find(|check| check.name == "engine");
    engine.is_some_and(|check| check.facts.get("http-status").is_none_or(|status| *status == 0))
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
