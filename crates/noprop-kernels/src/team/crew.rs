//! Threads that work side by side: each leads a team while it has work of its own, and helps another's while it has none.

use super::{Bell, Seat, Team};
use std::sync::{Arc, OnceLock};

/// The teams of some threads.
#[derive(Debug)]
pub struct Crew {
    teams: Vec<Arc<Team>>,
    calls: Arc<Bell>,
    /// Threads that are worth having at work: more than the processors would only take time from one another.
    most: usize,
}

impl Crew {
    /// Teams for so many threads.
    pub fn new(threads: usize) -> Self {
        let calls = Arc::new(Bell::default());
        let teams = (0..threads).map(|_| Arc::new(Team::new(calls.clone()))).collect();
        let most = processors();
        #[cfg(any(test, feature = "testing"))]
        let most = if super::stress::is_on() { threads } else { most };
        Self { teams, calls, most }
    }

    /// The team that thread `index` leads.
    pub fn team(&self, index: usize) -> &Arc<Team> {
        &self.teams[index]
    }

    /// A seat in the team that has the fewest helpers; `None` where nobody leads one, or where there are as many threads at work as
    /// processors. Two threads must not ask at the same time.
    pub fn seat(&self) -> Option<Seat> {
        let led = || self.teams.iter().filter(|team| team.is_led());
        let at_work: usize = led().map(|team| 1 + team.helpers()).sum();
        if at_work >= self.most {
            return None;
        }
        Some(led().min_by_key(|team| team.helpers())?.seat())
    }

    /// Wakes helpers who sleep, so that they look whether to leave.
    pub fn call_back(&self) {
        self.calls.ring();
    }

    /// Threads at work: those that lead teams, and all.
    pub fn at_work(&self) -> (usize, usize) {
        let led = self.teams.iter().filter(|team| team.is_led());
        led.fold((0, 0), |(leaders, all), team| (leaders + 1, all + 1 + team.helpers()))
    }
}

/// Processors that this process may use; asked for once, since that reads files.
pub fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
