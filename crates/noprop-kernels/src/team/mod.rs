//! Teams: several threads on one operation, without changing a bit of its result.
//!
//! An operation is cut by its *outputs* into parts: rows of samples, channels, columns, parameters, never along a dimension that
//! is summed. So the order of every sum stays what it is with one thread, whoever computes which part.
//!
//! A thread that [leads](Team::lead) a team runs operations as ever. Where one is cut ([`share`]), threads that [help](Seat::help)
//! take parts of it, and the leader waits for them before it goes on. Helpers come and go at any time: a part that nobody
//! takes is the leader's. In OpenMP's words, every operation is a parallel region with dynamic scheduling.
//!
//! | file | what it holds |
//! |---|---|
//! | `round.rs` | the barrier: how helpers enter an operation, and how the leader waits for the last to leave |
//! | `bell.rs` | sleep without lost wake-ups |
//! | `crew.rs` | threads that lead teams or help in them, by what there is to do |
//! | `call.rs` | the parts of one operation, their errors and panics |
//! | `cut.rs` | whether an operation is worth cutting, and where |
//! | `sync.rs` | the atomics of `round` and `bell`, which a model checker replaces (`tests/loom.rs`) |

mod bell;
mod call;
mod crew;
mod cut;
mod round;
#[cfg(any(test, feature = "testing"))]
pub mod stress;
mod sync;

pub use bell::Bell;
pub use crew::{Crew, processors};
pub use cut::{Cost, Shared, coarse_parts, part_of, parts, share_columns, share_rows};

use crate::error::Result;
use call::{Call, Parts};
use round::Round;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often a helper looks for the next operation before it sleeps: some 50 µs. Operations follow each other within a few.
const LOOKS: usize = 1500;

/// A leader's operations, and who helps with them.
#[derive(Debug)]
pub struct Team {
    round: Round<Call>,
    /// Numbers the operations, so that a helper does not enter one again whose parts are all taken.
    number: AtomicUsize,
    led: AtomicBool,
    helpers: AtomicUsize,
    bell: Arc<Bell>,
}

thread_local! {
    /// The team that this thread leads; null within a part, whose own operations are not cut again.
    static LEADS: Cell<*const Team> = const { Cell::new(ptr::null()) };
}

impl Team {
    /// A team without a leader. Its helpers sleep on `bell`, which is rung for every operation that is cut.
    pub fn new(bell: Arc<Bell>) -> Self {
        let (number, led, helpers) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
        Self { round: Round::new(), number, led, helpers, bell }
    }

    /// Runs `work`, whose operations helpers may take parts of. One thread at a time leads a team.
    pub fn lead<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Leading<'a>(&'a Team, *const Team);
        impl Drop for Leading<'_> {
            fn drop(&mut self) {
                LEADS.set(self.1);
                self.0.led.store(false, Ordering::SeqCst);
                self.0.bell.ring();
            }
        }
        assert!(!self.led.swap(true, Ordering::SeqCst), "one thread at a time leads a team");
        let _leading = Leading(self, LEADS.replace(self));
        work()
    }

    /// Whether a thread leads it.
    pub fn is_led(&self) -> bool {
        self.led.load(Ordering::SeqCst)
    }

    /// Threads that help, or are on their way to.
    pub fn helpers(&self) -> usize {
        self.helpers.load(Ordering::Relaxed)
    }

    /// Operations of its leaders that were cut.
    pub fn cut_operations(&self) -> usize {
        self.number.load(Ordering::Relaxed)
    }

    /// Counts a helper who will come, so that others choose another team. It leaves when the seat is dropped.
    pub fn seat(self: &Arc<Self>) -> Seat {
        self.helpers.fetch_add(1, Ordering::Relaxed);
        Seat(self.clone())
    }

    fn call(&self, count: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
        /// Closes the round whatever happens: helpers read the parts, which lie on this stack.
        struct Open<'a>(&'a Team);
        impl Drop for Open<'_> {
            fn drop(&mut self) {
                self.0.round.close();
                LEADS.set(self.0);
            }
        }
        let parts = Parts::new(count, work);
        self.number.fetch_add(1, Ordering::Relaxed);
        // SAFETY: this thread leads the team, so no round is open; the parts outlive the round, which `Open` closes.
        unsafe { self.round.open(parts.call()) };
        LEADS.set(ptr::null());
        let open = Open(self);
        self.bell.ring();
        parts.run();
        drop(open);
        parts.outcome()
    }
}

/// A helper's place in a team, see [`Team::seat`].
#[derive(Debug)]
pub struct Seat(Arc<Team>);

impl Seat {
    /// Takes parts of the team's operations until nobody leads it or `leave` says so. Sleeps while there are none; whoever makes
    /// `leave` true rings the bell.
    pub fn help(&self, leave: impl Fn() -> bool) {
        let team = &*self.0;
        let (mut looks, mut exhausted) = (0, usize::MAX);
        while team.is_led() && !leave() {
            let number = team.number.load(Ordering::Relaxed);
            if number != exhausted
                && let Some(call) = team.round.enter()
            {
                // SAFETY: the leader waits for those who have entered before it drops the parts.
                unsafe { call.run() };
                team.round.leave();
                (looks, exhausted) = (0, number);
                continue;
            }
            if looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
                continue;
            }
            let heard = team.bell.listen();
            let is_new = team.number.load(Ordering::Relaxed) != exhausted && team.round.is_open();
            if team.is_led() && !leave() && !is_new {
                team.bell.wait(heard);
            }
            looks = 0;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.helpers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `work` for each of `count` parts, in any order, on as many threads as help the team that this thread leads.
///
/// # Errors
/// That of a part; further parts need not have run then. A part's panic goes on in this thread.
pub fn share(count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    match current() {
        Some(team) if count > 1 => team.call(count, &work),
        _ => (0..count).try_for_each(work),
    }
}

/// Threads of the team that this thread leads: 1 without helpers, and without a team.
pub(crate) fn threads() -> usize {
    current().map_or(1, |team| 1 + team.helpers())
}

fn current<'a>() -> Option<&'a Team> {
    // SAFETY: the pointer is set while `lead` borrows the team, on this thread alone; whoever holds the reference is called by
    // the work that is led.
    unsafe { LEADS.get().as_ref() }
}

/// Runs `work` as the leader of a team with so many helpers, for tests.
///
/// # Panics
/// If the system starts no thread.
#[cfg(any(test, feature = "testing"))]
pub fn with_helpers<R>(helpers: usize, work: impl FnOnce() -> R) -> R {
    let team = Arc::new(Team::new(Arc::default()));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let seats: Vec<_> = (0..helpers).map(|_| team.seat()).collect();
        team.lead(|| {
            for seat in seats {
                let done = &done;
                scope.spawn(move || seat.help(|| done.load(Ordering::SeqCst)));
            }
            work()
        })
    })
}

#[cfg(test)]
mod tests;
