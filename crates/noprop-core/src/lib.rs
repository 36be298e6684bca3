//! Trains neural networks whose blocks never wait for each other: NoProp-DT (Li, Teh & Pascanu 2025, arXiv 2503.24322).
//!
//! A network is T blocks. Inference starts from Gaussian noise, and each block turns it a little more into the one-hot
//! vector of the sample's class. What block t must receive is known before training: a noised label, drawn from a formula.
//! So every block trains alone, on the data and on noise; no activation and no gradient goes from one block to another. A
//! trained block is a function of (block, configuration, data, seed) and the processor's arithmetic: threads, the order of
//! work and interruptions change no bit of it.
//!
//! ```
//! use noprop_core::config::from_json;
//! use noprop_core::data::{Dataset, InputShape, Pixels};
//! use noprop_core::inference::evaluate;
//! use noprop_core::tensor::StopFlag;
//! use noprop_core::train::{Event, Plan, Training};
//! use noprop_core::{FitOptions, Model, SampleOptions};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // 400 points of the plane; the label says on which side of a line a point lies.
//! let points: Vec<f32> = (0..800).map(|k| (0.7 * k as f32).sin()).collect();
//! let labels = points.chunks(2).map(|point| i32::from(point[0] > point[1])).collect();
//! let data = Arc::new(Dataset::from_arrays(Pixels::F32(points), InputShape::new(&[2])?, Some(labels))?);
//!
//! let config = r#"{ "input": [2], "classes": [0, 1], "blocks": 3, "net": { "type": "mlp", "hidden": [16] } }"#;
//! let model = Model::new(from_json(config)?)?;
//! let options = FitOptions { epochs: 20, batch: Some(50), learning_rate: 1e-2, ..FitOptions::default() };
//!
//! let plan = Plan::new(model.checked.clone(), options, data.clone())?;
//! let observer = |event: Event| match event {
//!     Event::Block { block, loss, .. } => println!("block {block}: loss {loss:.3}"),
//!     Event::Failed { block, error } => eprintln!("block {block}: {}", error.0),
//!     _ => {}
//! };
//! let training = Training::start(plan, Box::new(observer))?;
//! (1..=3).try_for_each(|block| training.start_block(block))?;
//! let model = model.with_weights(training.finish()?.weights, model.training.clone());
//!
//! let never = StopFlag::new();
//! let result = evaluate(&model, &data, SampleOptions::default(), &never)?;
//! assert!(result.accuracy > 0.9);
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("line.safetensors");
//! model.save(&path)?;
//! let same = Model::load(&path)?;
//! assert_eq!(same.weights_sha256()?, model.weights_sha256()?);
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | what a model and a run of training are made of, checked in one place |
//! | [`data`] | samples in memory, IDX, CIFAR and PNG files |
//! | [`device`] | where a run computes: the processor or GPUs |
//! | [`diffusion`] | schedules, noised labels, samplers, embeddings: the method's formulas |
//! | [`method`] | the training methods: their jobs, draws, losses and chains |
//! | [`net`] | the denoisers: graphs of operations, compiled to calls of [`ops`] |
//! | [`train`] | block jobs, the threads that share them, checkpoints |
//! | [`model`], [`inference`] | trained blocks, the model file, evaluation and prediction |
//! | [`parity`] | the kernels of a GPU against the plain reference |
//! | [`rng`] | counter-based random numbers |
//!
//! Tensors are [`candle_core::Tensor`]s and operations are candle's custom operations. Every failure is an [`Error`] with a
//! stable [`Code`].

pub mod bench;
pub mod config;
pub mod data;
pub mod diffusion;
pub mod inference;
pub mod method;
pub mod model;
pub mod net;
pub mod number_scores;
mod onnx;
pub mod optim;
pub mod parity;
pub mod storage;
pub mod train;

pub use noprop_kernels::cuda;
pub use noprop_kernels::{device, error, math, memory, ops, rng, team, tensor, threads};

pub use config::{FitOptions, ModelConfig};
pub use device::DeviceChoice;
pub use error::{Code, Error, Result};
pub use inference::SampleOptions;
pub use model::Model;
pub use net::NetConfig;

/// Has `cargo test` run the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
