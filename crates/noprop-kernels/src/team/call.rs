//! One operation that is cut: its parts, and what became of them.

use crate::error::Result;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The parts of an operation. They lie on the leader's stack.
pub(super) struct Parts<'a> {
    work: &'a (dyn Fn(usize) -> Result<()> + Sync),
    count: usize,
    next: AtomicUsize,
    /// The first error or panic of a part.
    failure: Mutex<Option<std::thread::Result<crate::Error>>>,
    #[cfg(any(test, feature = "testing"))]
    forced: Option<crate::ops::simd::InstructionSet>,
}

/// [`Parts`] as helpers see them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call(*const Parts<'static>);

// SAFETY: parts are `Sync`.
unsafe impl Send for Call {}

impl<'a> Parts<'a> {
    pub fn new(count: usize, work: &'a (dyn Fn(usize) -> Result<()> + Sync)) -> Self {
        Self {
            work,
            count,
            next: AtomicUsize::new(0),
            failure: Mutex::new(None),
            #[cfg(any(test, feature = "testing"))]
            forced: crate::ops::simd::forced(),
        }
    }

    pub fn call(&self) -> Call {
        Call(std::ptr::from_ref(self).cast())
    }

    /// Runs parts until all are taken.
    pub fn run(&self) {
        loop {
            #[cfg(any(test, feature = "testing"))]
            super::stress::delay();
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= self.count {
                return;
            }
            let failure = match catch_unwind(AssertUnwindSafe(|| (self.work)(part))) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Ok(error),
                Err(panic) => Err(panic),
            };
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            self.next.store(self.count, Ordering::Relaxed);
        }
    }

    /// The first failure, once all who ran parts are done.
    pub fn outcome(self) -> Result<()> {
        match self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(Ok(error)) => Err(error),
            Some(Err(panic)) => resume(panic),
        }
    }
}

fn resume(panic: Box<dyn Any + Send>) -> ! {
    resume_unwind(panic)
}

impl Call {
    /// See [`Parts::run`].
    ///
    /// # Safety
    /// The parts still exist.
    pub unsafe fn run(self) {
        // SAFETY: by contract.
        let parts = unsafe { &*self.0 };
        #[cfg(any(test, feature = "testing"))]
        let _forced = crate::ops::simd::Forced::new(parts.forced);
        parts.run();
    }
}
