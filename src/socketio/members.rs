//! The members of one room: a list that can be read without a lock while it changes.

use std::sync::Arc;

/// Members that are copied when one joins or leaves while somebody reads the list.
const CHUNK: usize = 128;

/// A list of members in chunks. Reading takes a snapshot: one pointer for each chunk. A change then copies
/// the one chunk that it touches, if a snapshot still has it.
#[derive(Debug)]
pub struct Members<M> {
    chunks: Vec<Arc<Vec<M>>>,
    len: usize,
}

/// The members at one moment.
pub type Snapshot<M> = Vec<Arc<Vec<M>>>;

impl<M> Default for Members<M> {
    fn default() -> Self {
        Members { chunks: Vec::new(), len: 0 }
    }
}

impl<M: Clone> Members<M> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a member, and returns its place.
    pub fn push(&mut self, member: M) -> usize {
        let at = self.len;
        if at.is_multiple_of(CHUNK) {
            // Most rooms are small.
            self.chunks.push(Arc::new(Vec::with_capacity(1)));
        }
        if let Some(last) = self.chunks.last_mut() {
            Arc::make_mut(last).push(member);
        }
        self.len += 1;
        at
    }

    /// Removes the member at a place. The last one takes the place and is returned, if it is another.
    pub fn swap_remove(&mut self, at: usize) -> Option<&M> {
        let last = Arc::make_mut(self.chunks.last_mut()?).pop()?;
        self.len -= 1;
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.pop();
        }
        if at == self.len {
            return None;
        }
        let place = Arc::make_mut(self.chunks.get_mut(at / CHUNK)?).get_mut(at % CHUNK)?;
        *place = last;
        Some(place)
    }

    /// All of them at this moment.
    pub fn snapshot(&self) -> Snapshot<M> {
        self.chunks.clone()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &M> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_and_its_model_stay_alike_and_snapshots_stay_as_they_were() {
        let (mut members, mut model) = (Members::default(), Vec::new());
        let mut random = 1_u64;
        for step in 0..20_000_usize {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let chance = (random >> 33) as usize;
            let before = chance.is_multiple_of(50).then(|| (members.snapshot(), model.clone()));
            if chance % 100 < if step < 10_000 { 55 } else { 45 } || model.is_empty() {
                assert_eq!(members.push(step), model.len());
                model.push(step);
            } else {
                let at = chance / 100 % model.len();
                model.swap_remove(at);
                assert_eq!(members.swap_remove(at).copied(), model.get(at).copied());
            }
            assert_eq!(members.len(), model.len());
            if let Some((snapshot, then)) = before {
                assert!(snapshot.iter().flat_map(|chunk| chunk.iter()).eq(&then));
                assert!(members.iter().eq(&model));
            }
        }
    }
}
