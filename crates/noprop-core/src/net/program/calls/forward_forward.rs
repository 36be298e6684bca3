//! What Forward-Forward's net is made of: the calls, and what they compute.

use super::Lower;
use crate::error::Result;
use crate::math;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::shape::Shape;
use crate::net::spec::{Goodness, Neutral, ROOT_EPSILON, Streams};
use crate::ops::copy_columns::CopyColumns;
use crate::ops::{BlockOp, Cut, apply, simd::vectorize};
use crate::tensor::{Real, Slot, check};
use std::ops::Range;

/// How much of a running mean stays.
const MOMENTUM: f64 = 0.9;
/// The streams of the tokens with the right class, and with a wrong one. The last stream is the one whose label says nothing.
const POSITIVE: usize = 0;
const NEGATIVE: usize = 1;

/// Sums side by side, so that a row's sum takes vectors.
const LANES: usize = 16;

/// Σ max(v, 0)², or Σ v² of all values.
#[inline(always)]
fn squares<T: Real>(row: &[T], relu: bool) -> f64 {
    let mut sums = [T::zero(); LANES];
    let (parts, rest) = row.as_chunks::<LANES>();
    let value = |v: T| if relu && v < T::zero() { T::zero() } else { v };
    for part in parts {
        for (sum, v) in sums.iter_mut().zip(part) {
            *sum += value(*v) * value(*v);
        }
    }
    let of = |v: T| v.to_f64().unwrap_or(f64::NAN);
    sums.iter().map(|sum| of(*sum)).sum::<f64>() + rest.iter().map(|v| of(value(*v)).powi(2)).sum::<f64>()
}

/// 1 / (√(mean of squares) + ε).
fn scale<T: Real>(squares: f64, width: usize) -> T {
    T::of(1.0 / ((squares / width as f64).sqrt() + ROOT_EPSILON))
}

/// y `[streams, samples, width]` of x `[samples, width − before]` and z `[samples, classes]`.
struct MakeStreams {
    samples: usize,
    /// The rows of y that are made.
    rows: Range<usize>,
    /// The last stream.
    neutral: usize,
    width: usize,
    /// Values of a label that stand before the sample's instead of in their place.
    before: usize,
    classes: usize,
}

impl BlockOp<2> for MakeStreams {
    const NAME: &'static str = "forward-forward-streams";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, z]: [&[T]; 2]) -> Result<()> {
        let Self { samples, ref rows, neutral, width, before, classes } = *self;
        let len = width - before;
        check(y.len() >= rows.len() * width && x.len() >= samples * len, "streams of samples")?;
        check(z.len() >= samples * classes && classes <= width, "streams of labels")?;
        for (to, row) in y.chunks_exact_mut(width).zip(rows.clone()) {
            let (stream, sample) = (row / samples, row % samples);
            to[before..].copy_from_slice(&x[sample * len..][..len]);
            let wanted = if stream == POSITIVE { T::one() } else { -T::one() };
            for (value, z) in to.iter_mut().zip(&z[sample * classes..][..classes]) {
                *value = match stream {
                    _ if stream == neutral => T::of(1.0 / classes as f64),
                    _ if *z == wanted => T::one(),
                    _ => T::zero(),
                };
            }
            let factor = scale::<T>(squares(to, false), width);
            to.iter_mut().for_each(|value| *value *= factor);
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(Cut::rows(self.rows.len(), self.width, [0, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { rows: self.rows.start + rows.start..self.rows.start + rows.end, ..*self }
    }
}

/// y `[rows, width]`: max(a, 0), each row scaled.
struct Normalise {
    rows: usize,
    width: usize,
}

impl BlockOp<1> for Normalise {
    const NAME: &'static str = "forward-forward-normalise";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [a]: [&[T]; 1]) -> Result<()> {
        let Self { rows, width } = *self;
        check(y.len().min(a.len()) >= rows * width, "normalised tokens")?;
        vectorize(
            #[inline(always)]
            || {
                for (y, a) in y.chunks_exact_mut(width).zip(a.chunks_exact(width)).take(rows) {
                    let factor = scale::<T>(squares(a, true), width);
                    for (y, a) in y.iter_mut().zip(a) {
                        *y = if *a > T::zero() { *a * factor } else { T::zero() };
                    }
                }
            },
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(Cut::rows(self.rows, self.width, [self.width]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { rows: rows.len(), ..*self }
    }
}

/// The running means in the state, moved on by those of max(a, 0) over the stream of the right class, which is the first.
struct Means {
    samples: usize,
    width: usize,
    slot: Slot,
}

impl BlockOp<1> for Means {
    const NAME: &'static str = "forward-forward-means";
    fn block<T: Real>(&self, _: usize, state: &mut [T], [a]: [&[T]; 1]) -> Result<()> {
        let Self { samples, width, slot } = *self;
        check(a.len() >= samples * width && slot.len == width, "running means")?;
        check(slot.offset + slot.len <= state.len(), "the slot of running means")?;
        let means = slot.of_mut(state);
        let share = T::of((1.0 - MOMENTUM) / samples as f64);
        vectorize(
            #[inline(always)]
            || {
                means.iter_mut().for_each(|mean| *mean *= T::of(MOMENTUM));
                for a in a.chunks_exact(width).take(samples) {
                    for (mean, a) in means.iter_mut().zip(a) {
                        *mean += if *a > T::zero() { share * *a } else { T::zero() };
                    }
                }
            },
        );
        Ok(())
    }
}

/// da: the gradient of the layer's own loss, of the streams of a right and a wrong class; the last has none. That of the peer normalisation goes
/// to values below 0 too, which could not rise again else.
struct Local {
    /// Samples of the batch.
    batch: usize,
    /// The rows of the two streams whose gradient is written.
    rows: Range<usize>,
    width: usize,
    slot: Slot,
    peer: f64,
}

impl BlockOp<2> for Local {
    const NAME: &'static str = "forward-forward-loss";
    fn block<T: Real>(&self, _: usize, da: &mut [T], [a, state]: [&[T]; 2]) -> Result<()> {
        let Self { batch, ref rows, width, slot, peer } = *self;
        check(da.len().min(a.len()) >= rows.len() * width && slot.len == width, "the loss of a layer")?;
        check(slot.offset + slot.len <= state.len(), "the slot of running means")?;
        let means = slot.of(state);
        let mean = means.iter().map(|m| m.to_f64().unwrap_or(f64::NAN)).sum::<f64>() / width as f64;
        let mean = T::of(mean);
        let of_peer = T::of(peer * 2.0 * (1.0 - MOMENTUM) / (width * batch) as f64);
        vectorize(
            #[inline(always)]
            || {
                let each = da.chunks_exact_mut(width).zip(a.chunks_exact(width)).zip(rows.clone());
                for ((da, a), row) in each {
                    let logit = squares(a, true) - width as f64;
                    let wanted = f64::from(u8::from(row / batch == POSITIVE));
                    let factor = T::of((1.0 / (1.0 + math::exp(-logit)) - wanted) / batch as f64);
                    for (da, a) in da.iter_mut().zip(a) {
                        *da = if *a > T::zero() { factor * *a } else { T::zero() };
                    }
                    if row / batch == POSITIVE {
                        for (da, m) in da.iter_mut().zip(means) {
                            *da += of_peer * (*m - mean);
                        }
                    }
                }
            },
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(Cut::rows(self.rows.len(), self.width, [self.width, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { rows: self.rows.start + rows.start..self.rows.start + rows.end, ..*self }
    }
}

impl Lower for Streams {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (shapes, inputs) = (l.input_shapes(node), l.inputs(node));
        let ([x, z], y, shape) = ([l.value(inputs[0]), l.value(inputs[1])], l.output(node), l.shape(node));
        let (streams, width, classes) = (shape.rows(), shape.width(), shapes[1].len());
        let before = if let Shape::Vector(_) = shapes[0] { classes } else { 0 };
        l.emit("streams", &[x, z], &[y], move |c| {
            let (samples, rows) = (c.samples(), 0..streams * c.samples());
            let op = MakeStreams { samples, rows, neutral: streams - 1, width, before, classes };
            apply(&op, c.write(y), [c.read(x), c.read(z)])
        });
        Ok(())
    }
    /// Nothing that is trained lies before it.
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Ok(())
    }
}

impl Lower for Goodness {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (a, y, shape) = (l.value(l.input(node)), l.output(node), l.shape(node));
        let (rows, width, slot) = (shape.rows(), shape.width(), l.statistic(node, "mean"));
        l.emit("goodness", &[a], &[y], move |c| {
            apply(&Normalise { rows: c.samples() * rows, width }, c.write(y), [c.read(a)])?;
            if !c.is_training() {
                return Ok(());
            }
            apply(&Means { samples: c.samples(), width, slot }, c.step.state, [c.read(a)])
        });
        Ok(())
    }
    /// It is where a gradient begins: none comes to it.
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, _: At) -> Result<()> {
        let input = l.input(node);
        let (a, slot, peer) = (l.value(input), l.statistic(node, "mean"), self.peer);
        let width = l.shape(node).width();
        l.contribute(input, |l, da| {
            l.emit("goodness_backward", &[a], &[da], move |c| {
                let batch = c.samples();
                let op = Local { batch, rows: 0..(NEGATIVE + 1) * batch, width, slot, peer };
                apply(&op, c.write(da), [c.read(a), &**c.step.state])
            });
        });
        Ok(())
    }
}

impl Lower for Neutral {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (from, streams) = (l.value(l.input(node)), l.input_shapes(node)[0].rows());
        let (to, width) = (l.output(node), l.len(node));
        l.emit("neutral", &[from], &[to], move |c| {
            let len = c.samples() * width;
            let from_offset = (streams - 1) * len;
            let copy = CopyColumns {
                rows: 1,
                width: len,
                from_stride: 0,
                from_offset,
                to_stride: len,
                to_offset: 0,
                add: false,
            };
            copy.forward(c.write(to), c.read(from))
        });
        Ok(())
    }
    /// No gradient goes to layers that have a loss of their own.
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Ok(())
    }
}
