//! A WebSocket as a client has it.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant as Deadline, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::failure::Failure;
use super::session::{LARGEST, Place};
use super::way::Link;

/// Opens a WebSocket.
pub(super) async fn websocket(
    place: Place<'_>,
    target: String,
) -> Result<WebSocketStream<Link>, Failure> {
    let (ask, proof) = place.upgrade(target);
    let (mut answer, mut incoming) = place.way.ask(&ask).await?;
    if answer.status != 101 {
        // The reason, if it comes with the head or soon after.
        let soon = Deadline::now() + Duration::from_secs(1);
        while answer.body.len() < 4096
            && let Ok(Ok(Some(piece))) = timeout_at(soon, incoming.piece()).await
        {
            answer.body.extend_from_slice(&piece);
        }
        return Err(Failure::answered(answer));
    }
    if answer.header("sec-websocket-accept") != Some(proof.as_str()) {
        let why = Failure::garbled(
            "the 101 does not come from a WebSocket server: Sec-WebSocket-Accept is wrong",
        );
        return Err(Failure { answer: Some(Box::new(answer)), ..why });
    }
    let config =
        WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
    let (link, begun) = (incoming.link, incoming.buffer);
    Ok(WebSocketStream::from_partially_read(link, begun, Role::Client, Some(config)).await)
}

/// The next text of a WebSocket.
pub(super) async fn read_socket(
    socket: &mut WebSocketStream<Link>,
    close_code: &mut Option<u16>,
) -> Result<String, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                *close_code = Some(code);
                return Err(Failure::closed(format!("the WebSocket was closed with code {code}")));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(ws_failure(&error)),
            None => return Err(Failure::cut("the connection ended")),
        }
    }
}

/// Why a WebSocket failed.
pub(super) fn ws_failure(error: &WsError) -> Failure {
    match error {
        WsError::Io(error) => Failure::io(error),
        WsError::ConnectionClosed | WsError::AlreadyClosed => Failure::cut("the connection ended"),
        WsError::Protocol(error) if error.to_string().contains("without closing") => {
            Failure::cut("the connection was reset")
        }
        error => Failure::garbled(format!("no frames: {error}")),
    }
}
