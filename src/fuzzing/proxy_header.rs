//! PROXY headers, of both versions.

use std::net::IpAddr;

use futures::FutureExt as _;

use super::input::Input;
use crate::net::proxy_protocol::{HeaderError, ProxyHeader, begins, read};

/// Parsing consumes the header and not one byte more. Each header that a proxy can make yields the client's
/// address.
pub fn proxy_header(data: &[u8]) {
    if let Ok((_, taken)) = read_all(data) {
        assert!(begins(data), "a header that does not begin like one");
        assert_eq!(read_all(&data[..taken]).ok().map(|(_, taken)| taken), Some(taken));
        assert!(read_all(&data[..taken - 1]).is_err(), "the last byte belongs to it");
    }
    let mut input = Input(data);
    let (encrypted, wide, addition) = (input.byte() & 1 != 0, input.byte() & 1 != 0, input.short());
    let mut address = [0; 16];
    address.iter_mut().for_each(|byte| *byte = input.byte());
    let client = match wide {
        true => IpAddr::from(address),
        false => IpAddr::from([address[0], address[1], address[2], address[3]]),
    };
    let expected = |encrypted| ProxyHeader { client: Some(client.to_canonical()), encrypted };
    check(&version_1(client), expected(false), input.0);
    check(&version_2(client, encrypted, addition), expected(encrypted), input.0);
}

fn check(header: &[u8], expected: ProxyHeader, behind: &[u8]) {
    let read = read_all(&[header, behind].concat());
    let (read, taken) = read.unwrap_or_else(|error| panic!("{error}: {header:02x?}"));
    assert_eq!((read, taken), (expected, header.len()));
}

/// Returns the header, and its length in bytes.
fn read_all(data: &[u8]) -> Result<(ProxyHeader, usize), HeaderError> {
    let mut rest = data;
    let header = read(&mut rest).now_or_never().expect("all bytes are here")?;
    Ok((header, data.len() - rest.len()))
}

fn version_1(client: IpAddr) -> Vec<u8> {
    let (kind, server) = if client.is_ipv4() { ("TCP4", "192.0.2.1") } else { ("TCP6", "::1") };
    format!("PROXY {kind} {client} {server} 56324 443\r\n").into_bytes()
}

fn version_2(client: IpAddr, encrypted: bool, addition: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for _both_ends in 0..2 {
        match client {
            IpAddr::V4(address) => body.extend(address.octets()),
            IpAddr::V6(address) => body.extend(address.octets()),
        }
    }
    body.extend([0xdc, 0x04, 0x01, 0xbb]);
    // Two fields of additional information: one of a type without a meaning, one about TLS.
    body.extend([0xe0, 0, addition.len() as u8]);
    body.extend(addition);
    body.extend([0x20, 0, 5, u8::from(encrypted), 0, 0, 0, 0]);
    let family = if client.is_ipv4() { 0x11 } else { 0x21 };
    let length = (body.len() as u16).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[family], &length, &body].concat()
}
