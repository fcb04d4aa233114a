//! The headers in which proxies pass on the client's address.

use std::borrow::Cow;
use std::net::IpAddr;

use super::input::Input;
use crate::policy::forwarded::{Headers, source};
use crate::policy::{Client, Networks, Scheme};

/// Behind a trusted proxy, a client has the address that the proxy gives, or none, whatever the client wrote
/// into the same headers before. The headers of other peers are ignored.
pub fn forwarded(data: &[u8]) {
    let mut input = Input(data);
    let proxy = Proxy::new(input.byte());
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

    proxy.write(&mut headers, proxy.client);
    if proxy.is_followed {
        proxy.write(&mut headers, IpAddr::from([10, 0, 0, 2]));
    }
    let found = source(near, Scheme::Http, &headers, &trusted);
    assert_eq!(found.client == Client::Unknown, found.doubt.is_some());
    if found.client != Client::Unknown {
        assert_eq!(found.client, Client::Address(proxy.client), "{headers:?}");
        assert_eq!(found.scheme, Scheme::Https, "{headers:?}");
        assert!(found.host.is_none_or(|host| host == "chat.example"), "{headers:?}");
    }
}

/// The proxy that the client connects to.
struct Proxy {
    client: IpAddr,
    /// Writes only `Forwarded`, instead of only the `X-Forwarded-*` headers.
    is_standard: bool,
    /// Extends the last header of a name, instead of adding one.
    joins: bool,
    /// There is a second proxy of the same kind between this one and the server.
    is_followed: bool,
}

impl Proxy {
    fn new(byte: u8) -> Self {
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

    fn write(&self, headers: &mut Headers<'_>, client: IpAddr) {
        if self.is_standard {
            let name = match client {
                IpAddr::V4(_) => client.to_string(),
                IpAddr::V6(_) => format!("\"[{client}]:4711\""),
            };
            self.add(&mut headers.forwarded, format!("for={name};proto=https;host=chat.example"));
        } else {
            self.add(&mut headers.x_for, client.to_string());
            self.add(&mut headers.x_proto, "https".into());
            self.add(&mut headers.x_host, "chat.example".into());
        }
    }

    fn add(&self, lines: &mut Vec<Cow<'_, str>>, value: String) {
        match lines.last_mut().filter(|_| self.joins) {
            Some(line) => line.to_mut().push_str(&format!(", {value}")),
            None => lines.push(value.into()),
        }
    }
}
