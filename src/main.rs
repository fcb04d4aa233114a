use std::process::ExitCode;

use clap::Parser as _;
use parlance::cli::{Cli, Command};
use parlance::config::{Layer, Settings};
use parlance::{commands, transport};

fn main() -> ExitCode {
    let Cli { command, config, settings: before } = Cli::parse();
    let (only_check, after) = match command {
        None => (false, Layer::default()),
        Some(Command::Serve(settings)) => (false, settings),
        Some(Command::Check(settings)) => (true, settings),
    };
    let port = std::env::var("PORT").ok();
    // Flags may stand on either side of the command.
    let flags = after.over(before);
    let settings = Settings::load(flags, config.as_deref(), port.as_deref(), &transport::names());
    let outcome = settings.map_err(anyhow::Error::from).and_then(|settings| {
        if only_check {
            commands::check::run(&settings);
            return Ok(());
        }
        commands::serve::run(settings)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlance: {error:#}");
            ExitCode::FAILURE
        }
    }
}
