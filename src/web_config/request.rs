//! The requests that are followed: one of each kind that clients make.

use crate::config::Settings;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The engine: without it nothing works.
    Engine,
    /// A WebSocket of the engine.
    WebSocket,
    /// The client library, which may lie elsewhere.
    Library,
    /// A page, which may lie elsewhere.
    Page,
}

/// A request as a client makes it.
#[derive(Debug, Clone)]
pub struct Request {
    pub name: &'static str,
    pub verb: &'static str,
    /// Below the folder of the file, without a slash in front.
    pub path: String,
    pub query: &'static str,
    pub purpose: Purpose,
    /// What the server expects, below its base path, without a slash in front.
    pub served: String,
}

impl Request {
    pub fn is_upgrade(&self) -> bool {
        self.purpose == Purpose::WebSocket
    }

    /// Whether the product is of no use without it.
    pub fn is_essential(&self) -> bool {
        matches!(self.purpose, Purpose::Engine | Purpose::WebSocket)
    }

    /// Its name, its method and its address from the root of the site.
    pub fn shown(&self, folder: &str) -> String {
        let Request { name, verb, path, query, .. } = self;
        let mark = if query.is_empty() { "" } else { "?" };
        let upgrade = if self.is_upgrade() { ", Upgrade: websocket" } else { "" };
        format!("{name}: {verb} {folder}{path}{mark}{query}{upgrade}")
    }

    /// A header whose value matters, in capitals with underscores, as server variables have it. `None` if it depends
    /// on the client.
    pub fn header(&self, name: &str) -> Option<&'static str> {
        Some(match (name, self.is_upgrade()) {
            ("UPGRADE", true) => "websocket",
            ("CONNECTION", true) => "Upgrade",
            ("SEC_WEBSOCKET_VERSION", true) => "13",
            ("SEC_WEBSOCKET_KEY", true) => "dGhlIHNhbXBsZSBub25jZQ==",
            ("UPGRADE" | "SEC_WEBSOCKET_VERSION" | "SEC_WEBSOCKET_KEY", false) => "",
            ("CONTENT_TYPE", _) if self.verb == "POST" => "text/plain;charset=UTF-8",
            ("CONTENT_TYPE", _) => "",
            ("ACCESS_CONTROL_REQUEST_METHOD", _) if self.verb == "OPTIONS" => "POST",
            ("ACCESS_CONTROL_REQUEST_METHOD", _) => "",
            _ => return None,
        })
    }
}

const POLL: &str = "EIO=4&transport=polling&t=PfXk3aB.0&sid=0123456789abcdefghij";

/// The requests of clients, to a server with these settings. `folder` is the one of the site that the file lies in.
pub fn samples(settings: &Settings, folder: &str) -> Vec<Request> {
    let base = format!("{}/", settings.base_path.trim_end_matches('/'));
    let engine = settings.path.trim_matches('/');
    let make = |name, verb, tail: &str, query, purpose| {
        let served = match tail {
            "/" => String::new(),
            tail => format!("{engine}/{tail}"),
        };
        let whole = format!("{base}{served}");
        let path = whole.strip_prefix(folder).unwrap_or(&whole).trim_start_matches('/').to_owned();
        Request { name, verb, path, query, purpose, served }
    };
    use Purpose::{Engine, Library, Page, WebSocket};
    let mut all = vec![
        make("handshake", "GET", "", "EIO=4&transport=polling", Engine),
        make("poll", "GET", "", POLL, Engine),
        make("POST", "POST", "", POLL, Engine),
        make("WebSocket", "GET", "", "EIO=4&transport=websocket", WebSocket),
        make("handshake of 0.9", "GET", "1/", "t=1700000000000", Engine),
        make("WebSocket of 0.9", "GET", "1/websocket/01234567890123456789", "", WebSocket),
        make("preflight", "OPTIONS", "", "EIO=4&transport=polling", Engine),
        make("client library", "GET", "socket.io.js", "", Library),
        make("page", "GET", "/", "", Page),
    ];
    if !settings.policy.transports.names().contains(&"websocket") {
        all.retain(|request| !request.is_upgrade());
    }
    all
}
