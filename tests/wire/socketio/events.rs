//! Events, acknowledgements and binary, both ways on every transport (socketio.md §4, vectors 8-12,
//! 17 and 18).

use serde_json::json;

use crate::support::apps::stage;
use crate::support::client::{Client, Via};
use crate::support::packets::{Eio, Packet};
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{Frame, Ws};

async fn server() -> TestServer {
    Setup::default().start_app(stage().0).await
}

/// A client of each protocol on each transport, in the default namespace.
async fn everybody(server: &TestServer) -> Vec<Client> {
    let mut clients = Vec::new();
    for eio in Eio::ALL {
        for via in Via::ALL {
            clients.push(Client::join(server, eio, via).await);
        }
    }
    clients
}

fn bytes(data: &[u8]) -> Packet {
    Packet::from(data)
}

#[tokio::test]
async fn vector_8_an_acknowledged_event() {
    let server = server().await;
    for mut client in everybody(&server).await {
        client.send("42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]").await;
        assert_eq!(client.text().await, "43456[1,\"2\",{\"3\":[false]}]");
        client.send("420[\"zero\"]").await;
        assert_eq!(client.text().await, "430[]", "an id like any other");
    }
}

#[tokio::test]
async fn vectors_9_to_12_binary_both_ways() {
    let server = server().await;
    let header = "452-789[\"message-with-ack\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    for mut client in everybody(&server).await {
        client.send_all(&[header.into(), bytes(&[1, 2, 3]), bytes(&[4, 5, 6])]).await;
        let ack = "462-789[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
        assert_eq!(client.text().await, ack, "{:?} {:?}", client.eio, client.via);
        assert_eq!(client.next().await, bytes(&[1, 2, 3]));
        assert_eq!(client.next().await, bytes(&[4, 5, 6]));

        let event = "452-[\"bin\",{\"_placeholder\":true,\"num\":0},{\"a\":{\"_placeholder\":true,\"num\":1}}]";
        client.send_all(&[event.into(), bytes(&[]), bytes(&[0xff, 0, 4])]).await;
        assert_eq!(client.text().await, event);
        assert_eq!(client.next().await, bytes(&[]));
        assert_eq!(client.next().await, bytes(&[0xff, 0, 4]));
    }
}

#[tokio::test]
async fn vector_10_the_frames_of_protocol_3_bare() {
    let server = server().await;
    let mut ws = Ws::open(server.addr, &target("EIO=3&transport=websocket")).await;
    ws.text().await;
    assert_eq!(ws.text().await, "40");
    ws.send("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]").await;
    ws.send_binary(&[4, 1, 2, 3]).await;
    assert_eq!(ws.text().await, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(ws.next().await, Frame::Binary(vec![4, 1, 2, 3]));
}

#[tokio::test]
async fn vectors_11_and_12_base64_frames_bare() {
    let server = server().await;
    for (query, data) in [("EIO=4", "bAQI="), ("EIO=3", "b4AQI=")] {
        let mut ws =
            Ws::open(server.addr, &target(&format!("{query}&transport=websocket&b64=1"))).await;
        ws.text().await;
        ws.send("40").await;
        assert!(ws.text().await.starts_with("40"));
        ws.send("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]").await;
        ws.send(data).await;
        assert_eq!(ws.text().await, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
        assert_eq!(ws.next().await, Frame::Text(data.into()), "{query}");
    }
}

#[tokio::test]
async fn vectors_17_and_18_odd_but_legal() {
    let server = server().await;
    for mut client in everybody(&server).await {
        client.send("4207[\"echo\",1]").await;
        assert_eq!(client.text().await, "437[1]", "leading zeros are numeric");
        client.send("42").await;
        client.emit_with_ack(8, json!(["after nothing"])).await;
        assert_eq!(client.ack(8).await, json!([]));
        client.send("429[1,2]").await;
        assert_eq!(client.ack(9).await, json!([2]), "a number is a name");
        client.send("4210 [ \"spaces\" , { \"a\" : 1 } ] ").await;
        assert_eq!(client.ack(10).await, json!([{ "a": 1 }]));
    }
}

#[tokio::test]
async fn the_other_direction() {
    let server = server().await;
    for mut client in everybody(&server).await {
        client.emit(json!(["ask", "q", 1])).await;
        let question = client.text().await;
        let id = question
            .strip_prefix("42")
            .and_then(|rest| rest.strip_suffix("[\"question\",\"q\",1]"));
        let id: u64 = id.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{question}"));
        client.send(&format!("43{id}[\"A\",2]")).await;
        assert_eq!(client.event().await, json!(["answer", "A", 2]));
        // Answered once; what comes again, or was never asked, is ignored.
        client.send(&format!("43{id}[\"again\"]")).await;
        client.send("4399[\"x\"]").await;
        client.assert_quiet().await;
    }
}

#[tokio::test]
async fn the_other_direction_with_binary() {
    let server = server().await;
    for mut client in everybody(&server).await {
        let ask = "451-[\"ask\",{\"_placeholder\":true,\"num\":0}]";
        client.send_all(&[ask.into(), bytes(&[9])]).await;
        let question = client.text().await;
        let id = question
            .strip_prefix("451-")
            .and_then(|rest| rest.split_once('['))
            .expect("a question")
            .0
            .to_owned();
        assert_eq!(question, format!("451-{id}[\"question\",{{\"_placeholder\":true,\"num\":0}}]"));
        assert_eq!(client.next().await, bytes(&[9]));
        let answer = format!(
            "462-{id}[{{\"_placeholder\":true,\"num\":1}},{{\"_placeholder\":true,\"num\":0}}]"
        );
        client.send_all(&[answer.as_str().into(), bytes(&[1]), bytes(&[2])]).await;
        let header =
            "452-[\"answer\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]";
        assert_eq!(client.text().await, header, "{:?} {:?}", client.eio, client.via);
        assert_eq!(client.next().await, bytes(&[1]));
        assert_eq!(client.next().await, bytes(&[2]));
    }
}

#[tokio::test]
async fn namespaces_are_written_where_they_are_not_the_default() {
    let server = server().await;
    for mut client in everybody(&server).await {
        client.send("40/1,").await;
        assert!(client.text().await.starts_with("40/1,"));
        client.send("42/1,5[\"a\"]").await;
        assert_eq!(client.text().await, "43/1,5[]", "the digit is the name's, not the id's");
        client.send("42/1,[\"a\"]").await;
        assert_eq!(client.text().await, "42/1,[\"a\"]");
        let header = "451-/1,6[\"a\",{\"_placeholder\":true,\"num\":0}]";
        client.send_all(&[header.into(), bytes(&[7])]).await;
        assert_eq!(client.text().await, "461-/1,6[{\"_placeholder\":true,\"num\":0}]");
        assert_eq!(client.next().await, bytes(&[7]));
    }
}

#[tokio::test]
async fn heartbeats_may_come_between_a_header_and_its_attachments() {
    let server = server().await;
    for via in [Via::WebSocket, Via::Polling, Via::PollingB64] {
        let mut client = Client::join(&server, Eio::V3, via).await;
        let header = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]";
        client.send(header).await;
        client.send("2").await;
        client.send_all(&[bytes(&[1])]).await;
        assert_eq!(client.text().await, "3");
        assert_eq!(client.text().await, header);
        assert_eq!(client.next().await, bytes(&[1]));
    }
}

#[tokio::test]
async fn ten_attachments_are_the_most() {
    let server = server().await;
    for eio in Eio::ALL {
        let header = |count: usize| {
            let places: Vec<String> =
                (0..count).map(|n| format!("{{\"_placeholder\":true,\"num\":{n}}}")).collect();
            format!("45{count}-[\"echo\",{}]", places.join(","))
        };
        let mut client = Client::join(&server, eio, Via::WebSocket).await;
        client.send(&header(10)).await;
        for n in 0..10 {
            client.send_all(&[bytes(&[n])]).await;
        }
        assert_eq!(client.text().await, header(10));
        for n in 0..10 {
            assert_eq!(client.next().await, bytes(&[n]));
        }
        // Vector 20 and its like: refused at once, before any attachment.
        client.send(&header(11)).await;
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn the_acks_of_the_first_clients() {
    let server = server().await;
    let mut client = Client::join(&server, Eio::V3, Via::WebSocket).await;
    client.emit_with_ack(1, json!(["a"])).await;
    assert_eq!(client.text().await, "431[]", "the standard form, until it is known better");
    client.emit(json!(["ask", 1])).await;
    assert_eq!(client.text().await, "421[\"question\",1]");
    client.send("430-1[\"counted\"]").await;
    assert_eq!(client.event().await, json!(["answer", "counted"]));
    client.emit_with_ack(2, json!(["b", 2])).await;
    assert_eq!(client.text().await, "430-2[2]", "now it is known");
}

#[tokio::test]
async fn strings_arrive_as_they_left() {
    let server = server().await;
    let strings = [
        "€😀é",
        "\u{2028}\u{2029}",
        "\u{0}\u{1f}\u{7f}",
        "\\/\\n\\\\",
        "</script>",
        "\"'`",
        "\u{fffd}\u{feff}",
    ];
    for mut client in everybody(&server).await {
        for string in strings {
            client.emit(json!(["echo", string])).await;
            assert_eq!(
                client.event().await,
                json!(["echo", string]),
                "{:?} {:?}",
                client.eio,
                client.via
            );
        }
    }
}

#[tokio::test]
async fn order_is_kept_among_text_and_binary() {
    let server = server().await;
    for mut client in everybody(&server).await {
        for n in 0..30u8 {
            let header = format!("451-[\"b\",{n},{{\"_placeholder\":true,\"num\":0}}]");
            client
                .send_all(&[
                    format!("42[\"t\",{n}]").as_str().into(),
                    header.as_str().into(),
                    bytes(&[n]),
                ])
                .await;
        }
        for n in 0..30u8 {
            assert_eq!(client.event().await, json!(["t", n]));
            assert_eq!(
                client.text().await,
                format!("451-[\"b\",{n},{{\"_placeholder\":true,\"num\":0}}]")
            );
            assert_eq!(client.next().await, bytes(&[n]));
        }
    }
}
