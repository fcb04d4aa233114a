//! Connections between nodes, made and accepted: TCP, TLS if the cluster has it, then the proof.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::node::{Node, NodeId};
use super::proof::{self, NotANode};
use crate::net::ByteStream;

/// After so long without bytes the system asks whether the other node is there, again and again at
/// [`AGAIN`]. A node that has lost its power says nothing.
const SILENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(3);
/// How long bytes may be on their way.
#[cfg(target_os = "linux")]
const ON_THE_WAY: Duration = Duration::from_secs(30);
/// Send buffer in the kernel, as that of clients: what waits in it is counted by nobody.
const SEND_BUFFER: usize = 64 * 1024;

impl Node {
    /// The start of a connection that came in by the port for nodes. The caller sets the deadline.
    ///
    /// # Errors
    /// If the other side is no node of this cluster.
    pub(crate) async fn accept(&self, tcp: TcpStream) -> Result<ByteStream, NotANode> {
        prepare(&tcp)?;
        let stream = match &self.tls {
            Some(tls) => tls.accept(tcp).await.map_err(NotANode::Tls)?,
            None => ByteStream::plain(tcp),
        };
        proof::accept(self, &stream).await?;
        Ok(stream)
    }

    /// Connects to another node. The caller sets the deadline.
    pub(super) async fn connect(
        &self,
        other: NodeId,
        address: &str,
    ) -> Result<ByteStream, NotANode> {
        let tcp = TcpStream::connect(address).await?;
        prepare(&tcp)?;
        let stream = match &self.tls {
            Some(tls) => tls.connect(host(address), tcp).await.map_err(NotANode::Tls)?,
            None => ByteStream::plain(tcp),
        };
        proof::open(self, other, &stream).await?;
        Ok(stream)
    }
}

fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    socket.set_send_buffer_size(SEND_BUFFER)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(ON_THE_WAY))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE).with_interval(AGAIN))
}

/// The host of an address, without the brackets around one of IPv6.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_addresses() {
        for (address, expected) in
            [("10.0.0.1:1", "10.0.0.1"), ("[::1]:1", "::1"), ("a.example:1", "a.example")]
        {
            assert_eq!(host(address), expected);
        }
    }
}
