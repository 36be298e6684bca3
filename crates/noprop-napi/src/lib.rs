//! The Node binding: converts types and owns the hand-over between native threads and JavaScript, nothing else.
//!
//! Structured options and results travel as JSON text, which the core alone validates. A failure becomes an `Error` whose
//! message is JSON with `code`, `what`, `expected`, `received` and `hint`.

// napi-derive leaves the registration of exports out of test builds, where they then look unused.
#![cfg_attr(test, allow(dead_code))]

mod dataset;
mod described;
mod encoder;
mod error;
mod events;
mod external_memory;
mod model;
mod shared_model;
mod stop;
mod system;
mod tasks;
mod training;
mod version;
