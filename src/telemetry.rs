//! The log: its filter, and the sinks that it is written to.

mod log_files;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use log_files::{LogFiles, Status};

/// Lines that may wait for each sink. Further lines are lost.
const LINES_WAITING: usize = 8192;

/// Parses a level (`debug`) or a filter (`parlance::engine=debug,warn`). A level applies to this crate only,
/// and libraries log at `warn`; `off` applies to both.
///
/// # Errors
/// If it is neither: a message that says what is expected.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if !text.is_ascii() {
        // tracing-subscriber's parser assumes ASCII.
        return Err(format!("`{text}` is no log filter: expected ASCII"));
    }
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

/// The state of the log files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLog {
    /// Where the files are.
    pub folder: PathBuf,
    /// The error because of which lines cannot be written at the moment.
    pub trouble: Option<String>,
    /// The number of lines that were not written to a file since the start.
    pub lost: u64,
}

static FILE_LOG: OnceLock<(Arc<Status>, ErrorCounter)> = OnceLock::new();

/// The state of the log files; `None` if there are none.
pub fn file_log_status() -> Option<FileLog> {
    let (status, queue) = FILE_LOG.get()?;
    let lost = status.lost() + queue.dropped_lines() as u64;
    Some(FileLog { folder: status.folder.clone(), trouble: status.trouble(), lost })
}

/// Writes a line to stderr, whatever the level of the log. Ignores errors: there is no other place to
/// report them.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The folder of the log files, and the bound of their bytes together.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Where the files are.
    pub folder: &'a Path,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Starts the log: to stderr and, if `files` is given, to files. Each sink has a thread of its own, so that
/// a reader of stderr that stops reading blocks no other thread. The returned guards flush the sinks when
/// they are dropped.
///
/// # Errors
/// If the filter is wrong, or the log files cannot be written.
pub fn init(log: &str, files: Option<Files<'_>>) -> Result<Vec<WorkerGuard>, String> {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING);
    let (writer, guard) = builder.finish(std::io::stderr());
    let mut guards = vec![guard];
    let stderr = fmt::layer()
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter(log)?);
    let file = match files {
        Some(Files { folder, bytes }) => {
            let files = LogFiles::open(folder, bytes)
                .map_err(|error| format!("log-dir: cannot log to {}: {error}", folder.display()))?;
            let status = Arc::clone(files.status());
            let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING);
            let (writer, guard) = builder.finish(files);
            let _ = FILE_LOG.set((status, writer.error_counter()));
            guards.push(guard);
            Some(fmt::layer().with_writer(writer).with_ansi(false).with_filter(filter(log)?))
        }
        None => None,
    };
    // Fails if the log was started before, as in tests. That one stays.
    let _ = tracing_subscriber::registry().with(stderr).with(file).try_init();
    Ok(guards)
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
        for odd in [" p\rëé=por,warn", "ü=debug", "é"] {
            assert!(filter(odd).unwrap_err().contains("expected ASCII"), "{odd}");
        }
    }
}
