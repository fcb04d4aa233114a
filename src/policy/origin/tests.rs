//! Rules and origins.

use super::*;

#[test]
fn rules() {
    for (rules, origin, allowed) in [
        (&["*"][..], "null", true),
        (&["*"], "not an origin at all", true),
        (&["null"], "null", true),
        (&["Same-Host"], "http://chat.example:8080", true),
        (&["NULL"], "null", true),
        (&["null"], "http://null", false),
        (&["same-host"], "http://Chat.example:8080", true),
        (&["self"], "https://chat.example:8080", true),
        (&["same-host"], "http://chat.example", false),
        (&["same-host"], "http://evil.example:8080", false),
        (&["same-host"], "null", false),
        (&["https://a.example/"], "https://A.example", true),
        (&["https://a.example"], "https://a.example:443", true),
        (&["https://a.example"], "https://a.example:8443", false),
        (&["https://a.example:8443"], "https://a.example:8443", true),
        (&["https://a.example"], "http://a.example", false),
        (&["https://a.example"], "https://a.example.evil", false),
        (&["a.example"], "http://a.example:81", true),
        (&["a.example"], "a.example:81", true),
        (&["a.example:80"], "http://a.example", true),
        (&["a.example"], "http://xa.example", false),
        (&["*.example.com"], "http://a.b.example.com:9", true),
        (&["*.example.com"], "http://example.com", false),
        (&["*.example.com"], "http://evilexample.com", false),
        (&["*.example.com"], "http://.example.com", false),
        (&["https://*.example.com"], "http://a.example.com", false),
        (&["https://*.example.com:444"], "https://a.example.com:444", true),
        (&["https://*.example.com:444"], "https://a.example.com", false),
        (&["http://[::1]:3000"], "http://[::1]:3000", true),
        (&["http://[::1]"], "http://[::1]:80", true),
        (&["http://[::1]:80"], "http://[::1]", true),
        (&["app://local"], "app://local", true),
        (&["null"], "file://", true),
        (&["null"], "FILE:///android_asset/index.html", true),
        (&["null"], "app://null", false),
        (&["null"], "files://", false),
        (&["file://"], "file://", true),
        (&["FILE:///"], "file://", true),
        (&["file://"], "null", false),
        (&["file://"], "http://file", false),
        (&["same-host"], "file://", false),
        (&["Arduino"], "Arduino", true),
        (&[], "http://a.example", false),
        (&["b.example", "a.example"], "http://a.example", true),
    ] {
        let origins = Origins::parse(rules.iter().copied()).unwrap();
        let got = origins.allow(origin, Some("chat.example:8080"));
        assert_eq!(got, allowed, "{rules:?} {origin}");
    }
}

/// What apps, extensions and editors send, and what an operator may write to allow it.
#[test]
fn origins_of_apps_can_be_listed() {
    for (origin, rules) in [
        ("file://", &["file://", "null"][..]),
        ("qrc://", &["qrc://"]),
        ("app://.", &["app://"]),
        ("app://-", &["app://-", "app://"]),
        ("app://obsidian.md", &["app://obsidian.md", "obsidian.md", "app://"]),
        ("ionic://localhost", &["ionic://localhost", "localhost", "ionic://"]),
        ("capacitor://localhost", &["capacitor://localhost", "capacitor://"]),
        ("tauri://localhost", &["tauri://localhost", "tauri://"]),
        ("http://tauri.localhost", &["http://tauri.localhost", "*.localhost"]),
        (
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
            &["chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb", "chrome-extension://"],
        ),
        // The id differs from one installation to the next.
        ("moz-extension://0f4be8d5-6e1d-4a6f-9f0e-8f3f0f1d2b3c", &["moz-extension://"]),
        (
            "safari-web-extension://E7E6D1A3-7F7B-4F0D-8C1B-0D7B4F6E2A11",
            &["safari-web-extension://e7e6d1a3-7f7b-4f0d-8c1b-0d7b4f6e2a11"],
        ),
        ("vscode-webview://1a2b3c4d5e6f", &["vscode-webview://"]),
        ("ms-appx-web://12345.chat_8wekyb3d8bbwe", &["ms-appx-web://"]),
    ] {
        for rule in rules {
            let origins = Origins::parse([*rule]).unwrap();
            assert!(origins.allow(origin, Some("chat.example")), "{rule} {origin}");
            assert!(!origins.allow("https://evil.example", Some("chat.example")), "{rule}");
        }
        let others = Origins::parse(["same-host", "https://chat.example"]).unwrap();
        assert!(!others.allow(origin, Some("chat.example")), "{origin}");
        let setting = others.setting_with(origin);
        assert!(!setting.contains('*'), "{origin}: {setting}");
    }
}

#[test]
fn the_same_host_on_its_default_port() {
    let origins = Origins::parse(["same-host"]).unwrap();
    assert!(origins.allow("https://chat.example", Some("chat.example")));
    assert!(origins.allow("https://chat.example", Some("chat.example:443")));
    assert!(!origins.allow("https://chat.example:444", Some("chat.example")));
    assert!(!origins.allow("https://chat.example", None));
}

#[test]
fn what_is_no_rule() {
    for (wrong, meant) in [
        ("", ""),
        ("http://", ""),
        ("https:///", ""),
        ("wss://", ""),
        ("://", ""),
        ("a b://", ""),
        ("moz-extension://*", ""),
        ("a b", ""),
        ("*.", ""),
        ("a.*.b", ""),
        ("a..b", ""),
        (".a", ""),
        ("http://a:99999", ""),
        ("https://a/path", ""),
        ("https://a.example:8:443", ""),
        ("a.example:8:443", ""),
        ("https://a.example:", ""),
        ("a.example:+80", ""),
        ("a.example:0", ""),
        ("https://[::1", ""),
        ("https://[a.example]", ""),
        ("https://::1", ""),
        ("*.[::1]", ""),
        ("https://a%41", ""),
        ("https://bücher.example", ""),
        ("https://user@a.example", ""),
        ("https:/a.example", ""),
        ("same-host/", "write same-host"),
        ("SELF/", "write self"),
        ("*/", "write *"),
        ("null/", "write null"),
        ("wss://a.example", "write https://a.example"),
        ("WS://*.a.example:81", "write http://*.a.example:81"),
    ] {
        let error = Origins::parse([wrong]).unwrap_err().to_string();
        assert!(error.contains("is no origin"), "{wrong}: {error}");
        assert!(error.ends_with(meant), "{wrong}: {error}");
    }
}

#[test]
fn odd_origins_are_none() {
    let long = format!("http://{}", "a".repeat(MAX_LENGTH));
    for odd in [
        "null",
        "",
        "http://",
        "://a",
        "http://a b",
        "http://a:b",
        "http://a:+1",
        "http://a:1:2",
        "http://é",
        "http://a%00b",
        "http://[]",
        &long,
    ] {
        assert_eq!(Origin::parse(odd), None, "{odd}");
    }
}

#[test]
fn origins_of_urls() {
    assert_eq!(of_url(b"https://a.example:8/x?y#z"), Some("https://a.example:8"));
    assert_eq!(of_url(b"https://a.example?y"), Some("https://a.example"));
    assert_eq!(of_url(b"https://a.example/caf\xe9"), Some("https://a.example"));
    assert_eq!(of_url(b"https://caf\xe9/"), None);
    assert_eq!(of_url(b"about:blank"), None);
}

#[test]
fn what_would_allow_it() {
    let origins = Origins::parse(["same-host", "HTTPS://b.example:443/"]).unwrap();
    let setting = origins.setting_with("https://a.example");
    assert_eq!(setting, r#"origins = ["same-host", "https://b.example", "https://a.example"]"#);
    let rules: Vec<String> =
        toml::from_str::<toml::Table>(&setting).unwrap()["origins"].clone().try_into().unwrap();
    let rules = Origins::parse(rules.iter().map(String::as_str)).unwrap();
    assert!(rules.allow("https://a.example", None));
    let none = Origins::parse([]).unwrap();
    assert_eq!(none.setting_with("null"), r#"origins = ["null"]"#);
    let long = format!("http://{}", "a".repeat(MAX_LENGTH));
    for odd in
        ["no origin at all", "(no text)", "", "http://a\"b", "wss://a.example", "same-host", &long]
    {
        assert_eq!(origins.setting_with(odd), r#"origins = ["*"]"#, "{odd}");
    }
}
