//! What `parlance admin` is asked for.

#![allow(missing_docs, rustdoc::bare_urls, reason = "doc comments here are the text of --help")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::probe::target::{Target, target};

/// The token is that of the setting `admin-token`: PARLANCE_ADMIN_TOKEN in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
    /// The server, with its base path
    #[arg(long, global = true, value_parser = target, default_value = "http://localhost:3000")]
    pub url: Target,
    /// A file with the token in its first line, in place of PARLANCE_ADMIN_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Print each answer as JSON in one line; of events, each event
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Who is connected, by what, and why not by something better; the newest first
    Sessions(Sessions),
    /// All that is known of one session
    Session {
        // Ids may begin with a hyphen.
        #[arg(value_parser = sid, allow_hyphen_values = true)]
        sid: String,
    },
    /// What happens to sessions, as it happens
    Events(Events),
    /// Causes of fallbacks and losses
    Causes,
    /// The policy in force, refusals, circuit breakers
    Policy,
    /// End a session
    Disconnect {
        // Ids may begin with a hyphen.
        #[arg(value_parser = sid, allow_hyphen_values = true)]
        sid: String,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Sessions {
    /// Only those with this text in name, address, generation, transport, proxy or cause, or with this id
    #[arg(long)]
    pub text: Option<String>,
    /// The last ones that ended, in place of open ones
    #[arg(long)]
    pub ended: bool,
    /// Those before this number, which the page before ended with
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
    /// How many on a page, at most 200
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
    pub limit: u64,
    /// All pages, one after the other
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Events {
    /// Only those with this text in event, text, id or address
    #[arg(long)]
    pub text: Option<String>,
    /// Only the latest, at once, without waiting for others
    #[arg(long)]
    pub no_follow: bool,
}

/// An id is part of a path.
fn sid(text: &str) -> Result<String, String> {
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !text.is_empty() && text.len() <= 64 && text.chars().all(is_id) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is no id of a session")),
    }
}
