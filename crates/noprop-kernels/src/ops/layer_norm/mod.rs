//! Layer normalisation (Ba, Kiros & Hinton 2016) of rows x, y `[rows, width]` by each one's mean and biased variance.
//!
//! | operation | y | parameters |
//! |---|---|---|
//! | [`LayerNorm`] | x̂ · weight + bias, or x̂ | `[width]` each, in the flat buffer |
//! | [`ModulatedNorm`] | x̂ · (1 + scale) + shift | `[samples, 2 · width]`, scale before shift, each shared by the `tokens` rows of a sample |
//!
//! The forward pass leaves `[mean, 1 / √(variance + ε)]` of each row in `statistics` `[rows, 2]` for the backward one.

mod cpu;
mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply, simd::vectorize};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::team::{Cost, share_columns};
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::Tensor;
use reference::Scaling;
use std::ops::Range;

/// Added to the variance.
pub const EPSILON: f64 = 1e-5;

/// Where the parameters of a [`LayerNorm`] lie.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    /// Scale γ in the flat buffer (state or gradients).
    pub weight: Slot,
    /// Shift β in the flat buffer.
    pub bias: Slot,
}

/// Sizes of one batch and where the parameters lie.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    /// Rows that are normalised: samples, or their tokens.
    pub rows: usize,
    /// Values of a row.
    pub width: usize,
    /// The parameters, if there are any.
    pub affine: Option<Affine>,
}

impl LayerNorm {
    /// y = x̂ · weight + bias, and the statistics of the rows.
    pub fn forward(&self, [y, statistics]: [&Buffer; 2], x: &Tensor, state: &Tensor) -> Result<()> {
        apply(&Statistics(self.sizes()), statistics, [x])?;
        apply(&Forward(*self), y, [x, statistics, state])
    }

    /// dx.
    pub fn backward_data(&self, dx: &Buffer, [dy, x, statistics, state]: [&Tensor; 4]) -> Result<()> {
        apply(&BackwardData(*self), dx, [dy, x, statistics, state])
    }

    /// Writes the gradients of weight and bias into their slots of `gradients`; without parameters, nothing.
    pub fn backward_weights(&self, gradients: &Buffer, [dy, x, statistics]: [&Tensor; 3]) -> Result<()> {
        match self.affine {
            Some(affine) => apply(&BackwardWeights(self, affine), gradients, [dy, x, statistics]),
            None => Ok(()),
        }
    }

    fn sizes(&self) -> Sizes {
        Sizes { rows: self.rows, width: self.width }
    }

    /// Whether a flat buffer has the parameters.
    fn check_flat(&self, len: usize) -> Result<()> {
        let fits = |slot: Slot| slot.len == self.width && slot.offset + slot.len <= len;
        let fits = self.affine.is_none_or(|affine| fits(affine.weight) && fits(affine.bias));
        check(fits, "layer-norm parameters")
    }

    fn scaling<'a, T: Real>(&self, state: &'a [T]) -> Result<Option<Scaling<'a, T>>> {
        self.check_flat(state.len())?;
        Ok(self.affine.map(|Affine { weight, bias }| {
            let (scale, shift) = (weight.of(state), bias.of(state));
            Scaling { scale, shift, base: T::zero(), stride: 0, rows_each: self.rows.max(1) }
        }))
    }
}

/// The adaptive form: each sample brings its scale and shift.
#[derive(Debug, Clone, Copy)]
pub struct ModulatedNorm {
    /// Rows that are normalised, `tokens` of each sample.
    pub rows: usize,
    /// Values of a row.
    pub width: usize,
    /// Rows that share scale and shift, those of a sample.
    pub tokens: usize,
}

impl ModulatedNorm {
    /// y = x̂ · (1 + scale) + shift, and the statistics of the rows.
    pub fn forward(&self, [y, statistics]: [&Buffer; 2], x: &Tensor, modulation: &Tensor) -> Result<()> {
        apply(&Statistics(self.sizes()), statistics, [x])?;
        apply(&ModulatedForward(*self), y, [x, statistics, modulation])
    }

    /// dx.
    pub fn backward_data(&self, dx: &Buffer, [dy, x, statistics, modulation]: [&Tensor; 4]) -> Result<()> {
        apply(&ModulatedBackwardData(*self), dx, [dy, x, statistics, modulation])
    }

    /// The gradient of scale and shift, `[samples, 2 · width]`: sums over the tokens of a sample.
    pub fn backward_modulation(&self, d_modulation: &Buffer, [dy, x, statistics]: [&Tensor; 3]) -> Result<()> {
        apply(&BackwardModulation(*self), d_modulation, [dy, x, statistics])
    }

    fn sizes(&self) -> Sizes {
        Sizes { rows: self.rows, width: self.width }
    }

    /// Samples as rows, with these values of the destination and of each source; `lens` is given a sample's values and the width.
    fn cut<const N: usize>(&self, lens: impl Fn(usize, usize) -> (usize, [usize; N])) -> Cut<N> {
        let (destination, sources) = lens(self.tokens * self.width, self.width);
        Cut::rows(self.rows / self.tokens.max(1), destination, sources)
    }

    fn of_samples(&self, samples: Range<usize>) -> Self {
        Self { rows: samples.len() * self.tokens, ..*self }
    }

    /// Whether there is a modulation for every row.
    fn check_modulation(&self, len: usize) -> Result<()> {
        check(self.tokens > 0 && self.rows.is_multiple_of(self.tokens), "tokens of a modulated norm")?;
        check(len >= self.rows / self.tokens * 2 * self.width, "modulation of a norm")
    }

    fn scaling<'a, T: Real>(&self, modulation: &'a [T]) -> Result<Option<Scaling<'a, T>>> {
        self.check_modulation(modulation.len())?;
        if self.rows == 0 {
            return Ok(None);
        }
        let (scale, shift) = (modulation, &modulation[self.width..]);
        Ok(Some(Scaling { scale, shift, base: T::one(), stride: 2 * self.width, rows_each: self.tokens }))
    }
}

/// What is normalised.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    rows: usize,
    width: usize,
}

impl Sizes {
    fn len(&self) -> usize {
        self.rows * self.width
    }

    /// Whether activations and statistics hold what is read and written.
    fn check(&self, activations: &[usize], statistics: usize) -> Result<()> {
        check(self.width > 0 && activations.iter().all(|len| *len >= self.len()), "layer-norm activations")?;
        check(statistics >= 2 * self.rows, "layer-norm statistics")
    }

    fn normalise<T: Real>(
        &self,
        y: &mut [T],
        [x, statistics]: [&[T]; 2],
        scaling: Option<Scaling<'_, T>>,
    ) -> Result<()> {
        self.check(&[y.len(), x.len()], statistics.len())?;
        let (y, x, statistics) = (&mut y[..self.len()], &x[..self.len()], &statistics[..2 * self.rows]);
        match (T::f32s_mut(y), T::f32s(x), T::f32s(statistics)) {
            (Some(y), Some(x), Some(statistics)) => {
                cpu::normalise(self.width, y, x, statistics, scaling.and_then(|scaling| scaling.f32s()));
            }
            _ => reference::normalise(self.width, y, x, statistics, scaling),
        }
        Ok(())
    }

    fn backward_data<T: Real>(
        &self,
        dx: &mut [T],
        [dy, x, statistics]: [&[T]; 3],
        scaling: Option<Scaling<'_, T>>,
    ) -> Result<()> {
        self.check(&[dx.len(), dy.len(), x.len()], statistics.len())?;
        let sources = [&dy[..self.len()], &x[..self.len()], &statistics[..2 * self.rows]];
        let dx = &mut dx[..self.len()];
        match (T::f32s_mut(dx), sources.map(T::f32s)) {
            (Some(dx), [Some(dy), Some(x), Some(statistics)]) => {
                let scaling = scaling.and_then(|scaling| scaling.f32s());
                cpu::backward_data(self.width, dx, [dy, x, statistics], scaling);
            }
            _ => reference::backward_data(self.width, dx, sources, scaling),
        }
        Ok(())
    }
}

struct Statistics(Sizes);

impl BlockOp<1> for Statistics {
    const NAME: &'static str = "layer-norm-statistics";
    fn block<T: Real>(&self, _: usize, statistics: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        let sizes = self.0;
        sizes.check(&[x.len()], statistics.len())?;
        let (statistics, x) = (&mut statistics[..2 * sizes.rows], &x[..sizes.len()]);
        match (T::f32s_mut(statistics), T::f32s(x)) {
            (Some(statistics), Some(x)) => cpu::statistics(sizes.width, statistics, x),
            _ => reference::statistics(sizes.width, statistics, x),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(Cut::rows(self.0.rows, 2, [self.0.width]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Sizes { rows: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, statistics: DeviceRows, [x]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(&[x.len], statistics.len)?;
        cuda::statistics(self.0, on, statistics, x)
    }
}

struct Forward(LayerNorm);

impl BlockOp<3> for Forward {
    const NAME: &'static str = "layer-norm-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, statistics, state]: [&[T]; 3]) -> Result<()> {
        self.0.sizes().normalise(y, [x, statistics], self.0.scaling(state)?)
    }
    fn cut(&self) -> Option<Cut<3>> {
        Some(Cut::rows(self.0.rows, self.0.width, [self.0.width, 2, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(LayerNorm { rows: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x, statistics, state]: [DeviceRows; 3]) -> Result<()> {
        self.0.sizes().check(&[y.len, x.len], statistics.len)?;
        self.0.check_flat(state.len)?;
        cuda::forward(self.0.sizes(), on, y, [x, statistics], self.0.device_scaling(state))
    }
}

struct BackwardData(LayerNorm);

impl BlockOp<4> for BackwardData {
    const NAME: &'static str = "layer-norm-backward-data";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, x, statistics, state]: [&[T]; 4]) -> Result<()> {
        self.0.sizes().backward_data(dx, [dy, x, statistics], self.0.scaling(state)?)
    }
    fn cut(&self) -> Option<Cut<4>> {
        Some(Cut::rows(self.0.rows, self.0.width, [self.0.width, self.0.width, 2, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(LayerNorm { rows: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, sources: [DeviceRows; 4]) -> Result<()> {
        let [dy, x, statistics, state] = sources;
        self.0.sizes().check(&[dx.len, dy.len, x.len], statistics.len)?;
        self.0.check_flat(state.len)?;
        cuda::backward_data(self.0.sizes(), on, dx, [dy, x, statistics], self.0.device_scaling(state))
    }
}

struct BackwardWeights<'a>(&'a LayerNorm, Affine);

impl BlockOp<3> for BackwardWeights<'_> {
    const NAME: &'static str = "layer-norm-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [dy, x, statistics]: [&[T]; 3]) -> Result<()> {
        let Self(op, affine) = self;
        let sizes = op.sizes();
        sizes.check(&[dy.len(), x.len()], statistics.len())?;
        op.check_flat(gradients.len())?;
        let [scale, shift] = Slot::both_of_mut([affine.weight, affine.bias], gradients);
        let sources = [&dy[..sizes.len()], &x[..sizes.len()], &statistics[..2 * sizes.rows]];
        let cost = Cost::of_values(2 * sizes.len());
        share_columns([scale, shift], cost, |first, [scale, shift]| {
            vectorize(
                #[inline(always)]
                || reference::backward_scaling((sizes.width, first), scale, shift, sources),
            );
            Ok(())
        })
    }
    fn launch(&self, on: &Executor<'_>, gradients: DeviceRows, sources: [DeviceRows; 3]) -> Result<()> {
        let [dy, x, statistics] = sources;
        self.0.sizes().check(&[dy.len, x.len], statistics.len)?;
        self.0.check_flat(gradients.len)?;
        cuda::backward_scaling(self.0.sizes(), on, gradients.count, sources, self.0.device_scaling(gradients))
    }
}

struct ModulatedForward(ModulatedNorm);

impl BlockOp<3> for ModulatedForward {
    const NAME: &'static str = "modulated-norm-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, statistics, modulation]: [&[T]; 3]) -> Result<()> {
        self.0.sizes().normalise(y, [x, statistics], self.0.scaling(modulation)?)
    }
    fn cut(&self) -> Option<Cut<3>> {
        Some(self.0.cut(|each, width| (each, [each, 2 * self.0.tokens, 2 * width])))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(self.0.of_samples(rows))
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x, statistics, modulation]: [DeviceRows; 3]) -> Result<()> {
        self.0.sizes().check(&[y.len, x.len], statistics.len)?;
        self.0.check_modulation(modulation.len)?;
        cuda::forward(self.0.sizes(), on, y, [x, statistics], self.0.device_scaling(modulation))
    }
}

struct ModulatedBackwardData(ModulatedNorm);

impl BlockOp<4> for ModulatedBackwardData {
    const NAME: &'static str = "modulated-norm-backward-data";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, x, statistics, modulation]: [&[T]; 4]) -> Result<()> {
        self.0.sizes().backward_data(dx, [dy, x, statistics], self.0.scaling(modulation)?)
    }
    fn cut(&self) -> Option<Cut<4>> {
        Some(self.0.cut(|each, width| (each, [each, each, 2 * self.0.tokens, 2 * width])))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(self.0.of_samples(rows))
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, sources: [DeviceRows; 4]) -> Result<()> {
        let [dy, x, statistics, modulation] = sources;
        self.0.sizes().check(&[dx.len, dy.len, x.len], statistics.len)?;
        self.0.check_modulation(modulation.len)?;
        cuda::backward_data(self.0.sizes(), on, dx, [dy, x, statistics], self.0.device_scaling(modulation))
    }
}

struct BackwardModulation(ModulatedNorm);

impl BlockOp<3> for BackwardModulation {
    const NAME: &'static str = "modulated-norm-backward-modulation";
    fn block<T: Real>(&self, _: usize, d_modulation: &mut [T], [dy, x, statistics]: [&[T]; 3]) -> Result<()> {
        let (sizes, tokens) = (self.0.sizes(), self.0.tokens);
        sizes.check(&[dy.len(), x.len()], statistics.len())?;
        self.0.check_modulation(d_modulation.len())?;
        let (dy, x, statistics) = (&dy[..sizes.len()], &x[..sizes.len()], &statistics[..2 * sizes.rows]);
        let (each, width) = (tokens * sizes.width, sizes.width);
        vectorize(
            #[inline(always)]
            || {
                let rows = dy.chunks_exact(each).zip(x.chunks_exact(each)).zip(statistics.chunks_exact(2 * tokens));
                for (to, ((dy, x), statistics)) in d_modulation.chunks_exact_mut(2 * width).zip(rows) {
                    let (scale, shift) = to.split_at_mut(width);
                    reference::backward_scaling((width, 0), scale, shift, [dy, x, statistics]);
                }
            },
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<3>> {
        Some(self.0.cut(|each, width| (2 * width, [each, each, 2 * self.0.tokens])))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(self.0.of_samples(rows))
    }
    fn launch(&self, on: &Executor<'_>, d_modulation: DeviceRows, sources: [DeviceRows; 3]) -> Result<()> {
        let [dy, x, statistics] = sources;
        self.0.sizes().check(&[dy.len, x.len], statistics.len)?;
        self.0.check_modulation(d_modulation.len)?;
        let (count, scaling) = (d_modulation.count, self.0.device_scaling(d_modulation));
        cuda::backward_scaling(self.0.sizes(), on, count, sources, scaling)
    }
}
