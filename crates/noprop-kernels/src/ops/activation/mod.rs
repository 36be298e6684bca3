//! Smooth activations: y = f(x) on the first `len` values of a block, into another buffer, since f'(x) needs x.
//!
//! | kind | f(x) |
//! |---|---|
//! | [`Kind::Gelu`] | x · σ(2 √(2/π) (x + 0.044715 x³)), which is ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) |
//! | [`Kind::Silu`] | x · σ(x) |

mod cpu;
mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// Twice √(2/π), the slope of GELU's sigmoid at 0.
const GELU_SLOPE: f64 = 1.595_769_121_605_730_7;
/// The share of x³ in GELU's sigmoid.
const GELU_CUBE: f64 = 0.044715;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The tanh form of GELU (Hendrycks & Gimpel 2016).
    Gelu,
    /// SiLU, also called swish.
    Silu,
}

/// On the first `len` values of a block.
#[derive(Debug, Clone, Copy)]
pub struct Activation {
    /// Which function.
    pub kind: Kind,
    /// Number of values.
    pub len: usize,
}

impl Activation {
    /// y = f(x).
    pub fn forward(&self, y: &Buffer, x: &Tensor) -> Result<()> {
        apply(&Forward(*self), y, [x])
    }

    /// dx = dy · f'(x).
    pub fn backward(&self, dx: &Buffer, dy: &Tensor, x: &Tensor) -> Result<()> {
        apply(&Backward(*self), dx, [dy, x])
    }
}

struct Forward(Activation);

impl BlockOp<1> for Forward {
    const NAME: &'static str = "activation-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        let Activation { kind, len } = self.0;
        check(y.len() >= len && x.len() >= len, "activation")?;
        let (y, x) = (&mut y[..len], &x[..len]);
        match (T::f32s_mut(y), T::f32s(x)) {
            (Some(y), Some(x)) => cpu::forward(kind, y, x),
            _ => reference::forward(kind, y, x),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(Cut::values(self.0.len, 16))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Activation { len: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x]: [DeviceRows; 1]) -> Result<()> {
        check(y.len.min(x.len) >= self.0.len, "activation")?;
        cuda::forward(&self.0, on, y, x)
    }
}

struct Backward(Activation);

impl BlockOp<2> for Backward {
    const NAME: &'static str = "activation-backward";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, x]: [&[T]; 2]) -> Result<()> {
        let Activation { kind, len } = self.0;
        check(dx.len() >= len && dy.len() >= len && x.len() >= len, "activation gradient")?;
        let (dx, dy, x) = (&mut dx[..len], &dy[..len], &x[..len]);
        match (T::f32s_mut(dx), T::f32s(dy), T::f32s(x)) {
            (Some(dx), Some(dy), Some(x)) => cpu::backward(kind, dx, dy, x),
            _ => reference::backward(kind, dx, dy, x),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(Cut::values(self.0.len, 24))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Activation { len: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [dy, x]: [DeviceRows; 2]) -> Result<()> {
        check(dx.len.min(dy.len).min(x.len) >= self.0.len, "activation gradient")?;
        cuda::backward(&self.0, on, dx, dy, x)
    }
}
