use std::process::ExitCode;

use parlance::cli::{Cli, Command};
use parlance::config::Settings;
use parlance::{commands, transport};

fn main() -> ExitCode {
    let Cli { command, config, settings } = Cli::read();
    let port = std::env::var("PORT").ok();
    let settings =
        Settings::load(settings, config.as_deref(), port.as_deref(), &transport::names());
    let outcome = settings.map_err(anyhow::Error::from).and_then(|settings| match command {
        None | Some(Command::Serve) => commands::serve::run(settings),
        Some(Command::Check) => commands::check::run(&settings),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlance: {error:#}");
            ExitCode::FAILURE
        }
    }
}
