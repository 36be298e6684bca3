//! (1 − k) z + k û: the calls, and what they compute. A handful of values a sample: there is nothing to speed up.

use super::Lower;
use crate::error::Result;
use crate::math;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::Mix;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Real, Slot, check};

/// k = tanh(w) of the w in a flat buffer.
fn share<T: Real>(state: &[T], slot: Slot) -> Result<f64> {
    check(slot.len == 1 && slot.offset < state.len(), "the share of a mix")?;
    let w = state[slot.offset].to_f64().unwrap_or(f64::NAN);
    Ok(1.0 - 2.0 / (math::exp(2.0 * w) + 1.0))
}

/// y `[len]` = (1 − k) z + k û.
struct Forward {
    len: usize,
    slot: Slot,
}

impl BlockOp<3> for Forward {
    const NAME: &'static str = "mix-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [z, estimate, state]: [&[T]; 3]) -> Result<()> {
        check(y.len().min(z.len()).min(estimate.len()) >= self.len, "mix")?;
        let k = T::of(share(state, self.slot)?);
        for ((y, z), u) in y[..self.len].iter_mut().zip(z).zip(estimate) {
            *y = *z + k * (*u - *z);
        }
        Ok(())
    }
}

/// The gradient of z, (1 − k) dy, or of û, k dy.
struct Backward {
    len: usize,
    slot: Slot,
    of_estimate: bool,
}

impl BlockOp<2> for Backward {
    const NAME: &'static str = "mix-backward";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, state]: [&[T]; 2]) -> Result<()> {
        check(dx.len().min(dy.len()) >= self.len, "mix gradient")?;
        let k = share(state, self.slot)?;
        let factor = T::of(if self.of_estimate { k } else { 1.0 - k });
        dx[..self.len].iter_mut().zip(dy).for_each(|(dx, dy)| *dx = factor * *dy);
        Ok(())
    }
}

/// The gradient of w: (1 − k²) Σ dy (û − z).
struct BackwardShare {
    len: usize,
    slot: Slot,
}

impl BlockOp<4> for BackwardShare {
    const NAME: &'static str = "mix-backward-share";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [dy, z, estimate, state]: [&[T]; 4]) -> Result<()> {
        check(dy.len().min(z.len()).min(estimate.len()) >= self.len, "mix gradient of its share")?;
        check(self.slot.offset < gradients.len(), "the slot of a share")?;
        let k = share(state, self.slot)?;
        let value = |value: T| value.to_f64().unwrap_or(f64::NAN);
        let each = dy[..self.len].iter().zip(z).zip(estimate);
        let sum: f64 = each.map(|((dy, z), u)| value(*dy) * (value(*u) - value(*z))).sum();
        gradients[self.slot.offset] = T::of((1.0 - k * k) * sum);
        Ok(())
    }
}

impl Lower for Mix {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (len, slot, inputs) = (l.len(node), l.parameter(node, "share"), l.inputs(node));
        let ([z, estimate], y) = ([l.value(inputs[0]), l.value(inputs[1])], l.output(node));
        l.emit("mix", &[z, estimate], &[y], move |c| {
            let op = Forward { len: c.samples() * len, slot };
            apply(&op, c.write(y), [c.read(z), c.read(estimate), &**c.step.state])
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (len, slot, inputs) = (l.len(node), l.parameter(node, "share"), l.inputs(node));
        let [z, estimate] = [l.value(inputs[0]), l.value(inputs[1])];
        for (input, of_estimate) in [(inputs[0], false), (inputs[1], true)] {
            if l.needs(input) {
                l.contribute(input, |l, dx| {
                    l.emit("mix_backward", &[dy], &[dx], move |c| {
                        let op = Backward { len: c.samples() * len, slot, of_estimate };
                        apply(&op, c.write(dx), [c.read(dy), &**c.step.state])
                    });
                });
            }
        }
        l.emit("mix_backward_share", &[dy, z, estimate], &[], move |c| {
            let op = BackwardShare { len: c.samples() * len, slot };
            let sources = [c.read(dy), c.read(z), c.read(estimate), &**c.step.state];
            apply(&op, c.step.gradients, sources)?;
            c.step.update([slot])
        });
        Ok(())
    }
}
