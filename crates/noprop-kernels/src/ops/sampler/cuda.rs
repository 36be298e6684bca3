//! Launches of the kernels in `cuda.cu`.

use super::{Chunk, Coefficients};
use crate::cuda::{Address, Arguments, DeviceRows, Executor, Launch, ceil_div};
use crate::error::Result;
use crate::rng::Purpose;
use crate::tensor::check;

#[repr(C)]
#[derive(Clone, Copy)]
struct SamplerArguments {
    z: Address,
    estimate: Address,
    from_estimate: f64,
    from_state: f64,
    from_noise: f64,
    seed: u64,
    keys: Address,
    purpose: u32,
    block: u32,
    samples: u32,
    classes: u32,
}

// SAFETY: mirrors the struct in cuda.cu; without padding. The start does not read the estimate.
unsafe impl Arguments for SamplerArguments {}

/// A thread has one value.
fn launch(chunk: &Chunk<'_>, on: &Executor<'_>, kernel: &str, z: DeviceRows, rest: SamplerArguments) -> Result<()> {
    check(z.count == 1, "blocks of a sampler")?;
    on.launch(Launch {
        kernel,
        grid: [ceil_div(chunk.len(), 128), 1, 1],
        threads: 128,
        shared: 0,
        arguments: SamplerArguments {
            z: z.address,
            seed: chunk.seed,
            keys: chunk.on_device,
            samples: chunk.keys.len() as u32,
            classes: chunk.classes as u32,
            ..rest
        },
    })
}

fn arguments(purpose: Purpose, block: usize, estimate: Address, factors: Coefficients) -> SamplerArguments {
    SamplerArguments {
        z: 0,
        estimate,
        from_estimate: factors.estimate,
        from_state: factors.state,
        from_noise: factors.noise,
        seed: 0,
        keys: 0,
        purpose: purpose as u32,
        block: block as u32,
        samples: 0,
        classes: 0,
    }
}

pub(super) fn start(chunk: &Chunk<'_>, on: &Executor<'_>, z: DeviceRows) -> Result<()> {
    let noise = Coefficients { estimate: 0.0, state: 0.0, noise: 1.0 };
    launch(chunk, on, "sampler_start", z, arguments(Purpose::InitialState, 0, 0, noise))
}

pub(super) fn advance(
    chunk: &Chunk<'_>,
    on: &Executor<'_>,
    z: DeviceRows,
    estimate: DeviceRows,
    block: usize,
    coefficients: Coefficients,
) -> Result<()> {
    check(estimate.count == 1, "blocks of a sampler")?;
    launch(chunk, on, "sampler_step", z, arguments(Purpose::SamplerNoise, block, estimate.address, coefficients))
}
