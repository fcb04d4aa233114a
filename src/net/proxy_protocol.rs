//! PROXY headers, version 1 and 2: by these a proxy that passes bytes on tells for whom it does so.
//!
//! The form is that of the specification "The PROXY protocol" of HAProxy (2020/03/05). Bytes are taken
//! from the connection up to the end of the header and no further; TLS or HTTP begins there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a header told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Who connected to the proxy. `None` if the proxy speaks for itself or does not know.
    pub client: Option<IpAddr>,
    /// The client spoke TLS to the proxy. Only version 2 can tell.
    pub encrypted: bool,
}

/// Why a header cannot be used.
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

/// Bytes of the longest header of version 1, with its line end.
const V1_MAX: usize = 107;

/// Whether these first bytes of a connection are a header's.
pub(crate) fn begins(first: &[u8]) -> bool {
    first.starts_with(V1) || first.starts_with(V2)
}

/// Reads the header that a connection begins with.
///
/// # Errors
/// If there is none, or one that cannot be used.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Told, HeaderError> {
    // No header of either version is shorter than this.
    let mut first = [0; V2.len()];
    fill(stream, &mut first).await?;
    if first == *V2 {
        let mut head = [0; 4];
        fill(stream, &mut head).await?;
        let [version_and_command, family, high, low] = head;
        // At most 64 KiB, the limit of the protocol itself.
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

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and a line end.
fn version_1(line: &[u8]) -> Result<Told, HeaderError> {
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
        // Whatever follows is of no meaning.
        [_, "UNKNOWN", ..] => return Ok(Told::default()),
        _ => return Err(Malformed("its protocol is not TCP4, TCP6 or UNKNOWN")),
    };
    let port =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_digit()) && word.parse::<u16>().is_ok();
    match words[4..] {
        [from, to] if port(from) && port(to) => Ok(told(client, false)),
        _ => Err(Malformed("its ports are not two numbers")),
    }
}

fn address<T: std::str::FromStr>(word: &str) -> Result<T, HeaderError> {
    word.parse().map_err(|_| Malformed("its addresses are not of its protocol"))
}

fn told(client: IpAddr, encrypted: bool) -> Told {
    Told { client: Some(client.to_canonical()), encrypted }
}

/// `body` is addresses, ports and then additions of a type and length each.
fn version_2(version_and_command: u8, family: u8, body: &[u8]) -> Result<Told, HeaderError> {
    match version_and_command {
        // The proxy connects on its own behalf, as to see whether the server is there.
        0x20 => return Ok(Told::default()),
        0x21 => {}
        _ if version_and_command >> 4 != 2 => return Err(Malformed("its version is not 1 or 2")),
        _ => return Err(Malformed("its command is not LOCAL or PROXY")),
    }
    const SHORT: HeaderError = Malformed("it is shorter than its addresses");
    let (client, additions) = match family {
        // Unspecified: the proxy does not know.
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
        // A socket of the proxy's system: there is no address.
        0x31 => (None, body.get(216..).ok_or(SHORT)?),
        _ => return Err(Malformed("its connection is not of a kind that carries HTTP")),
    };
    let encrypted = encrypted(additions)?;
    Ok(client.map_or(Told { client: None, encrypted }, |client| told(client, encrypted)))
}

/// The addition that tells of TLS, and the bit in it that says yes.
const PP2_TYPE_SSL: u8 = 0x20;
const PP2_CLIENT_SSL: u8 = 0x01;

/// Looks through the additions for the one about TLS.
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

    /// What a header tells, and what is left on the connection.
    async fn read_all(bytes: &[u8]) -> (Result<Told, String>, usize) {
        let mut rest = bytes;
        let told = read(&mut rest).await.map_err(|error| error.to_string());
        (told, rest.len())
    }

    fn client(text: &str) -> Result<Told, String> {
        Ok(Told { client: Some(text.parse().unwrap()), encrypted: false })
    }

    fn v2(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&V2[..], &[version_and_command, family], &length, body].concat()
    }

    const TCP4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb];

    #[tokio::test]
    async fn version_1_headers() {
        let nobody = || Ok(Told::default());
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
        let (told, _) = read_all(b"PROXY UNKNOWN \xff\r\n").await;
        assert_eq!(told, Err("it is not ASCII".into()));
    }

    #[tokio::test]
    async fn version_2_headers() {
        let mut tcp6 = Vec::new();
        tcp6.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        tcp6.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        tcp6.extend([0xdc, 0x04, 0x01, 0xbb]);
        let nobody = || Ok(Told::default());
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
            // The checksum and what is there for alignment.
            (vec![0x03, 0, 4, 1, 2, 3, 4, 0x04, 0, 0], false),
        ] {
            let header = v2(0x21, 0x11, &[&TCP4[..], &additions].concat());
            let expected = Told { encrypted, ..client("192.0.2.1").unwrap() };
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
