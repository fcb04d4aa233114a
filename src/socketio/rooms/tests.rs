use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[derive(Debug, Clone)]
struct Guest(usize, Arc<AtomicUsize>);

impl Guest {
    fn new(number: usize) -> Self {
        Guest(number, Arc::new(AtomicUsize::new(NO_SLOT)))
    }
}

impl PartialEq for Guest {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Member for Guest {
    fn slot(&self) -> &AtomicUsize {
        &self.1
    }
}

fn selected(selection: &Selection<Guest>) -> Vec<usize> {
    let mut numbers: Vec<usize> = selection.iter().map(|guest| guest.0).collect();
    numbers.sort_unstable();
    numbers
}

/// All rooms, as simple as can be.
#[derive(Default)]
struct Model(BTreeMap<usize, BTreeSet<String>>);

impl Model {
    fn select(&self, rooms: &[String], except: &[String]) -> Vec<usize> {
        let any = |guest: usize, of: &[String], names: &BTreeSet<String>| {
            of.iter().any(|name| names.contains(name) || *name == format!("id{guest}"))
        };
        self.0
            .iter()
            .filter(|(guest, names)| rooms.is_empty() || any(**guest, rooms, names))
            .filter(|(guest, names)| !any(**guest, except, names))
            .map(|(guest, _)| *guest)
            .collect()
    }
}

#[test]
fn rooms_and_their_model_stay_alike() {
    let mut random = 7_u64;
    let mut chance = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % below
    };
    let guests: Vec<Guest> = (0..300).map(Guest::new).collect();
    let (mut rooms, mut model) = (Rooms::new(), Model::default());
    for _ in 0..30_000 {
        let guest = &guests[chance(guests.len())];
        let room = format!("r{}", chance(12));
        match (model.0.get_mut(&guest.0), chance(10)) {
            (None, _) => {
                rooms.admit(guest);
                model.0.insert(guest.0, BTreeSet::new());
            }
            (Some(_), 0) => {
                let left = rooms.remove(guest).into_iter().map(|(name, _)| name.to_string());
                assert_eq!(left.collect::<BTreeSet<_>>(), model.0.remove(&guest.0).unwrap());
            }
            (Some(names), 1..=4) => assert_eq!(rooms.leave(guest, &room).0, names.remove(&room)),
            (Some(names), _) => {
                assert_eq!(rooms.join(guest, &Arc::from(&*room)).0, names.insert(room))
            }
        }
        if chance(20) == 0 {
            let mut names = |most: usize| -> Vec<String> {
                (0..chance(most))
                    .map(|_| match chance(4) {
                        0 => format!("id{}", chance(300)),
                        _ => format!("r{}", chance(14)),
                    })
                    .collect()
            };
            let (of, except) = (names(4), names(3));
            let by_id = |name: &str| {
                let number: usize = name.strip_prefix("id")?.parse().ok()?;
                model.0.contains_key(&number).then(|| guests[number].clone())
            };
            let selection = rooms.select(&of, &except, by_id);
            assert_eq!(selected(&selection), model.select(&of, &except), "{of:?} {except:?}");
            assert_eq!(rooms.count(), model.0.len());
        }
    }
    let sizes: BTreeMap<String, usize> =
        rooms.sizes().map(|(name, size)| (name.to_string(), size)).collect();
    let mut expected = BTreeMap::<String, usize>::new();
    model.0.values().flatten().for_each(|name| *expected.entry(name.clone()).or_default() += 1);
    assert_eq!(sizes, expected);
    for guest in &guests {
        rooms.remove(guest);
    }
    assert_eq!((rooms.count(), rooms.sizes().count(), rooms.places.len()), (0, 0, 0));
}

#[test]
fn rooms_come_and_go_with_their_members() {
    let (mut rooms, [a, b]) = (Rooms::new(), [1, 2].map(Guest::new));
    rooms.admit(&a);
    assert_eq!(rooms.join(&a, &"x".into()), (true, true));
    assert_eq!(rooms.join(&a, &"x".into()), (false, false));
    assert_eq!(rooms.join(&b, &"x".into()), (true, false), "who is not among all can be in a room");
    assert_eq!(rooms.of(&a), [Arc::from("x")]);
    assert_eq!(rooms.leave(&a, "x"), (true, false));
    assert_eq!(rooms.leave(&a, "x"), (false, false));
    assert_eq!(rooms.leave(&a, "y"), (false, false));
    assert_eq!(rooms.leave(&b, "x"), (true, true));
    assert_eq!(rooms.join(&b, &"x".into()), (true, true));
    assert_eq!(rooms.remove(&b), [(Arc::from("x"), true)]);
    assert_eq!(rooms.remove(&b), []);
}

#[test]
fn large_rooms_and_many_rooms() {
    const MANY: usize = 100_000;
    let guests: Vec<Guest> = (0..MANY).map(Guest::new).collect();
    let mut rooms = Rooms::new();
    for guest in &guests {
        rooms.admit(guest);
        rooms.join(guest, &"everybody".into());
        for n in 0..10 {
            rooms.join(guest, &format!("room {}", (guest.0 * 10 + n) % 50_000).into());
        }
    }
    assert_eq!(rooms.sizes().count(), 50_001);
    assert_eq!(rooms.select(&["everybody"], &["room 7"], |_| None).iter().count(), MANY - 20);
    guests.iter().for_each(|guest| assert_eq!(rooms.remove(guest).len(), 11));
    assert_eq!(rooms.sizes().count(), 0);
}
