//! Rooms, and who hears what is sent to them.

use std::sync::{Arc, Mutex};

use parlance::socketio::{BroadcastOperator, Namespace, RoomEvent};

use super::{start, three};
use crate::support::client::Client;
use crate::support::packets::Packet;

/// What a row sends, given the namespace and the ids of the three.
type Send = fn(&Namespace, &[String; 3]) -> BroadcastOperator;

#[tokio::test]
async fn who_hears_what() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    let [(mut a, id_a), (mut b, id_b), (mut c, id_c)] = three(&server).await;
    let (root, ids) = (io.of("/"), [id_a, id_b, id_c]);
    let socket = |n: usize| root.socket(&ids[n]).unwrap();
    socket(0).join(["x", "y"]);
    socket(1).join("x");
    socket(1).join("z");
    socket(2).join("z");
    let rows: [(&str, Send, &str); 21] = [
        ("all", |ns, _| ns.all(), "abc"),
        ("room", |ns, _| ns.to("x"), "ab"),
        ("in", |ns, _| ns.in_("z"), "bc"),
        ("nobody's", |ns, _| ns.to("w"), ""),
        ("rooms, each once", |ns, _| ns.to(["x", "y"]).to("z"), "abc"),
        ("rooms", |ns, _| ns.to("y").to("w"), "a"),
        ("but a room", |ns, _| ns.except("x"), "c"),
        ("but rooms", |ns, _| ns.to("x").except(["y", "w"]), "b"),
        ("but a socket", |ns, ids| ns.except(&ids[2]), "ab"),
        ("one", |ns, ids| ns.to(&ids[1]), "b"),
        ("one and a room", |ns, ids| ns.to(&ids[0]).to("x"), "ab"),
        ("one of a room, but it", |ns, ids| ns.to("x").except(&ids[0]), "b"),
        ("one and another but it", |ns, ids| ns.to([&ids[0], &ids[2]]).except("z"), "a"),
        ("here", |ns, _| ns.local().to("z"), "bc"),
        ("others", |ns, ids| ns.socket(&ids[0]).unwrap().broadcast(), "bc"),
        ("others in a room", |ns, ids| ns.socket(&ids[0]).unwrap().to("x"), "b"),
        ("others in", |ns, ids| ns.socket(&ids[0]).unwrap().in_(["y", "z"]), "bc"),
        ("others but", |ns, ids| ns.socket(&ids[0]).unwrap().except("x"), "c"),
        ("others here", |ns, ids| ns.socket(&ids[1]).unwrap().local(), "ac"),
        ("to itself alone", |ns, ids| ns.socket(&ids[0]).unwrap().to(&ids[0]), ""),
        ("compressed", |ns, _| ns.to("y").compress(false), "a"),
    ];
    for (what, operator, who) in rows {
        let operator = operator(&root, &ids);
        // An operator can be used again.
        operator.clone().emit("e", (what, 1));
        operator.emit("binary", bytes::Bytes::from_static(&[7]));
        root.emit("end", ());
        for (name, client) in [("a", &mut a), ("b", &mut b), ("c", &mut c)] {
            hears(client, what, who.contains(name)).await;
        }
    }
}

async fn hears(client: &mut Client, what: &str, hears: bool) {
    if hears {
        assert_eq!(client.text().await, format!("42[\"e\",\"{what}\",1]"));
        let header = "451-[\"binary\",{\"_placeholder\":true,\"num\":0}]";
        assert_eq!(client.text().await, header, "{what}");
        assert_eq!(client.next().await, Packet::from(&[7][..]));
    }
    assert_eq!(client.text().await, "42[\"end\"]", "{what}");
}

#[tokio::test]
async fn rooms_come_and_go() {
    let heard = Arc::<Mutex<Vec<RoomEvent>>>::default();
    let (server, io) = start(|io| {
        let heard = Arc::clone(&heard);
        io.of("/").on_room(move |event| heard.lock().unwrap().push(event.clone()));
    })
    .await;
    let [(a, id_a), (_b, id_b), _] = three(&server).await;
    let root = io.of("/");
    root.sockets_join("r");
    root.to(&id_a).sockets_join(["r", "s"]);
    root.in_("s").sockets_leave("r");
    root.to(&id_b).sockets_leave(["r", "nobody's"]);
    assert_eq!(root.socket(&id_a).unwrap().rooms(), [Arc::<str>::from(id_a.clone()), "s".into()]);
    assert_eq!((root.node().rooms().len(), io.room_count()), (2, 2));
    let count = |wanted: fn(&RoomEvent) -> bool| {
        heard.lock().unwrap().iter().filter(|event| wanted(event)).count()
    };
    assert_eq!(count(|event| matches!(event, RoomEvent::Created(_))), 2);
    assert_eq!(count(|event| matches!(event, RoomEvent::Joined(..))), 4);
    assert_eq!(count(|event| matches!(event, RoomEvent::Left(..))), 2);
    assert_eq!(count(|event| matches!(event, RoomEvent::Deleted(_))), 0);
    a.kill();
    let deleted = || heard.lock().unwrap().last() == Some(&RoomEvent::Deleted("s".into()));
    crate::support::until("the room is deleted", deleted).await;
    let left = RoomEvent::Left("s".into(), id_a);
    assert!(heard.lock().unwrap().contains(&left));
    root.sockets_leave("r");
    assert_eq!(io.room_count(), 0);
    heard.lock().unwrap().clear();
    let b = root.socket(&id_b).unwrap();
    b.join("t");
    b.join("t");
    b.leave("t");
    b.leave("t");
    let (room, who) = (Arc::<str>::from("t"), id_b);
    let all = [
        RoomEvent::Created(room.clone()),
        RoomEvent::Joined(room.clone(), who.clone()),
        RoomEvent::Left(room.clone(), who),
        RoomEvent::Deleted(room),
    ];
    assert_eq!(*heard.lock().unwrap(), all);
}
