//! A small cache that threads share: values that are functions of a key. A value that is pushed out is filled anew in place,
//! so that a warm cache neither allocates nor frees.

use crate::error::{Code, Error, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// At most `capacity` values, or as many as are held outside at the same time if that is more.
pub(super) struct Cache<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    /// A value has been filled, or its filling has failed.
    ended: Condvar,
}

struct State<T> {
    entries: Vec<Entry<T>>,
    /// Counts the uses; an entry's last one says how old it is.
    clock: u64,
    filled: u64,
}

struct Entry<T> {
    /// `None` after a filling that failed.
    key: Option<u64>,
    used: u64,
    /// `None` while a thread fills it.
    value: Option<Arc<T>>,
}

impl<T> Cache<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { entries: Vec::with_capacity(capacity), clock: 0, filled: 0 };
        Self { capacity, state: Mutex::new(state), ended: Condvar::new() }
    }

    /// The value of `key`. If nobody has it, this thread takes the value that was used longest ago, or a new one while there
    /// is room, and fills it; who wants the same key meanwhile waits. Nothing is locked during `fill`, which so may use
    /// another cache.
    ///
    /// # Errors
    /// Those of `new` and `fill`. One of those who waited then tries again.
    pub(super) fn get(
        &self,
        key: u64,
        new: impl FnOnce() -> Result<T>,
        fill: impl FnOnce(&mut T) -> Result<()>,
    ) -> Result<Arc<T>> {
        let mut state = self.state();
        loop {
            state.clock += 1;
            let clock = state.clock;
            match state.entries.iter_mut().find(|entry| entry.key == Some(key)) {
                Some(Entry { used, value: Some(value), .. }) => {
                    *used = clock;
                    return Ok(value.clone());
                }
                Some(_) => state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
                None => break,
            }
        }
        let mut filling = Filling { cache: self, key, value: state.claim(key, self.capacity), done: false };
        drop(state);
        let mut value = match filling.value.take() {
            Some(value) => value,
            None => Arc::new(new()?),
        };
        let shared = || Error::new(Code::Internal, "a value that was claimed is in use");
        let outcome = Arc::get_mut(&mut value).ok_or_else(shared).and_then(fill);
        filling.done = outcome.is_ok();
        filling.value = Some(value.clone());
        outcome.map(|()| value)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a value has been filled.
    #[cfg(test)]
    pub(super) fn filled(&self) -> u64 {
        self.state().filled
    }
}

impl<T> State<T> {
    /// Puts `key` on an entry without a value, and returns the value that this entry had.
    fn claim(&mut self, key: u64, capacity: usize) -> Option<Arc<T>> {
        let used = self.clock;
        let is_free = |entry: &Entry<T>| match (&entry.value, entry.key) {
            (Some(value), _) => Arc::strong_count(value) == 1,
            (None, key) => key.is_none(),
        };
        let oldest = (0..self.entries.len())
            .filter(|index| is_free(&self.entries[*index]))
            .min_by_key(|index| (self.entries[*index].key.is_some(), self.entries[*index].used));
        match oldest {
            Some(index) if self.entries.len() >= capacity || self.entries[index].key.is_none() => {
                let entry = &mut self.entries[index];
                (entry.key, entry.used) = (Some(key), used);
                entry.value.take()
            }
            _ => {
                self.entries.push(Entry { key: Some(key), used, value: None });
                None
            }
        }
    }
}

/// An entry that a thread fills. However that ends, a panic included, its drop puts the entry in order and wakes who waits.
struct Filling<'a, T> {
    cache: &'a Cache<T>,
    key: u64,
    value: Option<Arc<T>>,
    done: bool,
}

impl<T> Drop for Filling<'_, T> {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        state.filled += u64::from(self.done);
        if let Some(entry) = state.entries.iter_mut().find(|entry| entry.key == Some(self.key)) {
            entry.value = self.value.take();
            if !self.done {
                entry.key = None;
            }
        }
        drop(state);
        self.cache.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn tens(cache: &Cache<u64>, key: u64) -> Arc<u64> {
        cache
            .get(
                key,
                || Ok(0),
                |value| {
                    *value = 10 * key;
                    Ok(())
                },
            )
            .unwrap()
    }

    #[test]
    fn the_value_that_was_used_longest_ago_makes_room() {
        let cache = Cache::new(2);
        for (key, filled) in [(1, 1), (2, 2), (1, 2), (3, 3), (1, 3), (2, 4), (3, 5)] {
            assert_eq!((*tens(&cache, key), cache.filled()), (10 * key, filled), "key {key}");
        }
        assert_eq!(cache.state().entries.len(), 2);
    }

    #[test]
    fn values_that_are_held_are_left_alone() {
        let cache = Cache::new(1);
        let held: Vec<_> = (1..=3).map(|key| tens(&cache, key)).collect();
        assert_eq!(held.iter().map(|value| **value).collect::<Vec<_>>(), [10, 20, 30]);
        drop(held);
        (4..=9).for_each(|key| assert_eq!(*tens(&cache, key), 10 * key));
        assert_eq!(cache.state().entries.len(), 3, "as many as were held at once");
    }

    #[test]
    fn threads_that_want_one_value_wait_for_the_one_that_fills_it() {
        let (cache, fillings, together) = (Cache::new(1), AtomicUsize::new(0), Barrier::new(4));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for key in 0..200 {
                        let fill = |value: &mut u64| {
                            fillings.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                            *value = key;
                            Ok(())
                        };
                        together.wait();
                        assert_eq!(*cache.get(key, || Ok(0), fill).unwrap(), key);
                    }
                });
            }
        });
        assert_eq!(fillings.into_inner(), 200);
    }

    #[test]
    fn a_filling_that_fails_or_panics_leaves_the_cache_in_order() {
        let cache = Cache::new(1);
        let fails = |_: &mut u64| Err(Error::new(Code::Internal, "as asked"));
        assert!(cache.get(1, || Ok(0), fails).is_err());
        assert!(cache.get(1, || Err(Error::cancelled()), |_| Ok(())).is_ok(), "the buffer is there already");
        let panics = catch_unwind(AssertUnwindSafe(|| cache.get(2, || Ok(0), |_| panic!("as asked"))));
        assert!(panics.is_err());
        let cancelled = cache.get(2, || Err(Error::cancelled()), |_| Ok(()));
        assert_eq!(cancelled.unwrap_err().code, Code::Cancelled, "the buffer went with the panic");
        assert_eq!((*tens(&cache, 2), cache.state().entries.len()), (20, 1));
    }

    #[test]
    fn who_waits_for_a_filling_that_fails_fills_it_instead() {
        let (cache, filling) = (Cache::new(1), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let slow = |_: &mut u64| {
                    filling.store(1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(30));
                    Err(Error::cancelled())
                };
                assert!(cache.get(5, || Ok(0), slow).is_err());
            });
            while filling.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            assert_eq!(*tens(&cache, 5), 50);
        });
    }
}
