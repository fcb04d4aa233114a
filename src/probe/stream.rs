//! An event stream, or the page of a streaming frame, as a client reads it.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::http::Incoming;
use super::session::{LARGEST, Place};

/// Opens a stream.
pub(super) async fn stream(place: Place<'_>, target: String) -> Result<Incoming, Failure> {
    let (mut answer, mut incoming) = place.way.ask(&place.get(target)).await?;
    if answer.status == 200 {
        return Ok(incoming);
    }
    while answer.body.len() < 4096 {
        match incoming.piece().await {
            Ok(Some(piece)) => answer.body.extend_from_slice(&piece),
            _ => break,
        }
    }
    Err(Failure::answered(answer))
}

/// The next payload of a stream, which is a string of JavaScript in one event or one script.
pub(super) async fn read_stream(
    incoming: &mut Incoming,
    text: &mut String,
    first_byte: &mut Option<Duration>,
    begun: Instant,
) -> Result<String, Failure> {
    loop {
        if let Some((packet, rest)) = stream_packet(text) {
            let rest = rest.to_owned();
            *text = rest;
            return Ok(packet);
        }
        let Some(piece) = incoming.piece().await? else {
            return Err(Failure::cut("the stream ended"));
        };
        first_byte.get_or_insert_with(|| begun.elapsed());
        // Packets are ASCII here: only questions of our own are answered.
        text.push_str(&String::from_utf8_lossy(&piece));
        if text.len() > LARGEST {
            return Err(Failure::garbled("the stream has no packets"));
        }
    }
}

fn stream_packet(text: &str) -> Option<(String, &str)> {
    let event = text.find("data: \"").map(|at| (at + 6, "\n\n"));
    let script = text.find("<script>_(\"").map(|at| (at + 10, ");</script>"));
    let (begin, close) = event.or(script)?;
    let end = begin + text[begin..].find(close)?;
    let packet = serde_json::from_str(&text[begin..end]).unwrap_or_default();
    Some((packet, &text[end + close.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_streams_are_found() {
        let events = ":   \n\ndata: \"0{\\\"sid\\\":1}\"\n\ndata: \"2\"\n\ndata: \"4";
        let (packet, rest) = stream_packet(events).unwrap();
        assert_eq!(packet, "0{\"sid\":1}");
        let (packet, rest) = stream_packet(rest).unwrap();
        assert_eq!((packet.as_str(), rest), ("2", "data: \"4"));
        assert!(stream_packet(rest).is_none());
        let frame = "<html><script>var _ = function (m) { x(m); };</script>  <script>_(\"1::\");</script><script>_(\"2";
        let (packet, rest) = stream_packet(frame).unwrap();
        assert_eq!((packet.as_str(), rest), ("1::", "<script>_(\"2"));
        assert!(stream_packet(rest).is_none());
    }
}
