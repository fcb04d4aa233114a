//! Diagnosis: from what happened to sessions to the cause of a fallback or a loss.
//!
//! The [`Book`] observes the engine. What the server saw of an attempt, and what the client says it saw,
//! are [`Facts`]; [`diagnose`] is the one place that names a cause.

mod attempt;
mod book;
mod causes;
mod evidence;
mod facts;
mod history;
mod lateness;
mod patterns;
mod tail;
mod timeline;

pub use book::{Book, ENDED, Ended, Glance, Report};
pub use causes::{Cause, Certainty, TABLE, Verdict, causes, diagnose};
pub use evidence::{NAMESPACE, serve};
pub use facts::{Fact, Facts};
pub use tail::{Tail, epoch_ms};
pub use timeline::{Moment, Timeline};
