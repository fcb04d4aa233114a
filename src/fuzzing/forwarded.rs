//! What clients write into the headers by which proxies tell of them.

use std::borrow::Cow;
use std::net::IpAddr;

use super::input::Input;
use crate::policy::forwarded::{Headers, source};
use crate::policy::{Client, Networks, Scheme};

/// Behind a trusted proxy a client is who the proxy says, or unknown, and never anybody else, whatever it
/// wrote into the same headers before. What comes from elsewhere is not looked at.
pub fn forwarded(data: &[u8]) {
    let mut input = Input(data);
    let proxy = Proxy::chosen(input.byte());
    let mut headers = Headers::default();
    while !input.0.is_empty() {
        let list = match input.byte() {
            b'f' => &mut headers.forwarded,
            b'p' => &mut headers.x_proto,
            b'h' => &mut headers.x_host,
            _ => &mut headers.x_for,
        };
        list.push(String::from_utf8_lossy(input.line()));
    }
    let trusted = Networks::parse(["10.0.0.0/8"]).expect("a network");
    let near = IpAddr::from([10, 0, 0, 1]);
    let direct = source(proxy.client, Scheme::Http, &headers, &trusted);
    assert_eq!((direct.client, direct.host), (Client::Address(proxy.client), None));
    let _ = source(near, Scheme::Http, &headers, &trusted);

    proxy.writes(&mut headers, proxy.client);
    if proxy.is_followed {
        proxy.writes(&mut headers, IpAddr::from([10, 0, 0, 2]));
    }
    let found = source(near, Scheme::Http, &headers, &trusted);
    assert_eq!(found.client == Client::Unknown, found.doubt.is_some());
    if found.client != Client::Unknown {
        assert_eq!(found.client, Client::Address(proxy.client), "{headers:?}");
        assert_eq!(found.scheme, Scheme::Https, "{headers:?}");
        assert!(found.host.is_none_or(|host| host == "chat.example"), "{headers:?}");
    }
}

/// The proxy that the client talks to.
struct Proxy {
    client: IpAddr,
    /// It knows `Forwarded` alone, else the other headers alone.
    is_standard: bool,
    /// It adds to the last line that is there, else a line of its own.
    joins: bool,
    /// There is another of its kind between it and the server.
    is_followed: bool,
}

impl Proxy {
    fn chosen(byte: u8) -> Self {
        let client = match byte & 8 != 0 {
            true => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]),
            false => IpAddr::from([192, 0, 2, 7]),
        };
        Proxy {
            client,
            is_standard: byte & 1 != 0,
            joins: byte & 2 != 0,
            is_followed: byte & 4 != 0,
        }
    }

    fn writes(&self, headers: &mut Headers<'_>, client: IpAddr) {
        if self.is_standard {
            let name = match client {
                IpAddr::V4(_) => client.to_string(),
                IpAddr::V6(_) => format!("\"[{client}]:4711\""),
            };
            self.adds(&mut headers.forwarded, format!("for={name};proto=https;host=chat.example"));
        } else {
            self.adds(&mut headers.x_for, client.to_string());
            self.adds(&mut headers.x_proto, "https".into());
            self.adds(&mut headers.x_host, "chat.example".into());
        }
    }

    fn adds(&self, lines: &mut Vec<Cow<'_, str>>, said: String) {
        match lines.last_mut().filter(|_| self.joins) {
            Some(line) => line.to_mut().push_str(&format!(", {said}")),
            None => lines.push(said.into()),
        }
    }
}
