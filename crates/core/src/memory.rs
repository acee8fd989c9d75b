//! What a process remembers to spare itself the way to it.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

pub use quick_cache::Equivalent;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

/// The parts of a memory that is bounded by entries, each with a lock of its own.
const PARTS: usize = 8;
/// About how large an entry is of a memory that is bounded by bytes. How it forgets depends on it a little.
const ENTRY_BYTES: u64 = 4 << 10;

/// Values by keys, so many and no more: those that are used least give way.
///
/// An empty one takes no memory to speak of, so that a start can make as many as it likes.
pub struct Memory<K, V> {
    entries: Cache<K, Entry<V>, BySize>,
    size: fn(&K, &V) -> usize,
    lifetime: Option<Duration>,
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    size: u64,
    since: Instant,
}

#[derive(Clone)]
struct BySize;

impl<K, V> Weighter<K, Entry<V>> for BySize {
    fn weight(&self, _: &K, entry: &Entry<V>) -> u64 {
        entry.size
    }
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// Remembers so many values.
    pub fn of_entries(most: u64) -> Self {
        Self::new(PARTS, most, most, |_, _| 1)
    }

    /// Remembers values of so many bytes together, each as large as `size` says. One that is larger than all of them may
    /// be is not remembered.
    pub fn of_bytes(most: u64, size: fn(&K, &V) -> usize) -> Self {
        Self::new(1, most / ENTRY_BYTES, most, size)
    }

    fn new(parts: usize, entries: u64, most: u64, size: fn(&K, &V) -> usize) -> Self {
        let entries = usize::try_from(entries).unwrap_or(usize::MAX);
        // With a number of parts, because the cache's own comes from the operating system, which takes its time.
        let options =
            OptionsBuilder::new().shards(parts).estimated_items_capacity(entries).weight_capacity(most).build();
        let (hashes, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let entries = match options {
            Ok(options) => Cache::with_options(options, BySize, hashes, lifecycle),
            Err(_) => Cache::with(entries, most, BySize, hashes, lifecycle),
        };
        Self { entries, size, lifetime: None }
    }

    /// The same, which forgets each value so long after it was put there.
    #[must_use]
    pub fn for_at_most(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// The value of a key, if it is remembered.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        let Entry { value, since, .. } = self.entries.get(key)?;
        let is_over = self.lifetime.is_some_and(|lifetime| since.elapsed() >= lifetime);
        (!is_over).then_some(value)
    }

    /// Remembers a value, in place of the one that its key has.
    pub fn insert(&self, key: K, value: V) {
        let size = (self.size)(&key, &value) as u64;
        self.entries.insert(key, Entry { value, size, since: Instant::now() });
    }

    /// Forgets the value of a key.
    pub fn remove<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.entries.remove(key);
    }

    /// How much is remembered, in what it is bounded by: entries, or bytes.
    pub fn size(&self) -> u64 {
        self.entries.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_bounded_and_those_that_are_used_stay() {
        let memory = Memory::of_entries(1_000);
        memory.insert(0, "used".to_owned());
        for key in 1..10_000 {
            memory.insert(key, "once".to_owned());
            assert_eq!(memory.get(&0).as_deref(), Some("used"), "after {key}");
        }
        assert!((500..=1_000).contains(&memory.size()), "{}", memory.size());
    }

    #[test]
    fn bytes_are_bounded_and_what_is_larger_is_not_remembered() {
        let memory = Memory::of_bytes(1_000, |_, value: &String| value.len());
        for key in 0..100 {
            memory.insert(key, "x".repeat(90));
        }
        assert!((500..=1_000).contains(&memory.size()), "{}", memory.size());
        memory.insert(100, "x".repeat(1_001));
        assert_eq!(memory.get(&100), None);
    }

    #[test]
    fn a_value_is_forgotten_when_it_is_removed_replaced_or_over() {
        let memory = Memory::of_entries(10);
        memory.insert("a", 1);
        memory.insert("a", 2);
        assert_eq!(memory.get("a"), Some(2));
        memory.remove("a");
        assert_eq!(memory.get("a"), None);
        let memory = memory.for_at_most(Duration::ZERO);
        memory.insert("a", 3);
        assert_eq!(memory.get("a"), None);
        let memory = memory.for_at_most(Duration::from_secs(3600));
        assert_eq!(memory.get("a"), Some(3));
    }
}
