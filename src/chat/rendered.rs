//! Earlier messages in the words of a page. After a restart many clients miss the same ones: each message is rendered
//! and encoded once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::chat_protocol::ChatProtocol;
use super::recovery::words;
use crate::socketio::Broadcast;
use crate::store::{Entry, RoomLog, room_of};

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
    /// A message and its position as the event that pages of that chat protocol get. `None` if they get none for it.
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
        let event = Broadcast::new(room_of(log.name()).0.into(), name, args);
        let event = Arc::new(event.offset(Some(log.position(entry.seq).into())));
        // The arguments, and as much again once they are encoded.
        let texts = entry.body.len() + entry.name.as_ref().map_or(0, |name| name.len());
        let bytes = OVERHEAD + 2 * texts;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kind, NewEntry, Store, StoreSettings};

    fn new(kind: Kind, target: Option<u64>, body: &str) -> NewEntry {
        let (author, name) = ("n:ann".to_owned(), Some("ann".to_owned()));
        NewEntry { at: 1, author, name, key: None, kind, target, body: body.to_owned() }
    }

    async fn last(log: &RoomLog) -> Arc<Entry> {
        log.latest(u64::MAX, 1).pop().unwrap()
    }

    #[tokio::test]
    async fn a_message_is_rendered_once_for_each_form_and_anew_when_it_was_edited() {
        let log = Store::memory(StoreSettings::default()).open("/den").await.unwrap();
        log.append(new(Kind::Message, None, "hello"), Box::new(drop)).unwrap();
        let rendered = Rendered::default();
        let event =
            |entry: &Entry, protocol| rendered.clone().event(&log, protocol, entry).unwrap();
        let entry = last(&log).await;
        let first = event(&entry, ChatProtocol::Users);
        assert!(Arc::ptr_eq(&first, &event(&entry, ChatProtocol::Users)));
        let (name, args) = first.event().unwrap();
        assert_eq!((name, &args.values[0]["message"]), ("new message", &"hello".into()));
        assert_eq!(first.position().unwrap().to_string(), log.position(entry.seq));
        let tutorial = event(&entry, ChatProtocol::Bare);
        assert_eq!(tutorial.event().unwrap().0, "chat message");
        log.append(new(Kind::Edit, Some(entry.seq), "bye"), Box::new(drop)).unwrap();
        let entry = log.get(entry.seq).await.unwrap().unwrap();
        let edited = event(&entry, ChatProtocol::Bare);
        assert!(!Arc::ptr_eq(&tutorial, &edited));
        assert!(edited.event().unwrap().1.values[0].to_string().contains("bye"));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let log = Store::memory(StoreSettings::default()).open("/den").await.unwrap();
        let rendered = Rendered::default();
        let long = "x".repeat(60_000);
        let mut first = None;
        for number in 0..50 {
            log.append(new(Kind::Message, None, &long), Box::new(drop)).unwrap();
            let entry = last(&log).await;
            let event = rendered.event(&log, ChatProtocol::Users, &entry).unwrap();
            let (first, known) = first.get_or_insert((entry, event));
            let again = rendered.event(&log, ChatProtocol::Users, first).unwrap();
            // 34 of 120 518 bytes are under 4 MiB.
            assert_eq!(Arc::ptr_eq(known, &again), number < 34, "{number}");
            assert!(rendered.kept(|kept| kept.bytes) <= MAX_BYTES);
        }
    }
}
