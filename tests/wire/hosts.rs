//! Each request says once, and in form, for which host it is (RFC 9112, 3.2), whatever it is for.

use std::sync::Arc;

use futures::future::BoxFuture;
use parlance::site::Pages;
use parlance::site::admin::Admin;
use serde_json::json;

use crate::support::apps::stage;
use crate::support::http::Http;
use crate::support::server::Setup;

const TOKEN: &str = "sixteen characters";

/// Requests without the `Host` lines, and what they are answered with.
fn requests() -> [(&'static str, u16); 8] {
    [
        ("GET /socket.io/?EIO=4&transport=polling", 200),
        ("GET /socket.io/?EIO=4&transport=websocket", 101),
        ("OPTIONS /socket.io/?EIO=4&transport=polling", 204),
        ("GET /socket.io/1/", 200),
        ("GET /", 200),
        ("GET /nowhere", 404),
        ("GET /admin/policy", 200),
        ("POST /admin/policy", 200),
    ]
}

#[tokio::test]
async fn hosts_are_told_once_and_in_form() {
    let handler =
        Arc::new(|_| -> BoxFuture<'static, _> { Box::pin(std::future::ready(Ok(json!({})))) });
    let pages = Some(Pages::new(None, Admin { token: TOKEN.into(), handler }));
    let server = Setup { pages, ..Setup::default() }.start_app(stage().0).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (request, status) in requests() {
        let more = match request {
            _ if status == 101 => upgrade,
            _ if request.starts_with("POST") => "Content-Length: 1\r\n",
            _ => "",
        };
        for (version, hosts, good) in [
            ("1.1", "Host: a.example:3000\r\n", true),
            ("1.1", "Host: [::1]\r\n", true),
            ("1.1", "Host:\r\n", true),
            ("1.1", "", false),
            ("1.1", "Host: a\r\nHost: a\r\n", false),
            ("1.1", "Host: a\r\nHost: b\r\n", false),
            ("1.1", "Host:\r\nHost: a\r\n", false),
            ("1.1", "Host: a b\r\n", false),
            ("1.1", "Host: a, b\r\n", false),
            ("1.1", "Host: http://a/\r\n", false),
            ("1.1", "Host: user@a\r\n", false),
            ("1.1", "Host: a:http\r\n", false),
            ("1.1", "Host: a\u{e4}\r\n", false),
            ("1.0", "", true),
            ("1.0", "Host: a\r\n", true),
            ("1.0", "Host: a\r\nHost: a\r\n", false),
            ("1.0", "Host: a/b\r\n", false),
        ] {
            // That is not to be had by 1.0.
            if good && version == "1.0" && status == 101 {
                continue;
            }
            let what = format!("{request} {version} {hosts}");
            let mut http = Http::open(server.addr).await;
            let auth = format!("Authorization: Bearer {TOKEN}\r\n");
            let head = format!("{request} HTTP/{version}\r\n{hosts}{auth}{more}\r\n");
            let body = if more.starts_with("Content") { "#" } else { "" };
            http.send(format!("{head}{body}").as_bytes()).await;
            let answer = http.head().await;
            let expected = if good { status } else { 400 };
            assert_eq!(answer.status, expected, "{what}");
            if !good {
                assert!(http.rest().await.ends_with(b"}"), "{what}: it says why");
            }
        }
    }
}
