//! The kernel against the reference.

use super::{AdamW, Rule};
use crate::cuda::StepValues;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::tensor::Slot;

/// A dozen roundings of 2^-24, and betas and rates that are rounded to f32 themselves.
const TOLERANCE: f64 = 1e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // Less than a block of threads, with all alignments of the moments, and more.
    for (blocks, parameters, statistics, step) in [(1, 1, 0, 1), (3, 35, 6, 2), (10, 1030, 4, 1000)] {
        let sgd = |nesterov| Rule::Sgd { momentum: 0.9, nesterov };
        let rules = [(Rule::AdamW, "adamw"), (Rule::Adam, "adam"), (sgd(false), "sgd"), (sgd(true), "nesterov")];
        for (rule, kind) in rules {
            let op = AdamW { rule, ..AdamW::new(0.01, 0.1, step, parameters, statistics) };
            let [keep, step_size, inverse_root_correction] = op.rates();
            let values = StepValues { keep, step_size, inverse_root_correction, ..StepValues::default() };
            let numbers: Vec<u32> = (1..=blocks as u32).collect();
            // All positive, for the second moments. The statistics among them must stay.
            let state = Input(blocks, AdamW::state_len(parameters, statistics), Values::Positive);
            let inputs = [state, Input(blocks, parameters, Values::Normal)];
            let name = format!("{kind} [{blocks}, {parameters}], step {step}");
            parity.in_step(values, [&[0], &[0], &numbers], &vec![0.0; blocks], &vec![1.0; blocks], |parity| {
                let part = Slot { offset: parameters / 3, len: parameters / 2 };
                let of_a_part = format!("{name}, {} from {}", part.len, part.offset);
                parity.compare(of_a_part, TOLERANCE, &inputs, |b| op.step_part(&b[0], &b[1], part))?;
                parity.compare(name, TOLERANCE, &inputs, |b| op.step(&b[0], &b[1]))
            })?;
        }
    }
    Ok(())
}
