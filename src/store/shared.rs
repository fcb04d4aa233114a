//! Logs that a cluster numbers: their names and epochs.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::room::new_epoch;

/// What is between the names of the room and of the cluster. No namespace that is a room has it.
const BETWEEN: char = ' ';

/// The name under which a store has the log of a room in a cluster.
pub fn shared_name(room: &str, cluster: &str) -> String {
    format!("{room}{BETWEEN}{cluster}")
}

/// The room whose log has this name, and its cluster, if the log is that of one.
pub fn room_of(log: &str) -> (&str, Option<&str>) {
    match log.split_once(BETWEEN) {
        Some((room, cluster)) => (room, Some(cluster)),
        None => (log, None),
    }
}

/// Whether a cluster gives the numbers of a log: none is skipped after a crash.
pub(super) fn is_shared(log: &str) -> bool {
    log.contains(BETWEEN)
}

/// The epoch of a new log: of the name alone if all nodes of a cluster have it, or else random.
pub(super) fn epoch(log: &str) -> Arc<str> {
    if !is_shared(log) {
        return new_epoch();
    }
    let hash = digest(&SHA256, log.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..6]).into()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::contract::{Folder, message};
    use super::super::{Accepted, Kind, NewEntry, Range, Store, StoreError, StoreSettings};
    use super::*;

    #[test]
    fn the_epoch_of_a_cluster_is_the_same_on_all_nodes_and_others_are_random() {
        let log = shared_name("/support", "socket.io");
        assert_eq!((&*epoch(&log), epoch(&log).len()), (&*epoch(&log), 8));
        assert_ne!(epoch(&log), epoch(&shared_name("/", "socket.io")));
        assert_ne!(epoch(&log), epoch(&shared_name("/support", "other")));
        assert_ne!(epoch("/"), epoch("/"));
        assert_eq!(room_of(&log), ("/support", Some("socket.io")));
        assert_eq!(room_of("/"), ("/", None));
    }

    #[tokio::test]
    async fn a_log_of_a_cluster_has_the_numbers_and_the_epoch_that_others_have() {
        let folder = Folder::new();
        let settings = StoreSettings::default();
        let file = Store::sqlite(&folder.0, settings.clone()).unwrap();
        for store in [Store::memory(settings), file] {
            let own = store.open("/").await.unwrap();
            own.append(message("a", None, "alone"), Box::new(|_| {})).unwrap();
            let log = store.open_shared("/", "socket.io").await.unwrap();
            assert_ne!((log.epoch(), log.top()), (own.epoch(), own.top()));
            let other = Store::none().open_shared("/", "socket.io").await.unwrap();
            assert_eq!((log.epoch(), &*log.position(7)), (other.epoch(), &*other.position(7)));
            let at = |seq, new| {
                let (sender, told) = oneshot::channel();
                let accepted = log.append_at(seq, new, Box::new(|done| drop(sender.send(done))));
                async move {
                    let told = told.await.ok();
                    (accepted, told)
                }
            };
            let high = 7_378_697_629_483_821;
            let said = at(high, message("a", Some("k"), "one")).await;
            assert_eq!(said, (Ok(Accepted::New(high)), Some(Ok(high))));
            // What is there or comes too late is not written again.
            let again = at(high + 1, message("a", Some("k"), "one")).await;
            assert_eq!(again.1, Some(Ok(high)));
            for seq in [high, high - 1, u64::MAX] {
                let refused = at(seq, message("a", None, "two")).await;
                assert_eq!(refused, (Err(StoreError::Invalid), None), "{seq}");
            }
            let edit = NewEntry { kind: Kind::Edit, target: Some(high), ..message("a", None, "1") };
            assert_eq!(at(high + 2, edit).await.1, Some(Ok(high + 2)));
            let page = log.read(Range::Before(u64::MAX), 10).await.unwrap();
            assert_eq!((page.entries.len(), &*page.entries[0].body), (1, "1"));
            assert_eq!(own.read(Range::Before(u64::MAX), 10).await.unwrap().entries.len(), 1);
            let later = log.position(high + 9);
            assert_eq!((log.seq(&later), log.number(&later)), (None, Some(high + 9)));
        }
    }
}
