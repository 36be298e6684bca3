//! The kernels against the reference.

use super::{Conv, Dims, Padding};
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::ops::multiply::Precision;
use crate::tensor::{Slot, StopFlag};

/// Blocks and samples; height, width, cin, cout: one pixel, images smaller than a kernel, odd sizes, channels below and above a
/// block of threads' columns, few pixels and many.
const SHAPES: [([usize; 2], [usize; 4]); 7] = [
    ([1, 1], [1, 1, 1, 1]),
    ([3, 2], [2, 2, 3, 5]),
    ([10, 1], [5, 4, 2, 3]),
    ([1, 3], [7, 5, 5, 33]),
    ([3, 2], [5, 7, 16, 40]),
    ([1, 2], [6, 9, 32, 16]),
    ([3, 1], [12, 11, 3, 8]),
];

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for ([blocks, samples], [height, width, cin, cout]) in SHAPES {
        for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
            for (padding, bias) in [(Padding::Same, true), (Padding::Valid, false)] {
                let dims = Dims { height, width, cin, cout, kernel, stride, padding };
                if dims.output() > 0 {
                    case(parity, dims, [blocks, samples], bias)?;
                }
            }
        }
    }
    Ok(())
}

fn case(parity: &mut Parity, dims: Dims, [blocks, samples]: [usize; 2], bias: bool) -> Result<()> {
    let tolerance = parity.tolerance();
    // Behind other values.
    let bias = bias.then_some(Slot { offset: 5, len: dims.cout });
    let weight = Slot { offset: 5 + dims.cout, len: dims.weights() };
    let end = weight.offset + weight.len + 3;
    let (stop, precision) = (StopFlag::new(), Precision::F32);
    let op = Conv { dims, samples, weight, bias, precision, stop: &stop };
    let name = |direction| {
        let Dims { height, width, cin, cout, kernel, stride, padding } = dims;
        let shape = format!("{blocks} x [{samples}, {height}, {width}, {cin} → {cout}]");
        format!("conv {direction} {shape}, kernel {kernel}, stride {stride}, {padding:?}")
    };
    // Buffers for one sample more than there are: what lies behind must stay.
    let (x, y) = ((samples + 1) * dims.input(), (samples + 1) * dims.output());
    let normal = |len| Input(blocks, len, Values::Normal);
    let poison = |len| Input(blocks, len, Values::Poison);
    let shared = Input(1, x, Values::Normal);
    parity
        .compare(name("forward"), tolerance, &[poison(y), shared, normal(end)], |b| op.forward(&b[0], &b[1], &b[2]))?;
    parity.compare(name("backward data"), tolerance, &[poison(x), normal(y), normal(end)], |b| {
        op.backward_data(&b[0], &b[1], &b[2])
    })?;
    parity.compare(name("backward weights"), tolerance, &[poison(end), normal(x), normal(y)], |b| {
        op.backward_weights(&b[0], &b[1], &b[2])
    })
}
