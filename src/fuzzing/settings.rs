//! The settings file.

use std::path::Path;
use std::time::Duration;

use crate::config::{ConfigError, Layer, Settings};
use crate::transport;

/// An error names its place in the file. Accepted settings are within the bounds that the server relies on.
pub fn settings(data: &[u8]) {
    let (text, known) = (String::from_utf8_lossy(data), transport::names());
    let layer = match Layer::from_text(&text, Path::new("t.toml"), &known) {
        Ok(layer) => layer,
        Err(ConfigError::File { line, column, message, .. }) => {
            let at = text.split('\n').nth(line - 1).unwrap_or_else(|| panic!("{message}: no line"));
            assert!(column <= at.len() + 1, "{line}:{column}: no such column: {message}");
            assert!(!message.is_empty());
            return;
        }
        Err(error) => panic!("not of the file: {error}"),
    };
    let settings = Settings::complete(layer, &known);
    if settings.check_consistency().is_ok() {
        assert_eq!(settings.tls_cert.len(), settings.tls_key.len());
        assert!(!settings.proxy_protocol || !settings.policy.trusted_proxies.is_empty());
    }
    let day = Duration::from_secs(24 * 3600);
    for time in [
        settings.ping_interval,
        settings.ping_timeout,
        settings.upgrade_timeout,
        settings.connect_timeout,
        settings.header_timeout,
        settings.keep_alive_timeout,
        settings.body_timeout,
        settings.shutdown_timeout,
    ] {
        assert!(!time.is_zero() && time <= day, "{time:?}");
    }
    assert!(settings.max_payload >= 1024 && settings.queue_bytes >= 1024);
    assert!(settings.queue_messages >= 16 && settings.stream_bytes >= 4096);
    assert!(settings.max_headers >= 8 && settings.max_header_bytes >= 8192);
    assert!(settings.max_connections > 0 && settings.message_max > 0);
    assert!(settings.admin_token.is_none_or(|token| token.len() >= 16));
    assert!(!settings.policy.transports.names().is_empty(), "nobody could connect");
}
