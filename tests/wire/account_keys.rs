//! Keys of an identity provider that are fetched by https: from whom the system's authorities vouch for, and from nobody
//! else.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;
use crate::support::tokens::now;
use crate::support::ws::Ws;

struct Authority(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        Authority(rcgen::CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// What a server of that name shows.
    fn vouches_for(&self, name: &str) -> TlsAcceptor {
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers each request with a set of keys. Returns the port.
async fn provider(tls: TlsAcceptor, keys: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            // Who does not trust it ends the handshake.
            let Ok(mut stream) = tls.accept(tcp).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            assert!(request.starts_with(b"GET /jwks.json HTTP/1.1\r\n"));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", keys.len());
            stream.write_all(format!("{head}{keys}").as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_from_whom_the_authorities_of_the_system_vouch_for() {
    let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let x = BASE64.encode(key.public_key().as_ref());
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1" }] });
    let part = |value: serde_json::Value| BASE64.encode(value.to_string());
    let said = json!({ "sub": "7", "name": "Ann", "exp": now() + 600 });
    let signed = format!("{}.{}", part(json!({ "alg": "EdDSA", "kid": "1" })), part(said));
    let token = format!("{signed}.{}", BASE64.encode(key.sign(signed.as_bytes()).as_ref()));

    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    for (what, tls, says) in [
        ("it is vouched for", ours.vouches_for("localhost"), Ok("keys for tokens read")),
        ("an unknown authority", other.vouches_for("localhost"), Err("UnknownIssuer")),
        ("another name", ours.vouches_for("id.example"), Err("not valid for name")),
    ] {
        let port = provider(tls, keys.to_string()).await;
        let folder = Folder::new();
        folder.write("ca.pem", &ours.0.pem());
        let mut command = parlance(folder.path());
        command.env("SSL_CERT_FILE", "ca.pem").env_remove("SSL_CERT_DIR");
        let url = format!("https://localhost:{port}/jwks.json");
        command.args(["--port", "0", "--auth", "required", "--auth-keys", &url]);
        let mut process = Process::start(command);
        let addr = process.listening();
        let line = match says {
            Ok(says) => process.said(says),
            Err(_) => process.said("keys for tokens cannot be read"),
        };
        assert!(line.contains(says.unwrap_or_else(|error| error)), "{what}: {line}");
        let mut ws = Ws::open(addr, &target("EIO=4&transport=websocket")).await;
        ws.text().await;
        ws.send(&format!("40{}", json!({ "token": token }))).await;
        let answer = ws.text().await;
        assert_eq!(answer.starts_with("40"), says.is_ok(), "{what}: {answer}");
        if says.is_err() {
            assert!(answer.contains("token-"), "{what}: {answer}");
        }
    }
}
