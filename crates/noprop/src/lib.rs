//! Trains neural networks whose blocks never wait for each other.

pub mod bench;
pub mod block;
pub mod config;
pub mod data;
pub mod diffusion;
pub mod error;
pub mod inference;
pub mod model;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod rng;
pub mod storage;
pub mod train;

pub use block::NetConfig;
pub use config::{FitOptions, ModelConfig};
pub use error::{Code, Error, Result};
pub use inference::SampleOptions;
pub use model::Model;
