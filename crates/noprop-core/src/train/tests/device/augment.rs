//! The same for images that are changed on the way into a batch.

use super::super::augment::{augmented, mlp_of_images};
use super::*;
use crate::data::{Augment, Flip};

const AUGMENT: Augment = Augment { shift: 3, flip: Flip::Random, cutout: 0 };

/// An image that was changed in another way would change the gradients by percents.
#[test]
fn augmented_steps_have_the_processors_gradients() {
    check_a_step(&mlp_of_images(5), &augmented(AUGMENT, 16), &images(40));
}

/// Later epochs draw other changes, from the epoch that lies on the device.
#[test]
fn the_losses_of_augmented_training_follow_the_processors() {
    for augment in [AUGMENT, Augment { shift: 1, flip: Flip::Alternating, cutout: 5 }] {
        check_losses(&mlp_of_images(2), &augmented(augment, 16), &images(40));
    }
}

#[test]
fn augmented_training_is_the_same_for_any_number_of_blocks_in_flight_and_of_devices() {
    check_schedules(&mlp_of_images(4), &FitOptions { epochs: 2, ..augmented(AUGMENT, 16) }, &images(41));
}
