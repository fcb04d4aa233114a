//! Which members are in which rooms.
//!
//! A membership takes 16 bytes: a pointer in the room's list, and in the member's list the number of the room
//! and the place there. With the slack of growing lists it is at most twice that. Who is in one room besides
//! the room of all needs no list of its own. A room takes some 230 bytes more, and its name.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use slab::Slab;
use smallvec::SmallVec;

use super::members::{Members, Snapshot};

/// Somebody who can be in rooms.
pub trait Member: Clone + PartialEq {
    /// Where the member's slot is kept: [`NO_SLOT`] at first.
    fn slot(&self) -> &AtomicUsize;
}

/// The slot of who is in no room.
pub const NO_SLOT: usize = usize::MAX;

/// The room of all: its number.
const ALL: u32 = 0;

/// All rooms of a namespace on this node.
#[derive(Debug)]
pub struct Rooms<M> {
    numbers: HashMap<Arc<str>, u32>,
    by_number: Slab<Room<M>>,
    /// By slot, where a member is.
    places: Slab<Places>,
}

#[derive(Debug)]
struct Room<M> {
    name: Arc<str>,
    members: Members<M>,
}

/// One membership, as the member has it.
#[derive(Debug, Clone, Copy)]
struct Place {
    room: u32,
    at: u32,
}

/// The memberships of one member: that of all, and mostly one more.
type Places = SmallVec<[Place; 2]>;

/// The members that a selector gives at one moment.
#[derive(Debug)]
pub struct Selection<M> {
    members: Snapshot<M>,
    except: Vec<M>,
}

impl<M: PartialEq> Selection<M> {
    /// Each of them once.
    pub fn iter(&self) -> impl Iterator<Item = &M> {
        let all = self.members.iter().flat_map(|chunk| chunk.iter());
        all.filter(|member| !self.except.contains(member))
    }

    /// How many there are at most.
    pub fn most(&self) -> usize {
        self.members.iter().map(|chunk| chunk.len()).sum()
    }
}

impl<M: Member> Rooms<M> {
    pub fn new() -> Self {
        let mut rooms = Slab::new();
        rooms.insert(Room { name: Arc::from(""), members: Members::default() });
        Rooms { numbers: HashMap::new(), by_number: rooms, places: Slab::new() }
    }

    /// Puts a member among all.
    pub fn admit(&mut self, member: &M) {
        self.put(member, ALL);
    }

    /// Has a member join a room. Says whether it was not there before, and whether the room is new.
    pub fn join(&mut self, member: &M, name: &Arc<str>) -> (bool, bool) {
        let known = self.numbers.get(name).copied();
        let number = known.unwrap_or_else(|| {
            let room = Room { name: Arc::clone(name), members: Members::default() };
            let number = self.by_number.insert(room) as u32;
            self.numbers.insert(Arc::clone(name), number);
            number
        });
        (self.put(member, number), known.is_none())
    }

    fn put(&mut self, member: &M, number: u32) -> bool {
        let Rooms { by_number, places, .. } = self;
        let mut slot = member.slot().load(Ordering::Relaxed);
        if slot == NO_SLOT {
            slot = places.insert(Places::new());
            member.slot().store(slot, Ordering::Relaxed);
        }
        let Some(places) = places.get_mut(slot) else { return false };
        if places.iter().any(|place| place.room == number) {
            return false;
        }
        let Some(room) = by_number.get_mut(number as usize) else { return false };
        places.push(Place { room: number, at: room.members.push(member.clone()) as u32 });
        true
    }

    /// Has a member leave a room. Says whether it was there, and whether nobody is there any more.
    pub fn leave(&mut self, member: &M, name: &str) -> (bool, bool) {
        let Some(&number) = self.numbers.get(name) else { return (false, false) };
        let slot = member.slot().load(Ordering::Relaxed);
        let Some(places) = self.places.get_mut(slot) else { return (false, false) };
        let Some(at) = places.iter().position(|place| place.room == number) else {
            return (false, false);
        };
        let place = places.swap_remove(at);
        (true, self.vacate(place).is_some())
    }

    /// Removes a member from all rooms. Returns the rooms, and for each whether nobody is left.
    pub fn remove(&mut self, member: &M) -> Vec<(Arc<str>, bool)> {
        let Some(places) = self.places.try_remove(member.slot().swap(NO_SLOT, Ordering::Relaxed))
        else {
            return Vec::new();
        };
        let mut left = Vec::new();
        for place in places {
            let name = self.by_number.get(place.room as usize).map(|room| Arc::clone(&room.name));
            let emptied = self.vacate(place).is_some();
            left.extend(name.filter(|_| place.room != ALL).map(|name| (name, emptied)));
        }
        left
    }

    /// Empties a place in a room. Returns the room's name if that was its last member.
    fn vacate(&mut self, place: Place) -> Option<Arc<str>> {
        let room = self.by_number.get_mut(place.room as usize)?;
        if let Some(moved) = room.members.swap_remove(place.at as usize) {
            let slot = moved.slot().load(Ordering::Relaxed);
            let mut places = self.places.get_mut(slot).into_iter().flatten();
            if let Some(other) = places.find(|other| other.room == place.room) {
                other.at = place.at;
            }
        }
        if room.members.len() > 0 || place.room == ALL {
            return None;
        }
        let name = self.by_number.remove(place.room as usize).name;
        self.numbers.remove(&name);
        Some(name)
    }

    /// How many members there are.
    pub fn count(&self) -> usize {
        self.by_number.get(ALL as usize).map_or(0, |room| room.members.len())
    }

    /// The rooms of a member.
    pub fn of(&self, member: &M) -> Vec<Arc<str>> {
        let places = self.places.get(member.slot().load(Ordering::Relaxed));
        let rooms = places.into_iter().flatten().filter(|place| place.room != ALL);
        rooms
            .filter_map(|place| Some(Arc::clone(&self.by_number.get(place.room as usize)?.name)))
            .collect()
    }

    /// All rooms, and how many members each has.
    pub fn sizes(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let rooms = self.by_number.iter().filter(|(number, _)| *number != ALL as usize);
        rooms.map(|(_, room)| (&room.name, room.members.len()))
    }

    /// Selects the members of any of `rooms`, or all if there are none, but those who are in any of
    /// `except`. `by_id` finds the member whose own room it is.
    pub fn select(
        &self,
        rooms: &[impl AsRef<str>],
        except: &[impl AsRef<str>],
        by_id: impl Fn(&str) -> Option<M>,
    ) -> Selection<M> {
        let (mut members, numbers) = self.named(rooms, &by_id);
        let (except, except_rooms) = self.named(except, &by_id);
        let numbers = if rooms.is_empty() { vec![ALL] } else { numbers };
        let one = numbers.len() + usize::from(!members.is_empty()) == 1;
        if one && except_rooms.is_empty() {
            let room = numbers.first().and_then(|number| self.by_number.get(*number as usize));
            let members = room.map_or_else(|| vec![Arc::new(members)], |it| it.members.snapshot());
            return Selection { members, except };
        }
        let ids = members.clone();
        members.retain(|member| !self.is_in(member, &except_rooms));
        for (at, number) in numbers.iter().enumerate() {
            let room = self.by_number.get(*number as usize);
            for member in room.into_iter().flat_map(|room| room.members.iter()) {
                let twice = ids.contains(member) || self.is_in(member, &numbers[..at]);
                if !twice && !self.is_in(member, &except_rooms) {
                    members.push(member.clone());
                }
            }
        }
        Selection { members: vec![Arc::new(members)], except }
    }

    /// The members and rooms of these names, each once.
    fn named(
        &self,
        names: &[impl AsRef<str>],
        by_id: impl Fn(&str) -> Option<M>,
    ) -> (Vec<M>, Vec<u32>) {
        let (mut members, mut numbers) = (Vec::new(), Vec::new());
        for name in names {
            members.extend(by_id(name.as_ref()).filter(|member| !members.contains(member)));
            let number = self.numbers.get(name.as_ref()).copied();
            numbers.extend(number.filter(|number| !numbers.contains(number)));
        }
        (members, numbers)
    }

    fn is_in(&self, member: &M, rooms: &[u32]) -> bool {
        let places = self.places.get(member.slot().load(Ordering::Relaxed));
        places.is_some_and(|places| places.iter().any(|place| rooms.contains(&place.room)))
    }
}

#[cfg(test)]
mod tests;
