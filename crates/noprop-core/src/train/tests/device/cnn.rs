//! The same for the paper's block.

use super::*;

/// A cnn so small that the emulation trains it in seconds.
fn tiny(blocks: usize) -> ModelConfig {
    let NetConfig::Cnn { dropout, .. } = cnn(blocks).net else { unreachable!() };
    ModelConfig { net: NetConfig::Cnn { widths: [4, 6, 8], hidden: 8, dropout }, ..cnn(blocks) }
}

#[test]
fn a_step_of_a_cnn_has_the_processors_gradients_and_statistics() {
    check_a_step(&tiny(5), &options(16), &images(40));
}

#[test]
fn the_losses_of_a_cnn_follow_the_processors() {
    check_losses(&tiny(2), &options(16), &images(40));
}

#[test]
fn a_cnn_is_the_same_for_any_number_of_blocks_in_flight_and_of_devices() {
    check_schedules(&tiny(4), &FitOptions { epochs: 2, ..options(16) }, &images(41));
}

#[test]
fn a_cnn_stopped_at_random_steps_ends_the_same() {
    check_interruptions(&tiny(3), options(16), &images(41));
}
