//! Tests of the files of the pages.

use super::*;

#[test]
fn the_client_is_told_the_policy_and_the_path() {
    let marked: Marked = [("/*transports*/", "[\"y\"]".into()), ("/*path*/", "\"/rt/\"".into())];
    let file = Bytes::from_static(
        b"var A = /*transports*/[\"x\"]/*end*/, B = /*path*/\"/\"/*end*/, C = /*end*/;",
    );
    let told = "var A = /*transports*/[\"y\"]/*end*/, B = /*path*/\"/rt/\"/*end*/, C = /*end*/;";
    assert_eq!(with_marked(&file, &marked), told);
    let plain = Bytes::from_static(b"/*transports*/ without an end");
    assert_eq!(with_marked(&plain, &marked), plain);
    let (_, shipped) = BUILT_IN.iter().find(|(name, _)| *name == CLIENT).unwrap();
    let told = with_marked(&Bytes::from_static(shipped), &marked);
    let told = std::str::from_utf8(&told).unwrap();
    for (mark, value) in &marked {
        assert!(told.contains(&format!("{mark}{value}/*end*/")), "the mark {mark} is there");
    }
}

fn asked() -> FileRequest {
    let client = std::net::IpAddr::from([192, 0, 2, 1]);
    let welcome = Welcome { transports: vec!["websocket"], bound_to: None, bucket: client };
    FileRequest { head_only: false, known: None, welcome, engine: "/socket.io/".into() }
}

fn whole(file: File) -> Bytes {
    match file.content {
        Content::Whole(bytes) => bytes,
        _ => panic!("no content"),
    }
}

#[tokio::test]
async fn pages_of_any_making_can_load_the_client() {
    let asked = asked();
    for folder in [None, Some(Path::new("docs"))] {
        let source = Source::new(folder);
        for path in [
            "/parlance.js",
            "/socket.io/socket.io.js",
            "/socket.io/socket.io.min.js",
            "/socket.io/socket.io.v0.9.17.js",
            "/socket.io/socket.io+websocket+xhr-polling.js",
        ] {
            let file = source.find(path, &asked).await.expect(path);
            assert_eq!(file.content_type, "application/javascript; charset=utf-8", "{path}");
            let body = whole(file);
            assert!(body.windows(14).any(|part| part == b"[\"websocket\"]/"), "{path}");
        }
        // Of another kind.
        for file in ["esm.min.js", "msgpack.min.js", "min.js.map", "js.map", "v0.9.17"] {
            let path = format!("/socket.io/socket.io.{file}");
            assert!(source.find(&path, &asked).await.is_err(), "{path}");
        }
    }
    let source = Source::new(Some(Path::new("docs")));
    assert!(source.find("/README.md", &asked).await.is_ok());
    assert!(source.find("/", &asked).await.is_err(), "the pages themselves are replaced");
    assert!(source.find("/diagnostics", &asked).await.is_err());
}

#[tokio::test]
async fn no_way_out_of_the_folder() {
    let source = Source::new(Some(Path::new("static")));
    let asked = asked();
    assert!(source.find("/", &asked).await.is_ok());
    for path in [
        "/../Cargo.toml",
        "/./index.html",
        "//etc/passwd",
        "/.gitignore",
        "/%2e%2e/x",
        "/a/../../Cargo.toml",
    ] {
        assert!(source.find(path, &asked).await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn what_is_known_or_only_asked_about_is_not_read() {
    let name = format!("parlance-versions-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let source = Source::new(Some(&folder));
    let versions = ["one", "two", "three, which is longer"];
    for name in ["page.html", CLIENT] {
        let (path, mut known) = (format!("/{name}"), Vec::new());
        for (version, text) in versions.iter().enumerate() {
            let text = format!("{text} /*transports*//*end*/");
            std::fs::write(folder.join(name), &text).unwrap();
            let file = std::fs::File::options().write(true).open(folder.join(name)).unwrap();
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(version as u64);
            file.set_modified(at).unwrap();

            let head_only = FileRequest { head_only: true, ..asked() };
            let head_only = source.find(&path, &head_only).await.unwrap();
            assert!(
                head_only.etag.starts_with("W/\"") && head_only.etag.ends_with('"'),
                "{}",
                head_only.etag
            );
            let length = text.len() as u64;
            let is_bare = matches!(head_only.content, Content::Length(it) if it == length);
            assert_eq!(is_bare, name != CLIENT);
            drop(head_only.content);

            let file = source.find(&path, &asked()).await.unwrap();
            let etag = file.etag.clone();
            assert_eq!(etag, head_only.etag);
            let one = whole(file);
            let other = source.find(&path, &asked()).await.unwrap();
            assert_eq!(whole(other).as_ptr(), one.as_ptr(), "all who are sent it share it");
            drop(one);

            let strong = etag.trim_start_matches("W/").to_owned();
            for (known, has) in [
                (etag.clone(), true),
                (strong.clone(), true),
                (format!("\"x\", {etag}"), true),
                (format!("\"x\",{strong} "), true),
                (known.join(", "), false),
                (strong.replace('"', ""), false),
            ] {
                let asked = FileRequest { known: Some(known.clone()), ..asked() };
                let file = source.find(&path, &asked).await.unwrap();
                assert_eq!(file.etag, etag);
                assert_eq!(matches!(file.content, Content::Known), has, "{known}");
            }
            known.push(etag);
        }
        let mut other = asked();
        other.welcome.transports = vec!["polling"];
        let file = source.find(&path, &other).await.unwrap();
        assert_eq!(known.contains(&file.etag), name != CLIENT, "its list is part of it");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn small_files_are_shared_and_large_ones_come_in_pieces() {
    let name = format!("parlance-sizes-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let source = Source::new(Some(&folder));
    let sizes = [(0, true), (SMALL, true), (SMALL + 1, false)];
    for (length, small) in sizes {
        for name in ["page.html", CLIENT] {
            let file = std::fs::File::create(folder.join(name)).unwrap();
            file.set_len(length).unwrap();
            let file = source.find(&format!("/{name}"), &asked()).await.unwrap();
            assert_eq!(matches!(file.content, Content::Whole(_)), small, "{name} {length}");
            let sent = matches!(file.content, Content::Sending(it, _) if it == length);
            assert_eq!(sent, !small, "{name} {length}");
        }
    }
    // Of many different ones, too, no more are in memory than there is room for.
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    for number in 0..300 {
        let name = format!("{number}.html");
        std::fs::write(folder.join(&name), "text").unwrap();
        match source.find(&format!("/{name}"), &asked()).await {
            Ok(File { content: Content::Whole(bytes), .. }) => whole.push(bytes),
            Ok(File { content: Content::Sending(4, sending), .. }) => pieces.push(sending),
            Err(Lack::Busy(reason)) => {
                assert_eq!(reason, "all places for large files are taken");
                break;
            }
            _ => panic!("{name}"),
        }
    }
    assert_eq!((whole.len(), pieces.len()), (256, 16));
    std::fs::write(folder.join(CLIENT), "/*transports*//*end*/").unwrap();
    let client = source.find("/parlance.js", &asked()).await.unwrap();
    assert!(matches!(client.content, Content::Whole(_)), "it is always made for who asks");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_file_of_the_folder_is_not_served_and_blocks_nobody() {
    use std::os::unix::fs::symlink;
    let root = std::env::temp_dir().join(format!("parlance-pages-{}", std::process::id()));
    let (folder, outside) = (root.join("pages"), root.join("pages-of-others"));
    for path in [folder.join("sub"), outside.clone()] {
        std::fs::create_dir_all(path).unwrap();
    }
    for path in [folder.join("page.html"), folder.join("sub/..data"), outside.join("secret")] {
        std::fs::write(path, "text").unwrap();
    }
    for (target, name) in [
        ("page.html", "writer.html"),
        ("sub/..data", "mounted.html"),
        ("../pages/page.html", "round.html"),
        ("../pages-of-others/secret", "out.html"),
        ("../pages-of-others", "folder"),
        ("/dev/zero", "zero"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
    ] {
        symlink(target, folder.join(name)).unwrap();
    }
    let absolute = outside.join("secret");
    symlink(absolute, folder.join("absolute.html")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(folder.join("fifo")).status();
    assert!(fifo.unwrap().success());
    symlink("fifo", folder.join("fifo.html")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    // The folder itself may be a writer, and lead somewhere else later.
    symlink(&folder, root.join("current")).unwrap();
    for folder in [&folder, &root.join("current")] {
        let (source, asked) = (Source::new(Some(folder)), asked());
        for (name, served) in [
            ("page.html", true),
            ("writer.html", true),
            ("mounted.html", true),
            ("round.html", true),
            ("out.html", false),
            ("absolute.html", false),
            ("folder/secret", false),
            ("folder", false),
            ("sub", false),
            ("zero", false),
            ("fifo", false),
            ("fifo.html", false),
            ("socket", false),
            ("loop", false),
            ("dangling", false),
            ("page.html/x", false),
        ] {
            let file = source.find(&format!("/{name}"), &asked).await;
            assert_eq!(file.is_ok(), served, "{name}");
        }
        let crowd = (0..600).map(|_| source.find("/fifo", &asked));
        let found = futures::future::join_all(crowd).await;
        assert!(found.iter().all(Result::is_err));
    }
    std::fs::remove_dir_all(&root).unwrap();
}
