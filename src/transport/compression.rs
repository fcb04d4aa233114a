//! Compresses the answers to polls, for clients that accept it: gzip, as the reference servers do.
//!
//! A poll's own connection task does it, outside of all locks. What it may cost has bounds: so many
//! answers at once, so many bytes of each; what is beyond goes out as it is.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// Bytes of the smallest answer that is compressed, as of the reference servers.
pub(super) const THRESHOLD: usize = 1024;
/// Bytes of the largest one: about a millisecond of work.
const LARGEST: usize = 256 * 1024;
/// Answers that were compressed last, and bytes of the largest of them: a broadcast is the same for
/// many sessions.
const RECENT: usize = 4;
const RECENT_BYTES: usize = 64 * 1024;
/// The fastest level: the next one takes twice the time to save a tenth more.
const LEVEL: Compression = Compression::fast();
/// Binary logarithm of the window in bytes. The largest, as of all gzip files.
const WINDOW: u8 = 15;

static GZIP: LazyLock<Gzip> = LazyLock::new(|| {
    // At most half of the cores compress, so that there is always one for the rest.
    Gzip::new(available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)))
});

/// The gzip form of an answer; `None` if it goes out as it is.
pub(super) fn gzip(plain: &Bytes) -> Option<Bytes> {
    GZIP.compress(plain)
}

struct Gzip {
    /// The compressors that nobody uses now; each takes some 300 KiB.
    idle: Mutex<Vec<Compress>>,
    /// Answers and their compressed form, the newest last.
    recent: Mutex<Vec<(Bytes, Bytes)>>,
}

impl Gzip {
    fn new(compressors: usize) -> Self {
        let idle = (0..compressors).map(|_| Compress::new_gzip(LEVEL, WINDOW)).collect();
        Gzip { idle: Mutex::new(idle), recent: Mutex::default() }
    }

    fn compress(&self, plain: &Bytes) -> Option<Bytes> {
        if !(THRESHOLD..=LARGEST).contains(&plain.len()) {
            return None;
        }
        let shared = plain.len() <= RECENT_BYTES;
        if shared {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, gzip)) = recent.iter().find(|(known, _)| known == plain) {
                return Some(gzip.clone());
            }
        }
        let mut compress = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let gzip = run(&mut compress, plain).map(Bytes::from);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(compress);
        let gzip = gzip?;
        if shared {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() >= RECENT {
                recent.remove(0);
            }
            recent.push((plain.clone(), gzip.clone()));
        }
        Some(gzip)
    }
}

/// `None` if it would not get smaller.
fn run(compress: &mut Compress, plain: &[u8]) -> Option<Vec<u8>> {
    compress.reset();
    // What does not fit is of no use.
    let mut out = Vec::with_capacity(plain.len());
    match compress.compress_vec(plain, &mut out, FlushCompress::Finish) {
        Ok(Status::StreamEnd) => {
            out.shrink_to_fit();
            Some(out)
        }
        _ => None,
    }
}

/// Whether a client accepts gzip, and rather than the plain form (RFC 9110, 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut others) = (None, None, None);
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    for item in values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')) {
        let (coding, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let Some(weight) = weight_of(weight) else { continue };
        match coding.trim() {
            name if name.eq_ignore_ascii_case("gzip") => gzip = Some(weight),
            name if name.eq_ignore_ascii_case("x-gzip") => gzip = Some(weight),
            name if name.eq_ignore_ascii_case("identity") => identity = Some(weight),
            "*" => others = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(others).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// The weight of `q=0.5`; `None` if it is none.
fn weight_of(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    let value = value.trim();
    let digits = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let weight = value.parse().ok().filter(|weight| (0.0..=1.0).contains(weight));
    weight.filter(|_| digits && name.trim().eq_ignore_ascii_case("q"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn decoded(gzip: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(gzip).read_to_end(&mut plain).expect("gzip");
        plain
    }

    fn text(length: usize, seed: usize) -> Bytes {
        (0..length).map(|at| b"abcdefghijklmno "[(at * at + seed + at / 100) % 16]).collect()
    }

    #[test]
    fn answers_between_the_bounds_are_compressed_and_come_out_as_they_were() {
        let gzip = Gzip::new(1);
        for (length, compressed) in [
            (0, false),
            (THRESHOLD - 1, false),
            (THRESHOLD, true),
            (5000, true),
            (RECENT_BYTES + 1, true),
            (LARGEST, true),
            (LARGEST + 1, false),
        ] {
            let plain = text(length, 0);
            for _ in 0..2 {
                let made = gzip.compress(&plain);
                assert_eq!(made.is_some(), compressed, "{length}");
                if let Some(made) = made {
                    assert!(made.len() < length && decoded(&made) == plain, "{length}");
                }
            }
        }
        let mut noise = vec![0; 5000];
        getrandom::fill(&mut noise).unwrap();
        assert!(gzip.compress(&noise.into()).is_none(), "it would grow");
    }

    #[test]
    fn a_broadcast_is_compressed_once() {
        let gzip = Gzip::new(1);
        let one = gzip.compress(&text(2000, 1)).unwrap();
        let again = gzip.compress(&text(2000, 1)).unwrap();
        assert_eq!(one.as_ptr(), again.as_ptr());
        for seed in 2..20 {
            let other = gzip.compress(&text(2000, seed)).unwrap();
            assert!(decoded(&other) == text(2000, seed));
            assert!(gzip.recent.lock().unwrap().len() <= RECENT);
        }
    }

    #[test]
    fn who_finds_no_compressor_gets_the_plain_form() {
        let gzip = Gzip::new(1);
        let taken = gzip.idle.lock().unwrap().pop().unwrap();
        assert!(gzip.compress(&text(2000, 1)).is_none());
        gzip.idle.lock().unwrap().push(taken);
        assert!(gzip.compress(&text(2000, 1)).is_some());
    }

    #[test]
    fn gzip_is_sent_to_whom_it_suits() {
        for (accept, suits) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["gzip, deflate, br, zstd"], true),
            (&["deflate", "gzip"], true),
            (&["GZIP"], true),
            (&["x-gzip"], true),
            (&["*"], true),
            (&["br, deflate"], false),
            (&["identity"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.000, *"], false),
            (&["gzip ; q=0.5"], true),
            (&["gzip;Q=1.0"], true),
            (&["gzip;q=0.5, identity;q=0.8"], false),
            (&["gzip;q=0.8, identity;q=0.5"], true),
            (&["identity;q=0, *;q=0.1"], true),
            (&["*;q=0"], false),
            (&["gzip;q=2"], false),
            (&["gzip;q=-1"], false),
            (&["gzip;q=nan"], false),
            (&["gzip;q"], false),
            (&["gzip;level=1"], false),
            (&["agzip", "gzipped"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(accepts_gzip(&headers), suits, "{accept:?}");
        }
    }
}
