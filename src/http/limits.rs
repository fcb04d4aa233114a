//! Bounds on connections and on requests.

use std::time::Duration;

/// Bounds on connections and on requests.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// For the head of a request, from its first byte; for the first request on a connection, from
    /// the start of the connection.
    pub header_timeout: Duration,
    /// Between a response and the first byte of the next request. Clients are told whole seconds of it
    /// (`Keep-Alive: timeout=`), and get a second more. It has to be longer than proxies keep
    /// idle connections, or they send requests that meet the end of one.
    pub keep_alive_timeout: Duration,
    /// For the body of a request, from the end of its head.
    pub body_timeout: Duration,
    /// Number of headers of one request.
    pub max_headers: usize,
    /// Bytes of the request line and all headers.
    pub max_header_bytes: usize,
    /// Open connections, including streams and WebSockets. A few more wait up to 2 s for a slot,
    /// then get 503. The limit of open files bounds it, too: see
    /// [`raise_file_limit`](crate::server::raise_file_limit).
    pub max_connections: usize,
    /// Open connections of one address (for IPv6, of one /64); 0 for no bound. Never more than half of
    /// `max_connections`. Trusted proxies have no bound. Further connections get 503 at once.
    pub max_connections_per_address: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(130),
            body_timeout: Duration::from_secs(30),
            max_headers: 64,
            max_header_bytes: 16 * 1024,
            max_connections: 100_000,
            max_connections_per_address: 4000,
        }
    }
}
