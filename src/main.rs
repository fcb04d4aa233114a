use std::process::ExitCode;

use parlance::cli::{Cli, Command};
use parlance::config::Sources;
use parlance::{commands, transport};

/// It gives memory back to the system after a burst, and is quick.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, config: file, settings: flags } = Cli::read();
    let sources = Sources { flags, file, port: std::env::var("PORT").ok() };
    let settings = sources.load(&transport::names());
    let outcome = settings.map_err(anyhow::Error::from).and_then(|settings| match command {
        None | Some(Command::Serve) => commands::serve::run(settings, sources),
        Some(Command::Check { web_config: None }) => commands::check::run(&settings),
        Some(Command::Check { web_config: Some(path) }) => {
            commands::check::web_config(&settings, &path)
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlance: {error:#}");
            ExitCode::FAILURE
        }
    }
}
