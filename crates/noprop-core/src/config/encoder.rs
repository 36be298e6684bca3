//! The encoder of a model whose blocks share features: a net that sees each sample once. The nets of the blocks see what it makes of the
//! sample, a vector, in the sample's place.

use super::{CheckedConfig, ModelConfig};
use crate::data::InputShape;
use crate::diffusion::{EmbeddingConfig, ScheduleConfig};
use crate::error::{Code, Error, Result};
use crate::method::{HeadConfig, MethodConfig};
use crate::net::{Form, Graph, Layer, Layout, NetConfig};
use crate::rng::{Purpose, Stream};
use serde::{Deserialize, Serialize};

/// Most classes that an encoder was trained to tell apart.
const MAX_CLASSES: usize = 1 << 16;

/// Which net the encoder is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EncoderConfig {
    /// The net of a classifier, whose last layer is left out. Default: [`NetConfig::for_input`].
    pub net: NetConfig,
    /// Classes that it was trained to tell apart. Default: those of the model.
    pub classes: usize,
}

/// As options have it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    net: Option<NetConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<usize>,
}

/// The net of blocks on features where nothing says which: ten of them cost little beside an encoder.
pub(super) fn default_net(classes: usize) -> NetConfig {
    NetConfig::Mlp { hidden: vec![(2 * classes).next_power_of_two().clamp(32, 256)], dropout: 0.0 }
}

impl Asked {
    pub(super) fn for_model(self, input: InputShape, classes: usize) -> EncoderConfig {
        let net = self.net.unwrap_or_else(|| NetConfig::for_input(input));
        EncoderConfig { net, classes: self.classes.unwrap_or(classes) }
    }
}

impl From<EncoderConfig> for Asked {
    fn from(EncoderConfig { net, classes }: EncoderConfig) -> Self {
        Self { net: Some(net), classes: Some(classes) }
    }
}

/// A checked encoder, and the model that the blocks are by themselves.
#[derive(Debug)]
pub struct EncoderParts {
    /// The net, which ends with the features.
    pub(crate) graph: Graph,
    /// Its tensors.
    pub layout: Layout,
    /// The model of features, without an encoder.
    pub blocks: CheckedConfig,
}

impl EncoderConfig {
    /// The net for samples of this shape, cut at its features.
    ///
    /// # Errors
    /// Those of [`NetConfig::graph`], of option `encoder.net`; [`Code::Option`] for a net without features.
    fn graph(&self, input: InputShape) -> Result<Graph> {
        if !(2..=MAX_CLASSES).contains(&self.classes) {
            return Err(super::out_of_range("encoder.classes", format!("2 to {MAX_CLASSES}"), self.classes));
        }
        let graph = self.net.formed(input, self.classes, Form::default()).and_then(Graph::features);
        graph.map_err(|mut error| {
            for text in [&mut error.what, &mut error.expected, &mut error.hint] {
                *text = text.replace("option net", "option encoder.net").replace(" net.nodes", " encoder.net.nodes");
            }
            error
        })
    }
}

impl EncoderParts {
    /// Checks what a model says of its encoder, and of its blocks.
    pub(super) fn new(config: &ModelConfig, encoder: &EncoderConfig) -> Result<Self> {
        if config.method == (MethodConfig::Classifier {}) {
            return Err(Error::new(Code::Option, "method classifier has no blocks that could share features")
                .expected("no encoder, or another method")
                .received("classifier")
                .hint("train the classifier by itself; another model can then take its encoder"));
        }
        let graph = encoder.graph(config.input)?;
        let input = InputShape::Vector { len: graph.estimate_width() };
        let blocks = ModelConfig { input, preprocessing: None, encoder: None, ..config.clone() }.check()?;
        Ok(Self { layout: graph.layout(), graph, blocks })
    }

    /// The same with other blocks: those of a training, which has fitted them to the data.
    pub(super) fn with_blocks(&self, blocks: CheckedConfig) -> Self {
        Self { graph: self.graph.clone(), layout: self.layout.clone(), blocks }
    }

    /// Its layers in the order of their computation.
    pub fn layers(&self) -> Vec<Layer> {
        self.graph.layers()
    }

    /// Values of a sample's features.
    pub fn width(&self) -> usize {
        self.graph.estimate_width()
    }
}

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
