//! The commands: each assembles the modules that it needs.

mod accounts;
pub mod admin;
pub mod check;
mod cluster;
pub mod diagnose;
mod essential;
pub mod history;
mod hosting;
mod misfits;
mod nodes;
mod reload;
pub mod serve;
mod sessions;
mod signals;
mod status;
mod store;
