//! Checks a `web.config` of IIS: follows the requests of every kind of client through it, and says what becomes of each.
//!
//! The way of a request: request filtering and restrictions (`filtering`, `access`), rewrite rules in their order
//! (`walk`, `rules`, `rule`), redirects (`redirect`), handlers in their order (`handlers`), the module that hosts the
//! server (`process`, `web_socket`), and what arrives there (`arrival`). Only `parlance check` comes here.

mod access;
mod advice;
mod arrival;
mod collection;
mod command_line;
mod condition;
mod ecmascript;
mod end;
mod filtering;
mod handlers;
mod inspect;
mod module;
mod pattern;
mod process;
mod redirect;
mod report;
mod request;
mod rule;
mod rules;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod walk;
mod web_socket;

use crate::config::Settings;

pub use inspect::inspect;
pub use module::Module;
pub use report::{Finding, Line, Report, Severity};
pub use text::decode;

/// Bytes of the largest file that is read. IIS reads half of that, unless it is told otherwise.
pub const LARGEST: u64 = 512 << 10;

/// What the file is checked against.
pub struct Needs<'a> {
    /// The settings of the server, if the file does not change them.
    pub settings: &'a Settings,
    /// The settings of a server with these arguments.
    ///
    /// # Errors
    /// Why the server does not start with them.
    pub hosted: &'a dyn Fn(&[String]) -> Result<Settings, String>,
}
