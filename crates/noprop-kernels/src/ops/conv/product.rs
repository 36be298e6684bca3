//! Convolutions as products of matrices, for every shape: the patches of some pixels of y are written down, side by side, and
//! multiplied while they are in the second-level cache. With a kernel and a stride of 1, x is its patches already.

use super::{Conv, Dims};
use crate::error::Result;
use crate::ops::linear::cpu::{Matrix, Product, ROW_STEP};
use crate::ops::multiply::{Multiply, WithMultiply, dispatch, dispatch_at};
use crate::ops::scratch;
use crate::ops::simd::vectorize;
use crate::ops::tile::{Onto, copy, panel};
use crate::team::{Shared, coarse_parts, part_of, share, share_rows};
use std::ops::Range;

/// Pixels at a time, where they are rows of a product: as many rows as it packs at a time.
const ROWS: usize = 208;
/// Pixels at a time, where they are summed over: two parts of the depth of a product.
const DEPTH: usize = 256;

/// See [`Conv::forward`].
pub fn forward(op: &Conv<'_>, y: &mut [f32], x: &[f32], parameters: (&[f32], Option<&[f32]>)) -> Result<()> {
    let (input, output) = (op.dims.input(), op.dims.output());
    share_rows([y], [output], (op.samples, 1, op.cost()), |samples, [y]| {
        let x = &x[samples.start * input..samples.end * input];
        forward_part(&op.of_samples(samples.len()), y, x, parameters)
    })
}

fn forward_part(op: &Conv<'_>, y: &mut [f32], x: &[f32], (weight, bias): (&[f32], Option<&[f32]>)) -> Result<()> {
    let d = &op.dims;
    let mut patches = Patches::new(d, ROWS);
    for pixels in pixels(op, ROWS) {
        op.stop.check()?;
        let y = &mut y[pixels.start * d.cout..pixels.end * d.cout];
        let sizes = (pixels.len(), d.cout, d.patch());
        let a = Matrix::new(patches.of(d, x, pixels), sizes.0, sizes.2);
        let b = Matrix::new(weight, sizes.2, sizes.1);
        dispatch_at(op.precision, Product::new(y, sizes, a, b, bias.map_or(Onto::Nothing, Onto::Row)));
    }
    Ok(())
}

/// See [`Conv::backward_data`]. Gradients of overlapping patches are added in the order of their pixels.
pub fn backward_data(op: &Conv<'_>, dx: &mut [f32], dy: &[f32], weight: &[f32]) -> Result<()> {
    let (input, output) = (op.dims.input(), op.dims.output());
    share_rows([dx], [input], (op.samples, 1, op.cost()), |samples, [dx]| {
        let dy = &dy[samples.start * output..samples.end * output];
        backward_data_part(&op.of_samples(samples.len()), dx, dy, weight)
    })
}

fn backward_data_part(op: &Conv<'_>, dx: &mut [f32], dy: &[f32], weight: &[f32]) -> Result<()> {
    let d = &op.dims;
    let as_is = is_its_patches(d);
    let mut patches = scratch::take(if as_is { 0 } else { ROWS * d.patch() });
    if !as_is {
        dx.fill(0.0);
    }
    for pixels in pixels(op, ROWS) {
        op.stop.check()?;
        let sizes = (pixels.len(), d.patch(), d.cout);
        let a = Matrix::new(&dy[pixels.start * d.cout..pixels.end * d.cout], sizes.0, sizes.2);
        let b = Matrix::new(weight, sizes.1, sizes.2).transposed();
        let c =
            if as_is { &mut dx[pixels.start * d.cin..pixels.end * d.cin] } else { &mut patches[..sizes.0 * sizes.1] };
        dispatch_at(op.precision, Product::new(c, sizes, a, b, Onto::Nothing));
        if !as_is {
            add_patches(d, dx, &patches, pixels);
        }
    }
    Ok(())
}

/// The weight's part of [`Conv::backward_weights`]. Threads share the values of patches.
pub fn backward_weights(op: &Conv<'_>, dw: &mut [f32], x: &[f32], dy: &[f32]) -> Result<()> {
    dw.fill(0.0);
    let (dw, rows) = (Shared::new(dw), op.dims.patch());
    let count = coarse_parts(op.cost(), rows.div_ceil(ROW_STEP));
    share(count, |part| backward_weights_part(op, dw, part_of(rows, ROW_STEP, (part, count)), x, dy))
}

/// The rows `rows` of dw.
fn backward_weights_part(op: &Conv<'_>, dw: Shared<'_, f32>, rows: Range<usize>, x: &[f32], dy: &[f32]) -> Result<()> {
    let d = &op.dims;
    let mut patches = Patches::new(d, DEPTH);
    for pixels in pixels(op, DEPTH) {
        op.stop.check()?;
        let sizes = (d.patch(), d.cout, pixels.len());
        let b = Matrix::new(&dy[pixels.start * d.cout..pixels.end * d.cout], sizes.2, sizes.1);
        let a = Matrix::new(patches.of(d, x, pixels), sizes.2, sizes.0).transposed();
        dispatch_at(op.precision, Product::of_shared(dw, sizes, a, b, Onto::Destination).rows(rows.clone()));
    }
    Ok(())
}

/// The pixels of y of a batch, `most` at a time.
fn pixels(op: &Conv<'_>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let all = op.samples * op.dims.out_pixels();
    (0..all).step_by(most).map(move |begin| begin..all.min(begin + most))
}

/// Whether the pixels of x are the patches of those of y.
fn is_its_patches(d: &Dims) -> bool {
    d.kernel == 1 && d.stride == 1
}

/// Room for the values of a vector behind the patches.
const BEYOND: usize = 16;

/// Room for the patches of some pixels.
struct Patches(scratch::Scratch);

impl Patches {
    fn new(d: &Dims, pixels: usize) -> Self {
        Self(scratch::take(if is_its_patches(d) { 0 } else { pixels * d.patch() + BEYOND }))
    }

    /// The patches of pixels of y, `[pixels, kernel, kernel, cin]`.
    fn of<'a>(&'a mut self, d: &Dims, x: &'a [f32], pixels: Range<usize>) -> &'a [f32] {
        if is_its_patches(d) {
            return &x[pixels.start * d.cin..pixels.end * d.cin];
        }
        let len = pixels.len() * d.patch();
        dispatch(Gather { d, patches: &mut self.0[..len + BEYOND], x, pixels });
        &self.0[..len]
    }
}

/// A row of taps of a pixel of y: how many of its values lie to the left of x, and where in x the others lie.
#[derive(Clone, Copy)]
struct Run {
    left: usize,
    start: usize,
    len: usize,
}

impl Run {
    /// Of tap row `tap` of pixel `row`, `column` of a sample.
    #[inline(always)]
    fn of(d: &Dims, (sample, row, column): (usize, usize, usize), tap: usize) -> Self {
        let (row, pad) = ((row * d.stride + tap).wrapping_sub(d.pad()), d.pad());
        if row >= d.height {
            return Self { left: 0, start: 0, len: 0 };
        }
        let from = column * d.stride;
        let (left, end) = (pad.saturating_sub(from), (from + d.kernel).min(d.width + pad));
        let first = from + left - pad;
        Self {
            left: left * d.cin,
            start: ((sample * d.height + row) * d.width + first) * d.cin,
            len: (end - from - left) * d.cin,
        }
    }
}

/// Calls visit(patch, tap row, run) for all rows of taps of some pixels, in their order.
#[inline(always)]
fn for_each_run(d: &Dims, pixels: Range<usize>, mut visit: impl FnMut(usize, usize, Run)) {
    let (of_sample, of_row) = (d.out_pixels(), d.out_width());
    let (mut sample, within) = (pixels.start / of_sample, pixels.start % of_sample);
    let (mut row, mut column) = (within / of_row, within % of_row);
    for patch in 0..pixels.len() {
        for tap in 0..d.kernel {
            visit(patch, tap, Run::of(d, (sample, row, column), tap));
        }
        column += 1;
        if column == of_row {
            (row, column) = (row + 1, 0);
            if row * of_row == of_sample {
                (sample, row) = (sample + 1, 0);
            }
        }
    }
}

struct Gather<'a> {
    d: &'a Dims,
    patches: &'a mut [f32],
    x: &'a [f32],
    pixels: Range<usize>,
}

impl WithMultiply for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) {
        let Self { d, patches, x, pixels } = self;
        let (taps, lanes) = (d.kernel * d.cin, panel::<M>() / 2);
        assert!(lanes <= BEYOND);
        for_each_run(
            d,
            pixels,
            #[inline(always)]
            |patch, tap, Run { left, start, len }| {
                let to = &mut patches[(patch * d.kernel + tap) * taps..];
                let whole = len.next_multiple_of(lanes);
                if len == taps && start + whole <= x.len() {
                    // Whole vectors: what is too much lies where the next row of taps will lie, or behind the last.
                    copy(m, &mut to[..whole], &x[start..start + whole]);
                } else {
                    to[..taps].fill(0.0);
                    copy(m, &mut to[left..left + len], &x[start..start + len]);
                }
            },
        );
    }
}

/// dx += the gradients of the patches of some pixels.
fn add_patches(d: &Dims, dx: &mut [f32], patches: &[f32], pixels: Range<usize>) {
    let taps = d.kernel * d.cin;
    vectorize(
        #[inline(always)]
        || {
            for_each_run(
                d,
                pixels,
                #[inline(always)]
                |patch, tap, Run { left, start, len }| {
                    let from = &patches[(patch * d.kernel + tap) * taps + left..][..len];
                    for (dx, value) in dx[start..start + len].iter_mut().zip(from) {
                        *dx += *value;
                    }
                },
            );
        },
    );
}
