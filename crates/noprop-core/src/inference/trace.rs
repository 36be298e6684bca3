//! A prediction with everything on the way to it: the states and estimates of every move of the chain.

use super::encode;
use super::exit::Exit;
use super::processor::{Processor, Seen};
use super::recorder::Recorder;
use super::{Prediction, SampleOptions, check_classes, finite, read, views};
use crate::config;
use crate::data::Dataset;
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::tensor::StopFlag;
use crate::train::plan::check_shape;

/// A prediction, and how the chain came to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// What [`predict`](super::predict) gives on the processor.
    pub prediction: Prediction,
    /// The job of each move, from 1. A method of blocks has the same number of moves in each, one of a single net has all in it.
    pub blocks: Vec<u32>,
    /// z_0, `[samples, classes]`.
    pub start: Vec<f32>,
    /// The state after each move, `[moves, samples, classes]`.
    pub states: Vec<f32>,
    /// What each move was made by, `[moves, samples, classes]`: û, or of method `fm` the velocity; of Heun's two estimates the first.
    pub estimates: Vec<f32>,
}

/// The states of a chain and what they were made by; see [`Trace`].
pub(crate) struct Walk {
    pub blocks: Vec<u32>,
    pub start: Vec<f32>,
    pub states: Vec<f32>,
    pub estimates: Vec<f32>,
    /// The states at the end, `[samples, width]`.
    pub end: Vec<f32>,
}

/// As [`predict`](super::predict), on the processor, with the states and estimates of every move.
///
/// # Errors
/// Those of [`predict`](super::predict), [`crate::Code::Memory`] where there is no room for all states.
pub fn trace(model: &Model, data: &Dataset, options: &SampleOptions, stop: &StopFlag) -> Result<Trace> {
    model.check_trained()?;
    let seen = encode::seen(model, data, options, stop)?;
    let (model, data) = seen.parts();
    let unfolded = model.unfolded()?;
    let model = unfolded.as_deref().unwrap_or(model);
    check_shape(&model.checked, data)?;
    check_classes(model)?;
    if Exit::of(model, options)?.is_some() {
        return Err(Error::new(Code::Option, "option states does not go with an end before the last block")
            .expected("states without confidence, stopAfter or readout 'mean'")
            .received("both"));
    }
    views::refuse(options, "option states")?;
    stop.check()?;
    let Walk { blocks, start, states, estimates, end } = walk(model, data, options, stop)?;
    let through = vec![model.checked.config.blocks as u32; data.samples()];
    let prediction = read(model, &finite(end)?, through)?;
    Ok(Trace { prediction, blocks, start, states, estimates })
}

/// The chain of a trained model, of whatever it predicts.
pub(crate) fn walk(model: &Model, data: &Dataset, options: &SampleOptions, stop: &StopFlag) -> Result<Walk> {
    let mut processor = Processor::new(model, data, options, config::threads(options.threads)?, stop)?;
    let jobs = model.checked.method.jobs();
    let moves_each = processor.moves(1)?.len();
    let start = processor.initial()?;
    let recorder = Recorder::new(jobs * moves_each, start.len(), model.checked.vectors.width())?;
    let mut end = start.clone();
    for job in 1..=jobs {
        processor.advance(job, Seen { images: None, recorder: Some(&recorder) }, &mut end)?;
    }
    let blocks = (1..=jobs as u32).flat_map(|job| std::iter::repeat_n(job, moves_each)).collect();
    let [states, estimates] = recorder.finish();
    Ok(Walk { blocks, start, states, estimates, end })
}
