//! Values with units.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// Names that nobody may have, unless the settings say others.
pub const RESERVED_NAMES: [&str; 14] = [
    "admin",
    "administrator",
    "moderator",
    "server",
    "system",
    "parlance",
    "root",
    "관리자",
    "운영자",
    "운영진",
    "중재자",
    "서버",
    "시스템",
    "루트",
];

/// A time with its unit, as in `25s`, `500ms` or `2m`; `0` needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct Time(pub Duration);

/// A number of bytes, as in `1000000`, `64KiB` or `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct Size(pub usize);

/// A value of the file that is written as a string, or as a plain number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a number")]
enum Scalar {
    Text(String),
    Number(u64),
}

impl Scalar {
    fn read<T: FromStr>(&self) -> Result<T, T::Err> {
        match self {
            Scalar::Text(text) => text.parse(),
            Scalar::Number(number) => number.to_string().parse(),
        }
    }
}

impl TryFrom<Scalar> for Time {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        scalar.read()
    }
}

impl TryFrom<Scalar> for Size {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        scalar.read()
    }
}

/// Parses a whole number with one of the units, and multiplies it by the unit's factor.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let (_, factor) = units.iter().find(|(unit, _)| *unit == text[end..].trim())?;
    number.checked_mul(*factor)
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 5] =
            [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let millis = if text.trim() == "0" { Some(0) } else { scaled(text, &UNITS) };
        millis.map(|millis| Time(Duration::from_millis(millis))).ok_or_else(|| {
            format!(
                "`{text}` is no time, expected a whole number with a unit, such as 500ms, 25s or 2m"
            )
        })
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 6] =
            [("", 1), ("B", 1), ("kB", 1000), ("KiB", 1024), ("MB", 1_000_000), ("MiB", 1 << 20)];
        let bytes = scaled(text, &UNITS).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Size).ok_or_else(|| {
            format!("`{text}` is no size, expected bytes, such as 1000000, 64KiB or 1MB")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!("500ms".parse(), Ok(Time(Duration::from_millis(500))));
        assert_eq!("2m".parse(), Ok(Time(Duration::from_secs(120))));
        assert_eq!("365d".parse(), Ok(Time(Duration::from_secs(365 * 86_400))));
        assert_eq!("0".parse(), Ok(Time(Duration::ZERO)));
        assert_eq!("64KiB".parse(), Ok(Size(65536)));
        assert_eq!("1 MB".parse(), Ok(Size(1_000_000)));
        for bad in ["", "25", "s", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        for bad in ["", "MB", "1GB", "-1"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}
