//! Kernels on the processor: the same sources, compiled by a C++ compiler (see emulation.h).

use super::Address;
use super::launch::{Arguments, Launch};
use crate::error::{Code, Error, Result};
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};

unsafe extern "C" {
    fn noprop_emulate(
        name: *const c_char,
        grid: *const u32,
        threads: u32,
        shared: u32,
        arguments: *const c_void,
        size: usize,
    ) -> c_int;
    #[cfg(test)]
    fn noprop_not_launched(found: extern "C" fn(*mut c_void, *const c_char), context: *mut c_void);
}

/// The kernels that have not been launched yet in this process.
#[cfg(test)]
pub(super) fn not_launched() -> Vec<String> {
    extern "C" fn found(names: *mut c_void, name: *const c_char) {
        // SAFETY: `names` is the vector below, and the callee's names end with a NUL.
        let (names, name) = unsafe { (&mut *names.cast::<Vec<String>>(), std::ffi::CStr::from_ptr(name)) };
        names.push(name.to_string_lossy().into_owned());
    }
    let mut names = Vec::<String>::new();
    // SAFETY: the callee only hands the pointer to `found`, while it runs.
    unsafe { noprop_not_launched(found, (&raw mut names).cast()) };
    names.sort();
    names
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Room for `values` f32, filled with NaN: what is read must have been written.
pub(super) fn scratch(values: usize) -> Address {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.resize(values, f32::NAN);
        scratch.as_mut_ptr() as Address
    })
}

/// Runs every thread of every block.
pub(super) fn launch<A: Arguments>(launch: &Launch<'_, A>) -> Result<()> {
    let name = CString::new(launch.kernel).expect("names of kernels have no NUL");
    let (threads, shared) = (launch.threads, launch.shared);
    let arguments = (&raw const launch.arguments).cast();
    // SAFETY: the kernel reads `size_of::<A>()` bytes of its arguments, which the callee compares with its own struct; their
    // addresses are valid by the contract of `Arguments`.
    let outcome = unsafe {
        noprop_emulate(name.as_ptr(), launch.grid.as_ptr(), threads, shared, arguments, std::mem::size_of::<A>())
    };
    let what = match outcome {
        0 => return Ok(()),
        1 => "there is no such kernel",
        2 => "its arguments have another size",
        _ => "it is not made for so many threads",
    };
    Err(Error::new(Code::Internal, format!("kernel {}: {what}", launch.kernel)))
}
