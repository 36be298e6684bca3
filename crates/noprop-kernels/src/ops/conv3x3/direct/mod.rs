//! Direct, register-blocked kernels for any width: no im2col, no padding, one thread. All three directions use the register
//! tile of [`crate::ops::tile`], on units: of channels where the sum goes over channels, of pixels where it goes over pixels.

mod backward_data;
mod backward_weights;
mod forward;
mod units;

pub use backward_data::backward_data;
pub use backward_weights::backward_weights;
pub use forward::forward;
