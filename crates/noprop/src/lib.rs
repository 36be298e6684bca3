//! Trains neural networks whose blocks never wait for each other.

pub mod data;
pub mod diffusion;
pub mod error;
pub mod rng;

pub use error::{Code, Error, Result};
