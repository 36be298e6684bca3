//! What tests do to teams: threads sleep and yield at places that a seed decides, small operations are cut too, and there may be
//! more threads at work than processors. None of it may change a bit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static SEED: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Ends the stress when dropped.
#[derive(Debug)]
pub struct Stress(#[allow(dead_code)] MutexGuard<'static, ()>);

/// Begins it for the whole process; it is another one with another seed, which is above 0. One test at a time has it.
pub fn begin(seed: u64) -> Stress {
    static ONE: Mutex<()> = Mutex::new(());
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    SEED.store(seed, Ordering::SeqCst);
    Stress(guard)
}

impl Drop for Stress {
    fn drop(&mut self) {
        SEED.store(0, Ordering::SeqCst);
    }
}

/// Whether it has begun.
pub(super) fn is_on() -> bool {
    SEED.load(Ordering::Relaxed) != 0
}

pub(super) fn delay() {
    let seed = SEED.load(Ordering::Relaxed);
    if seed == 0 {
        return;
    }
    // SplitMix64 of the call's number.
    let mut x = seed.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    match (x >> 32) % 64 {
        0 => std::thread::sleep(Duration::from_micros(100)),
        1..8 => std::thread::yield_now(),
        _ => {}
    }
}
