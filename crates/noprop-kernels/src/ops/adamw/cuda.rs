//! Launch of the kernel in `cuda.cu`.

use super::{AdamW, Rule};
use crate::cuda::{Address, Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;
use crate::tensor::Slot;

#[repr(C)]
#[derive(Clone, Copy)]
struct AdamWArguments {
    parameters: RowsOf,
    first: RowsOf,
    second: RowsOf,
    gradients: RowsOf,
    values: Address,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    coupled: f32,
    len: u32,
    momentum: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding.
unsafe impl Arguments for AdamWArguments {}

/// The parameters in `slot`, mostly all, of all blocks. Learning rate, weight decay and corrections are those of the running step, which the host
/// made of [`AdamW::rates`].
pub(super) fn step(op: &AdamW, slot: Slot, on: &Executor<'_>, state: DeviceRows, gradients: DeviceRows) -> Result<()> {
    let part = |array: usize| state.from(array + slot.offset);
    let (beta1, momentum) = match op.rule {
        Rule::AdamW | Rule::Adam => (op.beta1, 0),
        Rule::Sgd { momentum, nesterov } => (momentum, if nesterov { 2 } else { 1 }),
    };
    on.launch(Launch {
        kernel: "adamw",
        grid: [ceil_div(slot.len, 1024), state.count as u32, 1],
        threads: 256,
        shared: 0,
        arguments: AdamWArguments {
            parameters: part(0),
            first: part(op.parameters + op.statistics),
            second: part(2 * op.parameters + op.statistics),
            gradients: gradients.from(slot.offset),
            values: on.step()?.values,
            beta1: beta1 as f32,
            beta2: op.beta2 as f32,
            epsilon: op.epsilon as f32,
            coupled: op.factors::<f32>().coupled,
            len: slot.len as u32,
            momentum,
        },
    })
}
