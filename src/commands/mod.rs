//! How the house is put together for each command.

pub mod check;
mod reload;
pub mod serve;
mod signals;
