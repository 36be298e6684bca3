//! The barrier of a team: helpers enter while a round is open, and the leader closes it and waits until the last has left.
//!
//! One word holds all of its state:
//!
//! | word | state |
//! |---|---|
//! | `0` | closed; nobody is inside. The leader alone may write what the next round is about |
//! | `OPEN + n` | open; n helpers are inside, further ones may enter |
//! | `n` | closing; n helpers are inside, nobody enters |
//! | `PARKED + n` | the same, and the leader sleeps until the last leaves |
//!
//! `0 → OPEN` (open) `→ OPEN ± 1` (enter, leave) `→ n` (close) `→ n − 1` (leave) `→ … → 0`. What a helper wrote before it left is
//! visible to the leader behind `close`, by release and acquire on the word.

use super::sync::{AtomicU32, Condvar, Mutex, Ordering, SPINS, UnsafeCell, spin_loop};

const OPEN: u32 = 1 << 31;
const PARKED: u32 = 1 << 30;

/// A barrier; `T` says what a round is about.
#[derive(Debug)]
pub(super) struct Round<T> {
    word: AtomicU32,
    about: UnsafeCell<Option<T>>,
    lock: Mutex<()>,
    last_left: Condvar,
}

// SAFETY: `about` is written while the word is 0, by the leader, and read by those who have entered an open round; the word
// orders both.
unsafe impl<T: Copy + Send> Sync for Round<T> {}
// SAFETY: nothing of it belongs to a thread.
unsafe impl<T: Copy + Send> Send for Round<T> {}

impl<T: Copy> Round<T> {
    pub fn new() -> Self {
        Self { word: AtomicU32::new(0), about: UnsafeCell::new(None), lock: Mutex::new(()), last_left: Condvar::new() }
    }

    /// Opens a round.
    ///
    /// # Safety
    /// The caller is the only leader, and has closed the round before.
    pub unsafe fn open(&self, about: T) {
        // SAFETY: nobody reads it while the word is 0.
        self.about.with_mut(|to| unsafe { *to = Some(about) });
        self.word.store(OPEN, Ordering::Release);
    }

    /// Whether helpers may enter.
    pub fn is_open(&self) -> bool {
        self.word.load(Ordering::Acquire) & OPEN != 0
    }

    /// Enters the round if it is open. Whoever has entered leaves.
    pub fn enter(&self) -> Option<T> {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & OPEN != 0 {
            match self.word.compare_exchange_weak(word, word + 1, Ordering::Acquire, Ordering::Relaxed) {
                // SAFETY: the leader writes it again after this helper has left.
                Ok(_) => return self.about.with(|about| unsafe { *about }),
                Err(newer) => word = newer,
            }
        }
        None
    }

    /// Ends what began with [`enter`](Self::enter).
    pub fn leave(&self) {
        if self.word.fetch_sub(1, Ordering::Release) == PARKED + 1 {
            // The leader holds the lock from before it said that it would sleep until it does.
            drop(self.lock.lock());
            self.last_left.notify_one();
        }
    }

    /// Closes the round and waits until nobody is inside.
    pub fn close(&self) {
        self.word.fetch_and(!OPEN, Ordering::Relaxed);
        for _ in 0..SPINS {
            if self.word.load(Ordering::Acquire) == 0 {
                return;
            }
            spin_loop();
        }
        let mut guard = self.lock.lock().unwrap_or_else(|poison| poison.into_inner());
        self.word.fetch_or(PARKED, Ordering::Relaxed);
        while self.word.load(Ordering::Acquire) != PARKED {
            guard = self.last_left.wait(guard).unwrap_or_else(|poison| poison.into_inner());
        }
        self.word.store(0, Ordering::Relaxed);
    }
}
