//! Names of log files, and the date in them.

use std::fmt;
use std::time::SystemTime;

/// A date in UTC: year, month, day.
pub type Day = (i64, u8, u8);

/// The name of a log file: `parlance.2026-11-26.log`, and for the further parts of a day
/// `parlance.2026-11-26.1.log` and so on. Names are ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub day: Day,
    pub part: u32,
}

impl Name {
    /// Parses the name of a file; `None` if it is not exactly of the form that this server writes.
    pub fn parse(name: &str) -> Option<Self> {
        let middle = name.strip_prefix("parlance.")?.strip_suffix(".log")?;
        let (date, part) = match middle.split_once('.') {
            Some((date, part)) => (date, part.parse().ok()?),
            None => (middle, 0),
        };
        let mut numbers = date.split('-');
        let mut number = || numbers.next()?.parse().ok();
        let day = (number()?, u8::try_from(number()?).ok()?, u8::try_from(number()?).ok()?);
        let parsed = Name { day, part };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Name { day: (year, month, day), part } = self;
        match part {
            0 => write!(f, "parlance.{year:04}-{month:02}-{day:02}.log"),
            part => write!(f, "parlance.{year:04}-{month:02}-{day:02}.{part}.log"),
        }
    }
}

/// The date of a time, by Howard Hinnant's algorithm `civil_from_days`. It counts years from March, so that
/// a leap day is the last day of its year.
pub fn day(now: SystemTime) -> Day {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = i64::try_from(seconds / 86_400).unwrap_or(0) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Month and day are at most 31, so the casts lose nothing.
    (year, month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TODAY: &str = "parlance.2026-11-26.log";

    #[test]
    fn days() {
        let end_of =
            |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400 + 86_399);
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_782, (2024, 2, 29)),
            (20_088, (2024, 12, 31)),
            (20_783, (2026, 11, 26)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(day(end_of(days)), expected, "{days}");
        }
    }

    #[test]
    fn names() {
        for name in [TODAY, "parlance.2026-11-26.1.log", "parlance.2026-01-02.10.log"] {
            assert_eq!(Name::parse(name).map(|name| name.to_string()).as_deref(), Some(name));
        }
        for other in [
            "parlance.log",
            "parlance.2026-11-26.0.log",
            "parlance.2026-11-26.01.log",
            "parlance.2026-1-2.log",
            "parlance.2026-11-26.log.gz",
            "parlance.2026-11-26-3.log",
            "other.2026-11-26.log",
        ] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
        let order = [
            "parlance.2026-11-25.3.log",
            TODAY,
            "parlance.2026-11-26.2.log",
            "parlance.2026-11-26.10.log",
        ];
        assert!(order.map(|name| Name::parse(name).unwrap()).is_sorted());
    }
}
