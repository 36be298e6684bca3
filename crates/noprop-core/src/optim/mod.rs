//! The choice of the optimiser and the course of its learning rate. The optimiser's step itself is [`crate::ops::adamw`].

pub mod learning_rate;
pub mod optimizer;

pub use learning_rate::LearningRateSchedule;
pub use optimizer::Optimizer;
