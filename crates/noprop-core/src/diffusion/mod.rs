//! The diffusion mathematics: schedules, noised labels, samplers and class embeddings.
//!
//! Blocks are counted t = 1..=T in the order inference runs them. z_0 is pure noise and z_T is nearly clean; alpha_bar_t is
//! the share of signal in z_t and grows with t. The original sketch counts the other way; its schedule is converted once, in
//! [`ScheduleConfig::build`].
//!
//! Training draws the input of block t with [`noised_label`] at alpha_bar_{t-1}. Inference starts from [`initial_state`] and
//! applies [`step`] with [`Sampler::coefficients`] once per block. The class is read off z_T with [`embedding::argmax`].
//!
//! With blocks that always know the answer, the chain ends at the answer:
//!
//! ```
//! use noprop_core::diffusion::{Sampler, ScheduleConfig, argmax, initial_state, step};
//! use noprop_core::rng::{Purpose, Stream};
//!
//! let schedule = ScheduleConfig::default().build(10)?;
//! let mut z = [0.0; 4];
//! initial_state(&Stream::new(7, Purpose::InitialState, 0, 0, 0), &mut z);
//! for t in 1..=schedule.blocks() {
//!     let coefficients = Sampler::Posterior.coefficients(&schedule, t, false);
//!     step(&coefficients, &[0.0, 0.0, 1.0, 0.0], &mut z, None)?;
//! }
//! assert_eq!(argmax(&z), 2);
//! # Ok::<(), noprop_core::Error>(())
//! ```

pub mod class_vectors;
pub mod embedding;
pub mod sampler;
pub mod schedule;
pub mod weighting;

pub use class_vectors::ClassVectors;
pub use embedding::{EmbeddingConfig, argmax, probabilities};
pub use noprop_kernels::ops::batch::noised_label;
pub use sampler::{Coefficients, Sampler, initial_state, step};
pub use schedule::{MAX_BLOCKS, Schedule, ScheduleConfig};
pub use weighting::Weighting;
