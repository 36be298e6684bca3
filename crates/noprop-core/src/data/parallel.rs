//! Reading on all cores. What comes out does not depend on their number.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Result;
use crate::tensor::StopFlag;

/// Runs a worker on each core until it has nothing left; collects what they give, in no order. Each worker is made on its own
/// thread.
///
/// # Errors
/// [`Code::Cancelled`].
pub(super) fn each<T: Send, W: FnMut() -> Option<T>>(
    most: usize,
    stop: &StopFlag,
    worker: impl Fn() -> W + Sync,
) -> Result<Vec<T>> {
    let results = Mutex::new(Vec::new());
    let work = || {
        let mut worker = worker();
        while !stop.is_stopped() {
            let Some(result) = worker() else { break };
            lock(&results).push(result);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(most);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system gives no thread, the others do its work.
            let _ = std::thread::Builder::new().name("noprop data".to_owned()).spawn_scoped(scope, work);
        }
        work();
    });
    stop.check()?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs `work` for each index below `count`, on all cores; returns the results in order.
pub(super) fn map<T: Send>(count: usize, stop: &StopFlag, work: impl Fn(usize) -> T + Sync) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let mut results = each(count, stop, || {
        || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            (index < count).then(|| (index, work(index)))
        }
    })?;
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Values of a piece that is looked through at a time.
const PIECE: usize = 1 << 20;

/// Whether any piece of `values` is so, on all cores.
pub(super) fn any<T: Sync>(values: &[T], is_so: impl Fn(&[T]) -> bool + Sync) -> Result<bool> {
    let pieces = map(values.len().div_ceil(PIECE), &StopFlag::new(), |piece| {
        is_so(&values[piece * PIECE..values.len().min((piece + 1) * PIECE)])
    })?;
    Ok(pieces.contains(&true))
}

/// The value of a mutex; what a panic left there is overwritten or dropped.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
