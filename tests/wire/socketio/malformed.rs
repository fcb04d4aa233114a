//! Malformed input, row by row (socketio.md §7, vector 20). Protocol 5 does what servers of 4.8 do,
//! protocol 4 what those of 2.5 do.

use serde_json::json;

use crate::support::apps::{Exits, stage};
use crate::support::client::{Client, Via};
use crate::support::packets::{Eio, Packet};
use crate::support::server::{Setup, TestServer};

async fn served() -> (TestServer, Exits) {
    let (stage, exits) = stage();
    (Setup::default().start_app(stage).await, exits)
}

/// The transports that differ in how packets come in.
const VIAS: [Via; 3] = [Via::WebSocket, Via::Polling, Via::Jsonp];

/// Asserts that each input ends the connection, without a packet first.
async fn assert_close(eio: Eio, inputs: &[&str]) {
    let (server, mut exits) = served().await;
    for input in inputs {
        for via in VIAS {
            let mut client = Client::join(&server, eio, via).await;
            client.send(input).await;
            client.assert_closed().await;
            let (_, reason) = exits.next().await;
            assert!(reason.starts_with("parse error"), "{eio:?} {via:?} {input}: {reason}");
        }
    }
}

/// Asserts that each input is as if it had never come.
async fn assert_ignored(eio: Eio, inputs: &[&str]) {
    let (server, mut exits) = served().await;
    let mut clients = Vec::new();
    for input in inputs {
        for via in VIAS {
            let mut client = Client::join(&server, eio, via).await;
            client.send(input).await;
            client.emit_with_ack(77, json!(["echo", input])).await;
            // Another answer, or a connection that is closed, shows here.
            assert_eq!(client.ack(77).await, json!([input]), "{eio:?} {via:?}");
            client.assert_quiet().await;
            clients.push(client);
        }
    }
    assert_eq!(exits.now(), None);
}

/// Asserts that each event gets to the application.
async fn assert_delivered(eio: Eio, names: &[&str]) {
    let (server, _exits) = served().await;
    for name in names {
        for via in VIAS {
            let mut client = Client::join(&server, eio, via).await;
            client.emit(json!([name, 1])).await;
            assert_eq!(client.event().await, json!([name, 1]), "{eio:?} {via:?}");
        }
    }
}

/// Asserts that packets, sent together, end the connection.
async fn assert_close_all(eio: Eio, packets: &[Packet]) {
    let (server, _exits) = served().await;
    for via in VIAS {
        let mut client = Client::join(&server, eio, via).await;
        client.send_all(packets).await;
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn unknown_types_in_protocol_5() {
    assert_close(
        Eio::V4,
        &["49", "49[\"x\"]", "4x", "4", "47", "4abc", "4 2[\"x\"]", "4-2[\"x\"]"],
    )
    .await;
}

#[tokio::test]
async fn unknown_types_in_protocol_4() {
    assert_ignored(Eio::V3, &["49", "49[\"x\"]", "4x", "47", "4abc"]).await;
    assert_close(Eio::V3, &["4"]).await;
}

#[tokio::test]
async fn events_without_arguments() {
    for eio in Eio::ALL {
        assert_ignored(eio, &["42", "421"]).await;
    }
}

#[tokio::test]
async fn events_that_are_none() {
    const INPUTS: [&str; 12] = [
        "42{}",
        "42[\"x\"",
        "42[]",
        "42[null]",
        "42[\"a\"]x",
        "42-1[\"a\"]",
        "42abc[\"a\"]",
        "42[{}]",
        "42[[\"a\"]]",
        "42[true]",
        "42null",
        "42\"a\"",
    ];
    for eio in Eio::ALL {
        assert_close(eio, &INPUTS).await;
    }
}

const RESERVED: [&str; 6] =
    ["connect", "disconnect", "connect_error", "disconnecting", "newListener", "removeListener"];

#[tokio::test]
async fn reserved_names() {
    let inputs = RESERVED.map(|name| format!("42[\"{name}\"]"));
    assert_close(Eio::V4, &inputs.each_ref().map(String::as_str)).await;
    // Older clients may send them, but the server does not.
    let (server, _exits) = served().await;
    for name in RESERVED {
        let mut client = Client::join(&server, Eio::V3, Via::WebSocket).await;
        client.emit_with_ack(7, json!([name, 1])).await;
        assert_eq!(client.ack(7).await, json!([1]), "{name}");
    }
    for eio in Eio::ALL {
        assert_delivered(eio, &["error", "message", "__proto__", "constructor", "Connect", ""])
            .await;
    }
}

#[tokio::test]
async fn connects_and_disconnects_with_data() {
    for eio in Eio::ALL {
        assert_close(eio, &["40\"s\"", "41{}", "41[\"x\"]", "41\"x\""]).await;
    }
}

#[tokio::test]
async fn errors_from_a_client() {
    let inputs = ["44\"x\"", "44{\"message\":\"x\"}", "44/nope,\"x\"", "44"];
    assert_close(Eio::V4, &inputs).await;
    assert_ignored(Eio::V3, &inputs).await;
}

#[tokio::test]
async fn events_for_namespaces_that_are_not_joined() {
    let inputs = ["42/nope,[\"x\"]", "42/chat,[\"x\"]", "42/nope,3[\"x\"]"];
    assert_close(Eio::V4, &inputs).await;
    assert_ignored(Eio::V3, &inputs).await;
    for eio in Eio::ALL {
        assert_ignored(eio, &["41/nope,", "43/nope,1[]"]).await;
    }
}

#[tokio::test]
async fn attachment_counts() {
    const INPUTS: [&str; 9] = [
        "45-[\"x\"]",
        "451.5-[\"x\"]",
        "450-[\"x\"]",
        "4511-[\"x\"]",
        "451[\"x\"]",
        "45[\"x\"]",
        "45a-[\"x\"]",
        "45-1-[\"x\"]",
        "4599999999999999999999-[\"x\"]",
    ];
    for eio in Eio::ALL {
        assert_close(eio, &INPUTS).await;
    }
}

#[tokio::test]
async fn text_while_attachments_are_due() {
    let header = "451-[\"x\",{\"_placeholder\":true,\"num\":0}]";
    for eio in Eio::ALL {
        for second in ["42[\"y\"]", header, "431[]", "41", "42/chat,[\"y\"]"] {
            assert_close_all(eio, &[header.into(), second.into()]).await;
        }
    }
}

#[tokio::test]
async fn binary_while_none_is_due() {
    let header = "451-[\"x\",{\"_placeholder\":true,\"num\":0}]";
    for eio in Eio::ALL {
        assert_close_all(eio, &[Packet::Binary(vec![1])]).await;
        assert_close_all(eio, &[Packet::Binary(vec![])]).await;
        // One more than was announced.
        let (server, _exits) = served().await;
        let mut client = Client::join(&server, eio, Via::WebSocket).await;
        client.send_all(&[header.into(), Packet::Binary(vec![1])]).await;
        assert_eq!(client.text().await, header);
        assert_eq!(client.next().await, Packet::Binary(vec![1]));
        client.send_all(&[Packet::Binary(vec![2])]).await;
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn placeholders_out_of_range() {
    for eio in Eio::ALL {
        for num in ["1", "-1", "0.5", "\"0\"", "null", "99999999999999999999"] {
            let header = format!("451-[\"x\",{{\"_placeholder\":true,\"num\":{num}}}]");
            assert_close_all(eio, &[header.as_str().into(), Packet::Binary(vec![1])]).await;
        }
    }
}

#[tokio::test]
async fn acks_that_nobody_waits_for() {
    for eio in Eio::ALL {
        assert_ignored(eio, &["43", "43[1]", "4399[\"x\"]", "430[]"]).await;
    }
}

#[tokio::test]
async fn packets_of_the_session_layer_out_of_place() {
    for eio in Eio::ALL {
        assert_ignored(eio, &["6", "5", "3probe", "3"]).await;
        assert_close(eio, &["7", "8", "9"]).await;
    }
    let (server, _exits) = served().await;
    for (eio, data) in [(Eio::V4, "bMQ=="), (Eio::V3, "b4MQ==")] {
        let mut client = Client::join(&server, eio, Via::WebSocket).await;
        client.send(data).await;
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn binary_in_namespaces_that_are_not_joined() {
    let header = "451-/chat,[\"x\",{\"_placeholder\":true,\"num\":0}]";
    assert_close_all(Eio::V4, &[header.into(), Packet::Binary(vec![1])]).await;
    // Ignored with its attachment, whose place is taken.
    let (server, _exits) = served().await;
    let mut client = Client::join(&server, Eio::V3, Via::WebSocket).await;
    client.send_all(&[header.into(), Packet::Binary(vec![1])]).await;
    client.assert_quiet().await;
}

#[tokio::test]
async fn halves_of_surrogate_pairs_harm_nobody() {
    let (server, _exits) = served().await;
    for eio in Eio::ALL {
        for via in VIAS {
            let mut client = Client::join(&server, eio, via).await;
            client.send("42[\"echo\",\"a\\ud83db\",\"\\uDE00\",\"\\ud83d\\ude00\"]").await;
            let echoed = json!(["echo", "a\u{fffd}b", "\u{fffd}", "😀"]);
            assert_eq!(client.event().await, echoed, "{eio:?} {via:?}");
        }
    }
}
