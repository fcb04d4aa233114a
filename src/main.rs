//! The `parlance` command.

use std::process::ExitCode;

use parlance::cli::{Cli, Command};
use parlance::config::{Layers, Sources};
use parlance::{commands, telemetry, transport};

/// Fast, and returns memory to the system after a burst.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, config: file, settings: flags } = Cli::read();
    if let Some(Command::Diagnose(options)) = &command {
        return commands::diagnose::run(options);
    }
    if let Some(Command::Admin(options)) = &command {
        return commands::admin::run(options, flags.admin_token);
    }
    let sources = Sources { flags, file, port: std::env::var("PORT").ok() };
    let layers = Layers::read(sources, &transport::names());
    let outcome = layers.map_err(anyhow::Error::from).and_then(|layers| match command {
        Some(Command::Check { web_config: None, hosting, strict }) => {
            commands::check::run(&layers.settings()?, &hosting, strict)
        }
        Some(Command::Check { web_config: Some(path), .. }) => {
            commands::check::web_config(&layers, Cli::of_server, &path)
        }
        Some(Command::Export(history)) => {
            commands::history::export(&layers.settings()?, history.file.as_deref())
        }
        Some(Command::Import(history)) => {
            commands::history::import(&layers.settings()?, history.file.as_deref())
        }
        _ => commands::serve::run(layers),
    });
    ended(outcome)
}

fn ended(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::tell_end(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
