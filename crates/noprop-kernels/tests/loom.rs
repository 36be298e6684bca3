//! Every order of the steps of a team's barrier and of its bell, by the model checker loom. The two files are compiled with
//! loom's atomics instead of the standard library's.

mod sync {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::hint::spin_loop;
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
    pub(super) use loom::sync::{Condvar, Mutex};

    /// None: the model would look for ever.
    pub(super) const SPINS: usize = 0;
}

#[path = "../src/team/bell.rs"]
mod bell;
#[path = "../src/team/round.rs"]
#[allow(dead_code, clippy::reversed_empty_ranges)]
mod round;

use bell::Bell;
use loom::sync::Arc;
use loom::thread;
use round::Round;

/// What a part writes without any order of its own: loom reports a race unless the barrier orders it.
struct Parts {
    taken: loom::sync::atomic::AtomicUsize,
    values: [loom::cell::UnsafeCell<usize>; 2],
}

// SAFETY: whoever takes a part alone writes its value; the barrier orders the leader's look behind it, as loom checks.
unsafe impl Sync for Parts {}
// SAFETY: as above.
unsafe impl Send for Parts {}

impl Parts {
    fn new() -> Self {
        Self { taken: Default::default(), values: Default::default() }
    }

    fn run(&self) {
        loop {
            let part = self.taken.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
            let Some(value) = self.values.get(part) else { return };
            // SAFETY: each part is taken once.
            value.with_mut(|value| unsafe { *value += 1 });
        }
    }

    fn each_ran_once(&self) -> bool {
        // SAFETY: the round is closed.
        self.values.iter().all(|value| value.with(|value| unsafe { *value }) == 1)
    }
}

/// All orders with at most so many preemptions: two rounds, each about parts that the leader reads and forgets once it is closed.
fn rounds(helpers: usize, preemptions: usize) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        let round = Arc::new(Round::<*const Parts>::new());
        let parts = Arc::new([Parts::new(), Parts::new()]);
        let help = |_| {
            let (round, parts) = (SendRound(round.clone()), parts.clone());
            thread::spawn(move || {
                let round = round;
                for _ in 0..2 {
                    if let Some(about) = round.0.enter() {
                        // SAFETY: the parts live as long as the test.
                        unsafe { &*about }.run();
                        round.0.leave();
                    }
                }
                drop(parts);
            })
        };
        let helpers: Vec<_> = (0..helpers).map(help).collect();
        for parts in parts.iter() {
            // SAFETY: this thread alone leads, and closes each round.
            unsafe { round.open(parts) };
            parts.run();
            round.close();
            assert!(parts.each_ran_once());
        }
        for helper in helpers {
            helper.join().unwrap();
        }
    });
}

/// A pointer makes the round neither `Send` nor `Sync`.
struct SendRound(Arc<Round<*const Parts>>);
// SAFETY: the pointers are to parts that are `Sync` and live as long as the test.
unsafe impl Send for SendRound {}

#[test]
fn every_part_runs_once_and_is_seen_with_one_helper() {
    rounds(1, 4);
}

#[test]
fn every_part_runs_once_and_is_seen_with_two_helpers() {
    rounds(2, 2);
}

#[test]
fn no_ring_is_lost() {
    loom::model(|| {
        let bell = Arc::new(Bell::default());
        let ready = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let sleeper = {
            let (bell, ready) = (bell.clone(), ready.clone());
            thread::spawn(move || {
                loop {
                    let heard = bell.listen();
                    if ready.load(loom::sync::atomic::Ordering::SeqCst) == 1 {
                        return;
                    }
                    // If a ring could be lost, loom would find nobody left to end this.
                    bell.wait(heard);
                }
            })
        };
        ready.store(1, loom::sync::atomic::Ordering::SeqCst);
        bell.ring();
        sleeper.join().unwrap();
    });
}
