//! Kernels on the processor: the same sources, compiled by a C++ compiler (see emulation.h).

use super::Address;
use super::launch::{Arguments, Launch, scratch_class};
use super::recording::refuse;
use crate::error::{Code, Error, Result};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

unsafe extern "C" {
    fn noprop_emulate(
        name: *const c_char,
        grid: *const u32,
        threads: u32,
        shared: u32,
        arguments: *const c_void,
        size: usize,
    ) -> c_int;
    #[cfg(any(test, feature = "testing"))]
    fn noprop_strides(fours: bool) -> u64;
    #[cfg(test)]
    fn noprop_not_launched(found: extern "C" fn(*mut c_void, *const c_char), context: *mut c_void);
}

/// The kernels that have not been launched yet in this process.
#[cfg(test)]
pub(crate) fn not_launched() -> Vec<String> {
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
    /// What a card would have ready after the calls of this thread: the loaded kernels and the classes of scratch memory.
    static LOADED: RefCell<HashSet<String>> = RefCell::default();
    static CLASSES: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
    #[cfg(any(test, feature = "testing"))]
    static LISTED: RefCell<Option<Vec<Listed>>> = const { RefCell::new(None) };
}

/// A kernel that was to be launched, and whether each factor of a product would have been read four values at once.
#[cfg(any(test, feature = "testing"))]
pub type Listed = (String, Vec<bool>);

/// The kernels that `work` launches on this thread, in order. None of them is run, so any size is as good as a small one.
#[cfg(any(test, feature = "testing"))]
pub fn listed_of(work: impl FnOnce()) -> Vec<Listed> {
    LISTED.set(Some(Vec::new()));
    work();
    LISTED.take().expect("launches are listed until here")
}

/// Their names.
#[cfg(any(test, feature = "testing"))]
pub fn launches_of(work: impl FnOnce()) -> Vec<String> {
    listed_of(work).into_iter().map(|(kernel, _)| kernel).collect()
}

/// Strides of products that this thread has read so far one value by one, and in fours.
#[cfg(any(test, feature = "testing"))]
pub fn strides() -> [u64; 2] {
    // SAFETY: the callee reads numbers of this thread.
    [false, true].map(|fours| unsafe { noprop_strides(fours) })
}

/// Whether launches are listed instead of run; this one then is.
#[cfg(any(test, feature = "testing"))]
fn listed<A: Arguments>(launch: &Launch<'_, A>) -> bool {
    let entry = || (launch.kernel.to_owned(), launch.arguments.in_fours());
    LISTED.with_borrow_mut(|listed| listed.as_mut().map(|launches| launches.push(entry())).is_some())
}

/// Room for `values` f32, filled with NaN: what is read must have been written.
pub(super) fn scratch(values: usize) -> Result<Address> {
    let class = scratch_class(values);
    CLASSES.with_borrow_mut(|classes| {
        if !classes.contains(&class) {
            refuse(|| format!("{} bytes of scratch memory", class * size_of::<f32>()))?;
            classes.insert(class);
        }
        Result::Ok(())
    })?;
    Ok(SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.resize(values, f32::NAN);
        scratch.as_mut_ptr() as Address
    }))
}

/// A card loads a kernel at its first launch.
fn load(kernel: &str) -> Result<()> {
    LOADED.with_borrow_mut(|loaded| {
        if !loaded.contains(kernel) {
            refuse(|| format!("kernel {kernel}, which has not been loaded"))?;
            loaded.insert(kernel.to_owned());
        }
        Ok(())
    })
}

/// Notes a launch down in the file that NOPROP_LAUNCHES names, once: `npm run check:cuda` compares it with what the compiler
/// reports of the kernel.
fn note<A: Arguments>(launch: &Launch<'_, A>) {
    type Notes = Mutex<(File, HashSet<String>)>;
    static NOTED: OnceLock<Option<Notes>> = OnceLock::new();
    let noted = NOTED.get_or_init(|| {
        let file = File::options().create(true).append(true).open(std::env::var_os("NOPROP_LAUNCHES")?);
        Some(Mutex::new((file.expect("NOPROP_LAUNCHES can be written"), HashSet::new())))
    });
    let Some(noted) = noted else { return };
    let (file, lines) = &mut *noted.lock().unwrap_or_else(PoisonError::into_inner);
    let line = format!("{} {} {}\n", launch.kernel, launch.threads, launch.shared);
    if !lines.contains(&line) {
        file.write_all(line.as_bytes()).expect("NOPROP_LAUNCHES can be written");
        lines.insert(line);
    }
}

/// Runs every thread of every block.
pub(super) fn launch<A: Arguments>(launch: &Launch<'_, A>) -> Result<()> {
    load(launch.kernel)?;
    #[cfg(any(test, feature = "testing"))]
    if listed(launch) {
        return Ok(());
    }
    let name = CString::new(launch.kernel).expect("names of kernels have no NUL");
    let (threads, shared) = (launch.threads, launch.shared);
    let arguments = (&raw const launch.arguments).cast();
    // SAFETY: the kernel reads `size_of::<A>()` bytes of its arguments, which the callee compares with its own struct; their
    // addresses are valid by the contract of `Arguments`.
    let outcome = unsafe {
        noprop_emulate(name.as_ptr(), launch.grid.as_ptr(), threads, shared, arguments, std::mem::size_of::<A>())
    };
    let what = match outcome {
        0 => {
            note(launch);
            return Ok(());
        }
        1 => "there is no such kernel",
        2 => "its arguments have another size",
        _ => "it does not support this many threads",
    };
    Err(Error::new(Code::Internal, format!("kernel {}: {what}", launch.kernel)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct BarrierArguments {
        up_to: u32,
    }

    // SAFETY: mirrors the struct in emulation.cu.
    unsafe impl Arguments for BarrierArguments {}

    fn barrier(kernel: &str, up_to: u32) -> Result<()> {
        launch(&Launch { kernel, grid: [2, 1, 1], threads: 64, shared: 0, arguments: BarrierArguments { up_to } })
    }

    #[test]
    fn a_barrier_that_all_threads_reach_is_passed() {
        barrier("emulation_block_barrier", 64).unwrap();
        barrier("emulation_block_barrier", 0).unwrap();
        barrier("emulation_warp_barrier", 64).unwrap();
        // The second warp alone passes by.
        barrier("emulation_warp_barrier", 32).unwrap();
    }

    /// The process ends, so it is another one that runs this test again.
    #[test]
    fn a_barrier_that_some_threads_never_reach_ends_the_process_with_a_message() {
        const KERNEL: &str = "NOPROP_PARTIAL_BARRIER";
        if let Ok(kernel) = std::env::var(KERNEL) {
            return barrier(&kernel, 33).unwrap();
        }
        let name = std::thread::current().name().expect("the harness names its threads").to_owned();
        for kernel in ["emulation_block_barrier", "emulation_warp_barrier"] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let ended = command.args(["--exact", &name, "--nocapture"]).env(KERNEL, kernel).output().unwrap();
            let told = String::from_utf8_lossy(&ended.stderr);
            assert!(!ended.status.success(), "{kernel} ended well");
            assert!(told.contains("emulated kernel: a barrier is not reached by all threads"), "{kernel}: {told}");
        }
    }
}
