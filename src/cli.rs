//! Arguments.

use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::Layer;

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
    /// Only validate the settings
    Check {
        /// A web.config of IIS, to be looked through for what would keep WebSockets from working
        #[arg(long, value_name = "FILE")]
        web_config: Option<PathBuf>,
    },
}

impl Cli {
    /// Reads the process's arguments; flags may stand on either side of the command. Ends the
    /// process with a message if they are wrong.
    pub fn read() -> Self {
        let mut command = Cli::command().mut_args(|arg| arg.global(true));
        let matches = command.get_matches_mut();
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }
}
