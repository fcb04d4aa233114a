//! `parlance serve`: the chat.

use anyhow::{Context as _, Result};
use tracing::{info, warn};

use super::signals::Signals;
use crate::chat::{Chat, ChatSettings};
use crate::config::Settings;
use crate::engine::{Engine, Limits, QueueLimits};
use crate::policy::{Origins, Policy};
use crate::server::pages::Pages;
use crate::server::{self, HttpLimits, Server};
use crate::socketio::SocketIo;
use crate::telemetry;
use crate::transport::Negotiator;

/// How long a session that the server ended waits for a poll to say so.
const LINGER: std::time::Duration = std::time::Duration::from_secs(30);

/// Runs the server until it is told to stop.
pub fn run(settings: Settings) -> Result<()> {
    let _logs =
        telemetry::init(&settings.log, settings.log_dir.as_deref()).map_err(anyhow::Error::msg)?;
    super::check::pages_are_there(&settings)?;
    server::raise_file_limit(settings.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<()> {
    let mut signals = Signals::new()?;
    let listener = server::bind(settings.host.as_deref(), settings.port).await?;
    let address = listener.local_addr().context("no local address")?;

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
    eprintln!("listening on {}", server::url(settings.host.as_deref(), address));
    let stopped = server.clone();
    let accepting = tokio::spawn(async move { stopped.run(listener).await });
    let signal = signals.next().await;

    info!(signal, sessions = engine.session_count(), "stopping");
    // The listener stays open meanwhile: who is between two polls comes back to be told.
    let patience = settings.shutdown_timeout;
    let began = tokio::time::Instant::now();
    let drained = async {
        let left = engine.shutdown(patience).await;
        server.stop_accepting();
        server.drained(patience.saturating_sub(began.elapsed())).await;
        left
    };
    let left = tokio::select! {
        left = drained => left,
        // Who asks twice does not want to wait.
        _ = signals.next() => engine.session_count(),
    };
    if left > 0 {
        warn!(sessions = left, "stopped before all clients were told");
    }
    server.stop_accepting();
    let _ = accepting.await;
    info!("stopped");
    Ok(())
}
