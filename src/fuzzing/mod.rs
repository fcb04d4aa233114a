//! What no bytes may do, whoever sends them: for each reader of input a property of all input.
//!
//! A property is a function that panics where it does not hold. `fuzz/` runs each without end, guided by
//! coverage; the tests of this module replay its seeds, and run for a moment with inputs of their own that
//! are the same each time.

mod dialects;
mod forwarded;
mod grammar;
mod head;
mod input;
mod json;
mod origins;
mod proxy_header;
mod query;
mod session;
mod settings;
#[cfg(test)]
mod short;
mod web_config;
mod ws_frames;

pub use dialects::{engineio3, engineio4, socketio09};
pub use forwarded::forwarded;
pub use grammar::grammar;
pub use head::head;
pub use json::json;
pub use origins::origins;
pub use proxy_header::proxy_header;
pub use query::query;
pub use session::session;
pub use settings::settings;
pub use web_config::web_config;
pub use ws_frames::ws_frames;
