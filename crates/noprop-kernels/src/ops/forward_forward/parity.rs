//! The kernels against the reference.

use super::{Goodness, Streams};
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::tensor::Slot;

/// Sums of up to 300 squares in f32, and the root of one; a loss goes through an exponential.
const TOLERANCE: f64 = 4e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, samples, classes, width) in [(1, 1, 2, 2), (3, 5, 10, 17), (10, 7, 4, 300)] {
        let name = |kind: &str| format!("forward-forward, {kind} [{blocks}, {samples}, {width}]");
        for (streams, before) in [(3, 0), (3, classes), (1, 0), (1, classes)] {
            // As every step draws them: 1 at the class of a sample, −1 at another one.
            let sign = |class: usize, sample: usize| match (class + classes - sample % classes) % classes {
                0 => 1.0,
                1 => -1.0,
                _ => 0.0,
            };
            let signs = (0..samples * classes).map(|place| sign(place % classes, place / classes)).collect();
            let op = Streams { samples, streams, width: width + before, before, classes };
            let values = [
                Input(blocks, op.rows() * op.width + 2, Values::Poison),
                // One that all blocks share.
                Input(1, samples * width, Values::Normal),
                Input(blocks, samples * classes, Values::Given(signs)),
            ];
            let kind = name(&format!("{streams} streams, {before} before"));
            parity.compare(kind, TOLERANCE, &values, |b| op.forward(&b[0], &b[1], &b[2]))?;
        }
        let op = Goodness { samples, width, means: Slot { offset: 3, len: width }, peer: 0.03 };
        let a = || Input(blocks, 3 * samples * width, Values::Normal);
        let poison = |rows: usize| Input(blocks, rows * width + 2, Values::Poison);
        let state = || Input(blocks, 3 + width + 2, Values::Normal);
        parity.compare(name("normalise"), TOLERANCE, &[poison(3 * samples), a()], |b| {
            op.forward(&b[0], &b[1], 3 * samples)
        })?;
        parity.compare(name("means"), TOLERANCE, &[state(), a()], |b| op.update_means(&b[0], &b[1]))?;
        parity.compare(name("loss"), TOLERANCE, &[poison(2 * samples), a(), state()], |b| {
            op.backward(&b[0], &b[1], &b[2])
        })?;
    }
    Ok(())
}
