//! Contents that readers share while they are sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// Contents of small files in memory at once.
const COPIES: usize = 256;

/// Contents that are being sent, by their keys, so that readers of the same content share one copy.
#[derive(Default)]
pub(super) struct Copies(Mutex<HashMap<String, Weak<Bytes>>>);

/// A reference to a copy.
struct Shared(Arc<Bytes>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Copies {
    pub fn get(&self, key: &str) -> Option<Bytes> {
        let copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(key)?.upgrade().map(Shared).map(Bytes::from_owner)
    }

    /// Adds a copy, unless [`COPIES`] exist.
    pub fn put(&self, key: String, content: Bytes) -> Option<Bytes> {
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.retain(|_, copy| copy.strong_count() > 0);
        let copy = match copies.get(&key).and_then(Weak::upgrade) {
            Some(copy) => copy,
            None if copies.len() < COPIES => {
                let copy = Arc::new(content);
                copies.insert(key, Arc::downgrade(&copy));
                copy
            }
            None => return None,
        };
        Some(Bytes::from_owner(Shared(copy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_shared_until_the_last_reader_has_gone() {
        let copies = Copies::default();
        let key = |number: usize| number.to_string();
        let content = || Bytes::from(vec![b'x'; 100]);
        let mut held: Vec<_> =
            (0..COPIES).map(|number| copies.put(key(number), content()).unwrap()).collect();
        let again = copies.put(key(0), content()).unwrap();
        assert_eq!(again.as_ptr(), held[0].as_ptr());
        assert_eq!(copies.get(&key(0)).unwrap().as_ptr(), held[0].as_ptr());
        assert!(copies.put(key(COPIES), content()).is_none(), "there is a bound");
        drop(again);
        held.remove(0);
        assert!(copies.get(&key(0)).is_none());
        assert!(copies.put(key(COPIES), content()).is_some());
        drop(held);
        assert!(copies.put(key(0), content()).is_some());
        assert_eq!(copies.0.lock().unwrap().len(), 1, "nothing is kept of who has gone");
    }
}
