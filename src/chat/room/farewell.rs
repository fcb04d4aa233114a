//! The end of a room's part in its cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Room;
use crate::chat::roster::Told;
use crate::chat::words;

impl Room {
    /// This node leaves the cluster. On other nodes, its people leave the room. What these people say until their connections
    /// end still reaches the other nodes.
    pub(super) fn farewell(&mut self) {
        let Some(roster) = self.roster.take() else { return };
        let me = Arc::clone(roster.me());
        self.parted = Some(Arc::clone(&me));
        if self.counted.is_lobby() {
            self.shared.set_rooms_elsewhere(BTreeMap::new());
        }
        self.tell(&Told::Bye { node: Arc::clone(&me) });
        let here = self.named().map(|(sid, name, ..)| (sid.as_str().to_owned(), name.clone()));
        let here: Vec<_> = here.collect();
        self.aliases.forget_elsewhere();
        let users = std::mem::take(&mut self.users);
        self.say_for(&me, words::LEFT, here.iter().map(|(id, name)| (&**id, name)));
        self.users = users;
    }
}
