//! Tests of answers that depend on what the client has or asks for: versions and ranges.

use super::*;

#[tokio::test]
async fn what_the_client_has_is_not_sent() {
    let folder = TestFolder::new("versions");
    let source = folder.source();
    for (name, hashed) in [("page.html", false), ("large.bin", false), (CLIENT, true)] {
        let target = format!("/{name}");
        let length = if name == "large.bin" { 100_000 } else { 0 };
        let mut known = Vec::new();
        for second in [1000, 2000] {
            let text = format!("{second} /*transports*//*end*/{}", "x".repeat(length));
            folder.write(name, &text, second);
            let one = get(&source, &target, &[]).await.unwrap();
            let only_head = head(&source, &target, &[]).await.unwrap();
            assert_eq!(one.headers, only_head.headers, "{name}");
            assert!(only_head.body.is_empty());
            assert_eq!(one.header(&CONTENT_LENGTH), one.body.len().to_string());
            assert_eq!(one.header(&CACHE_CONTROL), "private, max-age=0");
            let date = if hashed { "" } else { one.header(&LAST_MODIFIED) };
            assert_eq!(one.header(&LAST_MODIFIED), date);
            let etag = one.header(&ETAG).to_owned();
            let weak = format!("W/{etag}");
            let (before, at, after) = (
                "Thu, 01 Jan 1970 00:00:01 GMT",
                "Thu, 01 Jan 1970 00:16:40 GMT",
                "Thu, 01 Jan 2026 00:00:00 GMT",
            );
            let dated = |has: bool| if has && !hashed { 304 } else { 200 };
            for (header, value, status) in [
                (IF_NONE_MATCH, etag.as_str(), 304),
                (IF_NONE_MATCH, weak.as_str(), 304),
                (IF_NONE_MATCH, "*", 304),
                (IF_NONE_MATCH, &format!("\"x\",{etag} "), 304),
                (IF_NONE_MATCH, &known.join(", "), 200),
                (IF_NONE_MATCH, &etag.replace('"', ""), 200),
                (IF_MODIFIED_SINCE, before, 200),
                (IF_MODIFIED_SINCE, at, dated(second == 1000)),
                (IF_MODIFIED_SINCE, after, dated(true)),
                (IF_MODIFIED_SINCE, "yesterday", 200),
                (IF_MATCH, etag.as_str(), 200),
                (IF_MATCH, "\"x\"", 412),
            ] {
                let got = get(&source, &target, &[(header.clone(), value)]).await.unwrap();
                assert_eq!(got.status, status, "{name} {header}: {value}");
                if status == 304 {
                    assert_eq!((got.header(&ETAG), got.body.len()), (etag.as_str(), 0));
                    assert_eq!(got.header(&VARY), "Accept-Encoding");
                }
            }
            known.push(etag);
        }
        let other = request(Method::GET, &target, &[]);
        let other = got(answer(&source, &other, &reader(&["polling"])).await).await.unwrap();
        let is_known = known.iter().any(|known| known == other.header(&ETAG));
        assert_eq!(is_known, name != CLIENT, "its list is part of it");
    }
}

/// Safari asks for the first two bytes of a sound before it plays it; players seek.
#[tokio::test]
async fn ranges() {
    let folder = TestFolder::new("ranges");
    let source = folder.source();
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at / 7) as u8).collect();
    for (name, all) in [("large.mp3", &bytes[..]), ("small.mp3", &bytes[..1000])] {
        folder.write(name, all, 1000);
        let target = format!("/{name}");
        let (length, last) = (all.len(), all.len() - 1);
        let whole = get(&source, &target, &[]).await.unwrap();
        assert_eq!(whole.header(&ACCEPT_RANGES), "bytes");
        let (etag, date) = (whole.header(&ETAG), whole.header(&LAST_MODIFIED));
        let weak = format!("W/{etag}");
        let other_date = "Thu, 01 Jan 1970 00:00:01 GMT";
        // (Range, If-Range, the bytes that come: `None` for 416)
        type Row<'a> = (&'a str, &'a str, Option<(usize, usize)>);
        let rows: &[Row] = &[
            ("bytes=0-1", "", Some((0, 1))),
            ("bytes=0-", "", Some((0, last))),
            ("bytes=500-", "", Some((500, last))),
            ("bytes=500-600", "", Some((500, 600))),
            ("bytes=-10", "", Some((length - 10, last))),
            ("bytes=10-99999999", "", Some((10, last))),
            (&format!("bytes={last}-"), "", Some((last, last))),
            (&format!("bytes={length}-"), "", None),
            ("bytes=99999999-", "", None),
            ("bytes=0-1", etag, Some((0, 1))),
            ("bytes=0-1", date, Some((0, 1))),
            // The whole file:
            ("bytes=0-1", "\"x\"", Some((0, length))),
            ("bytes=0-1", &weak, Some((0, length))),
            ("bytes=0-1", other_date, Some((0, length))),
            ("bytes=0-1,5-6", "", Some((0, length))),
            ("lines=0-1", "", Some((0, length))),
        ];
        for (range, if_range, expected) in rows {
            let mut headers = vec![(RANGE, *range)];
            if !if_range.is_empty() {
                headers.push((IF_RANGE, if_range));
            }
            let got = get(&source, &target, &headers).await.unwrap();
            let only_head = head(&source, &target, &headers).await.unwrap();
            let what = format!("{name} {range} {if_range}");
            let Some((from, to)) = *expected else {
                assert_eq!((got.status, only_head.status), (416, 416), "{what}");
                assert_eq!(got.header(&CONTENT_RANGE), format!("bytes */{length}"), "{what}");
                continue;
            };
            let (status, content_range) = match to == length {
                true => (200, String::new()),
                false => (206, format!("bytes {from}-{to}/{length}")),
            };
            assert_eq!(got.status, status, "{what}");
            assert_eq!(got.header(&CONTENT_RANGE), content_range, "{what}");
            assert!(got.body == all[from..(to + 1).min(length)], "{what}");
            assert_eq!(got.header(&CONTENT_LENGTH), got.body.len().to_string(), "{what}");
            assert_eq!(got.header(&ETAG), etag, "{what}");
            if if_range.is_empty() {
                assert_eq!(only_head.headers, got.headers, "{what}");
            }
        }
    }
}
