//! `parlance serve`: assembles the chat server, runs it, and shuts it down.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::cluster::Cluster;
use super::essential::{self, Ended, Essential};
use super::misfits::Misfits;
use super::nodes::{self, Nodes};
use super::reload::{Reloader, Request};
use super::sessions::Sessions;
use super::signals::{ReloadSignal, Signals};
use super::status::StatusSources;
use super::store;
use super::{accounts, check};
use crate::admin_ui::{self, Hub, Mode};
use crate::admission::{self, Gate};
use crate::chat::{Chat, ChatSettings};
use crate::config::{self, HostPort, Layers, Settings};
use crate::diagnosis::{self, Book};
use crate::engine::{Engine, Limits, QueueLimits};
use crate::metrics::{Exporter, Reloads, SessionMetrics, Sources};
use crate::negotiate::Negotiator;
use crate::server::tls::Tls;
use crate::server::{self, HttpLimits, Listener, Mount, Server};
use crate::site::Pages;
use crate::site::admin::{Admin, AdminError, AdminRequest, PolicyRequest};
use crate::site::metrics::MetricsPage;
use crate::socketio::Io;
use crate::telemetry;

/// How long a session that the server closed waits for a poll to fetch the closing packet.
const LINGER: std::time::Duration = std::time::Duration::from_secs(30);

/// How long what is on its way to other nodes may delay the end.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

/// How long blocking tasks may delay the end of the process.
const RUNTIME_SHUTDOWN: std::time::Duration = std::time::Duration::from_millis(500);

/// Runs the server until a signal stops it.
///
/// # Errors
/// If it cannot start, or an essential task ends.
pub fn run(layers: Layers) -> Result<()> {
    let settings = layers.settings()?;
    let _logs = telemetry::init(&settings.log, settings.log_format, log_files(&settings))
        .map_err(anyhow::Error::msg)?;
    essential::log_panics();
    check::pages_are_there(&settings)?;
    for name in config::unknown_variables() {
        warn!(name, "this variable is ignored: no setting has that name");
    }
    if layers.file_is_blank() {
        let path = layers.path().display();
        warn!(%path, "there are no settings in this file: the defaults are in force");
    }
    let tls = check::tls(&settings)?;
    let nodes = Nodes::of(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(settings, layers, tls, nodes));
    // A blocking call that hangs, such as a read from a dead disk, must not keep the process alive.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    outcome
}

async fn serve(
    settings: Settings,
    layers: Layers,
    tls: Option<Tls>,
    nodes: Option<Nodes>,
) -> Result<()> {
    let cookie = nodes::cookie(&settings)?;
    let cluster = Cluster::of(&settings)?;
    let (mut signals, reload_signal) = (Signals::new()?, ReloadSignal::new()?);
    let host = settings.host.as_deref();
    let listener = server::bind(host, settings.port).await?;
    let others = settings.all_node_connections();
    let max_connections = server::raise_file_limit_beside(settings.max_connections, others);
    let mut misfits = Misfits::new(max_connections);
    misfits.log(&settings);
    let addresses = listener.addresses().context("no local address")?;
    let redirect = match settings.redirect_port {
        Some(port) => {
            let redirect = server::bind_for("redirect-port", host, port).await?;
            Some(redirect.redirecting_to(listener.local_addr()?.port()))
        }
        None => None,
    };
    let listener = configured(listener, &settings, tls.clone());
    let admin_listener = match &settings.admin_address {
        Some(address) => Some(admin_listener(address, tls.clone()).await?),
        None => None,
    };

    let node_listener = match &nodes {
        Some(nodes) => Some(nodes.listener().await?),
        None => None,
    };

    let store = store::open(&settings)?;
    let accounts = accounts::open(&settings)?;
    let (chat, rooms) = Chat::new(ChatSettings {
        message_max: settings.message_max,
        message_rate: settings.message_rate,
        byte_rate: settings.byte_rate,
        duplicate_names: settings.duplicate_names,
        reserved_names: settings.reserved_names.clone(),
        leave_delay: settings.leave_delay,
        // The same on all nodes.
        resume_key: store::resume_key(&settings, &store)?,
        node_timeout: settings.node_timeout,
        rooms: settings.rooms.clone(),
        max_rooms: settings.max_rooms,
        store: store.clone(),
        room_rules: settings.room_rules(),
        accounts: accounts.clone(),
        recovery: settings.recovery,
    });
    let book = Arc::<Book>::default();
    let rooms = rooms.on_login({
        let book = Arc::clone(&book);
        move |sid, name| book.set_name(sid, name)
    });
    let mut essential = Essential::default();
    essential.spawn("the chat rooms", rooms.run());
    if let Some(accounts) = accounts.clone() {
        essential.spawn("the keys of accounts", async move { accounts.run().await });
    }
    let lasting = store.clone();
    essential.spawn("the history", async move { lasting.ended().await });
    let limits = Limits {
        ping_interval: settings.ping_interval,
        ping_timeout: settings.ping_timeout,
        upgrade_timeout: settings.upgrade_timeout,
        max_payload: settings.max_payload,
        queue: QueueLimits { bytes: settings.queue_bytes, messages: settings.queue_messages },
        queue_total: settings.queue_bytes_total,
        stream_bytes: settings.stream_bytes,
        http_compression: settings.http_compression,
        linger: LINGER,
    };
    let (removals, farewell, moderation) = (chat.removals(), chat.farewell(), chat.moderation());
    let chat_stats = Arc::clone(chat.stats());
    let started = settings.clone();
    let transports = settings.policy.transports.names().join(",");
    let gate = Gate::observed(settings.policy, Arc::clone(&book) as _);
    let hub = admin_hub(
        settings.admin_ui,
        settings.admin_token.as_deref(),
        &gate,
        listener.local_addr()?.port(),
    );
    let io = Io::builder().connect_timeout(settings.connect_timeout);
    let (io, redis) = match cluster {
        Some(cluster) => {
            let (make, redis) = cluster.connect();
            (chat.recovering_among(io, make), Some(redis))
        }
        None => (chat.recovering(io), None),
    };
    let io = io.build();
    if let Some(hub) = &hub {
        admin_ui::serve(&io, hub);
    }
    let root = io.of("/");
    chat.serve(&io, |handlers| admission::guard(handlers, &gate));
    let adapter = Arc::clone(root.adapter());
    diagnosis::serve(&io, &book);
    let metrics = Arc::<SessionMetrics>::default();
    let (counted, closing) = (io.clone(), io.clone());
    let observer = Arc::new((Arc::clone(&book), Arc::clone(&metrics)));
    let engine = match &hub {
        Some(hub) => Engine::observed(limits, io, Arc::new((observer, Arc::clone(hub)))),
        None => Engine::observed(limits, io, observer),
    };
    if let Some(hub) = hub {
        essential.spawn("the numbers for the Admin UI", hub.run(engine.clone()));
    }
    essential.spawn("the diagnosis of sessions", Arc::clone(&book).run());
    if let Some(clock) = engine.clock_task() {
        essential.spawn("the clock of the sessions", async move {
            if let Err(error) = clock.await
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        });
    }
    let (requests_in, requests) = mpsc::channel(ADMIN_INBOX);
    let sessions = Sessions::new(engine.clone(), Arc::clone(&book), removals);
    let reloads = Arc::<Reloads>::default();
    let relay = match nodes {
        Some(nodes) => Some(nodes.relay(redis.as_ref(), &settings.cluster_prefix).await),
        None => None,
    };
    let sources = StatusSources {
        gate: Arc::clone(&gate),
        engine: engine.clone(),
        chat_stats: Arc::clone(&chat_stats),
        adapter: Arc::clone(&adapter),
        relay: relay.clone(),
        book: Arc::clone(&book),
    };
    let reloader =
        Reloader { layers, started, misfits, sources, requests, reloads: Arc::clone(&reloads) };
    essential.spawn("the watcher of the settings", reloader.run(reload_signal));
    let admin = settings.admin_token.as_deref().map(|token| Admin {
        token: token.into(),
        handler: Arc::new(move |request| match request {
            AdminRequest::Policy(request) => Box::pin(forward(requests_in.clone(), request)),
            AdminRequest::Sessions(request) => Box::pin(sessions.clone().answer(request)),
            AdminRequest::Moderation(asked) => {
                let moderation = moderation.clone();
                Box::pin(async move {
                    let done = moderation.act(asked).await;
                    done.map_err(|(error, reason)| AdminError::moderation(error, reason))
                })
            }
        }),
    });
    // With an address of their own, nothing of administrators is anywhere else.
    let (beside, apart) = if admin_listener.is_some() { (None, admin) } else { (admin, None) };
    let pages =
        Pages::with_clients(settings.static_dir.as_deref(), settings.client_dir.as_deref(), beside);
    let pages = pages.compressed(settings.http_compression);
    let mut negotiator = Negotiator::new(engine.clone(), Arc::clone(&gate));
    if let Some(cookie) = cookie {
        negotiator = negotiator.cookie(cookie);
    }
    if settings.auth_cookie.is_some() {
        negotiator = negotiator.keep_headers([http::header::COOKIE]);
    }
    if let Some(relay) = &relay {
        let node = Arc::clone(relay.node());
        nodes::watch(relay, &mut essential)?;
        engine.name_sessions(move || node.new_sid());
        negotiator = negotiator.relay(relay.clone());
    }
    let http = HttpLimits {
        header_timeout: settings.header_timeout,
        keep_alive_timeout: settings.keep_alive_timeout,
        body_timeout: settings.body_timeout,
        max_headers: settings.max_headers,
        max_header_bytes: settings.max_header_bytes,
        max_connections,
        max_connections_per_address: settings.max_connections_per_address,
    };
    let mount = Mount::new(&settings.base_path, &settings.path);
    let mut with_metrics = pages.clone();
    let administrators = admin_listener.map(|listener| {
        with_metrics = Pages::for_administrators(apart);
        let (mount, pages) = (mount.clone(), Arc::new(with_metrics.clone()));
        (listener, Server::without_engine(mount, negotiator.clone(), pages, http.clone()))
    });
    let others = node_listener.map(|listener| {
        let (mount, negotiator, http) = (mount.clone(), negotiator.clone(), http.clone());
        (listener, Server::for_nodes(mount, negotiator, http, settings.node_connections))
    });
    let server = Server::new(mount.clone(), negotiator, Some(Arc::new(pages)), http);
    let tokens = [&settings.admin_token, &settings.metrics_token];
    let tokens: Vec<Arc<str>> = tokens.into_iter().flatten().map(|it| it.as_str().into()).collect();
    if !tokens.is_empty() {
        let connections = server.connections();
        let tls = tls.clone();
        let adapter = Arc::clone(&adapter);
        let sources = Sources {
            gate,
            chat_stats,
            accounts,
            io: counted,
            adapter,
            book,
            connections,
            reloads,
            tls,
            redis: redis.clone(),
            relay,
        };
        let exporter = Exporter::new(&metrics, sources);
        let write = Box::new(move |form| exporter.write(form));
        with_metrics.serve_metrics(MetricsPage { tokens, write });
    }

    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    info!(address = addresses.join(","), transports, "started");
    if let Some(tls) = tls {
        info!(names = tls.names().join(","), "certificates loaded");
        let watching = ReloadSignal::new()?.follow(tls.watch(), move |found| tls.take(found));
        essential.spawn("the watcher of the certificates", watching);
    }
    let below = mount.base().trim_end_matches('/');
    telemetry::tell(&format!("listening on {}{below}", listener.url(host)?));
    if let Some(redirect) = redirect {
        telemetry::tell(&format!("redirecting from {}", redirect.url(host)?));
        let redirecting = server.clone();
        let redirecting = async move { redirecting.run(redirect).await };
        essential.spawn("the redirecting listener", redirecting);
    }
    let administrators = match administrators {
        Some((listener, server)) => {
            let url = listener.url(settings.admin_address.as_ref().map(|it| &*it.host))?;
            telemetry::tell(&format!("administrators at {url}{below}/admin"));
            let accepting = server.clone();
            let accepting = async move { accepting.run(listener).await };
            essential.spawn("the listener of the administrators", accepting);
            Some(server)
        }
        None => None,
    };
    let others = others.map(|(listener, server)| {
        let accepting = server.clone();
        essential
            .spawn("the listener for other nodes", async move { accepting.run(listener).await });
        server
    });
    if adapter.status().is_clustered() && !settings.ready_alone {
        server.ready_if(move || !adapter.status().is_alone());
    }
    let accepting = server.clone();
    essential.spawn("the listener", async move { accepting.run(listener).await });
    let signal = tokio::select! {
        signal = signals.next() => signal,
        ended = essential.ended() => return Err(essential_error(ended)),
    };

    // First of all, so that balancers send nobody here any more.
    server.set_unready();
    info!(signal, sessions = engine.session_count(), delay = ?settings.drain_delay, "stopping");
    let patience = settings.shutdown_timeout;
    let drained = async {
        tokio::time::sleep(settings.drain_delay).await;
        let began = tokio::time::Instant::now();
        // Other nodes are told before anybody comes to them.
        farewell.say().await;
        // The listener stays open, so that clients between two polls can fetch the closing packet.
        let left = engine.shutdown(patience).await;
        closing.close().await;
        server.stop_accepting();
        // Until here, they see who is left.
        for server in administrators.iter().chain(&others) {
            server.stop_accepting();
        }
        server.drained(patience.saturating_sub(began.elapsed())).await;
        left
    };
    let left = tokio::select! {
        left = drained => left,
        // A second signal ends the wait.
        _ = signals.next() => engine.session_count(),
        panicked = essential.panicked() => return Err(essential_error(panicked)),
    };
    if left > 0 {
        warn!(sessions = left, "stopped before all clients were told");
    }
    server.stop_accepting();
    if let Some(redis) = redis {
        let _ = tokio::time::timeout(LAST_WORDS, redis.flush()).await;
    }
    if let Err(error) = store.close().await {
        warn!(%error, "the end of the history was not written");
    }
    server.gate().tell_refusals();
    info!("stopped");
    Ok(())
}

/// What the Admin UI talks to, if it may.
fn admin_hub(
    mode: config::AdminUi,
    token: Option<&str>,
    gate: &Arc<Gate>,
    port: u16,
) -> Option<Arc<Hub>> {
    let mode = match mode {
        config::AdminUi::Off => return None,
        config::AdminUi::Production => Mode::Production,
        config::AdminUi::Development => Mode::Development,
    };
    Some(Hub::new(token?.into(), mode, Arc::clone(gate), port))
}

fn log_files(settings: &Settings) -> Option<telemetry::Files<'_>> {
    let folder = settings.log_dir.as_deref()?;
    Some(telemetry::Files { folder, bytes: settings.log_bytes as u64 })
}

/// Logs the end of an essential task. The process must end: a supervisor restarts it, and clients
/// reconnect by themselves.
fn essential_error(ended: Ended) -> anyhow::Error {
    error!(task = ended.task, panic = ended.panic, "the server cannot go on without this task");
    anyhow::Error::new(ended).context("the server cannot go on")
}

/// How many requests of administrators may wait.
const ADMIN_INBOX: usize = 8;

/// Sends a request to the [`Reloader`], and waits for the answer.
async fn forward(
    requests: mpsc::Sender<Request>,
    request: PolicyRequest,
) -> Result<Value, AdminError> {
    let (answer, answered) = oneshot::channel();
    requests.send((request, answer)).await.map_err(|_| AdminError::stopping())?;
    answered.await.map_err(|_| AdminError::stopping())?
}

/// The listener of the administrators: with TLS if there is, but not where only this machine can reach
/// it, because certificates name no such address.
async fn admin_listener(address: &HostPort, tls: Option<Tls>) -> Result<Listener> {
    let listener = server::bind_for("admin-address", Some(&address.host), address.port).await?;
    Ok(match tls.filter(|_| !address.is_loopback()) {
        Some(tls) => listener.with_tls(tls),
        None => listener,
    })
}

/// Configures the main listener.
fn configured(mut listener: Listener, settings: &Settings, tls: Option<Tls>) -> Listener {
    if let Some(tls) = tls {
        listener = listener.with_tls(tls);
    }
    if settings.proxy_protocol {
        listener = listener.behind_proxies(settings.policy.trusted_proxies.clone());
    }
    if let Some(time) = settings.hsts {
        listener = listener.with_hsts(time);
    }
    listener
}
