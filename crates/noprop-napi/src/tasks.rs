//! Long work runs on threads of its own (libuv's four are for files and names) and settles a promise. When the JavaScript
//! environment ends, by `process.exit` or `worker.terminate`, a clean-up hook stops and joins whatever still runs.

use crate::error::to_js;
use napi::bindgen_prelude::{Env, Object, ToNapiValue};
use noprop_core::tensor::StopFlag;
use noprop_core::threads::refused;
use noprop_core::train::Training;
use noprop_core::{Code, Error};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

/// A run that its JavaScript object and the clean-up hook share.
pub type SharedTraining = Arc<Mutex<Option<Training>>>;

#[derive(Default)]
struct Tasks {
    is_hooked: bool,
    threads: Vec<(StopFlag, JoinHandle<()>)>,
    trainings: Vec<Weak<Mutex<Option<Training>>>>,
}

thread_local! {
    /// What this JavaScript thread, and so its environment, has started.
    static TASKS: RefCell<Tasks> = RefCell::default();
}

fn with_tasks(env: &Env, change: impl FnOnce(&mut Tasks)) -> napi::Result<()> {
    let is_hooked = TASKS.with_borrow_mut(|tasks| std::mem::replace(&mut tasks.is_hooked, true));
    if !is_hooked {
        env.add_env_cleanup_hook((), |()| stop_all())?;
    }
    TASKS.with_borrow_mut(|tasks| {
        tasks.threads.retain(|(_, thread)| !thread.is_finished());
        tasks.trainings.retain(|training| training.strong_count() > 0);
        change(tasks);
    });
    Ok(())
}

fn stop_all() {
    let tasks = TASKS.take();
    for (stop, _) in &tasks.threads {
        stop.stop();
    }
    // Dropping a run stops and joins its threads.
    let drop_runs = || {
        for training in tasks.trainings.iter().filter_map(Weak::upgrade) {
            drop(training.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    };
    drop_runs();
    for (_, thread) in tasks.threads {
        // A panic has been turned into a rejection already.
        let _ = thread.join();
    }
    // Those that a thread has begun in between.
    drop_runs();
}

/// Has the run stopped when the environment ends.
pub fn register(env: &Env, training: &SharedTraining) -> napi::Result<()> {
    with_tasks(env, |tasks| tasks.trainings.push(Arc::downgrade(training)))
}

/// Runs `work` on a thread of its own; its result settles the returned promise. Where no thread can be started the promise
/// rejects, and `work` is dropped.
pub fn promise<'env, T, W>(env: &'env Env, stop: StopFlag, work: W) -> napi::Result<Object<'env>>
where
    T: ToNapiValue + Send + 'static,
    W: FnOnce() -> noprop_core::Result<T> + Send + 'static,
{
    // In a box, so that what follows is compiled once for each kind of result instead of each task.
    promise_of(env, stop, Box::new(work))
}

fn promise_of<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    stop: StopFlag,
    work: Box<dyn FnOnce() -> noprop_core::Result<T> + Send>,
) -> napi::Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred::<T, Box<dyn FnOnce(Env) -> napi::Result<T> + Send>>()?;
    // A thread that is not started drops its closure: what settles the promise must be in another hand as well.
    let settles = Arc::new(Mutex::new(Some(deferred)));
    let take = |settles: &Mutex<Option<_>>| settles.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = settles.clone();
    let run = move || {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        let Some(deferred) = take(&theirs) else { return };
        match outcome.unwrap_or_else(|_| Err(Error::new(Code::Internal, "a native task panicked"))) {
            Ok(value) => deferred.resolve(Box::new(move |_| Ok(value))),
            Err(error) => deferred.reject(to_js(error)),
        }
    };
    match start(Box::new(run)) {
        Ok(thread) => with_tasks(env, |tasks| tasks.threads.push((stop, thread)))?,
        Err(error) => {
            if let Some(deferred) = take(&settles) {
                deferred.reject(to_js(refused(&error)));
            }
        }
    }
    Ok(promise)
}

fn start(run: Box<dyn FnOnce() + Send>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("noprop-task".to_owned()).spawn(run)
}
