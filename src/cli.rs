//! Arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Layer;

/// A chat server that every Socket.IO client ever shipped can talk to, on one port
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// File with settings [default: transports.toml in the working directory, if there]
    #[arg(long, global = true, env = "PARLANCE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Layer,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (what happens without a command, too)
    Serve(Layer),
    /// Only validate the settings
    Check(Layer),
}
