//! The start of a connection between two nodes: each proves that it has the key, without saying it.
//!
//! ```text
//! owner   MAGIC nonce
//! other   MAGIC nonce, its id, the owner's id, proof over all of that and the owner's nonce
//! owner   proof over the same for another purpose
//! ```
//!
//! The one that opens the connection proves first: a stranger who asks gets random bytes and no answer.

use std::io;

use super::node::{Node, NodeId};
use crate::net::ByteStream;

const MAGIC: &[u8; 8] = b"PARLNOD1";
const NONCE: usize = 32;
const PROOF: usize = 32;
const ID: usize = 3;

/// What the proof of either side is for.
const OPENS: &[u8] = b"opens";
const ACCEPTS: &[u8] = b"accepts";

/// Why the other side of a connection is not taken for a node of the cluster.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum NotANode {
    #[error("it speaks another protocol")]
    OtherProtocol,
    #[error("it does not have the key of the cluster (cluster-key)")]
    WrongKey,
    #[error("it wants another node: the address it has is not this one's (node-address)")]
    OtherNode,
    #[error("it ended the connection during the proof")]
    Left,
    #[error("it does not take this node's proof: its cluster-key or its node-address differs")]
    Refused,
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("{0}")]
    Broken(#[from] io::Error),
}

/// The side that was connected to.
pub(super) async fn accept(node: &Node, stream: &ByteStream) -> Result<(), NotANode> {
    let nonce = nonce()?;
    stream.write_all(&[&MAGIC[..], &nonce].concat()).await?;
    let mut magic = [0; MAGIC.len()];
    read_exact(stream, &mut magic).await?;
    if magic != *MAGIC {
        return Err(NotANode::OtherProtocol);
    }
    let mut said = [0; NONCE + ID + ID + PROOF];
    read_exact(stream, &mut said).await?;
    let (said, proof) = said.split_at(NONCE + ID + ID);
    if !node.is_signed(OPENS, &[&nonce, said], proof) {
        return Err(NotANode::WrongKey);
    }
    if said[NONCE + ID..] != node.id().0 {
        return Err(NotANode::OtherNode);
    }
    stream.write_all(node.sign(ACCEPTS, &[&nonce, said]).as_ref()).await?;
    Ok(())
}

/// The side that connects, to the node `owner`.
pub(super) async fn open(node: &Node, owner: NodeId, stream: &ByteStream) -> Result<(), NotANode> {
    let mut hello = [0; MAGIC.len() + NONCE];
    read_exact(stream, &mut hello).await?;
    let Some(theirs) = hello.strip_prefix(MAGIC) else { return Err(NotANode::OtherProtocol) };
    let said = [&nonce()?[..], &node.id().0, &owner.0].concat();
    let proof = node.sign(OPENS, &[theirs, &said]);
    stream.write_all(&[&MAGIC[..], &said, proof.as_ref()].concat()).await?;
    let mut answer = [0; PROOF];
    // It has greeted as a node does, so that it is one.
    read_exact(stream, &mut answer).await.map_err(|error| match error {
        NotANode::Left => NotANode::Refused,
        error => error,
    })?;
    match node.is_signed(ACCEPTS, &[theirs, &said], &answer) {
        true => Ok(()),
        false => Err(NotANode::WrongKey),
    }
}

fn nonce() -> io::Result<[u8; NONCE]> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

async fn read_exact(stream: &ByteStream, mut room: &mut [u8]) -> Result<(), NotANode> {
    while !room.is_empty() {
        match stream.read(room).await? {
            0 => return Err(NotANode::Left),
            count => room = &mut room[count..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const KEY: &str = "a key of the cluster for its tests";
    const OWNER: &str = "owner:1";

    fn node(key: &str, address: &str) -> Node {
        Node::new(key, address, None).unwrap()
    }

    /// A connection to a node that waits for a proof, and what that says of it.
    async fn asked() -> (TcpStream, tokio::task::JoinHandle<Result<(), NotANode>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = ByteStream::plain(listener.accept().await.unwrap().0);
        let asked = async move { accept(&node(KEY, OWNER), &stream).await };
        (client, tokio::spawn(asked))
    }

    /// Records what passes, as somebody on the way could.
    async fn recorded(client: TcpStream, opener: Node) -> (Vec<u8>, Result<(), NotANode>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut between, mut far) = (listener.accept().await.unwrap().0, client);
        let opening = tokio::spawn(async move {
            open(&opener, node(KEY, OWNER).id(), &ByteStream::plain(near)).await
        });
        let mut hello = [0; MAGIC.len() + NONCE];
        far.read_exact(&mut hello).await.unwrap();
        between.write_all(&hello).await.unwrap();
        let mut said = [0; MAGIC.len() + NONCE + ID + ID + PROOF];
        between.read_exact(&mut said).await.unwrap();
        far.write_all(&said).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(9), far.read_buf(&mut answer)).await;
        between.write_all(&answer).await.unwrap();
        drop(between);
        (said.to_vec(), opening.await.unwrap())
    }

    #[tokio::test]
    async fn two_nodes_with_one_key_believe_each_other() {
        let (client, accepted) = asked().await;
        let (_, opened) = recorded(client, node(KEY, "other:1")).await;
        opened.unwrap();
        accepted.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_proof_is_good_for_one_connection() {
        let (client, accepted) = asked().await;
        let (said, _) = recorded(client, node(KEY, "other:1")).await;
        accepted.await.unwrap().unwrap();
        let (mut replay, accepted) = asked().await;
        replay.write_all(&said).await.unwrap();
        assert!(matches!(accepted.await.unwrap(), Err(NotANode::WrongKey)));
    }

    #[tokio::test]
    async fn strangers_get_random_bytes_and_no_answer() {
        let other_key = "the key of some other cluster ....";
        for (said, expected) in [
            (&b"GET /admin HTTP/1.1\r\n\r\n"[..], "it speaks another protocol"),
            (b"PARLNOD1", "it ended the connection during the proof"),
            (b"", "it ended the connection during the proof"),
        ] {
            let (mut client, accepted) = asked().await;
            client.write_all(said).await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = Vec::new();
            let _ = client.read_to_end(&mut heard).await;
            assert_eq!(heard.len(), MAGIC.len() + NONCE, "{said:?}");
            assert_eq!(accepted.await.unwrap().unwrap_err().to_string(), expected);
        }
        let (client, accepted) = asked().await;
        let (_, opened) = recorded(client, node(other_key, "other:1")).await;
        assert!(matches!(opened, Err(NotANode::Refused)));
        assert!(matches!(accepted.await.unwrap(), Err(NotANode::WrongKey)));
    }

    /// Who answers at a node's address without the key gets no request.
    #[tokio::test]
    async fn an_owner_has_to_prove_itself_too() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut far = listener.accept().await.unwrap().0;
        let opening = tokio::spawn(async move {
            let (opener, owner) = (node(KEY, "other:1"), node(KEY, OWNER).id());
            open(&opener, owner, &ByteStream::plain(near)).await
        });
        far.write_all(&[&MAGIC[..], &[7; NONCE]].concat()).await.unwrap();
        let mut said = [0; MAGIC.len() + NONCE + ID + ID + PROOF];
        far.read_exact(&mut said).await.unwrap();
        // Its own proof, back to it.
        far.write_all(&said[said.len() - PROOF..]).await.unwrap();
        assert!(matches!(opening.await.unwrap(), Err(NotANode::WrongKey)));
    }

    #[tokio::test]
    async fn a_node_with_a_wrong_address_of_another_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = ByteStream::plain(listener.accept().await.unwrap().0);
        let opening = tokio::spawn(async move {
            let opener = node(KEY, "other:1");
            open(&opener, opener.id_of("third:1"), &ByteStream::plain(near)).await
        });
        let accepted = accept(&node(KEY, OWNER), &stream).await;
        drop(stream);
        assert!(matches!(accepted, Err(NotANode::OtherNode)));
        assert!(opening.await.unwrap().is_err());
    }
}
