//! `GET <engine>/echo`: which headers of a request reach the server.

use parlance::policy::Caps;
use serde_json::{Value, json};

use crate::support::apps::Echo;
use crate::support::http::Http;
use crate::support::server::Setup;

#[tokio::test]
async fn a_request_comes_back_without_what_is_secret() {
    // Whoever may not connect may still ask.
    let caps = Caps { handshakes_per_address: 1, ..Caps::STANDARD };
    let setup = Setup { caps, origins: &["https://a.example"], ..Setup::default() };
    let trusted = Setup { trusted_proxies: &["127.0.0.1"], ..setup };
    let server = Setup { mount: ("/chat/", "/ws/"), ..trusted }.start(Echo).await;
    for path in ["/chat/ws/echo", "/ws/echo", "//chat/ws//echo?x=1"] {
        for (head, has) in [
            ("Upgrade: websocket\r\nConnection: Upgrade\r\n", true),
            ("Cookie: a=secret\r\nAuthorization: secret\r\nX-Token: secret\r\n", false),
        ] {
            let mut http = Http::open(server.addr).await;
            let told = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{told}{head}\r\n");
            http.send(request.as_bytes()).await;
            let answer = http.answer().await;
            assert_eq!(answer.status, 200, "{request}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("access-control-allow-origin"), None);
            let text = answer.text();
            assert!(!text.contains("secret"), "{text}");
            let echo: Value = serde_json::from_str(text).unwrap();
            let lines = echo["headers"].as_array().unwrap();
            assert_eq!(lines.contains(&json!(["upgrade", "websocket"])), has, "{text}");
            assert!(lines.contains(&json!(["x-forwarded-proto", "https"])), "{text}");
            assert_eq!(
                (&echo["client"], &echo["scheme"]),
                (&json!("203.0.113.7"), &json!("https"))
            );
            assert_eq!(echo["others"], if has { 0 } else { 3 });
        }
    }
    let mut http = Http::open(server.addr).await;
    let posted = http.request("POST", "/chat/ws/echo", &[], b"{}").await;
    assert_eq!((posted.status, posted.text()), (405, ""));
    assert_eq!(http.request("HEAD", "/chat/ws/echo", &[], b"").await.status, 200);
    assert_eq!(http.request("GET", "/chat/ws/echo/", &[], b"").await.status, 404);
}
