//! Who is told when somebody takes a name.

use std::fmt;

use crate::engine::Sid;

/// A function that is called with each name that somebody takes, and the session of whoever took it.
pub(super) struct OnLogin(Box<Told>);

type Told = dyn Fn(Sid, &str) + Send + Sync;

impl OnLogin {
    pub fn new(told: impl Fn(Sid, &str) + Send + Sync + 'static) -> Self {
        OnLogin(Box::new(told))
    }

    pub fn tell(&self, sid: Sid, name: &str) {
        (self.0)(sid, name);
    }
}

impl fmt::Debug for OnLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnLogin")
    }
}
