//! A step of a method whose net is the slope of a differential equation: forward through all of its steps, of which the states alone are
//! kept, and back by the adjoint equation; see [`Equation`].

use super::values::{PutSlots, read};
use crate::cuda::{Context, Engine};
use crate::error::{Code, Error, Result};
use crate::method::{Draw, EndPass, Equation};
use crate::net::{Block, Buffers, Mode, Step};
use crate::ops::add::Add;
use crate::ops::apply;
use crate::ops::copy_columns::CopyColumns;
use crate::tensor::{Buffer, Slot};
use candle_core::Tensor;

/// Room for such steps.
pub(super) struct Ode {
    /// The gradients of all steps together.
    summed: Buffer,
    /// `[steps + 1, samples · width]`.
    states: Vec<f64>,
    /// dL/dz, and what one pass says.
    adjoint: Vec<f64>,
    values: Vec<f64>,
    times: Vec<f64>,
    len: usize,
}

/// The net and the buffers of its inputs and gradients.
pub(super) struct On<'a> {
    pub block: &'a mut Block,
    pub x: &'a Tensor,
    pub z: &'a Buffer,
    /// Of the estimate.
    pub gradient: &'a Buffer,
    /// Without an optimiser.
    pub pass: Step<'a>,
    pub mode: Mode<'a>,
    pub width: usize,
    pub place: Place<'a>,
}

/// Where the net's tensors lie.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// Where this runs.
    Here,
    /// On a device, whose operations run in this context.
    There(&'a Engine, Context),
}

impl Place<'_> {
    /// Writes values to the beginning of a tensor of one job.
    fn put(self, to: &Buffer, values: &[f64]) -> Result<()> {
        match self {
            Self::Here => apply(&PutSlots { slots: &[Slot { offset: 0, len: values.len() }], values }, to, []),
            Self::There(engine, _) => {
                let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
                engine.write(&to.narrow(1, 0, values.len())?, &values)
            }
        }
    }

    /// The first `len` values of a tensor of one job.
    fn read(self, from: &Tensor, len: usize, to: &mut Vec<f64>) -> Result<()> {
        match self {
            Self::Here => read(from, len, to),
            Self::There(engine, _) => {
                let found: Vec<f32> = engine.read(&from.narrow(1, 0, len)?)?;
                to.clear();
                to.extend(found.into_iter().map(f64::from));
                Ok(())
            }
        }
    }

    /// Runs operations there.
    fn run<R>(self, operations: impl FnOnce() -> R) -> R {
        match self {
            Self::Here => operations(),
            Self::There(_, context) => context.run(operations),
        }
    }
}

impl On<'_> {
    fn slope_at(&mut self, z: &[f64], times: &[f64], to: &mut Vec<f64>) -> Result<()> {
        let place = self.place;
        place.put(self.z, z)?;
        if let Some(time) = self.block.time() {
            place.put(time, times)?;
        }
        place.run(|| self.block.forward(self.pass, self.mode, self.x, self.z))?;
        place.read(self.block.estimate(), self.pass.samples * self.width, to)
    }
}

impl Ode {
    /// For batches of `buffers`, and so many parameters.
    pub fn new(equation: &dyn Equation, buffers: &Buffers, width: usize, parameters: usize) -> Result<Self> {
        let rows = buffers.capacity * width;
        let mut states = Vec::new();
        let len = (equation.steps() + 1).saturating_mul(rows);
        if states.try_reserve_exact(len).is_err() {
            return Err(Error::new(Code::Memory, "there is too little memory for the states of all steps")
                .expected(format!("{} bytes", 8 * len as u128))
                .hint("use fewer method.steps or a smaller batch"));
        }
        states.resize(len, 0.0);
        Ok(Self {
            summed: buffers.rows(parameters)?,
            states,
            adjoint: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            times: Vec::with_capacity(buffers.capacity),
            len: parameters,
        })
    }

    /// The mean loss of a batch that begins in the states `start`, and the net's gradients; those of the own tensors go to `own`.
    pub fn run(
        &mut self,
        equation: &dyn Equation,
        mut on: On<'_>,
        draw: &Draw<'_>,
        start: &[f32],
        own: &mut [f64],
    ) -> Result<(f64, &Buffer)> {
        let (rows, samples, steps) = (on.pass.samples * on.width, on.pass.samples, equation.steps());
        let length = 1.0 / steps as f64;
        let Self { summed, states, adjoint, values, times, len } = self;
        let time = |times: &mut Vec<f64>, step: usize| {
            times.clear();
            times.resize(samples, step as f64 / steps as f64);
        };
        states.iter_mut().zip(start).for_each(|(state, z)| *state = f64::from(*z));
        for step in 0..steps {
            time(times, step);
            let (now, next) = states[step * rows..(step + 2) * rows].split_at_mut(rows);
            on.slope_at(now, times, values)?;
            for ((next, z), slope) in next.iter_mut().zip(now).zip(&*values) {
                *next = *z + length * slope;
            }
        }
        adjoint.clear();
        adjoint.resize(rows, 0.0);
        let loss = equation.end(draw, &states[steps * rows..][..rows], EndPass { by_states: adjoint, own });
        for step in (0..steps).rev() {
            // The last pass forward was that of the last step.
            if step + 1 < steps {
                time(times, step);
                on.slope_at(&states[step * rows..][..rows], times, values)?;
            }
            values.clear();
            values.extend(adjoint.iter().map(|a| length * a));
            let place = on.place;
            place.put(on.gradient, values)?;
            place.run(|| {
                on.block.backward(on.pass, on.mode, on.gradient, on.x, on.z)?;
                match step + 1 == steps {
                    true => whole(*len).forward(summed, on.pass.gradients),
                    false => Add { len: *len }.forward(summed, on.pass.gradients),
                }
            })?;
            if let Some(by_z) = on.block.z_gradient() {
                place.read(by_z, rows, values)?;
                adjoint.iter_mut().zip(&*values).for_each(|(a, by_z)| *a += by_z);
            }
        }
        Ok((loss, summed))
    }
}

/// A copy of so many values.
fn whole(len: usize) -> CopyColumns {
    CopyColumns { rows: 1, width: len, from_stride: len, from_offset: 0, to_stride: len, to_offset: 0, add: false }
}
