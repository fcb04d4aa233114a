//! Small values of a room beside its log, by key: kept until they are removed or expire.

use std::collections::BTreeMap;

use super::StoreError;
use super::bounds::{MAX_RECORD_BYTES, MAX_RECORD_KEY, MAX_RECORD_VALUE, MAX_RECORDS};

/// A value of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key, at most 256 bytes. A room has each once.
    pub key: String,
    /// The value, at most 64 KiB.
    pub value: String,
    /// When it is no longer there, in milliseconds since 1970.
    pub expires: Option<u64>,
}

impl Record {
    fn size(&self) -> usize {
        self.key.len() + self.value.len()
    }

    fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// The records of one room.
#[derive(Debug, Default)]
pub(super) struct Records {
    kept: BTreeMap<String, Record>,
    bytes: usize,
}

impl Records {
    pub fn new(records: Vec<Record>) -> Self {
        let bytes = records.iter().map(Record::size).sum();
        Records { kept: records.into_iter().map(|it| (it.key.clone(), it)).collect(), bytes }
    }

    /// Whether a record may be put: by its size, and beside the others. Those that are over make room.
    pub fn check(&mut self, record: &Record, now: u64) -> Result<(), StoreError> {
        if record.key.len() > MAX_RECORD_KEY || record.value.len() > MAX_RECORD_VALUE {
            return Err(StoreError::TooLarge);
        }
        if !self.fits(record) {
            let over: Vec<String> =
                self.kept.values().filter(|it| it.is_over(now)).map(|it| it.key.clone()).collect();
            over.iter().for_each(|key| drop(self.remove(key)));
            if !self.fits(record) {
                return Err(StoreError::TooManyRecords);
            }
        }
        Ok(())
    }

    fn fits(&self, record: &Record) -> bool {
        let old = self.kept.get(&record.key);
        let count = self.kept.len() + usize::from(old.is_none());
        let bytes = self.bytes + record.size() - old.map_or(0, Record::size);
        count <= MAX_RECORDS && bytes <= MAX_RECORD_BYTES
    }

    pub fn put(&mut self, record: Record) {
        self.remove(&record.key);
        self.bytes += record.size();
        self.kept.insert(record.key.clone(), record);
    }

    pub fn remove(&mut self, key: &str) -> Option<Record> {
        let record = self.kept.remove(key)?;
        self.bytes -= record.size();
        Some(record)
    }

    pub fn get(&self, key: &str, now: u64) -> Option<&Record> {
        self.kept.get(key).filter(|record| !record.is_over(now))
    }

    pub fn all(&self, now: u64) -> impl Iterator<Item = &Record> {
        self.kept.values().filter(move |record| !record.is_over(now))
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, length: usize, expires: Option<u64>) -> Record {
        Record { key: key.to_owned(), value: "x".repeat(length), expires }
    }

    #[test]
    fn records_are_bounded_and_those_that_are_over_make_room() {
        let mut records = Records::default();
        for number in 0..MAX_RECORDS {
            let record = record(&number.to_string(), 1, (number == 7).then_some(100));
            assert_eq!(records.check(&record, 50), Ok(()));
            records.put(record);
        }
        assert_eq!(records.all(99).count(), MAX_RECORDS);
        assert_eq!(records.all(100).count(), MAX_RECORDS - 1);
        let more = record("more", 1, None);
        assert_eq!(records.check(&more, 99), Err(StoreError::TooManyRecords));
        assert_eq!(records.check(&record("0", 2, None), 99), Ok(()), "it takes the place of one");
        assert_eq!(records.check(&more, 100), Ok(()));
        records.put(more);
        assert!(records.get("7", 99).is_none() && records.get("8", 99).is_some());

        let mut large = Records::default();
        let number = MAX_RECORD_BYTES / MAX_RECORD_VALUE;
        for number in 1..number {
            large.put(record(&number.to_string(), MAX_RECORD_VALUE, None));
        }
        let last = record("last", MAX_RECORD_VALUE, None);
        assert_eq!(large.check(&last, 0), Err(StoreError::TooManyRecords));
        large.remove("1");
        assert_eq!(large.check(&last, 0), Ok(()));
        assert_eq!(
            large.check(&record("k", MAX_RECORD_VALUE + 1, None), 0),
            Err(StoreError::TooLarge)
        );
    }
}
