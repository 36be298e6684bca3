//! The Node binding: converts types and owns the hand-over between native threads and JavaScript, nothing else.
//!
//! Structured options and results travel as JSON text, which the core alone validates. A failure becomes an `Error` whose
//! message is JSON with `code`, `what`, `expected`, `received` and `hint`.

mod dataset;
mod error;
mod events;
mod model;
mod system;
mod tasks;
mod training;
