//! Redis by TLS: one server, sentinels, and a Redis Cluster, with passwords.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use parlance::cluster::redis::{Redis, RedisSettings};
use parlance::socketio::Taken;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::lost::{ADAPTERS, node};
use crate::support::process::Folder;
use crate::support::redis::{RedisServer, free_port};
use crate::support::{soon, until};

/// An authority, and files of a server that it vouches for: `localhost`, and its address.
struct Tls {
    folder: Folder,
    ca: String,
    cert: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl Tls {
    fn new() -> Self {
        let folder = Folder::new();
        let mut ca = rcgen::CertificateParams::new([]).unwrap();
        // OpenSSL takes a certificate whose issuer has its own name for its own issuer.
        ca.distinguished_name.push(rcgen::DnType::CommonName, "An authority");
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::CertifiedIssuer::self_signed(ca, ca_key).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let cert = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        for (name, text) in
            [("ca.pem", issuer.pem()), ("cert.pem", cert.pem()), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Tls { folder, ca: issuer.pem(), cert, key }
    }

    /// The settings of a server, each with its value.
    fn settings(&self, port: u16) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        vec![
            ("tls-port", port.to_string()),
            ("tls-cert-file", file("cert.pem")),
            ("tls-key-file", file("key.pem")),
            ("tls-ca-cert-file", file("ca.pem")),
            ("tls-auth-clients", "no".to_owned()),
            ("tls-replication", "yes".to_owned()),
        ]
    }

    fn args(&self, port: u16, more: &[&str]) -> Vec<String> {
        let settings = self.settings(port).into_iter();
        let args = settings.flat_map(|(name, value)| [format!("--{name}"), value]);
        args.chain(more.iter().map(|it| (*it).to_owned())).collect()
    }

    fn connect(&self, url: &str) -> Redis {
        Redis::connect(RedisSettings {
            url: url.parse().unwrap(),
            ca: Some(Bytes::from(self.ca.clone())),
        })
    }

    async fn connected(&self, url: &str) -> Redis {
        let redis = self.connect(url);
        soon(url, redis.until(true)).await;
        redis
    }
}

/// What one node says is heard by another, by each adapter.
async fn carries(tls: &Tls, url: &str) {
    for adapter in ADAPTERS {
        let redis = [tls.connected(url).await, tls.connected(url).await];
        let ios = redis.each_ref().map(|redis| node(adapter, redis));
        let roots = ios.each_ref().map(|io| io.of("/"));
        let heard = Arc::<Mutex<Vec<u64>>>::default();
        let hears = Arc::clone(&heard);
        roots[1].take_broadcasts("m", move |taken: Taken| {
            hears.lock().unwrap().push(taken.packet.args.get(0).unwrap());
        });
        for root in &roots {
            let known = async { while root.server_count().await < 2 {} };
            soon(adapter, known).await;
        }
        // A stream may just be opened.
        let mut said = 0;
        until(adapter, || {
            said += 1;
            roots[0].emit("m", said);
            !heard.lock().unwrap().is_empty()
        })
        .await;
    }
}

/// Who has several servers behind one address tells them apart by the name that is asked for.
#[tokio::test]
async fn both_connections_say_for_which_server_they_are() {
    let (tls, server) = (Tls::new(), RedisServer::start().await);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(tls.key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![tls.cert.der().clone()], key)
        .unwrap();
    let (config, names) = (Arc::new(config), Arc::<Mutex<Vec<Option<String>>>>::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (noted, behind) = (Arc::clone(&names), server.port);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let begun = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.unwrap();
            noted.lock().unwrap().push(begun.client_hello().server_name().map(str::to_owned));
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                let mut front = begun.into_stream(config).await.unwrap();
                let mut back = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
            });
        }
    });
    let _redis = tls.connected(&format!("rediss://localhost:{port}")).await;
    assert_eq!(*names.lock().unwrap(), vec![Some("localhost".to_owned()); 2]);
}

#[tokio::test]
async fn sentinels_and_their_servers_have_passwords_of_their_own() {
    let (tls, port, sentinel_port) = (Tls::new(), free_port(), free_port());
    let args = tls.args(port, &["--requirepass", "of the server"]);
    let _server = RedisServer::at(free_port(), args).await;
    let mut settings = format!(
        "sentinel monitor chat 127.0.0.1 {port} 1\n\
         sentinel auth-pass chat \"of the server\"\n\
         requirepass \"of the sentinel\"\n"
    );
    for (name, value) in tls.settings(sentinel_port) {
        settings += &format!("{name} {value}\n");
    }
    let _sentinel = RedisServer::sentinel_with(&settings).await;
    let url = |server: &str, sentinel: &str| {
        format!(
            "rediss+sentinel://:{server}@localhost:{sentinel_port}/chat?sentinel-password={sentinel}"
        )
    };
    carries(&tls, &url("of%20the%20server", "of%20the%20sentinel")).await;
    for (server, sentinel) in
        [("of%20the%20server", "wrong"), ("of%20the%20sentinel", "of%20the%20sentinel")]
    {
        let redis = tls.connect(&url(server, sentinel));
        until("it says why", || redis.status().error.is_some()).await;
        assert!(!redis.status().connected, "{server} {sentinel}");
    }
}

#[tokio::test]
async fn a_redis_cluster_with_tls_and_a_password_carries_each_adapter() {
    let tls = Tls::new();
    let (mut servers, mut addresses) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        // The bus between the servers has a port of its own.
        let (port, bus) = (free_port(), free_port().to_string());
        let more = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--tls-cluster", "yes"];
        let secret = ["--requirepass", "s3cret", "--masterauth", "s3cret"];
        let args = tls.args(port, &[&more[..], &secret].concat());
        servers.push(RedisServer::at(free_port(), args).await);
        addresses.push(format!("127.0.0.1:{port}"));
    }
    let (first, ca) = (addresses[0].rsplit_once(':').unwrap().1, tls.folder.path().join("ca.pem"));
    let mut create = vec!["-a", "s3cret", "-p", first, "--tls", "--cacert", ca.to_str().unwrap()];
    create.extend(["--cluster", "create"]);
    create.extend(addresses.iter().map(String::as_str));
    create.push("--cluster-yes");
    let said = servers[0].cli(&create);
    let ready = || {
        let info = |it: &RedisServer| it.cli(&["-a", "s3cret", "CLUSTER", "INFO"]);
        servers.iter().all(|it| info(it).contains("state:ok"))
    };
    until(&format!("the cluster is made: {said}"), ready).await;
    carries(&tls, &format!("rediss+cluster://:s3cret@{}", addresses[0])).await;
}
