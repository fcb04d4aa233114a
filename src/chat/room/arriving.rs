//! What has come from the adapter, of this node and of others, and who handles it.

use super::Room;
use crate::chat::arrivals::Arrival;
use crate::chat::roster::Told;
use crate::chat::words;
use crate::socketio::{Part, Taken};

impl Room {
    /// Handles what has come meanwhile.
    pub(super) fn settle(&mut self) {
        while (self.roster.is_some() || self.parted.is_some())
            && let Some(arrival) = self.arrivals.pop()
        {
            match arrival {
                Arrival::Broadcast(taken) => self.take(taken),
                Arrival::Told(told) => match Told::read(told) {
                    Some(told) => self.told(told),
                    None => self.shared.stats.not_understood(),
                },
            }
        }
    }

    /// A broadcast has its place.
    fn take(&mut self, mut taken: Taken) {
        if taken.after_gap {
            self.behind();
        }
        self.has_place(&taken);
        let id = words::id_of(&mut taken);
        let word = words::ALL.into_iter().find(|word| *word == taken.packet.name);
        let is_kept = taken.part == Part::Kept;
        let waits = match word {
            Some(words::ENTRY) => taken.part != Part::Told,
            _ => !is_kept,
        };
        let pending = if waits { self.came_back(&taken, id.as_deref()) } else { None };
        let done = match (word, pending) {
            (Some(words::ENTRY), pending) => self.take_entry(&taken, pending),
            (_, Some(pending)) => return self.back(pending, Some(&taken)),
            // To rooms, or to one socket, the chat says nothing.
            _ if !taken.selector.rooms.is_empty() => None,
            (Some(words::MESSAGE), _) if is_kept => self.take_place(&taken, id.as_deref()),
            // What is not kept has no place.
            _ if is_kept => Some(()),
            (word, _) => self.take_foreign(&taken, word, id.as_deref()),
        };
        if done.is_none() {
            self.shared.stats.not_understood();
        }
    }

    /// Another node says something. `None` if it cannot be read.
    fn take_foreign(&mut self, taken: &Taken, word: Option<&str>, id: Option<&str>) -> Option<()> {
        match word {
            Some(words::MESSAGE) => self.take_message(taken, id),
            Some(word @ (words::TYPING | words::STOP_TYPING)) => self.take_typing(taken, word),
            // It has left, and knows of nobody any more.
            Some(_) if self.parted.is_some() => Some(()),
            Some(word) => self.take_change(taken, word),
            None => None,
        }
    }
}
