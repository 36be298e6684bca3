//! The benchmarks, a file an operation, whole steps last. `npm run bench` makes one table of them.
//!
//! ```sh
//! cargo bench --bench ops -- conv3x3
//! ```
//!
//! measures those whose names match, as criterion reads a filter.

mod adamw;
mod add;
mod batch_norm;
mod conv;
mod conv3x3;
mod dropout;
mod inference;
mod linear;
mod memory;
mod parts;
mod relu;
mod softmax;
mod squared_error;
mod step;
mod support;
mod transformer;
mod values;

fn main() {
    if memory::train_alone() {
        return;
    }
    for run in [
        adamw::run,
        add::run,
        batch_norm::run,
        conv::run,
        conv3x3::run,
        dropout::run,
        linear::run,
        relu::run,
        softmax::run,
        squared_error::run,
        transformer::run,
        values::run,
        step::run,
    ] {
        run();
    }
    if is_asked_for("parts") {
        parts::run();
    }
    inference::run();
    if is_asked_for("memory") {
        memory::run();
    }
}

/// Whether what is not criterion's is to be measured: without a filter, or by one that names it.
fn is_asked_for(name: &str) -> bool {
    let mut filters = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| filter.contains(name))
}
