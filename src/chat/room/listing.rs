//! Which rooms there are: those that the settings list and those with people in them first, then the rest by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::history::MAX_PAGE;
use super::{Room, answer};
use crate::chat::error::ChatError;
use crate::chat::roles::Roles;
use crate::chat::rooms::LOBBY;
use crate::policy::{RoomNames, RoomRules};
use crate::socketio::Ack;
use crate::store::{Store, StoreError, room_of, shared_name};

/// Rooms that are read from the store at a time.
const AT_ONCE: usize = 1000;
/// So often for one answer: who may enter few of many rooms asks again.
const READS: usize = 4;

/// The place of a room in the list: those of the rest after all others, and each by its name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    is_rest: bool,
    name: String,
}

impl At {
    fn read(cursor: &str) -> Option<Self> {
        let (rank, name) = cursor.split_at_checked(1)?;
        Some(At { is_rest: rank == "1", name: name.to_owned() })
    }

    fn cursor(&self) -> String {
        format!("{}{}", u8::from(self.is_rest), self.name)
    }
}

/// What the list is made of.
struct Listing {
    store: Store,
    names: RoomNames,
    rules: RoomRules,
    roles: Roles,
    /// The cluster whose logs are meant.
    order: Option<Arc<str>>,
    tells_positions: bool,
    /// Rooms that the settings list, and those with people in them, and how many.
    first: BTreeMap<String, usize>,
}

impl Room {
    /// Answers which rooms there are that somebody with these roles may enter: their titles, how many people are in
    /// them, and where their logs end.
    pub(super) fn list_rooms(
        &self,
        roles: &Roles,
        after: Option<&str>,
        ack: Ack,
    ) -> Result<(), ChatError> {
        let settings = &self.shared.settings;
        let mut first: BTreeMap<String, usize> =
            settings.rooms.named().map(|name| (format!("/{name}"), 0)).collect();
        first.insert(LOBBY.to_owned(), 0);
        first.extend(self.shared.rooms());
        let listing = Listing {
            store: settings.store.clone(),
            names: settings.rooms.clone(),
            rules: settings.room_rules.clone(),
            roles: roles.clone(),
            order: self.adapter().and_then(|adapter| adapter.common_order()),
            tells_positions: self.shared_log().is_some(),
            first,
        };
        let after = after.and_then(At::read);
        self.read_or_refuse(async move {
            let said = listing.page(after).await;
            answer(ack, || vec![said]);
        })
    }
}

impl Listing {
    async fn page(&self, after: Option<At>) -> Value {
        let (mut rooms, mut last) = (Vec::new(), None);
        let mut more = false;
        for (name, people) in &self.first {
            let at = At { is_rest: false, name: name.clone() };
            if after.as_ref().is_some_and(|after| at <= *after) || !self.may_enter(name) {
                continue;
            }
            if rooms.len() == MAX_PAGE {
                more = true;
                break;
            }
            let end = self.end(name).await;
            rooms.push(self.shown(name, *people, end));
            last = Some(at);
        }
        if !more {
            let from = after.filter(|after| after.is_rest).map(|after| after.name);
            // What cannot be read is left out.
            more = self.rest(from, &mut rooms, &mut last).await.unwrap_or(false);
        }
        let next = last.filter(|_| more).map(|at| at.cursor());
        json!({ "ok": true, "rooms": rooms, "more": next.is_some(), "next": next })
    }

    /// Adds those that have a log and are not among the first. Returns whether there may be more.
    async fn rest(
        &self,
        mut from: Option<String>,
        rooms: &mut Vec<Value>,
        last: &mut Option<At>,
    ) -> Result<bool, StoreError> {
        for _ in 0..READS {
            let found = self.store.rooms(from.as_deref(), AT_ONCE).await?;
            for it in &found.rooms {
                let (name, of) = room_of(&it.name);
                let is_meant = of == self.order.as_deref() && self.names.room(name).is_some();
                // The log of the room that was told last may be read once more: in a cluster, its name is longer than the room's.
                let is_new = last.as_ref().is_none_or(|at| !at.is_rest || *at.name < *name)
                    && from.as_deref().is_none_or(|from| *from != *name);
                if !is_meant || !is_new || self.first.contains_key(name) || !self.may_enter(name) {
                    continue;
                }
                if rooms.len() >= MAX_PAGE {
                    return Ok(true);
                }
                let end = self.tells_positions.then(|| it.position());
                rooms.push(self.shown(name, 0, end));
                *last = Some(At { is_rest: true, name: name.to_owned() });
            }
            let Some(read) = found.rooms.last().filter(|_| found.more) else { return Ok(false) };
            from = Some(read.name.to_string());
        }
        let name = from.unwrap_or_default();
        *last = Some(At { is_rest: true, name: room_of(&name).0.to_owned() });
        Ok(true)
    }

    fn may_enter(&self, name: &str) -> bool {
        self.roles.may_moderate() || self.rules.of(name).may_read(|role| self.roles.has(role))
    }

    /// Where the log of a room ends, if it has one.
    async fn end(&self, name: &str) -> Option<String> {
        let log = match &self.order {
            Some(order) => shared_name(name, order),
            None => name.to_owned(),
        };
        if !self.tells_positions || self.rules.of(name).history == Some(0) {
            return None;
        }
        let end = self.store.info(&log).await.ok().flatten();
        end.map(|it| it.position())
    }

    fn shown(&self, name: &str, people: usize, end: Option<String>) -> Value {
        let mut room = Map::new();
        let title = self.rules.of(name).title;
        room.extend(title.map(|title| ("title".to_owned(), title.into())));
        room.insert("name".to_owned(), name.trim_start_matches('/').into());
        room.insert("people".to_owned(), people.into());
        room.extend(end.map(|end| ("position".to_owned(), end.into())));
        room.into()
    }
}
