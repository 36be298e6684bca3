//! How much memory the pictures that are being decoded take together, on all threads.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::data::parallel::lock;

/// Most bytes of pictures that are decoded at a time. One alone may take more.
const MOST: u64 = 1 << 30;

/// That of this process.
static BUDGET: Budget = Budget::new(MOST);

/// Bytes that are shared out.
struct Budget {
    most: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Bytes that are taken until this is dropped.
pub(super) struct Room {
    budget: &'static Budget,
    bytes: u64,
}

impl Room {
    /// Waits until there are so many bytes. A thread that holds some must not ask for more: it might wait for itself.
    pub fn take(bytes: u64) -> Self {
        BUDGET.take(bytes)
    }
}

impl Budget {
    const fn new(most: u64) -> Self {
        Self { most, used: Mutex::new(0), freed: Condvar::new() }
    }

    fn take(&'static self, bytes: u64) -> Room {
        let is_full = |used: &mut u64| *used > 0 && used.saturating_add(bytes) > self.most;
        let used = lock(&self.used);
        let mut used = self.freed.wait_while(used, is_full).unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_add(bytes);
        Room { budget: self, bytes }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut used = lock(&self.budget.used);
        *used = used.saturating_sub(self.bytes);
        drop(used);
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::decode::decode;
    use super::super::item::Item;
    use super::*;

    #[test]
    fn threads_share_the_bytes_and_a_large_picture_goes_alone() {
        static SHARED: Budget = Budget::new(100);
        let held = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let held = &held;
                scope.spawn(move || {
                    for turn in 0..200 {
                        let bytes = [1, 30, 60, 100, 250][(thread + turn) as usize % 5];
                        let room = SHARED.take(bytes);
                        let all = held.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        assert!(all <= 100 || all == bytes, "{bytes} of {all}");
                        std::thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                        drop(room);
                    }
                });
            }
        });
        assert_eq!(*lock(&SHARED.used), 0);
    }

    #[test]
    fn decoding_takes_room_as_long_as_its_picture_is_there() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures/plain.png");
        let (picture, room) = decode(&Item::File(Arc::from(path)), |_| Ok(())).unwrap();
        // Three bytes a pixel as the file has them, and four as they are made smaller.
        assert_eq!((room.bytes, picture.pixels.len()), (22 * 31 * 7, 22 * 31 * 4));
        assert!(*lock(&BUDGET.used) >= room.bytes);
    }

    #[test]
    fn a_panic_gives_its_bytes_back() {
        static OWN: Budget = Budget::new(10);
        let failed = std::panic::catch_unwind(|| {
            let _room = OWN.take(10);
            panic!("a decoder fails");
        });
        assert!(failed.is_err());
        drop(OWN.take(10));
    }
}
