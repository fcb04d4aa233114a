//! Tests of compressed forms.

use super::*;

/// What a browser accepts decides, by its preferences.
#[tokio::test]
async fn compressed_forms() {
    let folder = TestFolder::new("siblings");
    folder.write("a.js", "plain", 1);
    folder.write("a.js.gz", "gzip", 1);
    folder.write("a.js.br", "br", 1);
    folder.write("b.js", "plain", 1);
    folder.write("b.js.gz", "gzip", 1);
    folder.write("c.js", "plain", 1);
    folder.write("docs/index.html", "plain", 1);
    folder.write("docs/index.html.gz", "gzip", 1);
    let source = folder.source();
    for (target, accept, expected) in [
        ("/a.js", "", "plain"),
        ("/a.js", "gzip, deflate, br, zstd", "br"),
        ("/a.js", "gzip, deflate", "gzip"),
        ("/a.js", "GZip", "gzip"),
        ("/a.js", "x-gzip", "gzip"),
        ("/a.js", "br;q=0.5, gzip;q=0.8", "gzip"),
        ("/a.js", "br;q=0, gzip;q=0.1", "gzip"),
        ("/a.js", "gzip;q=0, br;q=0.0", "plain"),
        ("/a.js", "identity", "plain"),
        ("/a.js", "identity;q=1, *;q=0", "plain"),
        ("/a.js", "gzip;q=0.5, identity;q=0.8", "plain"),
        ("/a.js", "gzip;q=2", "plain"),
        ("/a.js", "deflate", "plain"),
        ("/b.js", "gzip, br", "gzip"),
        ("/b.js", "br", "plain"),
        ("/c.js", "gzip, br", "plain"),
        ("/docs/", "gzip, br", "gzip"),
    ] {
        let headers: &[_] = &[(ACCEPT_ENCODING, accept)];
        let headers = if accept.is_empty() { &[] } else { headers };
        let file = get(&source, target, headers).await.expect(target);
        let what = format!("{target} {accept}");
        assert_eq!(file.body, expected, "{what}");
        let coding = if expected == "plain" { "" } else { expected };
        assert_eq!(file.header(&CONTENT_ENCODING), coding, "{what}");
        assert_eq!(file.header(&VARY), "Accept-Encoding", "{what}");
        let kind = if target == "/docs/" { "text/html" } else { "text/javascript" };
        assert_eq!(file.header(&CONTENT_TYPE), format!("{kind}; charset=utf-8"), "{what}");
        let only_head = head(&source, target, headers).await.unwrap();
        assert_eq!(only_head.headers, file.headers, "{what}");
    }
}

fn decoded(file: &Got) -> Vec<u8> {
    use std::io::Read as _;
    let mut out = Vec::new();
    match file.header(&CONTENT_ENCODING) {
        "gzip" => drop(flate2::read::GzDecoder::new(&*file.body).read_to_end(&mut out).unwrap()),
        "br" => drop(brotli::Decompressor::new(&*file.body, 4096).read_to_end(&mut out).unwrap()),
        _ => out = file.body.to_vec(),
    }
    out
}

#[tokio::test]
async fn built_in_pages_come_compressed_and_load_versions() {
    let source = built_in();
    let (mut sizes, mut etags) = ([0; 3], std::collections::HashSet::new());
    let page = get(&source, "/", &[]).await.unwrap();
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    let loaded =
        text.split('"').filter(|part| part.contains("?v=") || part.ends_with("parlance.js"));
    let mut targets: Vec<String> =
        loaded.map(|part| format!("/{}", part.trim_start_matches('/'))).collect();
    assert!(targets.len() > 8, "{targets:?}");
    targets.push("/".into());
    for target in &targets {
        let plain = get(&source, target, &[]).await.expect(target);
        for (size, accept) in sizes.iter_mut().zip(["", "gzip", "gzip, br"]) {
            let headers = [(ACCEPT_ENCODING, accept)];
            let file = get(&source, target, &headers).await.unwrap();
            assert!(decoded(&file) == plain.body, "{target} {accept}");
            *size += file.body.len();
            etags.insert(file.header(&ETAG).to_owned());
            let known = [headers[0].clone(), (IF_NONE_MATCH, file.header(&ETAG))];
            assert_eq!(get(&source, target, &known).await.unwrap().status, 304, "{target}");
            assert_eq!(file.header(&LAST_MODIFIED), "");
            let forever = file.header(&CACHE_CONTROL) == "public, max-age=31536000, immutable";
            assert_eq!(forever, target.contains("?v="), "{target}");
        }
        let (path, version) = target.split_once("?v=").unwrap_or((target, ""));
        for other in [path.to_owned(), format!("{path}?v=1"), format!("{path}?v={version}&x")] {
            let file = get(&source, &other, &[]).await.unwrap();
            assert_eq!(file.header(&CACHE_CONTROL), "private, max-age=0", "{other}");
        }
    }
    // Each form of a file has its own, but for the client library, which has no brotli.
    assert_eq!(etags.len(), targets.len() * 3 - 1);
    let [plain, gzip, br] = sizes;
    assert!(gzip * 3 < plain && br < gzip, "{sizes:?}");
    println!("{sizes:?}");
    for (alias, name) in [("/diagnostics", "/diagnostics.html"), ("/favicon.ico", "/icon.svg")] {
        let (one, other) = (get(&source, alias, &[]).await, get(&source, name, &[]).await);
        assert_eq!(one.unwrap().headers, other.unwrap().headers);
    }
    for target in ["/nothing", "/static/", "/../Cargo.toml", "/.gitignore", "//"] {
        assert!(get(&source, target, &[]).await.is_none(), "{target}");
    }
}
