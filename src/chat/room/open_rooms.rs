//! Which rooms are open on the nodes of a cluster: the lobby of each tells the others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Room;
use crate::chat::rooms::LOBBY;
use crate::chat::roster::{MAX_ROOMS, Told};

/// What this node told the others last of the rooms that are open here.
#[derive(Debug, Default)]
pub(super) struct RoomsTold {
    rooms: Vec<(Box<str>, usize)>,
    /// When that was; `None` if nothing was told yet.
    at: Option<Instant>,
    /// The other nodes that were there when it was last checked whether something is to be told. One that is not among
    /// them is new, and knows nothing.
    nodes: HashSet<Arc<str>>,
}

impl Room {
    /// Tells which rooms are open here: when that has changed, when there is a node that has not heard it, and from time
    /// to time, for one that has missed it. Takes in what others have told.
    pub(super) fn tell_rooms(&mut self, now: Instant) {
        let Some(roster) = self.roster.as_ref().filter(|_| self.counted.is_lobby()) else { return };
        let settings = &self.shared.settings;
        // Other nodes may have other settings.
        let elsewhere = roster.rooms().into_iter();
        let elsewhere = elsewhere.filter(|(name, _)| settings.rooms.room(name).is_some());
        let elsewhere = elsewhere.map(|(name, people)| (name.to_owned(), people)).collect();
        self.shared.set_rooms_elsewhere(elsewhere);
        let rooms = to_tell(self.shared.rooms_here());
        let (node, nodes) = (roster.me().clone(), roster.nodes().cloned().collect());
        if self.rooms_told.are_due(&rooms, nodes, settings.node_timeout, now) {
            self.tell(&Told::Rooms { node, rooms });
        }
    }
}

impl RoomsTold {
    /// Whether these rooms are to be told, while these other nodes are there. If so, they are noted as told.
    fn are_due(
        &mut self,
        rooms: &[(Box<str>, usize)],
        nodes: HashSet<Arc<str>>,
        lease: Duration,
        now: Instant,
    ) -> bool {
        let is_new = !self.nodes.is_superset(&nodes);
        self.nodes = nodes;
        let is_known = match self.at {
            Some(at) => !is_new && *self.rooms == *rooms && now < at + lease,
            None => rooms.is_empty(),
        };
        if !is_known {
            self.at = Some(now);
            rooms.clone_into(&mut self.rooms);
        }
        !is_known
    }
}

/// Of rooms with their people, those that are told: with most people, each but the lobby in which somebody is.
fn to_tell(rooms: Vec<(String, usize)>) -> Vec<(Box<str>, usize)> {
    let rooms = rooms.into_iter().filter(|(name, people)| name != LOBBY && *people > 0);
    let mut rooms: Vec<_> = rooms.map(|(name, people)| (name.into(), people)).collect();
    rooms.sort_by(|(a, of_a), (b, of_b): &(Box<str>, usize)| (of_b, a).cmp(&(of_a, b)));
    rooms.truncate(MAX_ROOMS);
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_told_when_they_changed_to_who_is_new_and_from_time_to_time() {
        let (start, lease) = (Instant::now(), Duration::from_secs(15));
        let mut told = RoomsTold::default();
        for (second, people, nodes, is_due) in [
            (0, vec![], vec![], false),
            (1, vec![], vec!["b"], false),
            (2, vec![3], vec!["b"], true),
            (3, vec![3], vec!["b"], false),
            (4, vec![2], vec!["b"], true),
            (5, vec![2], vec!["b", "c"], true),
            (6, vec![2], vec!["b", "c"], false),
            (7, vec![2], vec!["b"], false),
            (8, vec![2], vec!["b", "c"], true),
            (22, vec![2], vec!["b", "c"], false),
            (23, vec![2], vec!["b", "c"], true),
            (24, vec![], vec!["c"], true),
            (25, vec![], vec!["c"], false),
            (39, vec![], vec!["c"], true),
        ] {
            let rooms: Vec<_> = people.into_iter().map(|people| ("/a".into(), people)).collect();
            let nodes = nodes.into_iter().map(Arc::from).collect();
            let now = start + Duration::from_secs(second);
            assert_eq!(told.are_due(&rooms, nodes, lease, now), is_due, "{second}");
        }
    }

    #[test]
    fn rooms_with_most_people_are_told_and_not_the_lobby() {
        let rooms = [("/", 9), ("/b", 2), ("/empty", 0), ("/c", 3), ("/a", 2)];
        let told = to_tell(rooms.map(|(name, people)| (name.to_owned(), people)).to_vec());
        assert_eq!(told, [("/c".into(), 3), ("/a".into(), 2), ("/b".into(), 2)]);
        let many: Vec<_> = (0..=MAX_ROOMS).map(|at| (format!("/{at}"), at + 1)).collect();
        let told = to_tell(many);
        assert_eq!((told.len(), told.last()), (MAX_ROOMS, Some(&("/1".into(), 2))));
    }
}
