//! Events on their way to JavaScript: one wake-up at a time, however many events; of several progress events of a block only
//! the newest; all others in order.

use napi::Status;
use napi::bindgen_prelude::{Function, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use noprop_core::train::{Event, Observer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Least time between two wake-ups for progress alone.
const PERIOD: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Pending {
    events: Vec<Event>,
    /// Whether a wake-up is on its way.
    is_woken: bool,
    last: Option<Instant>,
}

impl Pending {
    /// Adds an event. Returns whether JavaScript must be woken.
    fn push(&mut self, event: Event) -> bool {
        let mut is_due = true;
        if let Event::Progress { block, .. } = event {
            is_due = self.last.is_none_or(|last| last.elapsed() >= PERIOD);
            self.events.retain(|old| !matches!(old, Event::Progress { block: same, .. } if *same == block));
        }
        self.events.push(event);
        is_due && !std::mem::replace(&mut self.is_woken, true)
    }

    fn drain(&mut self) -> Vec<Event> {
        self.is_woken = false;
        self.last = Some(Instant::now());
        std::mem::take(&mut self.events)
    }
}

type Wake = ThreadsafeFunction<(), Unknown<'static>, String, Status, false>;

/// An observer that hands events to `on_events` as JSON arrays, on the JavaScript thread.
pub fn observer(on_events: &Function<'_, String, Unknown<'static>>) -> napi::Result<Observer> {
    let pending = Arc::new(Mutex::new(Pending::default()));
    let drained = pending.clone();
    let wake: Wake =
        on_events.build_threadsafe_function::<()>().callee_handled::<false>().build_callback(move |_| {
            let events = drained.lock().unwrap_or_else(PoisonError::into_inner).drain();
            serde_json::to_string(&events).map_err(napi::Error::from)
        })?;
    Ok(Box::new(move |event| {
        let must_wake = pending.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        if must_wake {
            // Refused only when the environment is ending; then nobody listens.
            let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }))
}
