//! The diffusion mathematics: schedules, noised labels, samplers and class embeddings.
//!
//! Blocks are counted t = 1..=T in the order inference runs them. z_0 is pure noise and z_T is nearly clean; alpha_bar_t is
//! the share of signal in z_t and grows with t. The seed counts the other way; its schedule is converted once, in
//! [`ScheduleConfig::build`].
//!
//! Training draws the input of block t with [`noised_label`] at alpha_bar_{t-1}. Inference starts from [`initial_state`] and
//! applies [`step`] with [`Sampler::coefficients`] once per block. The class is read off z_T with [`embedding::argmax`].

pub mod embedding;
pub mod noising;
pub mod sampler;
pub mod schedule;
pub mod weighting;

pub use embedding::{EmbeddingConfig, argmax, probabilities};
pub use noising::noised_label;
pub use sampler::{Coefficients, Sampler, initial_state, step};
pub use schedule::{MAX_BLOCKS, Schedule, ScheduleConfig};
pub use weighting::Weighting;
