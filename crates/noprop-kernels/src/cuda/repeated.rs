//! A step that is made again and again: launched directly the first time, then recorded and replayed.

use super::engine::{Engine, Recorded};
use crate::error::Result;

/// See the module.
#[derive(Default)]
pub struct Repeated {
    /// Runs so far.
    runs: u64,
    /// Up to this run it is launched directly. The first one loads the kernels and takes memory.
    directly: u64,
    /// Recordings that were broken.
    broken: u32,
    recorded: Option<Recorded>,
}

impl Repeated {
    /// What `launch` launches, once more. It must be the same every time.
    ///
    /// # Errors
    /// Those of `launch`, and of [`Engine::record`] and [`Engine::replay`].
    pub fn run(&mut self, engine: &Engine, mut launch: impl FnMut() -> Result<()>) -> Result<()> {
        self.runs += 1;
        if self.recorded.is_none() && self.runs > self.directly.max(1) {
            self.recorded = engine.record(&mut launch)?;
            if self.recorded.is_none() {
                // Soon again, but ever more rarely: a recording that is broken each time costs as much as a launch.
                self.broken += 1;
                self.directly = self.runs + (1 << self.broken.min(10)) - 2;
            }
        }
        match &self.recorded {
            Some(recorded) => engine.replay(recorded, launch),
            None => launch(),
        }
    }
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use crate::device::DeviceId;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_recording_that_is_broken_is_tried_again_and_no_run_is_lost() {
        let engine = Engine::open(DeviceId::Emulated).unwrap();
        engine.breaks.store(3, Ordering::Relaxed);
        let (mut repeated, mut launched, mut recorded) = (Repeated::default(), 0, Vec::new());
        for run in 1..=12 {
            repeated
                .run(&engine, || {
                    launched += 1;
                    Ok(())
                })
                .unwrap();
            // The emulation makes the calls of a recorded step again.
            assert_eq!(launched, run);
            recorded.push(repeated.recorded.is_some());
        }
        // Broken in runs 2, 3 and 6, recorded in run 13 at the earliest.
        assert_eq!(engine.breaks.load(Ordering::Relaxed), 0);
        assert!(recorded.iter().all(|recorded| !recorded), "{recorded:?}");
        repeated.run(&engine, || Ok(())).unwrap();
        assert!(repeated.recorded.is_some());
    }
}
