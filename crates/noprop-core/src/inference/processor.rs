//! Jobs on the processor: threads share the chunks of one.

use super::evaluator::Evaluator;
use super::recorder::Recorder;
use super::{SampleOptions, content};
use crate::config::CheckedConfig;
use crate::cuda::Engine;
use crate::data::Dataset;
use crate::data::augment::Change;
use crate::diffusion::{initial_state, step};
use crate::error::{Code, Error, Result};
use crate::memory::{reserved, zeros};
use crate::method::Move;
use crate::model::Model;
use crate::rng::{Purpose, Stream};
use crate::tensor::{Buffer, StopFlag};
use crate::threads::spawn_scoped;
use crate::train::values::read_slots;
use candle_core::Device;
use std::sync::{Arc, Mutex, PoisonError};

/// Samples of a chunk.
pub(super) const CHUNK: usize = 128;
/// Multiply-adds of a chain from which on threads are started to help with it, some 4 ms: below, as for one image through ten of the paper's blocks,
/// starting them and meeting after every operation takes longer than it saves.
pub(super) const WORTH_HELP: usize = 128_000_000;
/// From this many samples on, weights are read block by block instead of being kept in memory.
pub(super) const STREAMED: usize = 4 * CHUNK;

/// What is beside the ordinary when a job runs.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    /// Whose image each sample sees; its own without.
    pub images: Option<&'a [u32]>,
    /// Takes the estimate and the state of every move.
    pub recorder: Option<&'a Recorder>,
}

/// Runs jobs on the states of all samples of a data set.
pub(super) struct Processor<'a> {
    model: &'a Model,
    data: &'a Dataset,
    options: &'a SampleOptions,
    stop: &'a StopFlag,
    /// Which noise each sample gets.
    keys: Vec<u64>,
    /// The weights of all jobs, where they are kept in memory.
    resident: Option<Arc<Vec<Buffer>>>,
    /// How every image is seen, if not as it is.
    pub view: Option<Change>,
    /// One a thread.
    evaluators: Vec<Evaluator>,
}

impl<'a> Processor<'a> {
    pub(super) fn new(
        model: &'a Model,
        data: &'a Dataset,
        options: &'a SampleOptions,
        threads: usize,
        stop: &'a StopFlag,
    ) -> Result<Self> {
        Self::on(model, data, options, (threads, None), stop)
    }

    /// The same, whose nets run on a device if there is one. All else is the processor's.
    pub(super) fn on(
        model: &'a Model,
        data: &'a Dataset,
        options: &'a SampleOptions,
        (threads, engine): (usize, Option<&Arc<Engine>>),
        stop: &'a StopFlag,
    ) -> Result<Self> {
        let samples = data.samples();
        let resident = if samples < STREAMED { model.resident()? } else { None };
        let evaluator = |_| match engine {
            Some(engine) => Evaluator::on(&model.checked, samples.min(CHUNK), engine),
            None => Evaluator::new(&model.checked, samples.min(CHUNK), &Device::Cpu),
        };
        let evaluators = (0..threads.min(samples.div_ceil(CHUNK))).map(evaluator).collect::<Result<Vec<_>>>()?;
        Ok(Self { model, data, options, stop, keys: content::keys(data)?, resident, view: None, evaluators })
    }

    /// The first state of all samples, `[samples, width]`.
    pub(super) fn initial(&self) -> Result<Vec<f32>> {
        let width = self.model.checked.vectors.width();
        let mut states = zeros::<f32>(self.data.samples().saturating_mul(width), "the samples' states")?;
        for (key, z) in self.keys.iter().zip(states.chunks_exact_mut(width)) {
            initial_state(&Stream::of_content(self.options.seed, Purpose::InitialState, 0, *key), z);
        }
        Ok(states)
    }

    /// The moves of a job (from 1), of which every job has as many.
    pub(super) fn moves(&self, job: usize) -> Result<Vec<Move>> {
        self.moves_with(job, &self.weights(job)?)
    }

    fn moves_with(&self, job: usize, weights: &Buffer) -> Result<Vec<Move>> {
        let checked = &self.model.checked;
        checked.method.chain(job, &own_values(checked, weights)?, &self.options.sampling())
    }

    fn weights(&self, job: usize) -> Result<Buffer> {
        match &self.resident {
            Some(jobs) => Ok(jobs[job - 1].clone()),
            None => self.model.block(job, &Device::Cpu),
        }
    }

    /// The states of all samples after a job (from 1) in place of those before it.
    pub(super) fn advance(&mut self, job: usize, seen: Seen<'_>, states: &mut [f32]) -> Result<()> {
        let keys = std::mem::take(&mut self.keys);
        let done = self.run(job, seen, &keys, states, None);
        self.keys = keys;
        done
    }

    /// The states of some samples after a job in place of those before it, and in `estimates` what its last question was answered.
    /// Both are tables of all samples. Those that are left make chunks of the usual size.
    pub(super) fn advance_some(
        &mut self,
        job: usize,
        samples: &[u32],
        states: &mut [f32],
        estimates: &mut [f32],
    ) -> Result<()> {
        let width = self.model.checked.vectors.width();
        let row = |sample: &u32| *sample as usize * width..(*sample as usize + 1) * width;
        let mut own = reserved(samples.len() * width, "the states of samples")?;
        samples.iter().for_each(|sample| own.extend_from_slice(&states[row(sample)]));
        let keys: Vec<u64> = samples.iter().map(|sample| self.keys[*sample as usize]).collect();
        let mut found = zeros::<f32>(own.len(), "the estimates of samples")?;
        self.run(job, Seen { images: Some(samples), recorder: None }, &keys, &mut own, Some(&mut found))?;
        for (place, sample) in samples.iter().enumerate() {
            let from = place * width..(place + 1) * width;
            states[row(sample)].copy_from_slice(&own[from.clone()]);
            estimates[row(sample)].copy_from_slice(&found[from]);
        }
        Ok(())
    }

    /// Runs a job on samples with these keys and states.
    fn run(
        &mut self,
        job: usize,
        seen: Seen<'_>,
        keys: &[u64],
        states: &mut [f32],
        estimates: Option<&mut [f32]>,
    ) -> Result<()> {
        let Self { model, data, options, stop, view, .. } = *self;
        let checked = &model.checked;
        let weights = self.weights(job)?;
        let moves = &self.moves_with(job, &weights)?[..];
        let before = (job - 1) * moves.len();
        let work = JobWork { data, seen, view, keys, weights: &weights, moves, before, seed: options.seed, stop };
        let len = CHUNK * checked.vectors.width();
        let mut answers = estimates.map(|estimates| estimates.chunks_mut(len));
        let answers = std::iter::from_fn(|| Some(answers.as_mut().and_then(Iterator::next)));
        let chunks = Mutex::new(states.chunks_mut(len).zip(answers).enumerate());
        let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let outcomes: Vec<Result<()>> = if let [evaluator] = &mut self.evaluators[..] {
            vec![work.run(evaluator, &next)]
        } else {
            std::thread::scope(|scope| {
                let run = |evaluator| spawn_scoped(scope, "noprop-infer", || work.run(evaluator, &next));
                let started: Vec<_> = self.evaluators.iter_mut().map(run).collect();
                if started.iter().any(Result::is_err) {
                    // Nothing is left to do for those that were started.
                    while next().is_some() {}
                }
                let panicked = |_| Err(Error::new(Code::Internal, "an inference thread panicked"));
                started.into_iter().map(|thread| thread?.join().unwrap_or_else(panicked)).collect()
            })
        };
        outcomes.into_iter().collect()
    }
}

/// The values of the own tensors of a method among these weights.
pub(crate) fn own_values(checked: &CheckedConfig, weights: &Buffer) -> Result<Vec<f64>> {
    let mut own = Vec::new();
    read_slots(weights, &checked.own, &mut own)?;
    Ok(own)
}

/// A chunk's number, its states, and where its estimates are wanted.
type Chunk<'s> = (usize, (&'s mut [f32], Option<&'s mut [f32]>));

/// What one job does to every chunk.
struct JobWork<'a> {
    data: &'a Dataset,
    seen: Seen<'a>,
    view: Option<Change>,
    keys: &'a [u64],
    weights: &'a Buffer,
    moves: &'a [Move],
    /// Moves of the jobs before; a move's number tells its noise.
    before: usize,
    seed: u64,
    stop: &'a StopFlag,
}

impl JobWork<'_> {
    /// Does it to the chunks that `next` gives.
    fn run<'s>(&self, evaluator: &mut Evaluator, next: &impl Fn() -> Option<Chunk<'s>>) -> Result<()> {
        let mut room = Room::default();
        evaluator.begin(self.weights)?;
        while let Some((chunk, (states, estimates))) = next() {
            self.stop.check()?;
            let first = chunk * CHUNK;
            let count = states.len() / evaluator.width();
            evaluator.take(self.data, (self.seen.images, self.view), first, count)?;
            for index in 0..self.moves.len() {
                self.advance(evaluator, &mut room, index, first, states)?;
            }
            if let Some(estimates) = estimates {
                estimates.copy_from_slice(&evaluator.estimates);
            }
        }
        Ok(())
    }

    /// The next states of the samples from `first` on.
    fn advance(
        &self,
        evaluator: &mut Evaluator,
        room: &mut Room,
        index: usize,
        first: usize,
        states: &mut [f32],
    ) -> Result<()> {
        let width = evaluator.width();
        let mut ask = |query, states: &[f32], is_first| evaluator.ask(self.weights, query, states, is_first, self.stop);
        match self.moves[index] {
            Move::Step { query, coefficients } => {
                ask(query, states, index == 0)?;
                self.record(index, first, |recorder, at| recorder.estimates(at, &evaluator.estimates));
                let estimates = evaluator.estimates.chunks_exact(width);
                let rows = states.chunks_exact_mut(width).zip(estimates);
                for (key, (z, estimate)) in self.keys[first..].iter().zip(rows) {
                    let number = self.before + index + 1;
                    let noise = Stream::of_content(self.seed, Purpose::SamplerNoise, number, *key);
                    step(&coefficients, estimate, z, Some(&noise))?;
                }
            }
            Move::Heun { from: (query, slope), to: (second, second_slope), step } => {
                ask(query, states, index == 0)?;
                self.record(index, first, |recorder, at| recorder.estimates(at, &evaluator.estimates));
                let Room { slopes, ahead } = room;
                slopes.clear();
                let pairs = evaluator.estimates.iter().zip(&*states);
                slopes.extend(pairs.map(|(estimate, z)| slope.at(f64::from(*estimate), f64::from(*z))));
                ahead.clear();
                ahead.extend(states.iter().zip(&*slopes).map(|(z, slope)| (f64::from(*z) + step * slope) as f32));
                evaluator.ask(self.weights, second, ahead, false, self.stop)?;
                let ends = evaluator.estimates.iter().zip(&*ahead);
                for ((z, slope), (estimate, ahead)) in states.iter_mut().zip(&*slopes).zip(ends) {
                    let end = second_slope.at(f64::from(*estimate), f64::from(*ahead));
                    *z = (f64::from(*z) + step / 2.0 * (slope + end)) as f32;
                }
            }
        }
        self.record(index, first, |recorder, at| recorder.states(at, states));
        Ok(())
    }

    /// Shows something of a move to the recorder, if there is one: with the move's number, and the first of the samples.
    fn record(&self, index: usize, first: usize, show: impl FnOnce(&Recorder, [usize; 2])) {
        if let Some(recorder) = self.seen.recorder {
            show(recorder, [self.before + index, first]);
        }
    }
}

/// Room for a move by two estimates.
#[derive(Default)]
struct Room {
    slopes: Vec<f64>,
    ahead: Vec<f32>,
}
