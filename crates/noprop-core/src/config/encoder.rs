//! The encoder of a model whose blocks share features: a net that sees each sample once. The nets of the blocks see what it makes of the
//! sample, a vector, in the sample's place.

use crate::data::InputShape;
use crate::error::{Code, Error, Result};
use crate::net::{Form, Graph, NetConfig};
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
    /// `classes` are those of a model that has any, and no targets.
    pub(super) fn for_model(self, input: InputShape, classes: Option<usize>) -> Result<EncoderConfig> {
        let net = self.net.unwrap_or_else(|| NetConfig::for_input(input));
        let Some(classes) = self.classes.or(classes) else {
            return Err(Error::new(Code::Option, "a model of numbers has no classes to train an encoder by")
                .expected("no features 'shared', or the encoder of a classifier")
                .received("an encoder that is still to be trained")
                .hint("train a classifier (--method classifier), and give it to the model (encoder, --encoder FILE)"));
        };
        Ok(EncoderConfig { net, classes })
    }
}

impl From<EncoderConfig> for Asked {
    fn from(EncoderConfig { net, classes }: EncoderConfig) -> Self {
        Self { net: Some(net), classes: Some(classes) }
    }
}

impl EncoderConfig {
    /// The net for samples of this shape, cut at its features.
    ///
    /// # Errors
    /// Those of [`NetConfig::graph`], of option `encoder.net`; [`Code::Option`] for a net without features.
    pub(super) fn graph(&self, input: InputShape) -> Result<Graph> {
        if !(2..=MAX_CLASSES).contains(&self.classes) {
            return Err(super::out_of_range("encoder.classes", format!("2 to {MAX_CLASSES}"), self.classes));
        }
        let graph = self.net.formed(input, self.classes, Form::default());
        let graph = graph.and_then(|graph| graph.without_label().features());
        graph.map_err(|mut error| {
            for text in [&mut error.what, &mut error.expected, &mut error.hint] {
                *text = text.replace("option net", "option encoder.net").replace(" net.nodes", " encoder.net.nodes");
            }
            error
        })
    }
}
