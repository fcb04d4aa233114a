//! Data of any type for a socket's life.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What an application keeps with a socket: one value of each type. It stays on this node.
#[derive(Default)]
pub struct Extensions(Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>);

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extensions")
    }
}

impl Extensions {
    /// Keeps a value, and returns the one of its type that was there.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = values.insert(TypeId::of::<T>(), Box::new(value))?;
        drop(values);
        before.downcast().ok().map(|value| *value)
    }

    /// A copy of the value of that type: of an `Arc`, say.
    pub fn get<T: Clone + 'static>(&self) -> Option<T> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// Removes the value of that type.
    pub fn remove<T: 'static>(&self) -> Option<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.remove(&TypeId::of::<T>())?;
        drop(values);
        value.downcast().ok().map(|value| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_of_each_type() {
        let extensions = Extensions::default();
        assert_eq!(extensions.insert(1_u8), None);
        assert_eq!(extensions.insert("a"), None);
        assert_eq!(extensions.insert(2_u8), Some(1));
        assert_eq!(extensions.get::<u8>(), Some(2));
        assert_eq!(extensions.get::<u16>(), None);
        assert_eq!(extensions.remove::<u8>(), Some(2));
        assert_eq!(extensions.get::<u8>(), None);
    }
}
