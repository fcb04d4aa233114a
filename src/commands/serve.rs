//! `parlance serve`: the chat.

use anyhow::{Context as _, Result};
use tracing::{info, warn};

use super::check;
use super::signals::{Hangups, Signals};
use crate::chat::{Chat, ChatSettings};
use crate::config::Settings;
use crate::engine::{Engine, Limits, QueueLimits};
use crate::policy::{Origins, Policy};
use crate::server::pages::Pages;
use crate::server::tls::{Tls, Watch};
use crate::server::{self, HttpLimits, Listener, Server};
use crate::socketio::SocketIo;
use crate::telemetry;
use crate::transport::Negotiator;

/// How long a session that the server ended waits for a poll to say so.
const LINGER: std::time::Duration = std::time::Duration::from_secs(30);

/// Time between two looks at the files of certificates.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs the server until it is told to stop.
pub fn run(settings: Settings) -> Result<()> {
    let _logs =
        telemetry::init(&settings.log, settings.log_dir.as_deref()).map_err(anyhow::Error::msg)?;
    check::pages_are_there(&settings)?;
    let tls = check::tls(&settings)?;
    server::raise_file_limit(settings.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(settings, tls))
}

async fn serve(settings: Settings, tls: Option<Tls>) -> Result<()> {
    let mut signals = Signals::new()?;
    let host = settings.host.as_deref();
    let socket = server::bind(host, settings.port).await?;
    let address = socket.local_addr().context("no local address")?;
    let redirect = match settings.redirect_port {
        Some(port) => {
            let socket = server::bind_for("redirect-port", host, port).await?;
            Some(Listener::from(socket).redirecting_to(address.port()))
        }
        None => None,
    };
    let listener = listener(socket.into(), &settings, tls.clone());

    let (chat, room) = Chat::new(ChatSettings {
        message_max: settings.message_max,
        message_rate: settings.message_rate,
        duplicate_names: settings.duplicate_names,
    });
    tokio::spawn(room.run());
    let limits = Limits {
        ping_interval: settings.ping_interval,
        ping_timeout: settings.ping_timeout,
        upgrade_timeout: settings.upgrade_timeout,
        max_payload: settings.max_payload,
        queue: QueueLimits { bytes: settings.queue_bytes, messages: settings.queue_messages },
        stream_bytes: settings.stream_bytes,
        linger: LINGER,
    };
    let engine = Engine::new(limits, SocketIo::new(chat, settings.connect_timeout));
    let policy = Policy {
        transports: settings.transports.clone(),
        origins: Origins::new(settings.origins.iter().map(String::as_str)),
        max_sessions: settings.max_sessions,
    };
    let negotiator = Negotiator::new(engine.clone(), policy, settings.body_timeout);
    let pages = Pages::new(settings.static_dir.as_deref(), &settings.transports);
    let http = HttpLimits {
        header_timeout: settings.header_timeout,
        max_headers: settings.max_headers,
        max_header_bytes: settings.max_header_bytes,
        max_connections: settings.max_connections,
    };
    let server = Server::new("/socket.io/", negotiator, pages, http);

    info!(%address, transports = settings.transports.names().join(","), "started");
    if let Some(tls) = tls {
        info!(names = tls.names().join(","), "certificates loaded");
        tokio::spawn(follow(tls.watch(), Hangups::new()?));
    }
    eprintln!("listening on {}", listener.url(host)?);
    if let Some(redirect) = redirect {
        eprintln!("redirecting from {}", redirect.url(host)?);
        let redirecting = server.clone();
        tokio::spawn(async move { redirecting.run(redirect).await });
    }
    let stopped = server.clone();
    let accepting = tokio::spawn(async move { stopped.run(listener).await });
    let signal = signals.next().await;

    info!(signal, sessions = engine.session_count(), "stopping");
    server.stop_accepting();
    let drained = async {
        let patience = settings.shutdown_timeout;
        tokio::join!(engine.shutdown(patience), server.drained(patience)).0
    };
    let left = tokio::select! {
        left = drained => left,
        // Who asks twice does not want to wait.
        _ = signals.next() => engine.session_count(),
    };
    if left > 0 {
        warn!(sessions = left, "stopped before all clients were told");
    }
    let _ = accepting.await;
    info!("stopped");
    Ok(())
}

/// What the settings make of the socket that people come by.
fn listener(mut listener: Listener, settings: &Settings, tls: Option<Tls>) -> Listener {
    if let Some(tls) = tls {
        listener = listener.with_tls(tls);
    }
    if settings.proxy_protocol {
        listener = listener.behind_proxies(settings.trusted_proxies.clone());
    }
    if let Some(time) = settings.hsts {
        listener = listener.with_hsts(time);
    }
    listener
}

/// Keeps certificates up to date with their files, for ever.
async fn follow(mut watch: Watch, mut hangups: Hangups) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => watch.look().await,
            () = hangups.next() => watch.reload().await,
        }
    }
}
