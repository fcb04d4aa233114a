use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Exporter, Reloads, SessionMetrics, Sources};
use crate::accounts::{Accounts, Claims, Origin};
use crate::admission::Gate;
use crate::chat::ChatStats;
use crate::cluster::redis::{Redis, RedisUrl};
use crate::diagnosis::Book;
use crate::engine::testing::{Deaf, SOCKET, new_session};
use crate::engine::{
    CloseReason, Engine, Limits, Observer as _, SessionError, SessionEvent, UpgradeFailure,
    WebSocketEnd,
};
use crate::negotiate::Negotiator;
use crate::policy::{Policy, Transports};
use crate::relay::{Node, NodeList, Relay, RelayLimits};
use crate::server::{HttpLimits, Server};
use crate::site::metrics::Form;
use crate::socketio::Io;

/// An engine that is observed, and what writes its metrics.
fn observed() -> (Engine, Arc<SessionMetrics>, Exporter) {
    let (book, metrics) = (Arc::<Book>::default(), Arc::<SessionMetrics>::default());
    let observer = Arc::new((Arc::clone(&book), Arc::clone(&metrics)));
    let engine = Engine::observed(Limits::default(), Deaf, observer);
    let gate = Gate::new(Policy::open(Transports::all(crate::transport::names())));
    let negotiator = Negotiator::new(engine.clone(), Arc::clone(&gate));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());
    let sources = Sources {
        gate,
        chat_stats: Arc::<ChatStats>::default(),
        accounts: Some(Arc::new(accounts())),
        io: Io::new(),
        adapter: Arc::clone(Io::new().of("/").adapter()),
        book,
        connections: server.connections(),
        reloads: Arc::<Reloads>::default(),
        tls: None,
        redis: Some(Redis::connect("redis://127.0.0.1:1".parse::<RedisUrl>().unwrap())),
        relay: Some(relay()),
    };
    let exporter = Exporter::new(&metrics, sources);
    (engine, metrics, exporter)
}

fn relay() -> Relay {
    let key = "a key of the cluster for its tests";
    let node = Arc::new(Node::new(key, "127.0.0.1:1", None).unwrap());
    Relay::new(node, Arc::new(NodeList::default()), RelayLimits::default())
}

fn accounts() -> Accounts {
    Accounts::new(false, Claims::default(), Origin::Secret(vec![0; 32])).unwrap()
}

/// One event of each kind.
fn one_of_each() -> Vec<SessionEvent<'static>> {
    let (after, reason) = (Duration::from_millis(20), "");
    vec![
        SessionEvent::Withheld { transport: "websocket", label: "breaker", reason },
        SessionEvent::Moved { from: "websocket", to: "xhr-polling" },
        SessionEvent::Refused { transport: "web\"socket\n", label: "upgrade-missing", reason },
        SessionEvent::Probing { transport: "websocket" },
        SessionEvent::UpgradeRefused { transport: "websocket", reason: SessionError::Overlap },
        SessionEvent::ProbeAnswered { transport: "websocket" },
        SessionEvent::Upgraded { from: "xhr-polling", to: "websocket", after },
        SessionEvent::Confirmed { transport: "websocket" },
        SessionEvent::UpgradeFailed {
            tried: "websocket",
            stays: "xhr-polling",
            after,
            reason: UpgradeFailure::NoProbe,
        },
        SessionEvent::TakenBack {
            tried: "websocket",
            to: "xhr-polling",
            reason: UpgradeFailure::UnconfirmedSilent,
        },
        SessionEvent::WebSocketEnded { end: WebSocketEnd::Cut, after },
    ]
}

/// The value of a metric with its labels, as it is written.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

#[tokio::test]
async fn what_happens_to_sessions_is_counted() {
    let (engine, metrics, exporter) = observed();
    let session = engine.open(new_session(&SOCKET)).unwrap();
    one_of_each().iter().for_each(|event| session.tell(event));
    metrics.heartbeat("websocket", Duration::from_millis(30));
    let text = exporter.write(Form::Text);
    let expect = |expected: &[(&str, &str)], text: &str| {
        for (name, number) in expected {
            assert_eq!(value(text, name), Some(*number), "{name} in\n{text}");
        }
    };
    expect(
        &[
            ("parlance_sessions{transport=\"xhr-polling\",generation=\"test\"}", "1"),
            ("parlance_sessions{transport=\"websocket\",generation=\"test\"}", "0"),
            ("parlance_handshakes_total{transport=\"websocket\",generation=\"test\"}", "1"),
            ("parlance_withheld_total{reason=\"breaker\"}", "1"),
            ("parlance_session_refusals_total{reason=\"upgrade-missing\"}", "1"),
            ("parlance_upgrades_total{from=\"xhr-polling\",to=\"websocket\",result=\"ok\"}", "1"),
            (
                "parlance_upgrades_total{from=\"xhr-polling\",to=\"websocket\",result=\"no-probe\"}",
                "1",
            ),
            (
                "parlance_upgrades_total{from=\"xhr-polling\",to=\"websocket\",result=\"unconfirmed-silent\"}",
                "1",
            ),
            ("parlance_upgrade_seconds_count{to=\"websocket\"}", "1"),
            ("parlance_moves_total{from=\"websocket\",to=\"xhr-polling\"}", "1"),
            ("parlance_websocket_ends_total{end=\"cut\"}", "1"),
            ("parlance_ping_seconds_bucket{transport=\"websocket\",le=\"0.025\"}", "0"),
            ("parlance_ping_seconds_bucket{transport=\"websocket\",le=\"0.05\"}", "1"),
        ],
        &text,
    );
    // It ends where the engine has it, not where these events say.
    session.tell(&SessionEvent::Moved { from: "xhr-polling", to: "websocket" });
    session.close(CloseReason::PingTimeout);
    let text = exporter.write(Form::Text);
    let ends = "parlance_session_ends_total{transport=\"websocket\",reason=\"ping-timeout\"}";
    expect(
        &[
            (ends, "1"),
            ("parlance_session_seconds_count{transport=\"websocket\"}", "1"),
            ("parlance_sessions{transport=\"xhr-polling\",generation=\"test\"}", "0"),
            ("parlance_sessions{transport=\"websocket\",generation=\"test\"}", "0"),
        ],
        &text,
    );
    assert!(!text.contains("web\\\"socket"), "nothing that a client wrote");
    assert!(text.contains("parlance_causes_total{cause=\"unknown\""), "causes begin at 0");
}

/// Name, type and labels of all metrics that are written.
fn written(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            last = name.to_owned();
            found.insert(last.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((_, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let (labels, _) = rest.rsplit_once('}').unwrap();
            let names = labels.split("\",").map(|label| label.split('=').next().unwrap());
            let names = names.filter(|name| *name != "le").map(str::to_owned);
            found.get_mut(&last).unwrap().1.extend(names);
        }
    }
    found
}

#[tokio::test]
async fn the_documentation_has_every_metric_with_its_type_and_labels() {
    let (engine, metrics, exporter) = observed();
    let session = engine.open(new_session(&SOCKET)).unwrap();
    one_of_each().iter().for_each(|event| session.tell(event));
    metrics.heartbeat("websocket", Duration::from_millis(30));
    session.close(CloseReason::ClientClosed);
    let page = std::fs::read_to_string("docs/metrics.md").unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `p"));
    let mut told = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let labels = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        told.insert(cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), labels));
    }
    assert!(told.len() > 20, "{told:?}");
    let expiry = told.remove("parlance_certificate_expiry_seconds");
    assert_eq!(
        expiry,
        Some(("gauge".into(), BTreeSet::new())),
        "written by a server with TLS alone"
    );
    assert_eq!(written(&exporter.write(Form::Text)), told);
}

#[tokio::test]
async fn messages_to_several_clients_are_timed() {
    let (_engine, _metrics, exporter) = observed();
    let count = || {
        let text = exporter.write(Form::Text);
        let last = value(&text, "parlance_delivery_seconds_bucket{le=\"+Inf\"}").unwrap();
        assert_eq!(value(&text, "parlance_delivery_seconds_count").unwrap(), last);
        let oldest = value(&text, "parlance_queue_oldest_seconds").unwrap();
        (last.parse::<u64>().unwrap(), oldest.parse::<f64>().unwrap())
    };
    // Other tests of this process have messages, too.
    let (before, _) = count();
    let one = crate::memory::shared(vec![7].into());
    let other = one.clone();
    assert!(count().1 > 0.0);
    drop((one, other));
    assert!(count().0 > before);
}

#[tokio::test]
async fn both_forms_say_the_same() {
    let (_engine, _metrics, exporter) = observed();
    let (text, open) = (exporter.write(Form::Text), exporter.write(Form::OpenMetrics));
    assert!(open.ends_with("# EOF\n"));
    let samples = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut names: Vec<_> =
            lines.map(|line| line.split([' ', '{']).next().unwrap().to_owned()).collect();
        // Within a histogram, each form has an order of its own.
        names.sort();
        names
    };
    assert_eq!(samples(&text), samples(&open));
    assert!(text.contains("# TYPE parlance_causes_total counter"));
    assert!(open.contains("# TYPE parlance_causes counter"));
}
