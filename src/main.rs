use std::process::ExitCode;

use clap::Parser as _;
use parlance::cli::{Cli, Command};
use parlance::{commands, config, transport};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let port = std::env::var("PORT").ok();
    let known = transport::names();
    let settings =
        config::Settings::load(cli.settings, cli.config.as_deref(), port.as_deref(), &known);
    let outcome = settings.map_err(anyhow::Error::from).and_then(|settings| match cli.command {
        None | Some(Command::Serve) => commands::serve::run(settings),
        Some(Command::Check) => {
            commands::check::run(&settings);
            Ok(())
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
