//! What `round` and `bell` are made of. `tests/loom.rs` compiles these two files with loom's, and tries every order of their
//! steps.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
pub(super) use std::sync::{Condvar, Mutex};

/// Looks at an atomic before a thread sleeps.
pub(super) const SPINS: usize = 2000;

/// [`std::cell::UnsafeCell`] with loom's methods.
#[derive(Debug)]
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
