//! Log sinks.

use std::io::IsTerminal as _;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// Log files that are kept, one a day.
const KEPT_FILES: usize = 14;

/// Reads a level (`debug`) or a filter (`parlance::engine=debug,warn`). A bare level is ours alone;
/// of the libraries only warnings are shown.
///
/// # Errors
/// If it is neither, with what was expected.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let directives = match LEVELS.contains(&text) {
        true if text == "off" => text.to_owned(),
        true => format!("warn,parlance={text}"),
        false if text.contains(['=', ',']) => text.to_owned(),
        false => {
            return Err(format!("unknown level `{text}`, expected one of {}", LEVELS.join(", ")));
        }
    };
    EnvFilter::try_new(&directives).map_err(|error| format!("`{text}` is no log filter: {error}"))
}

/// Sends logs to stderr for people and, if a folder is given, to one file a day. Writing files
/// happens on a thread of its own; what is returned flushes it when dropped.
///
/// # Errors
/// If the filter is wrong, or the folder cannot be written.
pub fn init(log: &str, log_dir: Option<&Path>) -> Result<Option<WorkerGuard>, String> {
    let stderr = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter(log)?);
    let (file, guard) = match log_dir {
        Some(folder) => {
            let unusable = |error: &dyn std::fmt::Display| {
                format!("log-dir: cannot log to {}: {error}", folder.display())
            };
            // Before the appender looks for old files in it, and complains in a line of its own.
            std::fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
            let appender = RollingFileAppender::builder()
                .rotation(Rotation::DAILY)
                .filename_prefix("parlance")
                .filename_suffix("log")
                .max_log_files(KEPT_FILES)
                .build(folder)
                .map_err(|error| unusable(&error))?;
            let (writer, guard) = tracing_appender::non_blocking(appender);
            let layer = fmt::layer().with_writer(writer).with_ansi(false).with_filter(filter(log)?);
            (Some(layer), Some(guard))
        }
        None => (None, None),
    };
    // A second call, as in tests, leaves the first in place.
    let _ = tracing_subscriber::registry().with(stderr).with(file).try_init();
    Ok(guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters() {
        assert!(filter("debug").is_ok());
        assert!(filter("off").is_ok());
        assert!(filter("warn,parlance::engine=trace").is_ok());
        assert!(filter("loud").unwrap_err().contains("expected one of off, error, warn"));
        assert!(filter("parlance=loud").is_err());
    }
}
