//! Every kernel of a device against the plain reference in double precision.

use crate::cuda::parity::{Cases, Failed, Line, Parity};
use crate::cuda::{self, Executor, Multiply};
use crate::error::{Code, Error, Result};
use crate::ops;
use crate::tensor::StopFlag;

/// Every operation of this crate with kernels, by name.
fn operations(multiply: Multiply) -> Vec<(&'static str, Cases)> {
    let mut operations: Vec<(_, Cases)> = vec![
        ("conv3x3", ops::conv3x3::parity),
        ("dense", ops::linear::forward_parity),
        ("dense_backward", ops::linear::backward_parity),
        ("linear", ops::linear::parity),
    ];
    // Kernels without products do the same whatever products multiply.
    if multiply == Multiply::F32 {
        operations.extend([
            ("adamw", ops::adamw::parity as Cases),
            ("activation", ops::activation::parity),
            ("add", ops::add::parity),
            ("attention", ops::attention::parity),
            ("batch", ops::batch::parity),
            ("batch_norm", ops::batch_norm::parity),
            ("copy_columns", ops::copy_columns::parity),
            ("conv", ops::conv::parity),
            ("dropout", ops::dropout::parity),
            ("embed", ops::embed::parity),
            ("forward_forward", ops::forward_forward::parity),
            ("layer_norm", ops::layer_norm::parity),
            ("mix", ops::mix::parity),
            ("mul", ops::mul::parity),
            ("patches", ops::patches::parity),
            ("pool", ops::pool::parity),
            ("positions", ops::positions::parity),
            ("relu", ops::relu::parity),
            ("sampler", ops::sampler::parity),
            ("softmax", ops::softmax::parity),
            ("time_features", ops::time_features::parity),
            ("squared_error", ops::squared_error::parity),
            ("epoch", cuda::epoch::parity),
        ]);
    }
    operations
}

/// Compares every operation and, in f32, the cases `more` of another crate, or those after the operation `after`. What fails is among the findings.
///
/// # Errors
/// [`Code::Option`] where there is no operation `after`; [`Code::Cancelled`] when stopped.
pub fn every_operation(
    parity: &mut Parity,
    more: &[(&'static str, Cases)],
    after: Option<&str>,
    stop: &StopFlag,
) -> Result<()> {
    let mut all = operations(parity.multiply);
    if parity.multiply == Multiply::F32 {
        all.extend_from_slice(more);
    }
    let first = match after {
        None => 0,
        Some(after) => 1 + all.iter().position(|(name, _)| *name == after).ok_or_else(|| no_such(after, &all))?,
    };
    compare_each(parity, &all[first..], stop)
}

fn no_such(after: &str, all: &[(&str, Cases)]) -> Error {
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    Error::new(Code::Option, "option after names no operation that is compared")
        .expected(names.join(", "))
        .received(after)
}

fn compare_each(parity: &mut Parity, operations: &[(&'static str, Cases)], stop: &StopFlag) -> Result<()> {
    for (operation, cases) in operations {
        stop.check()?;
        let multiply = parity.multiply.suffix();
        parity.log.add(&Line::Operation { operation, multiply })?;
        let Err(error) = cases(parity) else { continue };
        parity.found.failed.push(Failed { operation, multiply, error });
        if Executor::with(&parity.device, |on| on.synchronize()).is_err() {
            parity.found.ended = Some(operation);
            break;
        }
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
            every_operation(&mut parity, &[], None, &StopFlag::new()).unwrap();
        }
        parity.assert_passed();
        let mut without_case = crate::cuda::not_launched();
        // Those of tile.cu and emulation.cu are for the tests of tile.rs and emulation.rs, which may not have run yet.
        // Gathering is compared with data sets, which the crate above has.
        let elsewhere = ["tile_", "emulation_", "gather_"];
        without_case.retain(|kernel| !elsewhere.iter().any(|name| kernel.starts_with(name)));
        for multiply in ["f32", "tf32", "bf16"] {
            let of = parity.found.comparisons.iter().filter(|one| one.multiply == multiply);
            let of_sums = of.filter(|one| one.tolerance == 1e-5 || one.tolerance == 3e-5);
            let most = of_sums.max_by(|a, b| a.error.total_cmp(&b.error)).expect("a comparison");
            println!("greatest error of sums in {multiply}: {:.1e}, {}", most.error, most.case);
        }
        println!("{} comparisons, {} cases left out", parity.found.comparisons.len(), parity.found.left_out);
        println!("kernels that were not launched: {without_case:?}");
        assert!(without_case.is_empty() || parity.found.left_out > 0, "kernels without a case");
    }

    #[test]
    fn no_bit_depends_on_how_many_threads_share_an_operation() {
        use crate::ops::simd::with_each;
        use crate::team::stress;

        with_each(|set| {
            for helpers in [1, 2, 4, 7] {
                let _stress = stress::begin(helpers as u64);
                let mut parity = Parity::new(Device::Cpu, Multiply::F32).up_to(Some(1 << 18));
                parity.helpers = Some(helpers);
                // What is compared on devices alone has no threads.
                let operations = operations(Multiply::F32);
                let operations: Vec<_> = operations.into_iter().filter(|(name, _)| *name != "epoch").collect();
                compare_each(&mut parity, &operations, &StopFlag::new()).unwrap();
                println!("{} cases with {helpers} helpers, {set:?}", parity.found.comparisons.len());
                parity.assert_passed();
            }
        });
    }

    /// Fails, as an operation does whose kernel the fat binary lacks.
    fn broken(_: &mut Parity) -> Result<()> {
        Err(Error::new(Code::Device, "kernel x is not in the fat binary"))
    }

    #[test]
    fn an_operation_that_fails_does_not_keep_the_others_from_being_compared() {
        let mut parity = Parity::new(Device::Cpu, Multiply::F32);
        let add = *operations(Multiply::F32).iter().find(|(name, _)| *name == "add").unwrap();
        let operations: [(_, Cases); 3] = [("first", broken), add, ("third", broken)];
        compare_each(&mut parity, &operations, &StopFlag::new()).unwrap();
        let found = parity.into_found();
        let failed: Vec<_> = found.failed.iter().map(|failed| (failed.operation, failed.multiply)).collect();
        assert_eq!(failed, [("first", "f32"), ("third", "f32")]);
        assert!(!found.comparisons.is_empty() && found.comparisons.iter().all(|one| one.passed));
        assert_eq!(found.ended, None);
    }

    #[test]
    fn comparing_goes_on_behind_an_operation() {
        let names = |multiply| operations(multiply).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(Multiply::Bf16), ["conv3x3", "dense", "dense_backward", "linear"]);
        let all = names(Multiply::F32);
        assert_eq!((all.len(), all[..4] == names(Multiply::Bf16)), (27, true));
        let mut parity = Parity::new(Device::Cpu, Multiply::F32);
        every_operation(&mut parity, &[], Some("squared_error"), &StopFlag::new()).unwrap();
        let found = parity.into_found();
        assert!(
            found
                .comparisons
                .iter()
                .all(|one| ["begin", "store", "all fi"].iter().any(|name| one.case.starts_with(name)))
        );
        assert!(!found.comparisons.is_empty());
        let mut parity = Parity::new(Device::Cpu, Multiply::Bf16);
        every_operation(&mut parity, &[], Some("linear"), &StopFlag::new()).unwrap();
        assert!(parity.into_found().comparisons.is_empty());
        let mut parity = Parity::new(Device::Cpu, Multiply::Bf16);
        let error = every_operation(&mut parity, &[], Some("add"), &StopFlag::new()).unwrap_err();
        assert_eq!((error.code, error.received.as_str()), (Code::Option, "add"));
    }
}
