//! Numbers come out as they went in, whatever a double makes of them.

use crate::support::apps::stage;
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer};
use crate::support::v09::Session09;

const NUMBERS: [&str; 13] = [
    "0",
    "-0",
    "1",
    "1.0",
    "0.1",
    "38.156211720485004",
    "9007199254740993",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "5e-324",
    "1e+400",
    "-1e-400",
];

async fn server() -> TestServer {
    Setup::default().start_app(stage().0).await
}

/// Everything in one list, and somewhere deeper.
fn lists() -> impl Iterator<Item = String> {
    let all = NUMBERS.join(",");
    NUMBERS.into_iter().map(str::to_owned).chain([format!("[{all}]"), format!("{{\"a\":[{all}]}}")])
}

#[tokio::test]
async fn of_events_and_acks_both_ways() {
    let server = server().await;
    for eio in Eio::ALL {
        for via in [Via::WebSocket, Via::Polling, Via::Jsonp] {
            let mut client = Client::join(&server, eio, via).await;
            for list in lists() {
                client.send(&format!("42[\"echo\",{list}]")).await;
                assert_eq!(client.text().await, format!("42[\"echo\",{list}]"), "{eio:?} {via:?}");
                client.send(&format!("427[\"echo\",{list}]")).await;
                assert_eq!(client.text().await, format!("437[{list}]"), "{eio:?} {via:?}");
                client.send(&format!("42[\"ask\",{list}]")).await;
                let question = client.text().await;
                let rest = question.strip_prefix("42").expect("an event");
                let (id, question) = rest.split_at(rest.find('[').expect("arguments"));
                assert_eq!(question, format!("[\"question\",{list}]"), "{eio:?} {via:?}");
                client.send(&format!("43{id}[{list}]")).await;
                assert_eq!(client.text().await, format!("42[\"answer\",{list}]"));
            }
        }
    }
}

#[tokio::test]
async fn of_events_and_acks_of_0_9() {
    let server = server().await;
    let session = Session09::open(&server).await;
    let mut ws = session.websocket().await;
    for list in lists() {
        let event = format!("5:::{{\"name\":\"echo\",\"args\":[{list}]}}");
        ws.send(&event).await;
        assert_eq!(ws.text().await, event);
        ws.send(&format!("5:7+::{{\"name\":\"echo\",\"args\":[{list}]}}")).await;
        assert_eq!(ws.text().await, format!("6:::7+[{list}]"));
        ws.send(&format!("4:::{list}")).await;
        assert_eq!(ws.text().await, format!("4:::{list}"));
        ws.send(&format!("5:::{{\"name\":\"ask\",\"args\":[{list}]}}")).await;
        let question = ws.text().await;
        let (id, question) = question.strip_prefix("5:").and_then(|q| q.split_once("+::")).unwrap();
        assert_eq!(question, format!("{{\"name\":\"question\",\"args\":[{list}]}}"));
        ws.send(&format!("6:::{id}+[{list}]")).await;
        assert_eq!(ws.text().await, format!("5:::{{\"name\":\"answer\",\"args\":[{list}]}}"));
    }
}

#[tokio::test]
async fn of_what_a_client_brings() {
    let server = server().await;
    for list in lists() {
        let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
        client.send(&format!("40/custom,{{\"a\":{list}}}")).await;
        assert!(client.text().await.starts_with("40/custom,{"));
        assert_eq!(client.text().await, format!("42/custom,[\"auth\",{{\"a\":{list}}}]"));
    }
    // A query has text only.
    for number in NUMBERS {
        let escaped = number.replace('+', "%2B");
        let mut client = Client::join(&server, Eio::V3, Via::WebSocket).await;
        client.send(&format!("40/custom?a={escaped},")).await;
        assert_eq!(client.text().await, "40/custom,");
        assert_eq!(client.text().await, format!("42/custom,[\"auth\",{{\"a\":\"{number}\"}}]"));
    }
}

#[tokio::test]
async fn a_number_that_is_none_is_no_json() {
    let server = server().await;
    for eio in Eio::ALL {
        for number in ["01", "1.", "+1", "NaN", "Infinity", "0x1"] {
            let mut client = Client::join(&server, eio, Via::WebSocket).await;
            client.send(&format!("42[\"echo\",{number}]")).await;
            client.assert_closed().await;
        }
    }
}
