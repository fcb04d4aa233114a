//! Properties that hold for any input, one for each parser of input.
//!
//! A property is a function that panics if it does not hold. The targets in `fuzz/` run each as long as you
//! like, guided by coverage. The tests of this module run each for a moment: with the seeds of the targets, and
//! with inputs derived from them, which are the same each time.

mod dialects;
mod forwarded;
mod grammar;
mod input;
mod json;
mod node_format;
mod origins;
mod path;
mod proxy_header;
mod pubsub_wire;
mod query;
mod relay_answer;
mod session;
mod settings;
#[cfg(test)]
mod short;
mod token;
mod web_config;
mod ws_frames;

pub use dialects::{engineio3, engineio4, socketio09};
pub use forwarded::forwarded;
pub use grammar::grammar;
pub use json::json;
pub use node_format::node_format;
pub use origins::origins;
pub use path::path;
pub use proxy_header::proxy_header;
pub use pubsub_wire::pubsub_wire;
pub use query::query;
pub use relay_answer::relay_answer;
pub use session::session;
pub use settings::settings;
pub use token::token;
pub use web_config::web_config;
pub use ws_frames::ws_frames;
