//! The server under test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parlance::admission::{self, Gate};
use parlance::chat::{Chat, ChatSettings};
use parlance::engine::{Engine, Handler, Limits};
use parlance::negotiate::Negotiator;
use parlance::policy::proxy_headers::Believed;
use parlance::policy::{
    BreakerSettings, Caps, Eio3Polls, Networks, Origins, Policy, RoomNames, Rule, Transports,
};
use parlance::server::{self, EngineService, HttpLimits, Mount, Outside, Server};
use parlance::site::Pages;
use parlance::socketio::Io;
use parlance::transport;
use tokio::net::TcpListener;
use tower_service::Service as _;

use super::http::{Answer, Header, Http, fetch, request};
use super::pair::{self, Pair};
use super::until;

/// The path of the engine.
pub const MOUNT: &str = "/socket.io/";

/// How a server is to be; the defaults are those of the product.
pub struct Setup {
    pub limits: Limits,
    pub http: HttpLimits,
    /// An allow-list as operators write it.
    pub transports: &'static str,
    pub origins: &'static [&'static str],
    pub caps: Caps,
    pub breaker: BreakerSettings,
    pub eio3_polls: Eio3Polls,
    pub rules: Vec<Rule>,
    pub match_origin_protocol: bool,
    pub trusted_proxies: &'static [&'static str],
    pub proxy_headers: Believed,
    pub connect_timeout: Duration,
    pub pages: Option<Pages>,
    /// The paths of everything, and of the engine below it.
    pub mount: (&'static str, &'static str),
    /// The engine is served by hyper, through [`EngineService`].
    pub embedded: bool,
    /// Each request for a session comes in at another node, which passes it on.
    pub relayed: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            limits: Limits::default(),
            http: HttpLimits::default(),
            transports: "websocket,eventsource,htmlfile,polling",
            origins: &["*"],
            caps: Caps::default(),
            // Many tests kill their WebSockets on purpose.
            breaker: BreakerSettings { failures: 0, ..BreakerSettings::default() },
            eio3_polls: Eio3Polls::default(),
            rules: Vec::new(),
            match_origin_protocol: false,
            trusted_proxies: &[],
            proxy_headers: Believed::default(),
            connect_timeout: Duration::from_secs(45),
            pages: None,
            mount: ("/", MOUNT),
            embedded: false,
            relayed: std::env::var_os("TEST_RELAYED").is_some(),
        }
    }
}

/// A chat that refuses nothing that a test does not mean to be refused.
pub fn chat_settings() -> ChatSettings {
    ChatSettings {
        message_max: 64 * 1024,
        message_rate: 0,
        byte_rate: 0,
        duplicate_names: true,
        reserved_names: Vec::new(),
        leave_delay: Duration::ZERO,
        resume_key: None,
        node_timeout: Duration::from_secs(15),
        rooms: RoomNames::default(),
        max_rooms: 1000,
        ..ChatSettings::default()
    }
}

/// A running server; it ends with the test.
pub struct TestServer {
    pub addr: SocketAddr,
    pub engine: Engine,
    pub gate: Arc<Gate>,
    pub server: Server,
}

impl Setup {
    pub fn limits(limits: Limits) -> Self {
        Setup { limits, ..Setup::default() }
    }

    /// The policy that it describes.
    pub fn policy(&self) -> Policy {
        let known = transport::names();
        Policy {
            transports: Transports::parse(self.transports.split(','), &known).expect("transports"),
            origins: Origins::parse(self.origins.iter().copied()).expect("origins"),
            caps: self.caps,
            breaker: self.breaker,
            eio3_polls: self.eio3_polls,
            rules: self.rules.clone(),
            match_origin_protocol: self.match_origin_protocol,
            trusted_proxies: Networks::parse(self.trusted_proxies.iter().copied())
                .expect("networks"),
            proxy_headers: self.proxy_headers.clone(),
        }
    }

    /// Starts a server for an application on bare sessions.
    pub async fn start(self, handler: impl Handler) -> TestServer {
        let gate = Gate::new(self.policy());
        self.start_behind(gate, handler).await
    }

    async fn start_behind(self, gate: Arc<Gate>, handler: impl Handler) -> TestServer {
        self.start_with(handler, |engine| Negotiator::new(engine, gate)).await
    }

    /// Starts a server for an application on bare sessions, with a negotiator of its own: the policy of
    /// this setup does not count.
    pub async fn start_with(
        self,
        handler: impl Handler,
        negotiator: impl FnOnce(Engine) -> Negotiator,
    ) -> TestServer {
        let mount = Mount::new(self.mount.0, self.mount.1);
        let pair = match self.relayed {
            true => Some(Pair::new(self.policy(), &self.limits, &mount, &self.http).await),
            false => None,
        };
        let pages = self.pages.map(|pages| Arc::new(pages) as Arc<dyn Outside>);
        let engine = Engine::new(self.limits, handler);
        let mut negotiator = negotiator(engine.clone());
        let mut other = None;
        if let Some(pair) = pair {
            negotiator = pair.owner.join(&engine, negotiator, &mount, &self.http);
            other = Some(pair.other);
        }
        let gate = Arc::clone(negotiator.gate());
        if self.embedded {
            let service = EngineService::new(mount.clone(), negotiator.clone(), self.http.clone());
            let addr = serve_by_hyper(service).await;
            let server = Server::new(mount, negotiator, pages, self.http);
            return TestServer { addr, engine, gate, server };
        }
        let server = Server::new(mount, negotiator, pages, self.http);
        let listener = server::bind(Some("127.0.0.1"), 0).await.expect("a free port");
        let mut addr = listener.local_addr().expect("an address");
        let accepting = server.clone();
        tokio::spawn(async move { accepting.run(listener).await });
        if let Some(other) = other {
            addr = pair::proxy(addr, other).await;
        }
        TestServer { addr, engine, gate, server }
    }

    /// Starts a server for a Socket.IO application.
    pub async fn start_app(self, app: impl FnOnce(&Io)) -> TestServer {
        let io = Io::builder().connect_timeout(self.connect_timeout).build();
        self.start_io(io, app).await
    }

    /// Starts a server for an application on that Socket.IO.
    pub async fn start_io(self, io: Io, app: impl FnOnce(&Io)) -> TestServer {
        let gate = Gate::new(self.policy());
        let guarded = Arc::clone(&gate);
        io.on_namespace(move |namespace| admission::guard(namespace, &guarded));
        app(&io);
        self.start_behind(gate, io).await
    }

    /// Starts the chat.
    pub async fn start_chat(self, settings: ChatSettings) -> TestServer {
        let (chat, room) = Chat::new(settings);
        tokio::spawn(room.run());
        self.start_app(|io| chat.serve(io, |_| {})).await
    }
}

/// hyper, which knows of each client its address, as an extension of the requests.
async fn serve_by_hyper(service: EngineService) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let service = service.remote(|known| known.get::<SocketAddr>().map(SocketAddr::ip));
    tokio::spawn(async move {
        while let Ok((tcp, remote)) = listener.accept().await {
            let service = service.clone();
            let service = service_fn(move |mut request: hyper::Request<Incoming>| {
                request.extensions_mut().insert(remote);
                service.clone().call(request)
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(tcp), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    addr
}

impl TestServer {
    /// One request below the mount, on a connection of its own.
    pub async fn fetch(
        &self,
        method: &str,
        query: &str,
        headers: &[Header<'_>],
        body: &[u8],
    ) -> Answer {
        fetch(self.addr, method, &target(query), headers, body).await
    }

    pub async fn get(&self, query: &str) -> Answer {
        self.fetch("GET", query, &[], b"").await
    }

    /// Sends a GET for a session, and returns when the server holds it.
    pub async fn hold(&self, sid: &str, target: &str) -> Http {
        let session = self.engine.session(sid).expect("the session lives");
        let mut http = Http::open(self.addr).await;
        http.send(&request("GET", target, &[], b"")).await;
        until("the request is held", || session.is_drained()).await;
        http
    }

    /// Returns when everything that was written to the server before has been read and handled as
    /// far as that can be without waiting. On one thread, connections are served in the order in
    /// which bytes came in, so the answer to a request of now tells so.
    pub async fn settle(&self) {
        for _ in 0..2 {
            let answer = Http::open(self.addr).await.get("/settled").await;
            assert_eq!(answer.status, 404);
        }
    }

    /// Asserts that the server still opens sessions.
    pub async fn assert_well(&self) {
        let answer = self.get("EIO=4&transport=polling").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Asserts that there is no such session any more.
    pub async fn assert_gone(&self, sid: &str) {
        let answer = self.get(&format!("EIO=4&transport=polling&sid={sid}")).await;
        answer.assert_error(400, 1, "Session ID unknown");
    }
}

/// A request target of the engine.
pub fn target(query: &str) -> String {
    format!("{MOUNT}?{query}")
}
