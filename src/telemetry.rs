//! The log: its filter, and the sinks that it is written to.

mod log_files;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use serde_json::json;
use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

pub(crate) use log_files::name::day;
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

/// The form of each line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: time, level, session, message, `name=value`.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(format!("expected text or json, not {text:?}")),
        }
    }
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

static FORMAT: OnceLock<Format> = OnceLock::new();

/// The form of the lines; text until the log is started.
pub fn format() -> Format {
    FORMAT.get().copied().unwrap_or_default()
}

/// Writes a line to stderr, whatever the level of the log. Ignores errors: there is no other place to
/// report them.
pub fn tell(line: &str) {
    write_line(Level::INFO, "", line);
}

/// Tells on stderr why the process ends, whatever the level of the log.
pub fn tell_end(reason: &str) {
    write_line(Level::ERROR, "parlance: ", reason);
}

/// `prefix` is for people only.
fn write_line(level: Level, prefix: &str, line: &str) {
    let line = match format() {
        Format::Text => format!("{prefix}{line}"),
        Format::Json => json_line(level, line),
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line that is not of the log, in the form of those that are.
fn json_line(level: Level, message: &str) -> String {
    let mut now = String::new();
    // A text takes whatever is written to it.
    let _ = SystemTime.format_time(&mut Writer::new(&mut now));
    let fields = json!({ "message": message });
    let line = json!({
        "timestamp": now, "level": level.as_str(), "fields": fields, "target": "parlance"
    });
    line.to_string()
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
pub fn init(
    log: &str,
    format: Format,
    files: Option<Files<'_>>,
) -> Result<Vec<WorkerGuard>, String> {
    let builder = || NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING);
    let (writer, guard) = builder().finish(std::io::stderr());
    let (mut sinks, mut guards) = (Vec::new(), vec![guard]);
    sinks.push(match format {
        Format::Text => fmt::layer()
            .with_writer(writer)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .with_filter(filter(log)?)
            .boxed(),
        Format::Json => json_sink(writer, filter(log)?),
    });
    if let Some(Files { folder, bytes }) = files {
        let files = LogFiles::open(folder, bytes)
            .map_err(|error| format!("log-dir: cannot log to {}: {error}", folder.display()))?;
        let status = Arc::clone(files.status());
        let (writer, guard) = builder().finish(files);
        let _ = FILE_LOG.set((status, writer.error_counter()));
        guards.push(guard);
        sinks.push(match format {
            Format::Text => {
                fmt::layer().with_writer(writer).with_ansi(false).with_filter(filter(log)?).boxed()
            }
            Format::Json => json_sink(writer, filter(log)?),
        });
    }
    let _ = FORMAT.set(format);
    // Fails if the log was started before, as in tests. That one stays.
    let _ = tracing_subscriber::registry().with(sinks).try_init();
    Ok(guards)
}

fn json_sink(writer: NonBlocking, filter: EnvFilter) -> Box<dyn Layer<Registry> + Send + Sync> {
    // There is never more than one span, that of a session.
    let lines = fmt::layer().json().with_span_list(false).with_writer(writer);
    lines.with_ansi(false).with_filter(filter).boxed()
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
        assert_eq!("json".parse(), Ok(Format::Json));
        assert_eq!("JSON".parse::<Format>(), Err("expected text or json, not \"JSON\"".into()));
        for odd in [" p\rëé=por,warn", "ü=debug", "é"] {
            assert!(filter(odd).unwrap_err().contains("expected ASCII"), "{odd}");
        }
    }

    #[test]
    fn lines_beside_the_log_have_its_form() {
        let line = json_line(Level::ERROR, "a \"b\"\n\u{1b}[31m");
        assert!(!line.contains(['\n', '\u{1b}']), "{line}");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<_> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["timestamp", "level", "fields", "target"]);
        assert_eq!(line["fields"]["message"], "a \"b\"\n\u{1b}[31m");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }
}
