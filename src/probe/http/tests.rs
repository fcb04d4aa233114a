use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }
}

#[test]
fn errors_of_engines_are_told_from_those_of_proxies() {
    for (body, ours) in [
        (r#"{"code":1,"message":"Session ID unknown"}"#, true),
        ("handshake unauthorized", true),
        ("Transport unknown: transport websocket is not allowed here; allowed: polling", true),
        (r#"{"error":"no route"}"#, false),
        ("<html><h1>502 Bad Gateway</h1></html>", false),
        ("", false),
    ] {
        assert_eq!(answer(400, body).is_engine(), ours, "{body}");
    }
    assert_eq!(answer(502, "<html>").words(), "502");
    let told = answer(400, r#"{"code":0,"message":"Transport unknown","reason":"not\u001b here"}"#);
    assert_eq!(told.words(), "400, Transport unknown: not  here");
    let mut away = answer(302, "");
    away.headers.push(("Location".into(), "https://login.example/".into()));
    assert_eq!(away.words(), "302, to https://login.example/");
}

async fn pieces(head: &str, rest: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    far.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{rest}").as_bytes()).await.unwrap();
    far.shutdown().await.unwrap();
    let (_, mut incoming) = send(Box::new(near), &Ask::get("/"), "a").await?;
    let mut pieces = Vec::new();
    while let Some(piece) = incoming.piece().await? {
        pieces.push(piece);
    }
    Ok(pieces)
}

#[tokio::test]
async fn bodies_end_where_their_framing_says() {
    let read = async |head, rest| Ok::<_, Failure>(pieces(head, rest).await?.concat());
    for (head, rest, expected) in [
        ("Content-Length: 3", "abcdef", "abc"),
        ("Content-Length: 0", "", ""),
        ("Transfer-Encoding: chunked", "2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", "abc"),
        ("Connection: close", "abc", "abc"),
    ] {
        assert_eq!(read(head, rest).await.unwrap(), expected.as_bytes(), "{head}");
    }
    for (head, rest) in [
        ("Content-Length: 4", "abc"),
        ("Transfer-Encoding: chunked", "2\r\nab\r\n"),
        ("Transfer-Encoding: chunked", "zz\r\nab\r\n"),
    ] {
        assert!(read(head, rest).await.is_err(), "{head}");
    }
}

#[tokio::test]
async fn compressed_bodies_are_read_piece_by_piece() {
    let (near, mut far) = tokio::io::duplex(1 << 12);
    let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    far.write_all(head).await.unwrap();
    let (_, mut incoming) = send(Box::new(near), &Ask::get("/"), "a").await.unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for text in ["first", "second"] {
        packer.write_all(text.as_bytes()).unwrap();
        packer.flush().unwrap();
        far.write_all(&std::mem::take(packer.get_mut())).await.unwrap();
        assert_eq!(incoming.piece().await.unwrap().unwrap(), text.as_bytes());
    }
    far.write_all(&packer.finish().unwrap()).await.unwrap();
    drop(far);
    assert_eq!(incoming.piece().await.unwrap(), None);
}

#[tokio::test]
async fn an_endless_head_is_given_up() {
    let (near, mut far) = tokio::io::duplex(1 << 12);
    let writer = tokio::spawn(async move {
        let _ = far.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while far.write_all(b"a: b\r\n").await.is_ok() {}
    });
    let failed = send(Box::new(near), &Ask::get("/"), "a").await.err().unwrap();
    assert_eq!(failed.code, "garbled");
    writer.await.unwrap();
}
