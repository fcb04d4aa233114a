//! PROXY protocol headers, version 1 and 2: a TCP proxy names its client in them.
//!
//! Implements HAProxy's specification "The PROXY protocol" (2020/03/05). The reader consumes the
//! header and not one byte more, because TLS or HTTP starts right after it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The contents of a PROXY header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    /// The address of the proxy's client. `None` for a connection of the proxy itself, such as a
    /// health check, and if the proxy does not know the address.
    pub client: Option<IpAddr>,
    /// Whether the client spoke TLS to the proxy. Only version 2 carries this.
    pub encrypted: bool,
}

/// Why a PROXY header is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("there is none")]
    Missing,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the connection ended within it")]
    Unfinished,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
}

use HeaderError::Malformed;

const V1: &[u8] = b"PROXY ";
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Length in bytes of the longest version 1 header, including CR LF.
const V1_MAX: usize = 107;

/// Whether a connection that starts with these bytes starts with a PROXY header.
pub(crate) fn begins(first: &[u8]) -> bool {
    first.starts_with(V1) || first.starts_with(V2)
}

/// Reads the PROXY header at the start of a connection. The caller sets the deadline.
///
/// # Errors
/// If the header is missing or malformed, or the connection ends within it.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<ProxyHeader, HeaderError> {
    // The shortest header of either version has at least this length.
    let mut first = [0; V2.len()];
    fill(stream, &mut first).await?;
    if first == *V2 {
        let mut head = [0; 4];
        fill(stream, &mut head).await?;
        let [version_and_command, family, high, low] = head;
        // The 16-bit length field bounds the body to 64 KiB.
        let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        fill(stream, &mut body).await?;
        return version_2(version_and_command, family, &body);
    }
    if !first.starts_with(V1) {
        return Err(HeaderError::Missing);
    }
    let mut line = Vec::with_capacity(V1_MAX);
    line.extend_from_slice(&first);
    while !line.ends_with(b"\n") {
        if line.len() == V1_MAX {
            return Err(Malformed("it is longer than 107 bytes"));
        }
        let mut byte = [0];
        fill(stream, &mut byte).await?;
        line.extend_from_slice(&byte);
    }
    version_1(&line)
}

async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Result<(), HeaderError> {
    match stream.read_exact(buffer).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(HeaderError::Unfinished),
        Err(error) => Err(HeaderError::Broken(error)),
    }
}

/// Parses `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and CR LF.
fn version_1(line: &[u8]) -> Result<ProxyHeader, HeaderError> {
    let line = line.strip_suffix(b"\r\n").ok_or(Malformed("its line does not end with CR LF"))?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed("it is not ASCII"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let client: IpAddr = match words[..] {
        [_, "TCP4", from, to, ..] => {
            address::<Ipv4Addr>(to)?;
            address::<Ipv4Addr>(from)?.into()
        }
        [_, "TCP6", from, to, ..] => {
            address::<Ipv6Addr>(to)?;
            address::<Ipv6Addr>(from)?.into()
        }
        // The specification says to ignore the rest of the line.
        [_, "UNKNOWN", ..] => return Ok(ProxyHeader::default()),
        _ => return Err(Malformed("its protocol is not TCP4, TCP6 or UNKNOWN")),
    };
    let port =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_digit()) && word.parse::<u16>().is_ok();
    match words[4..] {
        [from, to] if port(from) && port(to) => Ok(header(client, false)),
        _ => Err(Malformed("its ports are not two numbers")),
    }
}

fn address<T: std::str::FromStr>(word: &str) -> Result<T, HeaderError> {
    word.parse().map_err(|_| Malformed("its addresses are not of its protocol"))
}

fn header(client: IpAddr, encrypted: bool) -> ProxyHeader {
    ProxyHeader { client: Some(client.to_canonical()), encrypted }
}

/// Parses a version 2 header. `body` holds addresses and ports, then TLVs (type, length, value).
fn version_2(version_and_command: u8, family: u8, body: &[u8]) -> Result<ProxyHeader, HeaderError> {
    match version_and_command {
        // LOCAL: the proxy connects on its own behalf, for example for a health check.
        0x20 => return Ok(ProxyHeader::default()),
        0x21 => {}
        _ if version_and_command >> 4 != 2 => return Err(Malformed("its version is not 1 or 2")),
        _ => return Err(Malformed("its command is not LOCAL or PROXY")),
    }
    const SHORT: HeaderError = Malformed("it is shorter than its addresses");
    let (client, additions) = match family {
        // AF_UNSPEC: the proxy does not know the address.
        0x00 => (None, body),
        0x11 => {
            let (addresses, rest) = body.split_first_chunk::<12>().ok_or(SHORT)?;
            let [a, b, c, d, ..] = *addresses;
            (Some(IpAddr::from([a, b, c, d])), rest)
        }
        0x21 => {
            let (addresses, rest) = body.split_first_chunk::<36>().ok_or(SHORT)?;
            let from = addresses.first_chunk::<16>().ok_or(SHORT)?;
            (Some(IpAddr::from(*from)), rest)
        }
        // A UNIX socket: there is no IP address.
        0x31 => (None, body.get(216..).ok_or(SHORT)?),
        _ => return Err(Malformed("its connection is not of a kind that carries HTTP")),
    };
    let encrypted = encrypted(additions)?;
    Ok(client.map_or(ProxyHeader { client: None, encrypted }, |client| header(client, encrypted)))
}

/// The TLV about TLS, and the bit in its first byte that means "the client used TLS".
const PP2_TYPE_SSL: u8 = 0x20;
const PP2_CLIENT_SSL: u8 = 0x01;

/// Searches the TLVs for the one about TLS.
fn encrypted(mut additions: &[u8]) -> Result<bool, HeaderError> {
    const CUT: HeaderError = Malformed("an addition in it is longer than the header");
    let mut encrypted = false;
    while !additions.is_empty() {
        let ([kind, high, low], rest) = additions.split_first_chunk::<3>().ok_or(CUT)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(CUT)?;
        if *kind == PP2_TYPE_SSL {
            encrypted |= value.first().is_some_and(|client| client & PP2_CLIENT_SSL != 0);
        }
        additions = rest;
    }
    Ok(encrypted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the parsed header and the number of bytes left on the connection.
    async fn read_all(bytes: &[u8]) -> (Result<ProxyHeader, String>, usize) {
        let mut rest = bytes;
        let header = read(&mut rest).await.map_err(|error| error.to_string());
        (header, rest.len())
    }

    fn client(text: &str) -> Result<ProxyHeader, String> {
        Ok(ProxyHeader { client: Some(text.parse().unwrap()), encrypted: false })
    }

    fn v2(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&V2[..], &[version_and_command, family], &length, body].concat()
    }

    const TCP4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb];

    #[tokio::test]
    async fn version_1_headers() {
        let nobody = || Ok(ProxyHeader::default());
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443", client("192.0.2.1")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", client("255.255.255.255")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443", client("2001:db8::1")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", client("192.0.2.1")),
            ("PROXY UNKNOWN", nobody()),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535", nobody()),
        ] {
            let bytes = format!("{line}\r\nGET /");
            assert_eq!(read_all(bytes.as_bytes()).await, (expected, 5), "{line}");
        }
    }

    #[tokio::test]
    async fn version_1_headers_that_are_none() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107));
        for (line, expected) in [
            ("GET / HTTP/1.1\r\n", "there is none"),
            ("proxy tcp4 192.0.2.1 192.0.2.2 1 2\r\n", "there is none"),
            ("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "its protocol is not TCP4, TCP6 or UNKNOWN"),
            ("PROXY TCP4 2001:db8::1 ::1 1 2\r\n", "its addresses are not of its protocol"),
            ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "its addresses are not of its protocol"),
            ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "its addresses are not of its protocol"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "its ports are not two numbers"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 +2\r\n", "its ports are not two numbers"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "its ports are not two numbers"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "its ports are not two numbers"),
            ("PROXY TCP4 192.0.2.1\r\n", "its protocol is not TCP4, TCP6 or UNKNOWN"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "its line does not end with CR LF"),
            ("PROXY TCP4 192.0.2.1", "the connection ended within it"),
            ("PROXY", "the connection ended within it"),
            (&long, "it is longer than 107 bytes"),
        ] {
            assert_eq!(read_all(line.as_bytes()).await.0, Err(expected.into()), "{line}");
        }
        let (header, _) = read_all(b"PROXY UNKNOWN \xff\r\n").await;
        assert_eq!(header, Err("it is not ASCII".into()));
    }

    #[tokio::test]
    async fn version_2_headers() {
        let mut tcp6 = Vec::new();
        tcp6.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        tcp6.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        tcp6.extend([0xdc, 0x04, 0x01, 0xbb]);
        let nobody = || Ok(ProxyHeader::default());
        for (header, expected) in [
            (v2(0x21, 0x11, &TCP4), client("192.0.2.1")),
            (v2(0x21, 0x21, &tcp6), client("2001:db8::1")),
            (v2(0x21, 0x00, &[]), nobody()),
            (v2(0x21, 0x31, &[7; 216]), nobody()),
            (v2(0x20, 0x00, &[]), nobody()),
            (v2(0x20, 0x11, &TCP4), nobody()),
        ] {
            let bytes = [&header[..], b"GET /"].concat();
            assert_eq!(read_all(&bytes).await, (expected, 5), "{header:02x?}");
        }
    }

    #[tokio::test]
    async fn version_2_tells_of_tls() {
        let authority = [0x02, 0, 3, b'a', b'.', b'b'];
        let tls = |client: u8| [PP2_TYPE_SSL, 0, 5, client, 0, 0, 0, 0];
        for (additions, encrypted) in [
            (tls(0x01).to_vec(), true),
            (tls(0x05).to_vec(), true),
            (tls(0x00).to_vec(), false),
            ([&authority[..], &tls(0x01)].concat(), true),
            (authority.to_vec(), false),
            // A checksum TLV, and a padding TLV.
            (vec![0x03, 0, 4, 1, 2, 3, 4, 0x04, 0, 0], false),
        ] {
            let header = v2(0x21, 0x11, &[&TCP4[..], &additions].concat());
            let expected = ProxyHeader { encrypted, ..client("192.0.2.1").unwrap() };
            assert_eq!(read_all(&header).await, (Ok(expected), 0), "{additions:02x?}");
        }
    }

    #[tokio::test]
    async fn version_2_headers_that_are_none() {
        for (header, expected) in [
            (v2(0x11, 0x11, &TCP4), "its version is not 1 or 2"),
            (v2(0x22, 0x11, &TCP4), "its command is not LOCAL or PROXY"),
            (v2(0x21, 0x12, &TCP4), "its connection is not of a kind that carries HTTP"),
            (v2(0x21, 0x11, &TCP4[..11]), "it is shorter than its addresses"),
            (v2(0x21, 0x21, &TCP4), "it is shorter than its addresses"),
            (v2(0x21, 0x31, &TCP4), "it is shorter than its addresses"),
            (
                v2(0x21, 0x11, &[&TCP4[..], &[0x20, 0, 9, 1]].concat()),
                "an addition in it is longer than the header",
            ),
            (
                v2(0x21, 0x11, &[&TCP4[..], &[0x20, 0]].concat()),
                "an addition in it is longer than the header",
            ),
            (v2(0x21, 0x11, &TCP4)[..20].to_vec(), "the connection ended within it"),
            (V2.to_vec(), "the connection ended within it"),
        ] {
            assert_eq!(read_all(&header).await.0, Err(expected.into()), "{header:02x?}");
        }
    }
}
