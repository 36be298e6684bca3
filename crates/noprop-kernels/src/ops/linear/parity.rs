//! The kernels against the reference.

use super::Linear;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::ops::multiply::Precision;
use crate::tensor::Slot;

/// (blocks, samples, inputs, outputs): one value, widths that are and are not multiples of four, of a tile and of a stride in
/// depth, products that are narrow, and some that are split in depth: forward (600), backward (528, 700).
const SHAPES: [[usize; 4]; 9] = [
    [1, 1, 1, 1],
    [1, 3, 7, 5],
    [3, 65, 33, 17],
    [1, 130, 64, 68],
    [10, 2, 10, 16],
    [1, 5, 600, 10],
    [3, 4, 540, 24],
    [1, 528, 6, 9],
    [1, 7, 20, 700],
];

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    let tolerance = parity.tolerance();
    for [blocks, samples, inputs, outputs] in SHAPES {
        // A slot that is aligned to four values and one that is not, both behind other values.
        for front in [4, 5] {
            let bias = Slot { offset: front, len: outputs };
            let weight = Slot { offset: front + outputs.next_multiple_of(4), len: inputs * outputs };
            let end = (weight.offset + weight.len + 3).next_multiple_of(4);
            let op = Linear { samples, inputs, outputs, weight, bias: Some(bias), precision: Precision::F32 };
            let case =
                |name| format!("linear {name} [{blocks}, {samples}, {inputs}, {outputs}], slot at {}", weight.offset);
            let normal = |len| Input(blocks, len, Values::Normal);
            // One sample more than the batch has: what lies behind must stay.
            let (x, y) = ((samples + 1) * inputs, (samples + 1) * outputs);
            let poison = |len| Input(blocks, len, Values::Poison);
            parity.compare(case("forward"), tolerance, &[poison(y), normal(x), normal(end)], |b| {
                op.forward(&b[0], &b[1], &b[2])
            })?;
            parity.compare(case("forward without bias"), tolerance, &[normal(y), normal(x), normal(end)], |b| {
                Linear { bias: None, ..op }.forward(&b[0], &b[1], &b[2])
            })?;
            parity.compare(case("backward data"), tolerance, &[poison(x), normal(y), normal(end)], |b| {
                op.backward_data(&b[0], &b[1], &b[2])
            })?;
            let sparse = Input(blocks, x, Values::Sparse);
            parity.compare(
                case("backward data to ReLU"),
                tolerance,
                &[poison(x), normal(y), normal(end), sparse],
                |b| op.backward_data_to_relu(&b[0], &b[1], &b[2], &b[3], 1.25),
            )?;
            parity.compare(case("backward weights"), tolerance, &[poison(end), normal(x), normal(y)], |b| {
                op.backward_weights(&b[0], &b[1], &b[2])
            })?;
            parity.compare(
                case("without bias, backward weights"),
                tolerance,
                &[poison(end), normal(x), normal(y)],
                |b| Linear { bias: None, ..op }.backward_weights(&b[0], &b[1], &b[2]),
            )?;
        }
    }
    shared_input(parity)
}

/// One x for all blocks, as the first layer has it.
fn shared_input(parity: &mut Parity) -> Result<()> {
    let tolerance = parity.tolerance();
    let op = Linear {
        samples: 9,
        inputs: 12,
        outputs: 8,
        weight: Slot { offset: 0, len: 96 },
        bias: Some(Slot { offset: 96, len: 8 }),
        precision: Precision::F32,
    };
    let inputs = [Input(3, 72, Values::Poison), Input(1, 108, Values::Normal), Input(3, 104, Values::Normal)];
    parity.compare("linear forward [3, 9, 12, 8], one x for all", tolerance, &inputs, |b| {
        op.forward(&b[0], &b[1], &b[2])
    })?;
    let inputs = [Input(3, 104, Values::Poison), Input(1, 108, Values::Normal), Input(3, 72, Values::Normal)];
    parity.compare("linear backward weights [3, 9, 12, 8], one x for all", tolerance, &inputs, |b| {
        op.backward_weights(&b[0], &b[1], &b[2])
    })
}
