//! The kernels against the reference.

use super::Softmax;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// exp of f32 is good to 2 units of the last place, and a sum of up to 100 terms of one sign to 7 by its tree: 1e-6 of
/// probabilities up to 1, and of gradients that are up to 4.
const TOLERANCE: f64 = 2e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // Less than a warp of classes, one, and more; less than a block of samples, and more.
    for (blocks, samples, classes) in [(1, 1, 1), (3, 5, 10), (10, 3, 32), (3, 9, 100)] {
        let input = |values| Input(blocks, (samples + 1) * classes, values);
        let name = format!("[{blocks}, {samples}, {classes}]");
        let op = Softmax { samples, classes };
        parity
            .compare(format!("softmax forward {name}"), TOLERANCE, &[input(Values::Normal)], |b| op.forward(&b[0]))?;
        let inputs = [input(Values::Normal), input(Values::Positive)];
        // These probabilities do not sum to 1, so their gradient is as large as the number of classes.
        parity.compare(format!("softmax backward {name}"), TOLERANCE, &inputs, |b| op.backward(&b[0], &b[1]))?;
    }
    // Logits whose exponentials overflow.
    let large: Vec<f64> = (0..40).map(|i| 100.0 * f64::from(i % 7)).collect();
    let op = Softmax { samples: 4, classes: 10 };
    let inputs = [Input(3, 40, Values::Given(large))];
    parity.compare("softmax forward [3, 4, 10] of logits to 600", TOLERANCE, &inputs, |b| op.forward(&b[0]))
}
