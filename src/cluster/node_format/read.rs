//! Reading messages.

use std::sync::Arc;

use super::FormatError;
use super::parts::Parts;
use crate::cluster::message::{Content, Message};

/// Reads a message.
///
/// # Errors
/// If it is none.
pub fn read(bytes: &[u8]) -> Result<Message, FormatError> {
    read_after(bytes).map(|(message, _)| message)
}

/// Reads a message, and the place up to which a log is to be read before: see
/// [`write_binary_after`](super::write_binary_after).
///
/// # Errors
/// If it is none.
pub fn read_after(bytes: &[u8]) -> Result<(Message, Option<Arc<str>>), FormatError> {
    let mut parts = Parts::read(bytes)?;
    let (uid, namespace) = (parts.text("uid")?, parts.text("nsp")?);
    let number = parts.number("type")?;
    let content = match has_data(number) {
        true => content(number, parts.inner("data")?)?,
        false => without_data(number)?,
    };
    let after = parts.some_text("after")?;
    Ok((Message { uid, namespace, content }, after))
}

/// Reads what a message of that type says: its `data` alone.
///
/// # Errors
/// If it says nothing that is known.
pub fn read_data(number: u64, data: Option<&[u8]>) -> Result<Content, FormatError> {
    match data {
        Some(data) if has_data(number) => content(number, Parts::read(data)?),
        None if has_data(number) => Err(FormatError::Mistyped("data")),
        _ => without_data(number),
    }
}

fn has_data(number: u64) -> bool {
    (3..=12).contains(&number)
}

fn without_data(number: u64) -> Result<Content, FormatError> {
    match number {
        1 => Ok(Content::InitialHeartbeat),
        2 => Ok(Content::Heartbeat),
        13 => Ok(Content::AdapterClose),
        _ => Err(FormatError::Unknown(number)),
    }
}

fn content(number: u64, mut data: Parts) -> Result<Content, FormatError> {
    let request = data.some_text("requestId")?;
    let named = || request.clone().ok_or(FormatError::Mistyped("requestId"));
    Ok(match number {
        3 => {
            let packet = data.take("packet").unwrap_or_default();
            let (packet, _) = data.event_of(packet)?;
            let (selector, flags) = data.opts()?;
            Content::Broadcast { packet, selector, flags, request }
        }
        4 => Content::SocketsJoin { selector: data.opts()?.0, rooms: data.rooms("rooms")? },
        5 => Content::SocketsLeave { selector: data.opts()?.0, rooms: data.rooms("rooms")? },
        6 => {
            let close = data.flag("close");
            Content::DisconnectSockets { selector: data.opts()?.0, close }
        }
        7 => Content::FetchSockets { selector: data.opts()?.0, request: named()? },
        8 => Content::FetchSocketsResponse { request: named()?, sockets: data.sockets()? },
        9 => {
            let packet = data.take("packet").unwrap_or_default();
            Content::ServerSideEmit { packet: data.list_of(packet)?, request }
        }
        10 => Content::ServerSideEmitResponse { request: named()?, args: data.answer("packet") },
        11 => {
            let count = data.number("clientCount")?;
            let count = usize::try_from(count).map_err(|_| FormatError::Mistyped("clientCount"))?;
            Content::BroadcastClientCount { request: named()?, count }
        }
        12 => Content::BroadcastAck { request: named()?, args: data.answer("packet") },
        _ => return Err(FormatError::Unknown(number)),
    })
}
