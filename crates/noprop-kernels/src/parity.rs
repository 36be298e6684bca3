//! Every kernel of a device against the plain reference in double precision.

use crate::cuda::parity::Parity;
use crate::cuda::{self, Multiply};
use crate::error::Result;
use crate::ops;

/// The cases of every kernel of this crate. Those of gathering samples are in `noprop-core`, which has data sets.
pub fn every_operation(parity: &mut Parity) -> Result<()> {
    ops::conv3x3::parity(parity)?;
    ops::dense::parity(parity)?;
    ops::dense_backward::parity(parity)?;
    ops::linear::parity(parity)?;
    // Kernels without products do the same whatever products multiply.
    if parity.multiply == Multiply::F32 {
        ops::adamw::parity(parity)?;
        ops::add::parity(parity)?;
        ops::batch::parity(parity)?;
        ops::batch_norm::parity(parity)?;
        ops::dropout::parity(parity)?;
        ops::relu::parity(parity)?;
        ops::sampler::parity(parity)?;
        ops::softmax::parity(parity)?;
        ops::squared_error::parity(parity)?;
        cuda::epoch::parity(parity)?;
    }
    Ok(())
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn every_kernel_equals_the_reference_on_the_emulation() {
        let mut parity = Parity::new(Device::Cpu, Multiply::F32);
        if let Ok(most) = std::env::var("NOPROP_PARITY_MOST") {
            parity.most = most.parse().expect("NOPROP_PARITY_MOST is a number of values");
        }
        for multiply in [Multiply::F32, Multiply::Tf32, Multiply::Bf16] {
            parity.multiply = multiply;
            every_operation(&mut parity).unwrap();
        }
        parity.assert_passed();
        let mut without_case = crate::cuda::not_launched();
        // Those of tile.cu and emulation.cu are for the tests of tile.rs and emulation.rs, which may not have run yet. Gathering
        // is compared with data sets, which the crate above has.
        let elsewhere = ["tile_", "emulation_", "gather_"];
        without_case.retain(|kernel| !elsewhere.iter().any(|name| kernel.starts_with(name)));
        println!("{} comparisons, {} cases left out", parity.comparisons.len(), parity.left_out);
        println!("kernels that were not launched: {without_case:?}");
        assert!(without_case.is_empty() || parity.left_out > 0, "kernels without a case");
    }
}
