//! MessagePack as `msgpack-js` has it, which `socket.io-redis` up to 2 uses: it came before the types for binary and for
//! short text, and has its own in their place.
//!
//! | | `msgpack-js` | MessagePack |
//! |---|---|---|
//! | `undefined` | `c4` | none; `c0`, which is null |
//! | binary | `d8` and 2 bytes of length, `d9` and 4 | `c4`, `c5`, `c6` and 1, 2, 4 |
//! | text of 32 to 255 bytes | `da` and 2 bytes of length | `d9` and 1; `da` is good as well |
//! | integers of 64 bits | none; `cb`, a float | `cf`, `d3` |
//!
//! The rest is the same, and so is the order in which values are written. So a message is rewritten value by value,
//! without being read as a whole.

use super::{FormatError, MAX_BYTES};

/// Rewrites what `msgpack-js` has written as MessagePack.
///
/// # Errors
/// If it is cut off, of types that are unknown there, or longer than [`MAX_BYTES`].
pub fn to_standard(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    rewrite(bytes, |kind, rest, out| {
        match kind {
            0xc4 => out.push(0xc0),
            0xd8 => body::<2>(0xc5, rest, out)?,
            0xd9 => body::<4>(0xc6, rest, out)?,
            0xc1 | 0xc5..=0xc9 | 0xd4..=0xd7 => return None,
            _ => copy(kind, rest, out)?,
        }
        Some(())
    })
}

/// Rewrites MessagePack as `msgpack-js` reads it.
///
/// # Errors
/// If it is cut off, has extension types, or is longer than [`MAX_BYTES`] then.
pub fn from_standard(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    rewrite(bytes, |kind, rest, out| {
        match kind {
            0xc4 => short(0xd8, rest, out)?,
            0xc5 => body::<2>(0xd8, rest, out)?,
            0xc6 => body::<4>(0xd9, rest, out)?,
            0xd9 => short(0xda, rest, out)?,
            0xcf => float(u64::from_be_bytes(number(rest)?) as f64, out),
            0xd3 => float(i64::from_be_bytes(number(rest)?) as f64, out),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return None,
            _ => copy(kind, rest, out)?,
        }
        Some(())
    })
}

/// Rewrites each value: `rewritten` is given the byte that says its type, and takes what belongs to it from the rest.
fn rewrite(
    bytes: &[u8],
    rewritten: impl Fn(u8, &mut &[u8], &mut Vec<u8>) -> Option<()>,
) -> Result<Vec<u8>, FormatError> {
    if bytes.len() > MAX_BYTES {
        return Err(FormatError::TooLarge(bytes.len()));
    }
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    let mut rest = bytes;
    while let [kind, after @ ..] = rest {
        let mut after = after;
        if rewritten(*kind, &mut after, &mut out).is_none() {
            let at = bytes.len() - rest.len();
            return Err(FormatError::Malformed(format!("byte {at} begins no value")));
        }
        rest = after;
    }
    match out.len() > MAX_BYTES {
        true => Err(FormatError::TooLarge(out.len())),
        false => Ok(out),
    }
}

/// A value that is the same in both.
fn copy(kind: u8, rest: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = match kind {
        0xa0..=0xbf => usize::from(kind & 0x1f),
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 | 0xdc | 0xde => 2,
        0xca | 0xce | 0xd2 | 0xdd | 0xdf => 4,
        0xcb | 0xcf | 0xd3 => 8,
        0xda => return body::<2>(kind, rest, out),
        0xdb => return body::<4>(kind, rest, out),
        _ => 0,
    };
    out.push(kind);
    out.extend(take(length, rest)?);
    Some(())
}

/// Text or binary with a length of so many bytes, and another type.
fn body<const N: usize>(kind: u8, rest: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let head = number::<N>(rest)?;
    let length = head.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    out.push(kind);
    out.extend(head);
    out.extend(take(length, rest)?);
    Some(())
}

/// Text or binary with a length of one byte, which gets two.
fn short(kind: u8, rest: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let [length] = number(rest)?;
    out.extend([kind, 0, length]);
    out.extend(take(length.into(), rest)?);
    Some(())
}

fn float(number: f64, out: &mut Vec<u8>) {
    out.push(0xcb);
    out.extend(number.to_be_bytes());
}

fn number<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(N, rest)?.try_into().ok()
}

fn take<'a>(length: usize, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Vec<u8> {
        vec![b'x'; length]
    }

    /// Pairs of what `msgpack-js` has, and what MessagePack has.
    fn pairs() -> Vec<(Vec<u8>, Vec<u8>)> {
        let with = |head: &[u8], body: &[u8]| [head, body].concat();
        vec![
            (vec![0x92, 0x81, 0xa1, 0x61, 0x01, 0xe0], vec![0x92, 0x81, 0xa1, 0x61, 0x01, 0xe0]),
            (vec![0xc0, 0xc2, 0xc3, 0xcc, 0xd9], vec![0xc0, 0xc2, 0xc3, 0xcc, 0xd9]),
            (vec![0xcd, 1, 2, 0xd2, 1, 2, 3, 4], vec![0xcd, 1, 2, 0xd2, 1, 2, 3, 4]),
            (vec![0xd0, 0x80, 0xd1, 0xd8, 0xf0], vec![0xd0, 0x80, 0xd1, 0xd8, 0xf0]),
            (vec![0xdc, 0, 1, 0xde, 0, 0], vec![0xdc, 0, 1, 0xde, 0, 0]),
            (vec![0xdd, 0, 0, 0, 0, 0xdf, 0, 0, 0, 0], vec![0xdd, 0, 0, 0, 0, 0xdf, 0, 0, 0, 0]),
            (with(&[0xcb], &[0; 8]), with(&[0xcb], &[0; 8])),
            (with(&[0xbf], &text(31)), with(&[0xbf], &text(31))),
            (with(&[0xda, 1, 0], &text(256)), with(&[0xda, 1, 0], &text(256))),
            (with(&[0xdb, 0, 1, 0, 0], &text(65_536)), with(&[0xdb, 0, 1, 0, 0], &text(65_536))),
            (with(&[0xd8, 1, 0], &text(256)), with(&[0xc5, 1, 0], &text(256))),
            (with(&[0xd9, 0, 1, 0, 0], &text(65_536)), with(&[0xc6, 0, 1, 0, 0], &text(65_536))),
        ]
    }

    #[test]
    fn both_ways() {
        for (theirs, ours) in pairs() {
            assert_eq!(to_standard(&theirs).unwrap(), ours, "{theirs:x?}");
            assert_eq!(from_standard(&ours).unwrap(), theirs, "{ours:x?}");
        }
        let (theirs, ours) = pairs().into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        assert_eq!(to_standard(&theirs.concat()).unwrap(), ours.concat());
        assert_eq!(from_standard(&ours.concat()).unwrap(), theirs.concat());
    }

    #[test]
    fn what_has_only_one_way() {
        assert_eq!(to_standard(&[0x91, 0xc4]).unwrap(), [0x91, 0xc0]);
        let rewritten = |ours: &[&[u8]]| from_standard(&ours.concat()).unwrap();
        assert_eq!(rewritten(&[&[0xd9, 40], &text(40)]), [&[0xda, 0, 40][..], &text(40)].concat());
        assert_eq!(rewritten(&[&[0xc4, 2, 1, 255]]), [0xd8, 0, 2, 1, 255]);
        let number = |number: f64| [&[0xcb][..], &number.to_be_bytes()].concat();
        let big = 1_u64 << 40;
        assert_eq!(rewritten(&[&[0xcf], &big.to_be_bytes()]), number(big as f64));
        assert_eq!(rewritten(&[&[0xd3], &(-5_i64).to_be_bytes()]), number(-5.0));
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_refused() {
        for (theirs, ours) in pairs().iter().filter(|(theirs, _)| theirs.len() > 10) {
            assert!(to_standard(&theirs[..theirs.len() - 1]).is_err());
            assert!(from_standard(&ours[..ours.len() - 1]).is_err());
        }
        for cut in [&[0xd8, 0][..], &[0xd9, 0, 0, 0, 1], &[0xa2, 1], &[0xcb, 1], &[0xda, 0, 1]] {
            assert!(to_standard(cut).is_err(), "{cut:x?}");
        }
        for cut in [&[0xc4][..], &[0xc4, 1], &[0xc5, 0], &[0xd9, 1], &[0xcf, 1], &[0xd3]] {
            assert!(from_standard(cut).is_err(), "{cut:x?}");
        }
        for unknown in [0xc1, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7] {
            assert!(to_standard(&[&[unknown][..], &text(40)].concat()).is_err(), "{unknown:x}");
        }
        for extension in [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8] {
            assert!(from_standard(&[&[extension][..], &text(40)].concat()).is_err());
        }
    }
}
