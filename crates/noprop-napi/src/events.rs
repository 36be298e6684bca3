//! Events on their way to JavaScript: one wake-up at a time, however many events; what waits is bounded (see [`Backlog`]).

use napi::Status;
use napi::bindgen_prelude::{Function, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use noprop_core::train::{Backlog, Event, Observer};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Least time between two wake-ups for progress alone.
const PERIOD: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Pending {
    backlog: Backlog,
    /// Whether a wake-up is on its way.
    is_woken: bool,
    last: Option<Instant>,
}

impl Pending {
    /// Adds an event. Returns whether JavaScript must be woken.
    fn push(&mut self, event: Event) -> bool {
        let is_progress = matches!(event, Event::Progress { .. });
        let is_due = !is_progress || self.last.is_none_or(|last| last.elapsed() >= PERIOD);
        self.backlog.push(event);
        is_due && !std::mem::replace(&mut self.is_woken, true)
    }

    /// The next events, and whether JavaScript must be woken for more.
    fn drain(&mut self) -> (Vec<Event>, bool) {
        let events = self.backlog.take();
        self.is_woken = !self.backlog.is_empty();
        self.last = Some(Instant::now());
        (events, self.is_woken)
    }
}

type Wake = ThreadsafeFunction<(), Unknown<'static>, String, Status, false>;

fn wake(wake: &Wake) {
    // Refused only when the environment is ending; then nobody listens.
    let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
}

/// An observer that hands events to `on_events` as JSON arrays, on the JavaScript thread.
pub fn observer(on_events: &Function<'_, String, Unknown<'static>>) -> napi::Result<Observer> {
    let pending = Arc::new(Mutex::new(Pending::default()));
    let drained = pending.clone();
    // The function itself, for more. It must not own itself.
    let itself = Arc::new(OnceLock::<Weak<Wake>>::new());
    let again = itself.clone();
    let waker: Arc<Wake> =
        Arc::new(on_events.build_threadsafe_function::<()>().callee_handled::<false>().build_callback(move |_| {
            let (events, more) = drained.lock().unwrap_or_else(PoisonError::into_inner).drain();
            if more && let Some(waker) = again.get().and_then(Weak::upgrade) {
                wake(&waker);
            }
            serde_json::to_string(&events).map_err(napi::Error::from)
        })?);
    let _ = itself.set(Arc::downgrade(&waker));
    Ok(Box::new(move |event| {
        let must_wake = pending.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        if must_wake {
            wake(&waker);
        }
    }))
}
