//! Earlier messages in the words of a page. After a restart many clients miss the same ones: each message is rendered
//! and encoded once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::chat_protocol::ChatProtocol;
use super::recovery::words;
use crate::socketio::Broadcast;
use crate::store::{Entry, RoomLog};

/// Bytes of all that is kept, about. Over it, all of it goes.
const MAX_BYTES: usize = 4 << 20;
/// What an event takes besides its texts.
const OVERHEAD: usize = 512;

/// Rendered messages of all rooms. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Rendered(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    events: HashMap<Key, (Form, Arc<Broadcast>)>,
    bytes: usize,
}

/// The epoch of a room's log, and the number in it.
type Key = (Arc<str>, u64);
/// For which pages, and when the message was edited last.
type Form = (ChatProtocol, Option<u64>);

impl Rendered {
    /// A message with its position; `None` for what is none for such pages.
    pub fn event(
        &self,
        log: &RoomLog,
        chat_protocol: ChatProtocol,
        entry: &Entry,
    ) -> Option<Arc<Broadcast>> {
        let key = (Arc::clone(log.epoch()), entry.seq);
        let form = (chat_protocol, entry.edited);
        if let Some((kept, event)) = self.kept(|kept| kept.events.get(&key).cloned())
            && kept == form
        {
            return Some(event);
        }
        let (name, args) = words(chat_protocol, entry)?;
        let event = Broadcast::new(log.name().into(), name, args);
        let event = Arc::new(event.offset(Some(log.position(entry.seq).into())));
        // The arguments, and as much again once they are encoded.
        let bytes = OVERHEAD + 2 * entry.body.len();
        self.kept(|kept| {
            if kept.bytes + bytes > MAX_BYTES {
                *kept = Kept::default();
            }
            kept.bytes += bytes;
            kept.events.insert(key, (form, Arc::clone(&event)));
        });
        Some(event)
    }

    fn kept<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
