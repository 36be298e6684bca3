//! The kernels against the reference.

use super::{DenseBackward, GradientBuffers};
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::linear::{Linear, Saved};
use crate::ops::multiply::Precision;
use crate::tensor::Slot;

/// (blocks, samples, inputs, outputs): one value, samples around the rows of a tile, widths that are and are not multiples of
/// four, of a tile and of a stride in depth, the greatest depth in one kernel; more samples than a tile has rows, and more
/// depth, which take a kernel each.
const SHAPES: [[usize; 4]; 9] = [
    [1, 1, 1, 1],
    [1, 2, 5, 7],
    [3, 17, 40, 33],
    [10, 3, 32, 10],
    [1, 128, 36, 20],
    [3, 127, 9, 6],
    [1, 4, 33, 512],
    [1, 129, 36, 20],
    [3, 5, 12, 600],
];

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (index, shape) in SHAPES.into_iter().enumerate() {
        // A weight that is aligned to four values and one that is not, each with ReLU or a skip in half of the cases.
        for front in [4, 5] {
            let turn = index + front;
            case(parity, shape, front, (turn % 2 == 0, turn / 2 % 2 == 0))?;
        }
    }
    Ok(())
}

/// State and gradients are `[guard | weight | γ | β | running mean | running variance | guard]`.
fn case(parity: &mut Parity, shape: [usize; 4], front: usize, (relu, skips): (bool, bool)) -> Result<()> {
    let [blocks, samples, inputs, outputs] = shape;
    let weight = Slot { offset: front, len: inputs * outputs };
    let end = weight.offset + weight.len;
    let layer = Linear { samples, inputs, outputs, weight, bias: None, precision: Precision::F32 };
    let [weight, bias, running_mean, running_variance] =
        [0, 1, 2, 3].map(|i| Slot { offset: end + i * inputs, len: inputs });
    let norm = BatchNorm { samples, width: inputs, weight, bias, running_mean, running_variance, relu };
    let state = (end + 4 * inputs + 1).next_multiple_of(4);

    // One sample more than the batch has: what lies behind must stay.
    let activations = |width: usize, values| Input(blocks, (samples + 1) * width, values);
    let all = [
        activations(inputs, Values::Poison),
        activations(inputs, Values::Poison),
        Input(blocks, state, Values::Poison),
        activations(outputs, Values::Normal),
        activations(inputs, Values::Normal),
        activations(inputs, Values::Normal),
        // y decides through its sign alone, so any sparse values serve.
        activations(inputs, Values::Sparse),
        Input(blocks, 2 * inputs, Values::Positive),
        Input(blocks, state, Values::Normal),
    ];
    let with = |what: bool, name: &'static str| if what { name } else { "" };
    let options = [with(relu, ", ReLU"), with(skips, ", skip")].concat();
    let name = format!("dense backward through norm {shape:?}, weight at {front}{options}");
    parity.compare(name, parity.tolerance(), &all, |b| {
        let to = GradientBuffers { dx: &b[0], d_product: &b[1], parameters: &b[2] };
        let written = Saved { product: &b[5], y: &b[6], statistics: &b[7] };
        let op = DenseBackward { layer: &layer, norm: &norm };
        op.run(to, &b[3], skips.then_some(&*b[4]), written, &b[8])
    })
}
