//! The flag that stops long work.

use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that long work polls between and inside operations.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    raised: Arc<AtomicBool>,
    /// How often it was polled, and the poll that raises it, if one does.
    #[cfg(any(test, feature = "testing"))]
    polls: Arc<(std::sync::atomic::AtomicUsize, Option<usize>)>,
}

impl StopFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that the poll of this number (from 1) finds raised.
    #[cfg(any(test, feature = "testing"))]
    pub fn raised_by(poll: usize) -> Self {
        Self { polls: Arc::new((Default::default(), Some(poll))), ..Self::default() }
    }

    /// How often it was polled.
    #[cfg(any(test, feature = "testing"))]
    pub fn polls(&self) -> usize {
        self.polls.0.load(Ordering::SeqCst)
    }

    /// Asks the work to stop. Returns at once.
    pub fn stop(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Whether the work has been asked to stop.
    pub fn is_stopped(&self) -> bool {
        #[cfg(any(test, feature = "testing"))]
        if Some(self.polls.0.fetch_add(1, Ordering::SeqCst) + 1) == self.polls.1 {
            self.stop();
        }
        self.raised.load(Ordering::Relaxed)
    }

    /// [`Code::Cancelled`](crate::Code::Cancelled) once the work has been asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_stopped() { Err(Error::cancelled()) } else { Ok(()) }
    }
}
