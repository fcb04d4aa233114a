//! Sockets in a set, found by their ids.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use super::Socket;
use crate::engine::Sid;

/// A socket that is found by its id, of which the table has no copy.
pub struct ById(pub Socket);

impl Borrow<Sid> for ById {
    fn borrow(&self) -> &Sid {
        self.0.sid()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.sid().hash(hasher);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.sid() == other.0.sid()
    }
}

impl Eq for ById {}
