//! Threads that the system may refuse to start.

use crate::error::{Code, Error, Result};
use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// As [`Scope::spawn`], which panics where the system starts no further thread.
///
/// # Errors
/// [`Code::Threads`].
pub fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().name(name.to_owned()).spawn_scoped(scope, work).map_err(|error| refused(&error))
}

/// The error of a thread that was not started.
pub fn refused(error: &io::Error) -> Error {
    Error::new(Code::Threads, "the system refused to start a thread")
        .received(error.to_string())
        .hint("use fewer threads, or raise the process's limit of threads (ulimit -u) or of memory (ulimit -v)")
}
