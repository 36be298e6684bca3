//! How much of a thread's time each operation takes, for benchmarks that ask for it.
//!
//! Times are exclusive: while an operation does a part that has a name of its own (dropout inside of a convolution stage), only
//! the part's time goes on. What a stage does in the registers of its tiles, such as ReLU, has no time of its own.

use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    static PROFILE: RefCell<Option<Profile>> = const { RefCell::new(None) };
}

/// The time between operations.
pub const BETWEEN: &str = "between operations";

struct Profile {
    times: Vec<(&'static str, Duration)>,
    /// Whose time goes on, and since when.
    current: usize,
    since: Instant,
}

impl Profile {
    /// Lets the time of `next` go on; returns whose it was.
    fn switch(&mut self, next: usize) -> usize {
        let now = Instant::now();
        self.times[self.current].1 += now - self.since;
        self.since = now;
        std::mem::replace(&mut self.current, next)
    }

    fn index(&mut self, name: &'static str) -> usize {
        self.times.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.times.push((name, Duration::ZERO));
            self.times.len() - 1
        })
    }
}

/// Begins to measure this thread's operations, anew if it was measured already.
pub fn start() {
    PROFILE.set(Some(Profile { times: vec![(BETWEEN, Duration::ZERO)], current: 0, since: Instant::now() }));
}

/// Ends the measurement: the time of each operation since [`start`], and of what was between them. Empty without a start.
pub fn finish() -> Vec<(&'static str, Duration)> {
    PROFILE.take().map_or_else(Vec::new, |mut profile| {
        profile.switch(0);
        profile.times
    })
}

/// Lets the time of `name` go on until the guard is dropped.
pub(super) fn enter(name: &'static str) -> Entered {
    Entered(PROFILE.with_borrow_mut(|profile| {
        profile.as_mut().map(|profile| {
            let next = profile.index(name);
            profile.switch(next)
        })
    }))
}

/// See [`enter`]: whose time goes on afterwards.
pub(super) struct Entered(Option<usize>);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            PROFILE.with_borrow_mut(|profile| profile.as_mut().map(|profile| profile.switch(before)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    const MOMENT: Duration = Duration::from_millis(5);

    #[test]
    fn times_are_exclusive_and_add_up() {
        let began = Instant::now();
        start();
        sleep(MOMENT);
        for _ in 0..2 {
            let _outer = enter("outer");
            sleep(MOMENT);
            let _inner = enter("inner");
            sleep(2 * MOMENT);
        }
        let times = finish();
        let whole = began.elapsed();
        let of = |name: &str| times.iter().find(|(known, _)| *known == name).expect("a time").1;
        assert_eq!(times.len(), 3);
        assert!(of(BETWEEN) >= MOMENT && of("outer") >= 2 * MOMENT && of("inner") >= 4 * MOMENT, "{times:?}");
        let sum: Duration = times.iter().map(|(_, time)| *time).sum();
        assert!(sum <= whole && sum >= 7 * MOMENT, "{sum:?} of {whole:?}: {times:?}");
    }

    #[test]
    fn nothing_is_measured_unasked() {
        drop(enter("outer"));
        assert!(finish().is_empty());
    }
}
