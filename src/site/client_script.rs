//! The client library as pages load it: with the policy's list of transports and the path of the
//! engine in it.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::admission::Welcome;
use crate::files;

/// Scripts that are kept: as many as there are lists in the policy, for most.
const KEPT: usize = 32;

/// Marks in the client library, and what the server writes behind each.
type Marked = [(&'static str, String); 2];

/// Who asks for files, and what its client library is told.
pub(super) struct Reader {
    pub welcome: Welcome,
    /// The path of the engine, below that of the pages.
    pub engine: String,
}

impl Reader {
    /// What the client library is told, as JSON between its marks.
    fn marked(&self) -> Marked {
        let json = |value: serde_json::Value| value.to_string();
        let list = self.welcome.transports.as_slice();
        [("/*transports*/", json(list.into())), ("/*path*/", json(self.engine.as_str().into()))]
    }
}

/// The scripts that were sent last. Each is made once, because that takes a millisecond.
#[derive(Default)]
pub(super) struct ClientScripts(Mutex<HashMap<(u64, Marked), Arc<ClientScript>>>);

/// One content of the client library.
pub(super) struct ClientScript {
    pub plain: Bytes,
    gzip: OnceLock<Bytes>,
}

impl ClientScripts {
    /// `library` with what `reader` is told in it.
    pub fn get(&self, library: &Bytes, reader: &Reader) -> Arc<ClientScript> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (files::fingerprint(&library), reader.marked());
        if let Some(script) = kept.get(&key) {
            return Arc::clone(script);
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let plain = with_marked(library, &key.1);
        let script = Arc::new(ClientScript { plain, gzip: OnceLock::new() });
        kept.insert(key, Arc::clone(&script));
        script
    }
}

impl ClientScript {
    pub fn gzip(&self) -> Bytes {
        self.gzip.get_or_init(|| gzip(&self.plain).unwrap_or_default()).clone()
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

/// Writes what the client library is told behind each mark, up to the mark of its end.
fn with_marked(content: &Bytes, marked: &Marked) -> Bytes {
    const END: &str = "/*end*/";
    let Ok(text) = std::str::from_utf8(content) else { return content.clone() };
    let text = marked.iter().fold(text.to_owned(), |text, (mark, told)| {
        let written = text.split_once(mark).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(END)?;
            Some(format!("{before}{mark}{told}{END}{after}"))
        });
        written.unwrap_or(text)
    });
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_told_the_policy_and_the_path() {
        let marked: Marked =
            [("/*transports*/", "[\"y\"]".into()), ("/*path*/", "\"/rt/\"".into())];
        let file = Bytes::from_static(
            b"var A = /*transports*/[\"x\"]/*end*/, B = /*path*/\"/\"/*end*/, C = /*end*/;",
        );
        let told =
            "var A = /*transports*/[\"y\"]/*end*/, B = /*path*/\"/rt/\"/*end*/, C = /*end*/;";
        assert_eq!(with_marked(&file, &marked), told);
        let plain = Bytes::from_static(b"/*transports*/ without an end");
        assert_eq!(with_marked(&plain, &marked), plain);
        let shipped = include_bytes!(concat!(env!("OUT_DIR"), "/parlance.js"));
        let told = with_marked(&Bytes::from_static(shipped), &marked);
        let told = std::str::from_utf8(&told).unwrap();
        for (mark, value) in &marked {
            assert!(told.contains(&format!("{mark}{value}/*end*/")), "the mark {mark} is there");
        }
    }

    #[test]
    fn scripts_are_made_once_and_have_a_bound() {
        let bucket = std::net::IpAddr::from([192, 0, 2, 1]);
        let reader = |engine: &str| Reader {
            welcome: Welcome { transports: vec!["websocket"], bound_to: None, bucket },
            engine: engine.to_owned(),
        };
        let scripts = ClientScripts::default();
        let library = Bytes::from_static(b"/*path*//*end*/");
        let one = scripts.get(&library, &reader("/a/"));
        assert!(Arc::ptr_eq(&one, &scripts.get(&library, &reader("/a/"))));
        assert_eq!(one.gzip().as_ptr(), one.gzip().as_ptr());
        let others = [
            scripts.get(&library, &reader("/b/")),
            scripts.get(&Bytes::from_static(b"/*path*//*end*/ "), &reader("/a/")),
        ];
        assert!(others.iter().all(|other| other.plain != one.plain));
        for number in 0..100 {
            scripts.get(&library, &reader(&number.to_string()));
            assert!(scripts.0.lock().unwrap().len() <= KEPT);
        }
    }
}
