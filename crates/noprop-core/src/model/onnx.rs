//! A whole model as an ONNX file: raw data in, labels and probabilities out. Blocks and steps stand one after the other; what steps
//! have in common is there once.

mod chain;
mod input;
mod readout;
#[cfg(test)]
mod tests;

use super::Model;
use crate::config::{MethodConfig, ModelConfig};
use crate::error::{Code, Error, Result};
use crate::method::{SamplerChoice, Sampling};
use crate::net::onnx::Weights;
use crate::onnx::{Builder, Dim, MOST_BYTES, OPSET, Port, Value, too_large};
use crate::storage::atomic;
use crate::tensor::StopFlag;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;

/// Most nodes of a file: enough for a thousand blocks or steps of a preset. Runtimes read longer ones slowly.
const MOST_NODES: usize = 50_000;
/// What tools show of a file.
const ABOUT: &str = "A NoProp model: labels and class probabilities of raw data. Made by noprop.";

/// How a model is put into ONNX. The sampler is one without noise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OnnxOptions {
    /// The update rule. Default: the method's.
    pub sampler: Option<SamplerChoice>,
    /// Steps of methods that choose them at inference. Default 20.
    pub steps: Option<usize>,
    /// Steps within each block of method diffusion-blocks. Default 1.
    pub steps_per_block: Option<usize>,
    /// The last block that is taken. Default: the last there is.
    pub stop_after: Option<usize>,
    /// Seed of the initial noise that a caller gets who gives none. Default 0.
    pub seed: u64,
    /// What values the samples have. Default: bytes for images, else floats.
    pub input: Option<InputKind>,
}

/// What values a sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// Bytes, which are divided by 255.
    Uint8,
    /// Floats, which are taken as they are.
    Float32,
}

/// What has been written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OnnxFile {
    /// Version of the operators.
    pub opset: i64,
    /// Size of the file.
    pub bytes: usize,
    /// Number of nodes.
    pub nodes: usize,
    /// What a caller gives.
    pub inputs: Vec<OnnxPort>,
    /// What a caller gets.
    pub outputs: Vec<OnnxPort>,
}

/// An input or output of an ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OnnxPort {
    /// Its name.
    pub name: String,
    /// What its elements are: `float`, `uint8`, `int64`, `string` or `double`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its dimensions; one that may be any number is a name.
    pub shape: Vec<serde_json::Value>,
    /// What it holds.
    pub about: &'static str,
}

impl From<&Port> for OnnxPort {
    fn from(port: &Port) -> Self {
        let dim = |dim: &Dim| match dim {
            Dim::Of(size) => json!(size),
            Dim::Named(name) => json!(name),
        };
        let shape = port.shape.iter().map(dim).collect();
        Self { name: port.name.clone(), kind: port.kind.name(), shape, about: port.about }
    }
}

impl Model {
    /// Writes the model as an ONNX file, atomically. Equal models and options give equal bytes.
    ///
    /// # Errors
    /// [`Code::NotTrained`]; [`Code::Option`] for options that the method does not have, or for a file that would be too large;
    /// [`Code::Output`], [`Code::Cancelled`].
    pub fn export_onnx(&self, path: &Path, options: &OnnxOptions, stop: &StopFlag) -> Result<OnnxFile> {
        let (graph, metadata) = self.onnx(options, stop)?;
        let mut bytes = 0;
        atomic::write(path, |writer| {
            bytes = graph.write(writer, env!("CARGO_PKG_VERSION"), ABOUT, &metadata)?;
            Ok(())
        })?;
        let [inputs, outputs] = graph.ports().map(|ports| ports.iter().map(OnnxPort::from).collect());
        Ok(OnnxFile { opset: OPSET, bytes, nodes: graph.nodes(), inputs, outputs })
    }

    /// The same to anything that can be written to, by a stated version of noprop.
    #[cfg(test)]
    fn write_onnx(&self, to: &mut impl std::io::Write, options: &OnnxOptions, version: &str) -> Result<usize> {
        let (graph, metadata) = self.onnx(options, &StopFlag::new())?;
        graph.write(to, version, ABOUT, &metadata)
    }

    /// The graph, and what else the file says.
    fn onnx(&self, options: &OnnxOptions, stop: &StopFlag) -> Result<(Builder, Vec<(&'static str, String)>)> {
        self.check_trained()?;
        let (blocks, config) = (self.of_features(), &self.checked.config);
        let model = blocks.as_deref().unwrap_or(self);
        let unfolded = model.unfolded()?;
        let model = unfolded.as_deref().unwrap_or(model);
        let (checked, method) = (&model.checked, &model.checked.method);
        let last = last_block(options, method.jobs(), config)?;
        // Before gigabytes are read.
        let encoder = self.checked.encoder.as_ref().map_or(0, |parts| parts.layout.weights());
        let weights = last.saturating_mul(4 * checked.layout.weights()).saturating_add(4 * encoder);
        if weights > MOST_BYTES {
            return Err(too_large(weights));
        }
        let sampling = Sampling {
            sampler: options.sampler,
            stochastic: false,
            steps: options.steps,
            steps_per_block: options.steps_per_block,
        };
        let mut to = Builder::default();
        let (x, samples) = input::x(&mut to, config, options)?;
        let x = self.features(&mut to, x, &samples)?;
        let width = checked.vectors.width();
        let start = match config.method {
            MethodConfig::Classifier {} => input::zeros(&mut to, width, &samples),
            _ => input::noise(&mut to, width, options.seed, &samples),
        };
        let chain = chain::Chain { model, sampling, stop, x, samples };
        let (end, own) = chain.add(&mut to, start, last)?;
        // A head reads the last state alone.
        let readout =
            if last == method.jobs() { crate::inference::readout(model)? } else { method.readout(last, &own) };
        let predicted = match &config.targets {
            Some(targets) => {
                readout::numbers(&mut to, &readout, targets, &end);
                ("targets", json!(targets).to_string())
            }
            None => {
                readout::classes(&mut to, &readout, &config.classes, &end);
                ("classes", json!(config.classes).to_string())
            }
        };
        let metadata = vec![
            predicted,
            ("config", json!(config).to_string()),
            ("export", json!(options).to_string()),
            ("weightsSha256", self.weights_sha256()?),
        ];
        Ok((to, metadata))
    }
}

impl Model {
    /// What the blocks see of the samples: what the encoder makes of them, once for all, where there is one.
    fn features(&self, to: &mut Builder, x: Value, samples: &str) -> Result<Value> {
        let (Some(parts), Some(encoder)) = (&self.checked.encoder, self.encoder()) else { return Ok(x) };
        let values = encoder.weights.flatten_all()?.to_vec1::<f32>()?;
        let weights = Weights { layout: &parts.layout, values: &values, prefix: "encoder".to_owned() };
        let z = input::zeros(to, parts.graph.classes(), samples);
        Ok(parts.graph.onnx(to, &weights, &[x, z], samples))
    }
}

/// The last job that is taken.
///
/// # Errors
/// [`Code::Option`] for a block that is not there.
fn last_block(options: &OnnxOptions, jobs: usize, config: &ModelConfig) -> Result<usize> {
    let Some(block) = options.stop_after else { return Ok(jobs) };
    if config.method.is_one_net() || jobs != config.blocks {
        return Err(Error::new(Code::Option, "option stopAfter does not apply to this model")
            .expected("a model of method dt or diffusion-blocks, whose classes are read after any block")
            .received(block.to_string()));
    }
    if (1..=jobs).contains(&block) {
        return Ok(block);
    }
    Err(crate::config::out_of_range("stopAfter", format!("1 to {jobs}"), block))
}

/// # Errors
/// [`Code::Option`] for a graph of more nodes than runtimes read in a reasonable time.
fn check_size(to: &Builder) -> Result<()> {
    if to.nodes() <= MOST_NODES {
        return Ok(());
    }
    Err(Error::new(Code::Option, "the chain is too long for an ONNX file")
        .expected(format!("at most {MOST_NODES} nodes"))
        .received("more")
        .hint("take fewer steps, or fewer blocks (stopAfter): every step is written out"))
}
