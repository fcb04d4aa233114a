//! Acknowledgements of one and of many, and what can be done with sockets.

use std::time::Duration;

use std::sync::Arc;

use parlance::socketio::{AckError, Answers};
use serde_json::{Value, json};

use super::{client, start, three};
use crate::support::packets::Eio;
use crate::support::{soon, until};

#[tokio::test]
async fn one_answers_in_a_type_of_its_own() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    for eio in Eio::ALL {
        let (mut client, id) = client(&server, eio).await;
        let socket = io.of("/").socket(&id).unwrap();
        let asked = socket.emit_with_ack::<(u8, String)>("q", (1, "x"));
        let id = client.text().await;
        let id = id.strip_prefix("42").unwrap().strip_suffix("[\"q\",1,\"x\"]").unwrap().to_owned();
        client.send(&format!("43{id}[7,\"seven\"]")).await;
        assert_eq!(soon("the answer", asked).await, Ok((7, "seven".into())));

        let asked = socket.emit_with_ack::<u8>("q", ());
        let id: u32 = id.parse().unwrap();
        assert_eq!(client.text().await, format!("42{}[\"q\"]", id + 1));
        client.send(&format!("43{}[\"no number\"]", id + 1)).await;
        assert!(matches!(soon("the answer", asked).await, Err(AckError::Mistyped(_))));

        let late = socket.timeout(Duration::from_millis(1)).emit_with_ack::<Value>("q", ());
        assert_eq!(late.await, Err(AckError::TimedOut));
        let never = socket.emit_with_ack::<Value>("q", ());
        client.kill();
        assert_eq!(soon("the end", never).await, Err(AckError::Left));
        until("it has left", || socket.has_left()).await;
        assert_eq!(socket.emit_with_ack::<Value>("q", ()).await, Err(AckError::Left));
    }
}

#[tokio::test]
async fn many_answer_and_who_does_not_is_named() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    let [(mut a, _), (mut b, id_b), (mut c, _)] = three(&server).await;
    let root = io.of("/");
    let asked = root.emit_with_ack::<u8>("vote", "tea?");
    for (client, answer) in [(&mut a, "1"), (&mut b, "2"), (&mut c, "3")] {
        assert_eq!(client.text().await, "421[\"vote\",\"tea?\"]", "one id, encoded once");
        client.send(&format!("431[{answer}]")).await;
    }
    let Answers { mut answers, missing, missing_elsewhere, timed_out, mistyped } =
        soon("all answers", asked).await.unwrap();
    answers.sort_unstable();
    assert_eq!((answers, missing, missing_elsewhere, timed_out), (vec![1, 2, 3], vec![], 0, false));
    assert_eq!(mistyped, []);

    let asked = root.timeout(Duration::from_secs(2)).emit_with_ack::<u8>("vote", ());
    for client in [&mut a, &mut b, &mut c] {
        assert_eq!(client.text().await, "422[\"vote\"]");
    }
    a.send("432[4]").await;
    c.send("432[\"no number\"]").await;
    let answers = soon("the time is over", asked).await.unwrap();
    assert_eq!((answers.answers, answers.missing), (vec![4], vec![id_b.clone()]));
    assert!(answers.timed_out);
    assert_eq!(answers.mistyped.len(), 1);

    let asked = root.to(&id_b).emit_with_ack::<u8>("vote", ());
    b.kill();
    let answers = soon("nobody is left", asked).await.unwrap();
    assert_eq!((answers.answers, answers.missing), (vec![], vec![id_b]));
    let asked = root.to("nobody's").emit_with_ack::<u8>("vote", ());
    assert!(soon("nobody is there", asked).await.unwrap().answers.is_empty());
}

#[tokio::test]
async fn sockets_are_fetched_and_sent_away() {
    let (server, io) = start(|io| {
        io.of("/").on_connect(|socket: parlance::socketio::Socket| async move {
            socket.set_data(json!({ "since": 7 }));
        });
    })
    .await;
    let [(mut a, id_a), (mut b, id_b), (mut c, _)] = three(&server).await;
    let root = io.of("/");
    root.to([&id_a, &id_b]).sockets_join("r");
    let fetched = root.in_("r").fetch_sockets().await.unwrap();
    assert_eq!(fetched.len(), 2);
    let first = fetched.iter().find(|socket| socket.id() == id_a).unwrap();
    assert_eq!(first.rooms(), [Arc::<str>::from(id_a.clone()), "r".into()]);
    assert_eq!(first.data(), &json!({ "since": 7 }));
    assert_eq!(first.handshake()["address"], "127.0.0.1");
    first.emit("hello", "you");
    assert_eq!(a.text().await, "42[\"hello\",\"you\"]");
    first.leave("r");
    first.join("s");
    assert_eq!(root.in_("r").fetch_sockets().await.unwrap().len(), 1);
    assert_eq!(root.in_("s").fetch_sockets().await.unwrap().len(), 1);
    first.disconnect(false);
    assert_eq!(a.text().await, "41");
    assert_eq!(root.fetch_sockets().await.unwrap().len(), 2, "at once");
    root.in_("r").disconnect_sockets(true);
    assert_eq!(b.text().await, "41");
    b.assert_closed().await;
    root.except("r").disconnect_sockets(false);
    assert_eq!(c.text().await, "41");
    let (mut d, _) = client(&server, Eio::V4).await;
    root.disconnect_sockets(true);
    assert_eq!(d.text().await, "41");
    d.assert_closed().await;
    assert_eq!(root.server_count().await, 1);
    assert_eq!(root.server_side_emit_with_ack("nobody hears", ()).await, Ok(vec![]));
}
