//! Sleep without lost wake-ups: an event count.
//!
//! Whoever wants to sleep [listens](Bell::listen), looks once more whether there is something to do, and [waits](Bell::wait) for
//! a ring after what was heard. Whoever makes something to do rings. A ring between the two ends the wait at once. While
//! nobody sleeps, a ring is two atomic operations.

use super::sync::{AtomicUsize, Condvar, Mutex, Ordering, fence};

/// Wakes threads that sleep.
#[derive(Debug)]
pub struct Bell {
    rings: AtomicUsize,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    condition: Condvar,
}

impl Default for Bell {
    fn default() -> Self {
        let (rings, sleepers) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { rings, sleepers, lock: Mutex::new(()), condition: Condvar::new() }
    }
}

impl Bell {
    /// How often it has rung. What was written before these rings can be seen from now on.
    pub fn listen(&self) -> usize {
        self.rings.load(Ordering::Acquire)
    }

    /// Sleeps until it has rung after `heard`.
    pub fn wait(&self, heard: usize) {
        let mut guard = self.lock.lock().unwrap_or_else(|poison| poison.into_inner());
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        // With the fence of `ring`: either the ringer sees a sleeper, or the sleeper sees the ring.
        fence(Ordering::SeqCst);
        while self.rings.load(Ordering::Acquire) == heard {
            guard = self.condition.wait(guard).unwrap_or_else(|poison| poison.into_inner());
        }
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Wakes all who sleep.
    pub fn ring(&self) {
        self.rings.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            // Whoever has looked at the rings before has let go of the lock, and sleeps.
            drop(self.lock.lock());
            self.condition.notify_all();
        }
    }
}
