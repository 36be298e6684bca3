//! Tells V8 how many native bytes a JavaScript object keeps. V8 collects garbage by what it knows of: an object of a few
//! words that keeps megabytes would lie around for long.

use napi::bindgen_prelude::{Env, ToNapiValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Marks an object that is gone: nothing more is told for it.
const RELEASED: i64 = -1;

/// The bytes that V8 was told for one object. A class holds it in an `Arc`, so that work that ends later can tell a new
/// number; it calls [`release`](Self::release) when it is disposed of and from `ObjectFinalize::finalize`
/// (`#[napi(custom_finalize)]`).
#[derive(Debug, Default)]
pub struct ExternalMemory {
    /// [`RELEASED`], or the bytes that were told last.
    told: AtomicI64,
}

impl ExternalMemory {
    /// Nothing told yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells V8 that the object keeps `bytes` in all; call it on the JavaScript thread. Does nothing after a release.
    pub fn tell(&self, env: &Env, bytes: usize) {
        if let Some(difference) = self.change(i64::try_from(bytes).unwrap_or(i64::MAX)) {
            adjust(env, difference);
        }
    }

    /// Tells V8 that the object keeps nothing, now and later. May be called again.
    pub fn release(&self, env: &Env) {
        if let Some(difference) = self.change(RELEASED) {
            adjust(env, difference);
        }
    }

    /// Takes the new number. Returns by how much V8's differs, if it does.
    fn change(&self, to: i64) -> Option<i64> {
        let before = self.told.load(Ordering::Relaxed);
        if before == RELEASED || before == to {
            return None;
        }
        self.told.store(to, Ordering::Relaxed);
        Some(to.max(0) - before)
    }
}

/// A result of work on a thread of its own. Where JavaScript receives it, V8 is told what an object keeps by now.
pub struct Told<T> {
    /// The result.
    pub value: T,
    /// Of the object.
    pub memory: Arc<ExternalMemory>,
    /// What it keeps.
    pub bytes: usize,
}

impl<T: ToNapiValue> ToNapiValue for Told<T> {
    unsafe fn to_napi_value(env: napi::sys::napi_env, told: Self) -> napi::Result<napi::sys::napi_value> {
        told.memory.tell(&Env::from_raw(env), told.bytes);
        // SAFETY: the caller's environment, on its thread.
        unsafe { T::to_napi_value(env, told.value) }
    }
}

fn adjust(env: &Env, difference: i64) {
    // The number only guides the garbage collector; where it cannot be told, nothing else changes.
    let _ = env.adjust_external_memory(difference);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_taken_back_once() {
        let memory = ExternalMemory::new();
        let told = [100, 100, 70, RELEASED, RELEASED, 50].map(|bytes| memory.change(bytes).unwrap_or(0));
        assert_eq!(told, [100, 0, -30, -70, 0, 0]);
        assert_eq!(told.iter().sum::<i64>(), 0);
    }
}
