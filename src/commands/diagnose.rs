//! `parlance diagnose URL`: what becomes of clients on the way to a server.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use crate::probe::{self, Options};

/// Status if nothing could be diagnosed.
const NOT_DIAGNOSED: u8 = 2;

/// Diagnoses, and prints the result. On a terminal, what is going on is shown meanwhile.
pub fn run(options: &Options) -> ExitCode {
    let shows = !options.json && std::io::stderr().is_terminal();
    let progress = move |what: &str| {
        if shows {
            // Over the line before, which is erased.
            let _ = write!(std::io::stderr(), "\r\x1b[K{what} …");
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = match runtime {
        Ok(runtime) => runtime.block_on(probe::diagnose(options, &progress)),
        Err(error) => {
            eprintln!("parlance: {error}");
            return ExitCode::from(NOT_DIAGNOSED);
        }
    };
    if shows {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let text = match options.json {
        true => format!("{:#}\n", report.json()),
        false => report.text(),
    };
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(report.status())
}
