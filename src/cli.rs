//! Command-line arguments.

#![allow(missing_docs, reason = "doc comments here are the text of --help")]

use std::collections::HashSet;
use std::error::Error as _;
use std::num::ParseIntError;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::Layer;
use crate::probe::{Options, admin};

/// A chat server that every Socket.IO client ever shipped can talk to, on one port
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// File with settings [default: transports.toml in the working directory, if there]
    #[arg(long, env = "PARLANCE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Layer,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the server (what happens without a command, too)
    Serve,
    /// Only validate the settings, and warn of those that do not fit each other
    Check {
        /// A file of nginx, HAProxy, Apache, Caddy or systemd, to be looked through for times that are too
        /// short; may be given more than once
        #[arg(long, value_name = "FILE", conflicts_with = "web_config")]
        hosting: Vec<PathBuf>,
        /// Fail if there is a warning
        #[arg(long, conflicts_with = "web_config")]
        strict: bool,
        /// A web.config of IIS: follows requests through it, and says what keeps them from the server
        #[arg(long, value_name = "FILE")]
        web_config: Option<PathBuf>,
    },
    /// Find out from here which transports reach a server, Parlance or another, and what breaks the others
    Diagnose(Options),
    /// See who is connected to a running server and what happens there, or end a session
    Admin(admin::Options),
    /// Write all history as lines of JSON, even while the server runs
    Export(History),
    /// Take what was exported into a data directory that no server uses: all of it, or nothing
    Import(History),
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct History {
    /// The file with the lines [default: standard output or input]
    pub file: Option<PathBuf>,
}

impl Cli {
    /// Parses the process's arguments. Flags may come before or after the command. Exits with a
    /// message if they are wrong.
    pub fn read() -> Self {
        let flags = std::env::args_os().filter_map(|arg| {
            let arg = arg.into_string().ok()?;
            let flag = arg.strip_prefix("--")?;
            Some(flag.split_once('=').map_or(flag, |(name, _)| name).to_owned())
        });
        let flags: HashSet<String> = flags.collect();
        let mut command = Cli::command().mut_args(|arg| {
            let given = arg.get_long().is_some_and(|name| flags.contains(name));
            let arg = arg.global(true);
            // A flag overrides its environment variable, which may then even be invalid.
            if given { arg.env(None::<&str>) } else { arg }
        });
        let matches = command.try_get_matches_from_mut(std::env::args_os());
        let cli = matches.and_then(|matches| {
            let cli = Cli::from_arg_matches(&matches);
            cli.map_err(|error| error.format(&mut command))
        });
        cli.unwrap_or_else(|error| match wrong_value(&error) {
            Some(message) => {
                eprintln!("parlance: {message}");
                std::process::exit(1)
            }
            None => error.exit(),
        })
    }

    /// The flags of a command line that runs the server, without the environment of this process.
    ///
    /// # Errors
    /// Why a server does not start with it.
    pub fn of_server(words: &[String]) -> Result<Layer, String> {
        let mut command = Cli::command().mut_args(|arg| arg.global(true).env(None::<&str>));
        let words = std::iter::once("parlance").chain(words.iter().map(String::as_str));
        let matches = command.try_get_matches_from_mut(words);
        let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
        match cli {
            Ok(Cli { command: None | Some(Command::Serve), settings, .. }) => Ok(settings),
            Ok(_) => Err("it is a command that runs no server".to_owned()),
            Err(error) if !error.use_stderr() => Err("it prints a text and ends".to_owned()),
            Err(error) => Err(wrong_value(&error).unwrap_or_else(|| {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                line.strip_prefix("error: ").unwrap_or(line).to_owned()
            })),
        }
    }
}

/// Flags whose values are ports.
const PORTS: [&str; 2] = ["--port", "--redirect-port"];

/// One line about an invalid value, in the form of the errors of later validation. clap does not
/// say whether the value came from the flag or the variable, so a variable that is set is named,
/// too.
fn wrong_value(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?.split_whitespace().next()?;
    let value = text(ContextKind::InvalidValue)?;
    let reason = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::ValueValidation, _) => {
            let reason = error.source()?;
            match (PORTS.contains(&flag), reason.is::<ParseIntError>()) {
                (true, _) => format!("`{value}` is no port, expected a number from 0 to 65535"),
                (false, true) => format!("`{value}` is no whole number, or too large"),
                (false, false) => reason.to_string(),
            }
        }
        (ErrorKind::InvalidValue, _) if value.is_empty() => "a value is missing".to_owned(),
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) => {
            format!("`{value}`, expected one of {}", valid.join(", "))
        }
        _ => return None,
    };
    let variable = flag.trim_start_matches('-').to_uppercase().replace('-', "_");
    let variable = format!("PARLANCE_{variable}");
    Some(match std::env::var_os(&variable) {
        Some(_) => format!("{flag} (or {variable}): {reason}"),
        None => format!("{flag}: {reason}"),
    })
}
