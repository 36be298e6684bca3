//! The course of the learning rate. The optimiser's step itself is [`crate::ops::adamw`].

pub mod learning_rate;

pub use learning_rate::LearningRateSchedule;
