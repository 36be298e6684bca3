//! The same for a residual net that begins with whitened patches, and for a transformer.

use super::*;
use crate::net::Activation;

fn resnet(blocks: usize) -> ModelConfig {
    let (widths, activation) = (vec![4, 6], Activation::Gelu);
    let net = NetConfig::Resnet { widths, depth: 1, hidden: 8, activation, whitening: 6, identity: true };
    ModelConfig { net, ..cnn(blocks) }
}

fn vit(blocks: usize) -> ModelConfig {
    let net = NetConfig::Vit { patch: 7, width: 8, depth: 2, heads: 2, mlp_ratio: 2, dropout: 0.2 };
    ModelConfig { net, ..cnn(blocks) }
}

#[test]
fn a_step_has_the_processors_gradients_and_statistics() {
    check_a_step(&resnet(5), &options(16), &images(40));
    check_a_step(&vit(5), &options(16), &images(40));
}

#[test]
fn no_bit_depends_on_blocks_in_flight_or_on_devices() {
    let options = FitOptions { epochs: 1, ..options(16) };
    check_schedules(&resnet(3), &options, &images(41));
    check_schedules(&vit(3), &options, &images(41));
}

#[test]
fn what_is_stopped_ends_the_same() {
    check_interruptions(&resnet(3), options(16), &images(41));
    check_interruptions(&vit(3), options(16), &images(41));
}

/// The whitening filters are the same after training as before, and not those of other data.
#[test]
fn what_is_frozen_stays() {
    let plan = plan(resnet(2), options(16), &images(40));
    let slot = plan.model.layout.slot("stats.whiten.weight");
    let before = BlockJob::start(&plan, 1, &Device::Cpu).unwrap().state().unwrap();
    assert!(slot.of(&before).iter().all(|value| *value != 0.0 && value.is_finite()));
    let after = train(plan).read(1).unwrap();
    assert_eq!(slot.of(&after), slot.of(&before));
}
