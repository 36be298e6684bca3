//! Trains neural networks whose blocks never wait for each other.

pub mod block;
pub mod config;
pub mod data;
pub mod diffusion;
pub mod error;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod rng;
pub mod storage;
pub mod train;

pub use block::NetConfig;
pub use config::{FitOptions, ModelConfig};
pub use error::{Code, Error, Result};
