//! An encoder on a data set: each sample's features, which follow from the sample and the weights alone.

use super::processor::{CHUNK, WORTH_HELP};
use super::{SampleOptions, kept, views};
use crate::config::{self, CheckedConfig, EncoderParts, Precision};
use crate::data::{Dataset, Pixels};
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::model::{Encoder, Model};
use crate::net::{Block, Buffers, Mode, Step};
use crate::storage::container::to_bytes;
use crate::team::{Team, processors};
use crate::tensor::{Buffer, StopFlag};
use crate::threads::spawn_scoped;
use crate::train::batch::Gather;
use crate::train::plan::check_shape;
use candle_core::{CpuStorage, DType, Device, Storage};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of features that are in memory at a time while a file of them is written.
const PIECE: usize = 64 << 20;

/// The samples of `data` as the encoder of `model` sees them, with the labels that they have.
///
/// # Errors
/// [`Code::NotTrained`] before the encoder is trained, [`Code::Option`] for a model without one, [`Code::Shape`],
/// [`Code::Value`] where features are not finite, [`Code::Cancelled`].
pub fn encode(model: &Model, data: &Dataset, threads: Option<usize>, stop: &StopFlag) -> Result<Dataset> {
    let encoding = Encoding::new(model, data, threads, stop)?;
    let features = encoding.of(0, data.samples())?;
    data.with_features(Pixels::F32(features), encoding.parts.width())
}

/// The same for a training: features of more than `most` bytes are kept in a file in `directory`, where the next training finds them.
///
/// # Errors
/// Those of [`encode`]; [`Code::Output`] where the file cannot be written.
pub fn encode_kept(
    model: &Model,
    data: &Dataset,
    threads: Option<usize>,
    (directory, most): (&Path, u64),
    stop: &StopFlag,
) -> Result<Dataset> {
    let encoding = Encoding::new(model, data, threads, stop)?;
    let (samples, width) = (data.samples(), encoding.parts.width());
    if samples as u64 * 4 * width as u64 <= most {
        return encode(model, data, threads, stop);
    }
    let path = kept::path(directory, &encoding.encoder.sha256()?, data.fingerprint());
    let found = match kept::open(&path, samples, width)? {
        Some(found) => Some(found),
        None => {
            let step = (PIECE / (4 * width)).max(1).next_multiple_of(CHUNK);
            kept::write(&path, (samples, width), step, |first, count| Ok(to_bytes(&encoding.of(first, count)?)))?;
            kept::open(&path, samples, width)?
        }
    };
    let changed = || Error::new(Code::Io, format!("{} is not what was written to it", path.display()));
    data.with_features(found.ok_or_else(changed)?, width)
}

/// An encoder at work.
struct Encoding<'a> {
    checked: &'a CheckedConfig,
    parts: &'a EncoderParts,
    encoder: &'a Encoder,
    data: &'a Dataset,
    threads: usize,
    stop: &'a StopFlag,
}

impl<'a> Encoding<'a> {
    fn new(model: &'a Model, data: &'a Dataset, threads: Option<usize>, stop: &'a StopFlag) -> Result<Self> {
        let Some(parts) = &model.checked.encoder else {
            return Err(Error::new(Code::Option, "the model has no encoder").expected("a model with option encoder"));
        };
        let Some(encoder) = model.encoder() else {
            return Err(Error::new(Code::NotTrained, "the encoder of the model is not trained")
                .expected("an encoder that has been trained or loaded")
                .hint("call fit, which trains it first, or give the model a trained one"));
        };
        check_shape(&model.checked, data)?;
        let threads = config::threads(threads)?;
        Ok(Self { checked: &model.checked, parts, encoder, data, threads, stop })
    }

    /// The features of so many samples from the first on.
    fn of(&self, first: usize, samples: usize) -> Result<Vec<f32>> {
        let width = self.parts.width();
        let mut features = zeros::<f32>(samples.saturating_mul(width), "the features")?;
        let threads = self.threads.min(samples.div_ceil(CHUNK));
        let chunks = Mutex::new(features.chunks_mut(CHUNK * width).enumerate());
        let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut worker = Worker::new(self.parts, self.checked, samples.min(CHUNK))?;
            while let Some((chunk, rows)) = next() {
                worker.run(self.data, first + chunk * CHUNK, &self.encoder.weights, self.stop, rows)?;
            }
            Ok(())
        };
        let helpers = if threads == 1 { helpers(self.parts, samples, self.threads) } else { 0 };
        if helpers > 0 {
            // A single chunk: its operations are shared.
            let team = Arc::new(Team::new(Arc::default()));
            std::thread::scope(|scope| {
                team.lead(|| {
                    for seat in (0..helpers).map(|_| team.seat()) {
                        let _ = spawn_scoped(scope, "noprop-infer", move || seat.help(|| false));
                    }
                    work()
                })
            })?;
        } else if threads == 1 {
            work()?;
        } else {
            std::thread::scope(|scope| {
                let started: Vec<_> = (0..threads).map(|_| spawn_scoped(scope, "noprop-infer", work)).collect();
                if started.iter().any(Result::is_err) {
                    // Nothing is left to do for those that were started.
                    while next().is_some() {}
                }
                let panicked = |_| Err(Error::new(Code::Internal, "an encoding thread panicked"));
                let outcomes: Vec<Result<()>> =
                    started.into_iter().map(|thread| thread?.join().unwrap_or_else(panicked)).collect();
                outcomes.into_iter().collect::<Result<()>>()
            })?;
        }
        if features.iter().all(|value| value.is_finite()) {
            return Ok(features);
        }
        Err(Error::new(Code::Value, "the features of the encoder are not finite")
            .hint("the encoder has diverged or the inputs are far outside of what it was trained on"))
    }
}

/// Features of 0 in the place of those that are still to come, for what depends on how many there are; without an encoder the samples.
///
/// # Errors
/// [`Code::Shape`], [`Code::Memory`].
pub fn stand_in(model: &Model, data: Arc<Dataset>) -> Result<Arc<Dataset>> {
    let Some(parts) = &model.checked.encoder else { return Ok(data) };
    check_shape(&model.checked, &data)?;
    let features = zeros::<f32>(data.samples().saturating_mul(parts.width()), "the features")?;
    data.with_features(Pixels::F32(features), parts.width()).map(Arc::new)
}

/// Threads that are worth starting to help with one chunk.
fn helpers(parts: &EncoderParts, samples: usize, threads: usize) -> usize {
    let threads = threads.min(processors());
    let multiply_adds = parts.graph.flops().0 / 2 * samples;
    if threads > 1 && multiply_adds >= WORTH_HELP { threads - 1 } else { 0 }
}

/// What the blocks of a model work on.
pub(super) struct Seen<'a> {
    given: (&'a Model, &'a Dataset),
    /// Where there is an encoder: the model of the blocks alone, and the features.
    encoded: Option<(Arc<Model>, Dataset)>,
}

impl Seen<'_> {
    /// The model of the blocks, and what it sees.
    pub(super) fn parts(&self) -> (&Model, &Dataset) {
        self.encoded.as_ref().map_or(self.given, |(model, data)| (&**model, data))
    }
}

/// Runs the encoder, where the model has one, on every sample once.
///
/// # Errors
/// Those of [`encode`]; [`Code::NotTrained`] before the blocks are trained.
pub(super) fn seen<'a>(
    model: &'a Model,
    data: &'a Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
) -> Result<Seen<'a>> {
    let blocks = model.of_features();
    let encoded = blocks.map(|blocks| {
        model.check_trained()?;
        views::refuse(options, "an encoder: blocks see features, and no images")?;
        stop.check()?;
        Ok::<_, Error>((blocks, encode(model, data, options.threads, stop)?))
    });
    Ok(Seen { given: (model, data), encoded: encoded.transpose()? })
}

/// The net with its buffers for a chunk.
struct Worker {
    block: Block,
    x: Buffer,
    z: Buffer,
    no_gradients: Buffer,
    samples: Vec<u32>,
    width: usize,
}

impl Worker {
    fn new(parts: &EncoderParts, checked: &CheckedConfig, capacity: usize) -> Result<Self> {
        let device = Device::Cpu;
        let buffers = Buffers { stacked: 1, capacity, dtype: DType::F32, device, training: false, launched: false };
        Ok(Self {
            block: Block::of_graph(&parts.graph, &parts.layout, &buffers)?,
            x: buffers.samples(checked.config.input.len())?,
            // As in its training.
            z: buffers.samples(parts.graph.classes())?,
            no_gradients: buffers.rows(1)?,
            samples: Vec::with_capacity(capacity),
            width: parts.width(),
        })
    }

    /// Writes the features of the samples from `first` on to `rows`.
    fn run(&mut self, data: &Dataset, first: usize, weights: &Buffer, stop: &StopFlag, rows: &mut [f32]) -> Result<()> {
        stop.check()?;
        let count = rows.len() / self.width;
        self.samples.clear();
        self.samples.extend((first..first + count).map(|sample| sample as u32));
        Gather { data, samples: &self.samples, augmenter: None }.fill(&self.x)?;
        let (state, gradients, precision) = (weights, &self.no_gradients, Precision::F32);
        let pass = Step { state, gradients, optimiser: None, stop, samples: count, precision };
        self.block.forward(pass, Mode::Evaluation, &self.x, &self.z)?;
        let (storage, layout) = self.block.estimate().storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(features)) = &*storage else {
            return Err(Error::new(Code::Internal, "features are not f32 on the CPU"));
        };
        rows.copy_from_slice(&features[layout.start_offset()..][..rows.len()]);
        Ok(())
    }
}
