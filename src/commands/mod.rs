//! How the house is put together for each command.

pub mod check;
mod essential;
mod reload;
pub mod serve;
mod signals;
mod status;
pub mod web_config;
