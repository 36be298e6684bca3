//! The kernels against the reference.

use super::SquaredError;
use crate::cuda::StepValues;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// A sum of up to 300 squares, which 256 threads add by a tree of depth 8 after at most 2 each: 10 roundings of 2^-24.
const TOLERANCE: f64 = 1e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, samples, width) in [(1, 1, 1), (3, 5, 10), (10, 3, 100)] {
        let classes: Vec<u32> = (0..samples).map(|sample| (sample * 7 + 2) % width).collect();
        let op = SquaredError { classes: &classes, width: width as usize };
        let values = StepValues { samples, ..StepValues::default() };
        let (k, len) = (blocks, ((samples + 1) * width) as usize);
        let numbers: Vec<u32> = (1..=blocks as u32).collect();
        let order = vec![0; samples as usize];
        let name = format!("[{k}, {samples}, {width}]");
        parity.in_step(values, [&order, &classes, &numbers], &vec![0.0; k], &vec![0.75; k], |parity| {
            let inputs = [Input(k, 1, Values::Poison), Input(k, len, Values::Normal)];
            parity.compare(format!("squared error {name}"), TOLERANCE, &inputs, |b| op.forward(&b[0], &b[1]))?;
            let inputs = [Input(k, len, Values::Poison), Input(k, len, Values::Normal)];
            parity.compare(format!("squared error, gradient {name}"), TOLERANCE, &inputs, |b| {
                op.backward(&b[0], &b[1], 0.75)
            })
        })?;
    }
    Ok(())
}
