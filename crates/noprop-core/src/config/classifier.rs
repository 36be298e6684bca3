//! The classifier that an encoder is cut from, and that is trained before the blocks.

use super::ModelConfig;
use crate::diffusion::{EmbeddingConfig, ScheduleConfig};
use crate::error::{Code, Error, Result};
use crate::method::{HeadConfig, MethodConfig};
use crate::rng::{Purpose, Stream};

impl ModelConfig {
    /// The classifier that the encoder is cut from, if there is one.
    ///
    /// # Errors
    /// [`Code::Option`] for a model of numbers.
    pub fn classifier(&self) -> Result<Option<Self>> {
        let Some(encoder) = &self.encoder else { return Ok(None) };
        if self.targets.is_some() {
            return Err(Error::new(Code::Option, "an encoder is trained by classes, and the model predicts numbers")
                .expected("an encoder that has been trained before")
                .received("none")
                .hint("train one on data with classes (method classifier), and give it to this model"));
        }
        // One of its own, so that it shares no random numbers with the blocks: 53 bits, as seeds have.
        let [high, low, ..] = Stream::new(self.seed, Purpose::Encoder, 0, 0, 0).words(0);
        let seed = (u64::from(high) << 32 | u64::from(low)) >> 11;
        Ok(Some(Self {
            method: MethodConfig::Classifier {},
            blocks: 1,
            net: encoder.net.clone(),
            schedule: ScheduleConfig::default(),
            embedding: EmbeddingConfig::default(),
            head: HeadConfig::None,
            seed,
            encoder: None,
            ..self.clone()
        }))
    }
}
