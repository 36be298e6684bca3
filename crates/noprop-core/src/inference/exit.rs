//! Less than the whole chain for each sample: an end where a block's estimate is sure, or after so many blocks; and other readings of
//! the estimates. A sample's answer depends on its own estimates alone, never on which others have stopped.

#[cfg(test)]
mod tests;

use super::processor::Processor;
use super::{SampleOptions, check_classes, finite, fitted, readout};
use crate::config;
use crate::data::Dataset;
use crate::device::DeviceChoice;
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::method::{MethodConfig, Readout};
use crate::model::Model;
use crate::tensor::StopFlag;
use crate::train::plan::check_shape;
use serde::{Deserialize, Serialize};

/// What a class is read off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadoutChoice {
    /// The last state.
    #[default]
    State,
    /// The mean of the estimates of the blocks that a sample went through, which are an ensemble.
    Mean,
    /// The sum of the estimates of all blocks with the weights that were fitted on held-out samples.
    Fitted,
}

/// Where samples end before the last block, and how they are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exit {
    confidence: Option<f64>,
    stop_after: usize,
    readout: ReadoutChoice,
}

/// What an early end gave and cost, beside an evaluation of all samples through all blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitReport {
    /// Blocks that a sample went through, on average.
    pub blocks_per_sample: f64,
    /// How many samples ended after each block.
    pub ended_after: Vec<u64>,
    /// Accuracy of all samples through all blocks, read off the last state.
    pub whole_accuracy: f64,
    /// What is lost: the whole accuracy less that of this evaluation.
    pub cost: f64,
    /// Time that the whole chain took on these samples.
    pub whole_seconds: f64,
    /// How much faster this evaluation was.
    pub speed_up: f64,
}

/// One point of [`exit_curve`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitPoint {
    /// From which probability of its class on a sample ends.
    pub confidence: f64,
    /// Accuracy with it.
    pub accuracy: f64,
    /// Blocks that a sample goes through, on average.
    pub blocks_per_sample: f64,
}

impl Exit {
    /// What options ask for; none for the whole chain, read as usual.
    ///
    /// # Errors
    /// [`Code::Option`] out of the range, or for a method without blocks that estimate by themselves.
    pub(super) fn of(model: &Model, options: &SampleOptions) -> Result<Option<Self>> {
        let SampleOptions { confidence, stop_after, readout, .. } = *options;
        let blocks = model.checked.method.jobs();
        let name = match (confidence, stop_after, readout) {
            (Some(_), _, _) => "confidence",
            (_, Some(_), _) => "stopAfter",
            (_, _, ReadoutChoice::Mean) => "readout 'mean'",
            (_, _, ReadoutChoice::Fitted) => "readout 'fitted'",
            _ => return Ok(None),
        };
        let config = &model.checked.config;
        if !matches!(config.method, MethodConfig::Dt { .. } | MethodConfig::DiffusionBlocks { .. }) {
            let method = config.method.name();
            return Err(Error::new(Code::Option, format!("option {name} does not apply to method {method}"))
                .expected("method dt or diffusion-blocks, whose blocks each estimate the label")
                .received(method));
        }
        if let Some(share) = confidence {
            if !(share > 0.0 && share <= 1.0) {
                return Err(config::out_of_range("confidence", "more than 0 and at most 1", share));
            }
            if config.targets.is_some() {
                return Err(Error::new(Code::Option, "option confidence does not apply to numbers")
                    .expected("a model with classes, or option stopAfter")
                    .received(share.to_string()));
            }
        }
        if readout == ReadoutChoice::Fitted {
            if confidence.is_some() || stop_after.is_some() {
                return Err(Error::new(
                    Code::Option,
                    format!("option {name} does not go with option readout 'fitted'"),
                )
                .expected("all blocks, whose weights were fitted together")
                .received("both"));
            }
            fitted::weights(model)?;
        }
        let stop_after = stop_after.unwrap_or(blocks);
        if !(1..=blocks).contains(&stop_after) {
            return Err(config::out_of_range("stopAfter", format!("1 to {blocks}, the number of blocks"), stop_after));
        }
        if let DeviceChoice::Cuda(_) | DeviceChoice::AllCuda = options.device {
            return Err(Error::new(Code::Device, format!("option {name} does not serve on GPUs yet"))
                .expected("device auto or cpu")
                .received(options.device.to_string()));
        }
        Ok(Some(Self { confidence, stop_after, readout }))
    }

    /// The block after which all samples end.
    pub(super) fn stop_after(self) -> usize {
        self.stop_after
    }
}

/// The options of the whole chain, read off its last state: what an early end is compared with.
pub(super) fn whole(options: &SampleOptions) -> SampleOptions {
    SampleOptions {
        confidence: None,
        stop_after: None,
        readout: ReadoutChoice::State,
        device: DeviceChoice::Cpu,
        ..options.clone()
    }
}

/// Last states of all samples, and how many blocks each went through.
pub(super) struct Ended {
    pub states: Vec<f32>,
    pub blocks: Vec<u32>,
}

/// The chain with early ends. `after_block` sees the states after each block: of those that have ended their last.
pub(super) fn chain(
    processor: &mut Processor<'_>,
    model: &Model,
    exit: Exit,
    mut after_block: super::AfterBlock<'_>,
) -> Result<Ended> {
    let (width, readout) = (model.checked.vectors.width(), readout(model)?);
    let mut states = processor.initial()?;
    let samples = states.len() / width;
    let mut blocks = vec![0; samples];
    let mut going: Vec<u32> = (0..samples as u32).collect();
    let mut estimates = zeros::<f32>(states.len(), "the samples' estimates")?;
    let is_summed = exit.readout != ReadoutChoice::State;
    let factors = match exit.readout {
        ReadoutChoice::Fitted => fitted::weights(model)?,
        ReadoutChoice::State | ReadoutChoice::Mean => vec![1.0; exit.stop_after],
    };
    let vectors = &model.checked.vectors;
    let mut shares = vec![0.0; vectors.classes()];
    let mut sums = if is_summed { zeros::<f64>(states.len(), "the sums of estimates")? } else { Vec::new() };
    let mut sure = Sureness::new(model);
    for block in 1..=exit.stop_after {
        processor.advance_some(block, &going, &mut states, &mut estimates)?;
        let is_last = block == model.checked.method.jobs();
        let ends_all = block == exit.stop_after;
        going.retain(|sample| {
            let row = *sample as usize * width..(*sample as usize + 1) * width;
            let estimate = &estimates[row.clone()];
            blocks[*sample as usize] = block as u32;
            if is_summed {
                let factor = factors[block - 1];
                sums[row.clone()].iter_mut().zip(estimate).for_each(|(sum, value)| *sum += factor * f64::from(*value));
            }
            let ends = ends_all || exit.confidence.is_some_and(|asked| sure.of(estimate) >= asked);
            if ends && (is_summed || !is_last) {
                if exit.readout == ReadoutChoice::Fitted {
                    fitted::coordinates(vectors, &sums[row.clone()], &mut shares);
                    fitted::softmax(&mut shares);
                }
                let of = |k: usize| match exit.readout {
                    ReadoutChoice::State => f64::from(estimate[k]),
                    ReadoutChoice::Mean => sums[row.start + k] / block as f64,
                    // Its vector, of which the shares are read again.
                    ReadoutChoice::Fitted => {
                        shares.iter().enumerate().map(|(class, share)| share * vectors.value(class, k)).sum()
                    }
                };
                for (k, z) in states[row.clone()].iter_mut().enumerate() {
                    *z = readout.state(of(k));
                }
            }
            !ends
        });
        if let Some(after_block) = &mut after_block {
            after_block(block, 0, &states);
        }
        if going.is_empty() {
            for later in block + 1..=model.checked.method.jobs() {
                if let Some(after_block) = &mut after_block {
                    after_block(later, 0, &states);
                }
            }
            break;
        }
    }
    Ok(Ended { states, blocks })
}

/// How sure an estimate is: the probability of its class.
struct Sureness {
    estimates: Readout,
    probabilities: Vec<f32>,
}

impl Sureness {
    fn new(model: &Model) -> Self {
        let vectors = model.checked.vectors.clone();
        let probabilities = vec![0.0; vectors.classes()];
        // An estimate is all signal.
        Self { estimates: Readout::Nearest { vectors, alpha_bar: 1.0 }, probabilities }
    }

    fn of(&mut self, estimate: &[f32]) -> f64 {
        self.estimates.probabilities(estimate, &mut self.probabilities);
        f64::from(self.probabilities.iter().copied().fold(0.0, f32::max))
    }
}

/// Accuracy and blocks per sample for each of these confidences, from one pass of all samples through all blocks.
///
/// # Errors
/// Those of [`evaluate`](super::evaluate); [`Code::Option`] for a confidence out of range.
pub fn exit_curve(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    confidences: &[f64],
    stop: &StopFlag,
) -> Result<Vec<ExitPoint>> {
    check_classes(model)?;
    super::refuse_early(options, "a curve of confidences")?;
    super::views::refuse(options, "a curve of confidences")?;
    let seen = super::encode::seen(model, data, options, stop)?;
    let (model, data) = seen.parts();
    let unfolded = model.unfolded()?;
    let model = unfolded.as_deref().unwrap_or(model);
    for confidence in confidences.iter().copied() {
        Exit::of(model, &SampleOptions { confidence: Some(confidence), ..options.clone() })?;
    }
    let targets = data.class_indices(&model.checked.config.classes)?;
    model.check_trained()?;
    check_shape(&model.checked, data)?;
    let (width, jobs) = (model.checked.vectors.width(), model.checked.method.jobs());
    let mut processor = Processor::new(model, data, options, config::threads(options.threads)?, stop)?;
    let mut states = processor.initial()?;
    let mut estimates = zeros::<f32>(states.len(), "the samples' estimates")?;
    let all: Vec<u32> = (0..targets.len() as u32).collect();
    let (mut sure, last) = (Sureness::new(model), readout(model)?);
    // Of each confidence: samples that are right, blocks so far, and who goes on.
    let mut found: Vec<_> = confidences.iter().map(|_| (0_usize, 0_usize, vec![true; targets.len()])).collect();
    for block in 1..=jobs {
        processor.advance_some(block, &all, &mut states, &mut estimates)?;
        for (sample, target) in targets.iter().enumerate() {
            let row = sample * width..(sample + 1) * width;
            let share = sure.of(&estimates[row.clone()]);
            let by_state = last.class(&states[row.clone()]);
            let by_estimate = sure.estimates.class(&estimates[row]);
            for ((right, blocks, going), asked) in found.iter_mut().zip(confidences) {
                if !going[sample] {
                    continue;
                }
                *blocks += 1;
                if block == jobs || share >= *asked {
                    let class = if block == jobs { by_state } else { by_estimate };
                    *right += usize::from(class == *target as usize);
                    going[sample] = false;
                }
            }
        }
    }
    finite(states)?;
    let samples = targets.len() as f64;
    let point = |((right, blocks, _), confidence): (&(usize, usize, Vec<bool>), &f64)| ExitPoint {
        confidence: *confidence,
        accuracy: *right as f64 / samples,
        blocks_per_sample: *blocks as f64 / samples,
    };
    Ok(found.iter().zip(confidences).map(point).collect())
}
