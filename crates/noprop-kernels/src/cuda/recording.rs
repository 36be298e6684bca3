//! What must not happen while a step is recorded.
//!
//! A recording holds launches and nothing else. Kernels are loaded and memory is taken by the step before it, which is not
//! recorded: loading may wait for the device, which a stream that records refuses, and memory that is taken within a recording
//! would belong to its replays. A card tells neither in words that name what was asked for, and takes some of it in silence,
//! so it is refused here before the driver hears of it. The emulation refuses the same where it makes a step's calls again.
//!
//! What another thread asks of the same card may break a recording that asks for nothing of the kind. That is noted here, and
//! no error: the step is launched directly, and recorded another time.

use crate::error::{Code, Error, Result};
use std::cell::Cell;

thread_local! {
    static RECORDS: Cell<bool> = const { Cell::new(false) };
    static BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this thread records.
#[derive(Debug)]
pub(crate) struct Recording(());

impl Recording {
    /// # Errors
    /// [`Code::Internal`] if this thread records already.
    pub(crate) fn begin() -> Result<Self> {
        refuse(|| "another recording".to_owned())?;
        RECORDS.set(true);
        BROKEN.set(false);
        Ok(Self(()))
    }

    /// Whether the driver gave the recording up.
    #[cfg(any(feature = "cuda", test))]
    pub(crate) fn is_broken(&self) -> bool {
        BROKEN.get()
    }
}

/// Notes that the driver gave up what this thread records, if it does.
#[cfg(any(feature = "cuda", test))]
pub(crate) fn note_broken() {
    BROKEN.set(RECORDS.get());
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDS.set(false);
    }
}

/// Refuses what a recording must not ask for, if this thread records.
///
/// # Errors
/// [`Code::Internal`] with what was asked for.
pub fn refuse(asked: impl FnOnce() -> String) -> Result<()> {
    if !RECORDS.get() {
        return Ok(());
    }
    Err(Error::new(Code::Internal, "a recorded step asks for something besides launches")
        .expected("launches of kernels that have run before, and memory that is there already")
        .received(asked()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_refuses_until_it_ends_however_it_ends() {
        let ask = || refuse(|| "4 bytes".to_owned());
        ask().unwrap();
        let recording = Recording::begin().unwrap();
        assert_eq!(Recording::begin().unwrap_err().received, "another recording");
        let error = ask().unwrap_err();
        assert_eq!((error.code, &error.received[..]), (Code::Internal, "4 bytes"));
        // Other threads go on.
        std::thread::scope(|scope| scope.spawn(ask).join().unwrap().unwrap());
        assert!(!recording.is_broken());
        note_broken();
        assert!(recording.is_broken());
        drop(recording);
        ask().unwrap();
        // Nothing of one recording stays with the next, and outside of them nothing is noted.
        note_broken();
        assert!(!Recording::begin().unwrap().is_broken());
        let panicked = std::panic::catch_unwind(|| {
            let _recording = Recording::begin().unwrap();
            panic!("within a recording");
        });
        assert!(panicked.is_err());
        ask().unwrap();
    }
}
