//! TLS, PROXY headers, the redirect: what comes before HTTP on a connection, in one process.

#![cfg(feature = "server")]

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use parlance::engine::{Engine, Limits};
use parlance::files::Watch;
use parlance::negotiate::Negotiator;
use parlance::policy::Networks;
use parlance::server::tls::{Found, Pair, Tls};
use parlance::server::{HttpLimits, Listener, Mount, Server};
use parlance::site::Pages;
use parlance::socketio::{Event, Io, Socket};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The bound on every wait: it only ends tests that would fail anyway.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longer than any test: nothing happens by the clock.
const NEVER: Duration = Duration::from_secs(300);

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, Box::pin(work)).await {
        Ok(done) => done,
        Err(_) => {
            let log = LOG.lock().unwrap().clone();
            panic!(
                "{what}: nothing within {PATIENCE:?}; the log:
{log}"
            );
        }
    }
}

// --- The log ------------------------------------------------------------------------------------

/// All that this process has logged.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for a line with all of `parts`.
async fn logged(parts: &[&str]) {
    let there = |line: &str| parts.iter().all(|part| line.contains(part));
    within(&format!("the log tells {parts:?}"), async {
        while !LOG.lock().unwrap().lines().any(there) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

fn begin_log() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_env_filter("parlance=debug")
            .with_ansi(false)
            .with_writer(|| Sink)
            .init();
    });
}

// --- Certificates -------------------------------------------------------------------------------

/// Files of one test, and the pairs in them.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(test: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tls").join(test);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Files { folder }
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn pair(&self, name: &str) -> Pair {
        let file = |kind| self.folder.join(format!("{name}.{kind}"));
        Pair { cert: file("pem"), key: file("key") }
    }

    /// Makes a certificate for `names`; returns it as it goes over the wire.
    fn make(&self, name: &str, names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let Pair { cert, key } = self.pair(name);
        std::fs::write(cert, made.cert.pem()).unwrap();
        std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn load(&self, names: &[&str]) -> Tls {
        Tls::load(names.iter().map(|name| self.pair(name)).collect()).unwrap()
    }
}

/// A server with one certificate, for names that do not matter.
fn some_tls(test: &str) -> Tls {
    let files = Files::new(test);
    files.make("a", &["a.example"]);
    files.load(&["a"])
}

// --- The server ---------------------------------------------------------------------------------

/// Tells everyone by which address they came, and echoes.
fn mirror() -> Io {
    let io = Io::builder().connect_timeout(NEVER).build();
    let root = io.of("/");
    root.on_connect(|socket: Socket| {
        socket.emit("you", socket.handshake().remote.expect("an address").to_string());
        ready(())
    });
    root.on_fallback(|socket: Socket, event: Event| {
        socket.emit(&event.name, event.args);
        ready(())
    });
    io
}

struct TestServer {
    server: Server,
    address: SocketAddr,
}

async fn start(arrange: impl FnOnce(Listener) -> Listener) -> TestServer {
    start_with(HttpLimits { header_timeout: NEVER, ..HttpLimits::default() }, arrange).await
}

async fn start_with(limits: HttpLimits, arrange: impl FnOnce(Listener) -> Listener) -> TestServer {
    begin_log();
    let calm = Limits { ping_interval: NEVER, ..Limits::default() };
    let engine = Engine::new(calm, mirror());
    let pages = Pages::new(None, None);
    // Requests without the base path are served as well.
    let mount = Mount::new("/chat/", "/socket.io/");
    let server = Server::new(mount, Negotiator::allow_all(engine), Some(Arc::new(pages)), limits);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let listener = arrange(socket.into());
    let running = server.clone();
    tokio::spawn(async move { running.run(listener).await });
    TestServer { server, address }
}

impl TestServer {
    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A TLS connection that asks for `name`.
    async fn tls(&self, name: &str) -> TlsStream<TcpStream> {
        handshake(self.tcp().await, name, client()).await.unwrap()
    }

    /// The certificate that is shown to who asks for `name`.
    async fn shown(&self, name: &str) -> CertificateDer<'static> {
        certificate(&self.tls(name).await)
    }
}

fn certificate(tls: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

// --- Clients ------------------------------------------------------------------------------------

/// Takes any certificate: these tests look at it themselves.
#[derive(Debug)]
struct Trusting(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn client() -> ClientConfig {
    client_of(&[&rustls::version::TLS12, &rustls::version::TLS13])
}

fn client_of(versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let provider = ring::default_provider();
    let trusting = Trusting(provider.signature_verification_algorithms);
    ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trusting))
        .with_no_client_auth()
}

async fn handshake(
    tcp: TcpStream,
    name: &str,
    config: ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within("TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
}

/// Sends bytes and reads until the other end closes, in good order.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    within("exchange", async {
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
}

async fn get(stream: impl AsyncRead + AsyncWrite + Unpin, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    exchange(stream, request.as_bytes()).await
}

/// Reads until the connection ends, however it does; returns what came.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within("end of connection", stream.read_to_end(&mut bytes)).await;
    bytes
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

const HSTS: &str = "strict-transport-security";

/// A Socket.IO session over WebSocket.
struct Ws<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ws<S> {
    /// Joins; returns by which address the server knows this client, and the head of its answer.
    async fn join(mut stream: S) -> (Self, String, String) {
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: t\r\n\
            Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        within("WebSocket", async {
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap().into());
            }
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            let mut ws = Ws { stream };
            assert!(ws.next().await.starts_with("0{"));
            ws.say("40").await;
            assert!(ws.next().await.starts_with("40{"));
            let you = ws.next().await;
            let remote = you.strip_prefix("42[\"you\",\"").unwrap().strip_suffix("\"]").unwrap();
            (ws, remote.to_owned(), head)
        })
        .await
    }

    async fn say(&mut self, text: &str) {
        assert!(text.len() < 126);
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn next(&mut self) -> String {
        within("a WebSocket frame", async {
            assert_eq!(self.stream.read_u8().await.unwrap(), 0x81, "a whole text");
            let length = match self.stream.read_u8().await.unwrap() {
                126 => self.stream.read_u16().await.unwrap().into(),
                length => usize::from(length),
            };
            let mut text = vec![0; length];
            self.stream.read_exact(&mut text).await.unwrap();
            String::from_utf8(text).unwrap()
        })
        .await
    }

    async fn talks(&mut self) {
        self.say("42[\"hi\",1]").await;
        assert_eq!(self.next().await, "42[\"hi\",1]");
    }
}

// --- Names and versions -------------------------------------------------------------------------

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_asked_for() {
    let files = Files::new("names");
    let first = files.make("first", &["one.example", "both.example"]);
    let wild = files.make("wild", &["*.two.example", "two.example"]);
    let exact = files.make("exact", &["chat.two.example", "both.example", "UPPER.example"]);
    let tls = files.load(&["first", "wild", "exact"]);
    assert_eq!(
        tls.names().join(" "),
        "one.example both.example *.two.example two.example chat.two.example both.example upper.example"
    );
    let server = start(|listener| listener.with_tls(tls)).await;
    for (name, expected) in [
        ("one.example", &first),
        ("two.example", &wild),
        ("any.two.example", &wild),
        ("ANY.Two.example", &wild),
        ("chat.two.example", &exact),
        ("upper.example", &exact),
        ("both.example", &first),
        // A wildcard stands for one label.
        ("a.any.two.example", &first),
        ("elsewhere.example", &first),
        // An address is no name: nothing is asked for.
        ("127.0.0.1", &first),
    ] {
        assert!(server.shown(name).await == *expected, "{name}");
    }
    let mut silent = client();
    silent.enable_sni = false;
    let tls = handshake(server.tcp().await, "chat.two.example", silent).await.unwrap();
    assert!(certificate(&tls) == first);
}

#[tokio::test]
async fn versions_and_protocols() {
    let tls = some_tls("versions");
    let server = start(|listener| listener.with_tls(tls)).await;
    for (version, number) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut config = client_of(&[version]);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls = handshake(server.tcp().await, "a.example", config).await.unwrap();
        assert_eq!(tls.get_ref().1.protocol_version(), Some(number));
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(get(tls, "/").await.starts_with("HTTP/1.1 200"));
    }
    let mut only_h2 = client();
    only_h2.alpn_protocols = vec![b"h2".to_vec()];
    assert!(handshake(server.tcp().await, "a.example", only_h2).await.is_err());
    logged(&[
        "connection refused",
        "TLS handshake failed: peer doesn't support any known protocol",
    ])
    .await;
}

#[tokio::test]
async fn sessions_run_over_tls() {
    let tls = some_tls("sessions");
    let server = start(|listener| listener.with_tls(tls)).await;
    let (mut ws, remote, head) = Ws::join(server.tls("a.example").await).await;
    assert_eq!(remote, "127.0.0.1");
    assert_eq!(header(&head, HSTS), None, "nobody asked for it");
    ws.talks().await;
    let poll = get(server.tls("a.example").await, "/socket.io/?EIO=4&transport=polling").await;
    assert!(poll.contains("\r\n\r\n0{\"sid\":"), "{poll}");
}

// --- Files --------------------------------------------------------------------------------------

async fn look(tls: &Tls, watch: &mut Watch<Found>) {
    if let Some(found) = watch.look().await {
        tls.take(found);
    }
}

async fn reload(tls: &Tls, watch: &mut Watch<Found>) {
    tls.take(watch.now().await.unwrap());
}

#[tokio::test]
async fn the_first_certificate_to_expire_is_known() {
    const DAY: i64 = 86_400;
    let files = Files::new("expiry");
    let make = |name: &str, day: i64| {
        let mut params = rcgen::CertificateParams::new([format!("{name}.example")]).unwrap();
        params.not_after =
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs((day * DAY) as u64);
        let key = rcgen::KeyPair::generate().unwrap();
        let Pair { cert, key: file } = files.pair(name);
        std::fs::write(cert, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(file, key.serialize_pem()).unwrap();
    };
    // Later, earlier, and in the past.
    for (name, day) in [("a", 40_000), ("b", 30_000), ("old", 10_000)] {
        make(name, day);
    }
    let expiry = |names: &[&str]| files.load(names).expiry();
    assert_eq!(expiry(&["a"]), Some(40_000 * 86_400));
    assert_eq!(expiry(&["a", "b"]), Some(30_000 * 86_400));
    assert_eq!(expiry(&["old", "b", "a"]), Some(10_000 * 86_400));

    let tls = files.load(&["b"]);
    let mut watch = tls.watch();
    make("b", 50_000);
    reload(&tls, &mut watch).await;
    assert_eq!(tls.expiry(), Some(50_000 * 86_400));
}

#[tokio::test]
async fn new_certificates_take_over_and_bad_ones_do_not() {
    let files = Files::new("reload");
    let first = files.make("a", &["a.example"]);
    let tls = files.load(&["a"]);
    let mut watch = tls.watch();
    let server = start(|listener| listener.with_tls(tls.clone())).await;
    assert!(server.shown("a.example").await == first);
    let (mut ws, ..) = Ws::join(server.tls("a.example").await).await;

    // Nothing new: nothing happens.
    look(&tls, &mut watch).await;
    assert!(server.shown("a.example").await == first);

    // What has just changed may not be all of it.
    let second = files.make("a", &["a.example", "second.reload.example"]);
    look(&tls, &mut watch).await;
    assert!(server.shown("a.example").await == first);
    look(&tls, &mut watch).await;
    assert!(server.shown("a.example").await == second);
    logged(&["certificates loaded", "second.reload.example"]).await;
    ws.talks().await;

    // A certificate without its key, one without a file, one of nothing.
    let Pair { cert, key } = files.pair("a");
    let good = std::fs::read_to_string(&cert).unwrap();
    let other = rcgen::generate_simple_self_signed(["a.example".into()]).unwrap();
    let refused = "new certificates refused, the old ones stay";
    std::fs::write(&cert, other.cert.pem()).unwrap();
    look(&tls, &mut watch).await;
    look(&tls, &mut watch).await;
    let why = format!("tls-key: {} is not the key of {}", key.display(), cert.display());
    logged(&[refused, &why]).await;
    assert!(server.shown("a.example").await == second);
    std::fs::remove_file(&cert).unwrap();
    reload(&tls, &mut watch).await;
    logged(&[refused, &format!("tls-cert: {} cannot be read", cert.display())]).await;
    std::fs::write(&cert, "").unwrap();
    reload(&tls, &mut watch).await;
    logged(&[refused, &format!("tls-cert: {} holds no certificate", cert.display())]).await;
    assert!(server.shown("a.example").await == second);

    // It is told once, not at every look.
    let count = || LOG.lock().unwrap().matches(&why).count();
    let before = count();
    std::fs::write(&cert, other.cert.pem()).unwrap();
    for _ in 0..5 {
        look(&tls, &mut watch).await;
    }
    assert_eq!(count(), before + 1);
    std::fs::write(&cert, good).unwrap();
    reload(&tls, &mut watch).await;
    assert!(server.shown("a.example").await == second);
    ws.talks().await;
}

#[tokio::test]
async fn one_bad_pair_is_refused_with_all_others() {
    let files = Files::new("whole");
    let a = files.make("a", &["a.example"]);
    let b = files.make("b", &["b.example"]);
    let tls = files.load(&["a", "b"]);
    let mut watch = tls.watch();
    let server = start(|listener| listener.with_tls(tls.clone())).await;
    files.make("a", &["a.example"]);
    files.write("b.key", "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n");
    reload(&tls, &mut watch).await;
    assert!(server.shown("a.example").await == a);
    assert!(server.shown("b.example").await == b);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let files = Files::new("errors");
    files.make("a", &["a.example"]);
    files.make("b", &["b.example"]);
    let (a, b) = (files.pair("a"), files.pair("b"));
    let cert_text = std::fs::read_to_string(&a.cert).unwrap();
    let empty = files.write("empty", "");
    let cut = files.write("cut", cert_text.split("-----END").next().unwrap());
    let section =
        |kind: &str, body: &str| format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n");
    let nonsense = files.write("nonsense", &section("CERTIFICATE", "AAAA"));
    let odd_key = files.write("odd-key", &section("PRIVATE KEY", "AAAA"));
    let encrypted = files.write("encrypted", &section("ENCRYPTED PRIVATE KEY", "AAAA"));
    let missing = files.folder.join("missing");
    for (cert, key, expected) in [
        (&missing, &a.key, "tls-cert: {cert} cannot be read: No such file"),
        (&a.cert, &missing, "tls-key: {key} cannot be read: No such file"),
        (&files.folder, &a.key, "tls-cert: {cert} cannot be read: it is a folder"),
        (&empty, &a.key, "tls-cert: {cert} holds no certificate in PEM form"),
        (&a.key, &a.key, "tls-cert: {cert} holds no certificate in PEM form"),
        (&cut, &a.key, "tls-cert: {cert} is damaged: a section has no end"),
        (&nonsense, &a.key, "tls-cert: {cert} is damaged: "),
        (&a.cert, &empty, "tls-key: {key} holds no private key in PEM form"),
        (&a.cert, &a.cert, "tls-key: {key} holds no private key in PEM form"),
        (
            &a.cert,
            &odd_key,
            "tls-key: {key} is damaged: failed to parse private key as RSA, ECDSA, or EdDSA",
        ),
        (&a.cert, &encrypted, "tls-key: {key} is encrypted: a key without a passphrase is needed"),
        (&a.cert, &b.key, "tls-key: {key} is not the key of {cert}"),
    ] {
        let pair = Pair { cert: cert.clone(), key: key.clone() };
        let error = Tls::load(vec![files.pair("a"), pair]).unwrap_err().to_string();
        let expected = expected
            .replace("{cert}", &cert.display().to_string())
            .replace("{key}", &key.display().to_string());
        assert!(error.starts_with(&expected), "{error}\nexpected: {expected}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// The binary, with settings from this test alone; its exit code and what it told.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_parlance"));
    let folder = Files::new("nowhere").folder;
    command.args(args).current_dir(folder).stdin(std::process::Stdio::null());
    for (name, _) in std::env::vars() {
        if name == "PORT" || name.starts_with("PARLANCE_") {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_start_and_the_check_find_the_same() {
    let files = Files::new("start");
    files.make("a", &["a.example", "*.b.example"]);
    files.make("b", &["b.example"]);
    let (a, b) = (files.pair("a"), files.pair("b"));
    let [cert, key, other] = [&a.cert, &a.key, &b.key].map(|path| path.to_str().unwrap());
    let empty = files.write("empty", "");
    let empty = empty.to_str().unwrap();
    let fifo = files.folder.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fifo = fifo.to_str().unwrap();
    let certs = format!("{cert},{cert}");
    for (args, expected) in [
        (
            &["--tls-cert", cert, "--tls-key", other][..],
            format!("tls-key: {other} is not the key of {cert}"),
        ),
        (
            &["--tls-cert", "no.pem", "--tls-key", key],
            "tls-cert: no.pem cannot be read: No such file or directory (os error 2)\n".into(),
        ),
        (
            &["--tls-cert", empty, "--tls-key", key],
            format!("tls-cert: {empty} holds no certificate"),
        ),
        (
            &["--tls-cert", fifo, "--tls-key", key],
            format!("tls-cert: {fifo} cannot be read: it is no regular file"),
        ),
        (
            &["--tls-cert", cert, "--tls-key", "/dev/zero"],
            "tls-key: /dev/zero cannot be read: it is no regular file".into(),
        ),
        (&["--tls-cert", cert], "tls-cert: 1 of them, but 0 of tls-key: ".into()),
        (
            &["--tls-cert", &certs, "--tls-key", key],
            "tls-cert: 2 of them, but 1 of tls-key: ".into(),
        ),
        (
            &["--redirect-port", "80"],
            "redirect-port: there is no https here without tls-cert".into(),
        ),
        (&["--proxy-protocol", "true"], "proxy-protocol: nobody could connect, ".into()),
        (
            &["--trusted-proxies", "here"],
            "--trusted-proxies (or PARLANCE_TRUSTED_PROXIES): `here` is no network".into(),
        ),
        (&["--hsts", "1ms"], "--hsts (or PARLANCE_HSTS): expected whole seconds".into()),
    ] {
        for command in ["serve", "check"] {
            let (code, _, stderr) = run(&[&[command, "--port", "0"], args].concat());
            assert_eq!(
                (code, stderr.lines().count()),
                (Some(1), 1),
                "{command} {args:?}: {stderr}"
            );
            assert!(stderr.starts_with(&format!("parlance: {expected}")), "{stderr}");
        }
    }
    let sound = ["--tls-cert", cert, "--tls-key", key, "--redirect-port", "80"];
    let (code, stdout, stderr) = run(&[&["check"], &sound[..]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("\nhttps for   a.example, *.b.example\n"), "{stdout}");
    assert!(stdout.contains("\nredirect    from port 80\n"), "{stdout}");
}

// --- The wrong protocol -------------------------------------------------------------------------

#[tokio::test]
async fn tls_on_the_plain_port() {
    let server = start(|listener| listener).await;
    let error = handshake(server.tcp().await, "a.example", client()).await.unwrap_err();
    assert!(error.to_string().contains("HandshakeFailure"), "{error}");
    logged(&["connection refused", "remote=127.0.0.1", "reason=TLS on the plain port"]).await;
    let mut tcp = server.tcp().await;
    tcp.write_all(&[22]).await.unwrap();
    assert_eq!(rest(&mut tcp).await, [21, 3, 1, 0, 2, 2, 40]);
    assert!(get(server.tcp().await, "/").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn plain_http_on_the_tls_port() {
    let tls = some_tls("plain-http");
    let server = start(|listener| listener.with_tls(tls).with_hsts(NEVER)).await;
    let body = "x".repeat(100_000);
    let post = format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n{body}");
    for request in ["GET / HTTP/1.1\r\nHost: t\r\n\r\n", "get", post.as_str()] {
        let mut tcp = server.tcp().await;
        tcp.write_all(request.as_bytes()).await.unwrap();
        tcp.shutdown().await.unwrap();
        let answer = String::from_utf8(rest(&mut tcp).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nthis port speaks https\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(header(&answer, "content-length"), Some(body.len().to_string().as_str()));
        assert_eq!(header(&answer, HSTS), None, "it did not go out by https");
    }
    logged(&["connection refused", "reason=plain HTTP on the TLS port"]).await;
}

/// Ways to begin a TLS connection that come to nothing.
fn bad_beginnings() -> Vec<Vec<u8>> {
    let record = |content: &[u8]| {
        let mut record = vec![22, 3, 1];
        record.extend((content.len() as u16).to_be_bytes());
        record.extend_from_slice(content);
        record
    };
    vec![
        b"\0\0\0\0".to_vec(),
        vec![0xff; 40_000],
        record(b"this is no hello"),
        record(&[1, 0xff, 0xff, 0xff]),
        vec![22, 3, 1, 0xff, 0xff, 0],
        vec![22, 22, 22, 22, 22, 22, 22, 22],
        // An alert, and data, before any handshake.
        vec![21, 3, 3, 0, 2, 2, 40],
        vec![23, 3, 3, 0, 1, 0],
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
    ]
}

#[tokio::test]
async fn bad_and_half_handshakes_leave_nothing_behind() {
    let tls = some_tls("garbage");
    // One connection at a time: one that is not let go of would be the last.
    let limits = HttpLimits {
        header_timeout: Duration::from_secs(1),
        max_connections: 1,
        max_connections_per_address: 0,
        ..HttpLimits::default()
    };
    let server = start_with(limits, |listener| listener.with_tls(tls)).await;
    for bytes in bad_beginnings() {
        let mut tcp = server.tcp().await;
        // The server may hang up before it has all.
        let _ = tcp.write_all(&bytes).await;
        rest(&mut tcp).await;
    }
    logged(&["connection refused", "reason=neither TLS nor HTTP on the TLS port"]).await;
    logged(&["connection refused", "reason=SSH is not spoken here"]).await;
    logged(&["connection refused", "reason=TLS handshake failed: "]).await;
    for bytes in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0], b"G"] {
        let mut tcp = server.tcp().await;
        tcp.write_all(bytes).await.unwrap();
        rest(&mut tcp).await;
    }
    logged(&["connection refused", "reason=nothing to serve came within header-timeout"]).await;
    drop(server.tcp().await);
    logged(&["connection refused", "reason=the connection ended before it said anything"]).await;
    // A handshake that is done does not stay for free either.
    let mut silent = server.tls("a.example").await;
    assert_eq!(within("time-out", silent.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(get(server.tls("a.example").await, "/").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_handshakes() {
    let tls = some_tls("shutdown");
    let server = start(|listener| listener.with_tls(tls)).await;
    let mut half = server.tcp().await;
    half.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    // This one is in the middle of its time for the next request.
    let mut idle = server.tls("a.example").await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
    within("the answer", idle.read_u8()).await.unwrap();
    server.server.stop_accepting();
    within("the end of all connections", server.server.drained(NEVER)).await;
    assert_eq!(rest(&mut half).await, b"");
    // It is told in the words of TLS: a connection cut off would be an error.
    within("the rest", idle.read_to_end(&mut Vec::new())).await.unwrap();
}

// --- Redirect and HSTS --------------------------------------------------------------------------

#[tokio::test]
async fn the_plain_port_sends_on_to_https() {
    let server = start(|listener| listener.redirecting_to(3443).with_hsts(NEVER)).await;
    for (request, status, location) in [
        ("GET /a?b HTTP/1.1\r\nHost: chat.example:80\r\n", 301, "https://chat.example:3443/a?b"),
        ("GET /chat HTTP/1.1\r\nHost: chat.example\r\n", 301, "https://chat.example:3443/chat"),
        (
            "GET /chat/?b HTTP/1.1\r\nHost: chat.example\r\n",
            301,
            "https://chat.example:3443/chat/?b",
        ),
        ("GET //evil.example/ HTTP/1.1\r\nHost: a\r\n", 301, "https://a:3443//evil.example/"),
        ("HEAD / HTTP/1.1\r\nHost: chat.example\r\n", 301, "https://chat.example:3443/"),
        (
            "POST /socket.io/?EIO=4 HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n",
            308,
            "https://[::1]:3443/socket.io/?EIO=4",
        ),
        ("GET / HTTP/1.1\r\nHost: evil.example/x\r\n", 400, ""),
        ("GET / HTTP/1.1\r\nHost: a@evil.example\r\n", 400, ""),
        ("GET / HTTP/1.1\r\n", 400, ""),
        ("GET / HTTP/1.0\r\n", 400, ""),
    ] {
        let answer = exchange(server.tcp().await, format!("{request}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1."), "{answer}");
        assert_eq!(answer[9..12].parse(), Ok(status), "{request}{answer}");
        assert_eq!(header(&answer, "location").unwrap_or_default(), location, "{request}");
        assert_eq!(header(&answer, HSTS), None);
    }
    let port_443 = start(|listener| listener.redirecting_to(443)).await;
    let request = b"GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n";
    let answer = exchange(port_443.tcp().await, request).await;
    assert_eq!(header(&answer, "location"), Some("https://chat.example/"));
}

#[tokio::test]
async fn browsers_are_told_to_come_by_https() {
    let tls = some_tls("hsts");
    let year = Duration::from_secs(365 * 24 * 3600);
    let server = start(|listener| listener.with_tls(tls).with_hsts(year)).await;
    for target in [
        "/",
        "/nope",
        "/parlance.js",
        "/socket.io/?EIO=4&transport=polling",
        "/socket.io/?EIO=4&transport=polling&sid=unknown",
        "/socket.io/?EIO=4&transport=pigeon",
        "/socket.io/1/",
        "/socket.io/nope",
    ] {
        let answer = get(server.tls("a.example").await, target).await;
        assert_eq!(header(&answer, HSTS), Some("max-age=31536000"), "{target}: {answer}");
    }
    let (_, _, head) = Ws::join(server.tls("a.example").await).await;
    assert_eq!(header(&head, HSTS), Some("max-age=31536000"));
    let plain = start(|listener| listener.with_hsts(year)).await;
    assert_eq!(header(&get(plain.tcp().await, "/").await, HSTS), None);
}

// --- PROXY headers ------------------------------------------------------------------------------

fn loopback() -> Networks {
    Networks::parse(["loopback"]).unwrap()
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 for TCP over IPv4, from 192.0.2.7.
fn version_2(command: u8, additions: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
    let length = (addresses.len() + additions.len()) as u16;
    [SIGNATURE, &[0x20 | command, 0x11], &length.to_be_bytes(), &addresses, additions].concat()
}

/// The addition that tells of TLS between client and proxy.
const BY_TLS: [u8; 8] = [0x20, 0, 5, 1, 0, 0, 0, 0];

#[tokio::test]
async fn a_trusted_proxy_tells_for_whom_it_speaks() {
    let server = start(|listener| listener.behind_proxies(loopback()).with_hsts(NEVER)).await;
    for (header_bytes, expected, by_https) in [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n".to_vec(), "192.0.2.7", false),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n".to_vec(), "2001:db8::7", false),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", false),
        (version_2(1, &[]), "192.0.2.7", false),
        (version_2(1, &BY_TLS), "192.0.2.7", true),
        (version_2(0, &[]), "127.0.0.1", false),
    ] {
        let mut tcp = server.tcp().await;
        // Byte by byte: a header may come in pieces.
        tcp.set_nodelay(true).unwrap();
        for byte in &header_bytes {
            tcp.write_all(&[*byte]).await.unwrap();
        }
        let (mut ws, remote, head) = Ws::join(tcp).await;
        assert_eq!(remote, expected);
        assert_eq!(header(&head, HSTS).is_some(), by_https, "{expected}");
        ws.talks().await;
    }
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_a_share_of_the_connections() {
    let limits = HttpLimits { max_connections_per_address: 1, ..HttpLimits::default() };
    let tls = some_tls("shares");
    let server =
        start_with(limits, |listener| listener.with_tls(tls).behind_proxies(loopback())).await;
    let open = async |client_address: &str| {
        let mut tcp = server.tcp().await;
        let header = format!("PROXY TCP4 {client_address} 198.51.100.1 1 443\r\n");
        tcp.write_all(header.as_bytes()).await.unwrap();
        handshake(tcp, "a.example", client()).await.unwrap()
    };
    let (mut ws, ..) = Ws::join(open("192.0.2.7").await).await;
    let answer = get(open("192.0.2.7").await, "/").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("(max-connections-per-address)"), "{answer}");
    assert!(get(open("192.0.2.8").await, "/").await.starts_with("HTTP/1.1 200"));
    ws.talks().await;
    // What the proxy asks for itself is of no share.
    for _ in 0..2 {
        let mut tcp = server.tcp().await;
        tcp.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
        let tls = handshake(tcp, "a.example", client()).await.unwrap();
        let (mut ws, ..) = Ws::join(tls).await;
        ws.talks().await;
    }
    logged(&["an address has its share of connections", "refused=1"]).await;
}

#[tokio::test]
async fn a_proxy_header_comes_before_tls() {
    let tls = some_tls("proxy-tls");
    let server =
        start(|listener| listener.with_tls(tls).behind_proxies(loopback()).with_hsts(NEVER)).await;
    for header_bytes in [&b"PROXY TCP4 192.0.2.7 198.51.100.1 1 443\r\n"[..], &version_2(1, &[])] {
        let mut tcp = server.tcp().await;
        tcp.write_all(header_bytes).await.unwrap();
        let tls = handshake(tcp, "a.example", client()).await.unwrap();
        let (mut ws, remote, head) = Ws::join(tls).await;
        assert_eq!(remote, "192.0.2.7");
        assert!(header(&head, HSTS).is_some());
        ws.talks().await;
    }
    // What goes wrong after the header is told of whom the header is about.
    let mut tcp = server.tcp().await;
    tcp.write_all(b"PROXY TCP4 192.0.2.99 198.51.100.1 1 443\r\nGET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    tcp.shutdown().await.unwrap();
    let answer = rest(&mut tcp).await;
    assert!(answer.ends_with(b"this port speaks https\n"));
    logged(&["connection refused remote=192.0.2.99", "plain HTTP on the TLS port"]).await;
}

#[tokio::test]
async fn who_is_no_trusted_proxy_is_refused() {
    let elsewhere = Networks::parse(["192.0.2.0/24"]).unwrap();
    let server = start(|listener| listener.behind_proxies(elsewhere)).await;
    for bytes in [&b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut tcp = server.tcp().await;
        let _ = tcp.write_all(bytes).await;
        assert_eq!(rest(&mut tcp).await, b"");
    }
    logged(&["connection refused", "reason=not a trusted proxy, and only these may connect"]).await;
}

#[tokio::test]
async fn a_proxy_has_to_send_its_header_in_time_and_in_form() {
    let limits = HttpLimits {
        header_timeout: Duration::from_secs(1),
        max_connections: 1,
        max_connections_per_address: 0,
        ..HttpLimits::default()
    };
    let server = start_with(limits, |listener| listener.behind_proxies(loopback())).await;
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"[..], "there is none"),
        (b"PROXY TCP4 a b c d\r\n", "its addresses are not of its protocol"),
        (&endless, "it is longer than 107 bytes"),
        (&version_2(5, &[]), "its command is not LOCAL or PROXY"),
    ] {
        let mut tcp = server.tcp().await;
        tcp.write_all(bytes).await.unwrap();
        assert_eq!(rest(&mut tcp).await, b"");
        logged(&["connection refused", &format!("reason=bad PROXY header: {reason}")]).await;
    }
    for bytes in [&b""[..], b"PROXY", b"PROXY TCP4 192.0.2.7", &version_2(1, &[])[..20]] {
        let mut tcp = server.tcp().await;
        tcp.write_all(bytes).await.unwrap();
        assert_eq!(rest(&mut tcp).await, b"");
    }
    // More is announced than ever comes.
    let mut tcp = server.tcp().await;
    tcp.write_all(&[SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &[0; 100]].concat()).await.unwrap();
    assert_eq!(rest(&mut tcp).await, b"");
    let mut good = server.tcp().await;
    good.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
    assert!(get(good, "/").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_header_that_nobody_asked_for() {
    let server = start(|listener| listener).await;
    let mut tcp = server.tcp().await;
    tcp.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut tcp).await, b"");
    logged(&["connection refused", "reason=a PROXY header, but proxy-protocol is off"]).await;
}
