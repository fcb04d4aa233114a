//! Bounds on connections and on requests.

use std::time::Duration;

/// Bounds on connections and on requests.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// For the headers of a request, from the first moment that it can be expected.
    pub header_timeout: Duration,
    /// For the body of a request, from when its head is there.
    pub body_timeout: Duration,
    /// Headers of one request.
    pub max_headers: usize,
    /// Bytes of the request line and all headers.
    pub max_header_bytes: usize,
    /// Connections at once, streams and WebSockets among them. More wait for 2 s, a few at a time, and get 503
    /// then. Within the limit of open files: see [`raise_file_limit`](crate::server::raise_file_limit).
    pub max_connections: usize,
    /// Connections at once of one address (of IPv6, one /64), 0 for no bound, and never more than half of all;
    /// trusted proxies have no bound. One more gets 503 at once.
    pub max_connections_per_address: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            max_headers: 64,
            max_header_bytes: 16 * 1024,
            max_connections: 100_000,
            max_connections_per_address: 4000,
        }
    }
}
