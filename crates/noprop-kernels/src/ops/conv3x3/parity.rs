//! The kernels against the reference.

use super::{Backward, Conv3x3, Dims};
use crate::cuda::StepValues;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::ops::dropout::{self, Dropout};
use crate::ops::multiply::Precision;
use crate::tensor::{Buffer, Slot, StopFlag};
use candle_core::{Device, Tensor};

/// (blocks, samples), (height, width, cin, cout, pool): one output; samples of one pixel, which differ in their dropout; odd sizes that pooling crops; channels that can and
/// cannot be read four at once, of one tile and more, of a stride in depth and more; weights that are split in depth.
type Shape = ((usize, usize), (usize, usize, usize, usize, bool));
const SHAPES: [Shape; 11] = [
    ((1, 1), (3, 3, 1, 1, false)),
    ((1, 3), (3, 3, 2, 32, false)),
    ((1, 1), (4, 4, 1, 32, true)),
    ((3, 3), (5, 7, 3, 5, true)),
    ((3, 2), (7, 5, 3, 5, false)),
    ((10, 2), (6, 6, 1, 5, true)),
    ((1, 2), (9, 8, 3, 32, true)),
    ((1, 3), (5, 6, 32, 68, false)),
    ((1, 2), (7, 7, 36, 8, true)),
    ((1, 5), (13, 12, 4, 33, false)),
    ((3, 5), (17, 17, 4, 4, true)),
];

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for ((blocks, samples), (height, width, cin, cout, pool)) in SHAPES {
        let dims = Dims { height, width, cin, cout, pool };
        // Slots that are aligned to four values and some that are not, behind other values.
        for front in [4, 5] {
            case(parity, dims, blocks, samples, front)?;
        }
    }
    Ok(())
}

fn case(parity: &mut Parity, dims: Dims, blocks: usize, samples: usize, front: usize) -> Result<()> {
    let tolerance = parity.tolerance();
    let bias = Slot { offset: front, len: dims.cout };
    let weight = Slot { offset: front + dims.cout.next_multiple_of(4), len: dims.weights() };
    let end = (weight.offset + weight.len + 3).next_multiple_of(4);
    let stop = StopFlag::new();
    let op = Conv3x3 { dims, samples, weight, bias, stop: &stop, precision: Precision::F32 };
    let name = |direction| {
        let Dims { height, width, cin, cout, pool } = dims;
        let pooled = if pool { ", pooled" } else { "" };
        format!(
            "conv3x3 {direction} {blocks} x [{samples}, {height}, {width}, {cin} → {cout}{pooled}], slots at {front}"
        )
    };
    // Buffers for one sample more than there are: what lies behind must stay.
    let (x, y, dy) = ((samples + 1) * dims.input(), (samples + 1) * dims.stored(), (samples + 1) * dims.output());
    let normal = |len| Input(blocks, len, Values::Normal);
    let poison = |len| Input(blocks, len, Values::Poison);
    let forward = [poison(y), Input(1, x, Values::Normal), normal(end)];
    parity.compare(name("forward"), tolerance, &forward, |b| op.forward(&b[0], &b[1], &b[2], None))?;

    let ids: Vec<u32> = (0..samples as u32).map(|sample| 7 * sample + 3).collect();
    let numbers: Vec<usize> = (0..blocks).map(|k| 2 * k + 1).collect();
    let words: Vec<u32> = numbers.iter().map(|block| *block as u32).collect();
    let values = StepValues { epoch: 6, samples: samples as u32, ..StepValues::default() };
    let (rate, len) = (0.3, dims.output());
    parity.in_step(values, [&ids, &ids, &words], &vec![0.5; blocks], &vec![1.0; blocks], |parity| {
        let dropout = Dropout { rate, seed: 5 << 40 | 9, stage: 2, blocks: &numbers, epoch: 6, samples: &ids, len };
        parity.compare(name("forward with dropout"), tolerance, &forward, |b| {
            op.forward(&b[0], &b[1], &b[2], Some(dropout))
        })
    })?;

    let scale = dropout::scale(rate);
    let stage = || [normal(dy), Input(blocks, y, Values::Given(output(dims, samples)))];
    // What a device's da holds only its products can say. Buffers for one sample more here, too.
    let da = |like: &Tensor, backward: Backward<'_>| -> Result<Buffer> {
        let poison = Tensor::full(f32::NAN, (blocks, (samples + 1) * dims.spread()), &Device::Cpu)?;
        let da = Buffer::new(poison.to_dtype(like.dtype())?.to_device(like.device())?)?;
        op.spread(&da, backward)?;
        Ok(da)
    };
    let [gradient, kept] = stage();
    parity.compare(name("backward data"), tolerance, &[poison(x), gradient, kept, normal(end)], |b| {
        let da = da(&b[0], Backward { dy: &b[1], y: &b[2], scale })?;
        op.spread_backward_data(&b[0], &da, scale, &b[3])
    })?;
    let [gradient, kept] = stage();
    parity.compare(name("backward weights"), tolerance, &[poison(end), gradient, kept, normal(x)], |b| {
        let da = da(&b[0], Backward { dy: &b[1], y: &b[2], scale })?;
        op.spread_backward_weights(&b[0], &b[3], &da, scale)
    })
}

/// What a forward pass may have left: values of which a third is 0, and winners 0 to 3, of one sample more than there are.
fn output(dims: Dims, samples: usize) -> Vec<f64> {
    let values = (samples + 1) * dims.output();
    let value = |at: usize| if (at * 7 + at / 5).is_multiple_of(3) { 0.0 } else { 1.5 };
    let winner = |at: usize| ((at * 5 + at / 3) % 4) as f64;
    let winners = if dims.pool { values } else { 0 };
    (0..values).map(value).chain((0..winners).map(winner)).collect()
}
