//! The buffers of K blocks that are stepped together, and one step of them.

use super::DeviceData;
use super::buffers::StepBuffers;
use super::plain::{Plain, Stacked};
use crate::config::Launched;
use crate::cuda::{Engine, EpochTensors, Outcome, Repeated, StepTensors, StepValues};
use crate::error::Result;
use crate::net::{Block, Buffers, Draw, Mode, Step};
use crate::ops::adamw::AdamW;
use crate::ops::batch::NoisedLabels;
use crate::ops::squared_error::SquaredError;
use crate::tensor::{Buffer, StopFlag};
use crate::train::Plan;
use candle_core::{DType, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// Everything that K blocks need on a device. Made once for a K; any K blocks of the run can use it.
pub(crate) struct Stack {
    /// `[K, 3 · parameters + statistics]`: parameters, statistics and both moments, where `placement` says.
    pub state: Buffer,
    /// Whether the jobs are heads.
    pub(super) is_head: bool,
    pub(super) launched: Launched,
    pub(super) buffers: StepBuffers,
    epoch: EpochTensors,
    pub(super) step: StepTensors,
    /// The blocks that the rows are, from 1, and ᾱ_{t−1} of each.
    pub(super) blocks: Vec<usize>,
    alpha_bars: Vec<f64>,
    /// The order of the epoch that is on the device.
    pub(super) order: Arc<Vec<u32>>,
    /// An epoch that comes later, and its order.
    upcoming: Option<(usize, Arc<Vec<u32>>)>,
    /// Steps by the number of their samples.
    steps: HashMap<usize, Repeated>,
    /// Where draws and losses are the processor's.
    plain: Option<Plain>,
}

impl Stack {
    /// Buffers for `stacked` blocks, or heads, and `plan`'s batches.
    pub(crate) fn new(plan: &Plan, engine: &Engine, stacked: usize, is_head: bool) -> Result<Self> {
        let capacity = plan.options.batch_size();
        let device = &engine.device;
        let buffers =
            Buffers { stacked, capacity, dtype: DType::F32, device: device.clone(), training: true, launched: true };
        let (batch, each) = (vec![0; capacity], vec![0; stacked]);
        let launched = plan.model.launched(is_head, true)?;
        let (parameters, statistics) = (launched.placement.parameters(), launched.placement.statistics());
        let mut nets = vec![Block::of_graph(&launched.graphs[0], &launched.layout, &buffers)?];
        for graph in &launched.graphs[1..] {
            nets.push(nets[0].beside(graph, &launched.layout, true)?);
        }
        let is_plain = is_head || !is_queued(plan);
        Ok(Self {
            state: buffers.rows(AdamW::state_len(parameters, statistics))?,
            is_head,
            plain: is_plain.then(|| Plain::new(plan, &launched, &buffers, is_head)).transpose()?,
            buffers: StepBuffers {
                nets,
                x: Buffers { stacked: 1, ..buffers.clone() }.samples(launched.seen_as.len())?,
                z: buffers.samples(launched.width)?,
                gradient: buffers.samples(launched.estimate_width())?,
                gradients: buffers.rows(parameters)?,
                loss: buffers.rows(1)?,
            },
            launched,
            epoch: EpochTensors::new(device, &plan.classes, capacity, stacked)?,
            step: StepTensors::new(
                device,
                StepValues::default(),
                [&batch, &batch, &each],
                &vec![0.0; stacked],
                &vec![0.0; stacked],
            )?,
            blocks: Vec::new(),
            alpha_bars: Vec::new(),
            order: Arc::default(),
            upcoming: None,
            steps: HashMap::new(),
        })
    }

    /// K.
    pub(crate) fn stacked(&self) -> usize {
        self.state.dims()[0]
    }

    /// Whether the jobs are heads.
    pub(crate) fn is_head(&self) -> bool {
        self.is_head
    }

    /// Says which blocks (from 1) the rows are, and gives each its state.
    pub(crate) fn load(&mut self, plan: &Plan, engine: &Engine, blocks: &[usize], states: &[Vec<f32>]) -> Result<()> {
        self.blocks = blocks.to_vec();
        self.alpha_bars = blocks.iter().map(|block| plan.model.schedule.alpha_bar(block - 1)).collect();
        let numbers: Vec<u32> = blocks.iter().map(|block| *block as u32).collect();
        let weights: Vec<f32> = blocks.iter().map(|block| plan.weight(*block) as f32).collect();
        engine.write(&self.step.blocks, &numbers)?;
        engine.write(&self.step.alpha_bars, &self.alpha_bars)?;
        engine.write(&self.step.weights, &weights)?;
        if let Some(plain) = &mut self.plain {
            plain.forget();
        }
        let rows = states.iter().map(|state| self.launched.placement.state(state));
        rows.enumerate().try_for_each(|(row, state)| engine.write(&self.row(row)?, &state))
    }

    /// Makes the order of an epoch (from 0) that is to begin later, while the device is busy.
    pub(crate) fn prepare(&mut self, plan: &Plan, epoch: usize) -> Result<()> {
        self.upcoming = Some((epoch, plan.order(epoch)?));
        Ok(())
    }

    /// Uploads what the steps of an epoch (from 0) need, of which step `next` (from 0 in the epoch) comes next. From then on
    /// the device needs nothing of the processor until the epoch ends.
    pub(crate) fn begin_epoch(&mut self, plan: &Plan, epoch: usize, next: usize) -> Result<()> {
        self.order = match self.upcoming.take() {
            Some((upcoming, order)) if upcoming == epoch => order,
            _ => plan.order(epoch)?,
        };
        let first = epoch as u64 * plan.steps_per_epoch();
        let rates: Vec<_> = (first..first + plan.steps_per_epoch()).map(|step| plan.adamw(step).rates()).collect();
        self.epoch.start(epoch, next, &self.order, &rates)
    }

    /// Puts the step (from 0 in the run) into the device's queue. It must be the one that comes next.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        engine: &Engine,
        data: &DeviceData,
        step: u64,
        stop: &StopFlag,
    ) -> Result<()> {
        if let Some(mut plain) = self.plain.take() {
            let Self { state, is_head, launched, buffers, step: values, blocks, order, .. } = self;
            let mut stacked = Stacked { state, is_head: *is_head, launched, buffers, step: values, blocks, order };
            let outcome = plain.step(&mut stacked, plan, engine, data, step, stop);
            self.plain = Some(plain);
            return outcome;
        }
        let per_epoch = plan.steps_per_epoch();
        let first = (step % per_epoch) as usize * plan.options.batch_size();
        let order = self.order.clone();
        let samples = &order[first..(first + plan.options.batch_size()).min(order.len())];
        let epoch = (step / per_epoch) as usize;
        let context = engine.context(plan.multiply(), Some(self.step.addresses()?));
        let mut repeated = self.steps.remove(&samples.len()).unwrap_or_default();
        let outcome = repeated.run(engine, || context.run(|| self.launch(plan, data, epoch, samples, stop)));
        self.steps.insert(samples.len(), repeated);
        outcome
    }

    /// The operations of a step, in order. Which samples they are, of which epoch and how fast to learn the kernels read from
    /// the device's memory, where `begin_step` puts it; of what is stated here they take sizes alone.
    fn launch(&mut self, plan: &Plan, data: &DeviceData, epoch: usize, samples: &[u32], stop: &StopFlag) -> Result<()> {
        let config = &plan.model.config;
        let (seed, width, blocks) = (config.seed, config.classes.len(), &self.blocks[..]);
        let classes = &plan.classes[..samples.len()];
        let StepBuffers { nets, x, z, gradient, gradients, loss } = &mut self.buffers;
        let block = &mut nets[0];
        self.epoch.begin_step(&self.step)?;
        data.gather(x, self.launched.seen_as, samples.len(), plan.augmenter(epoch))?;
        NoisedLabels { alpha_bars: &self.alpha_bars, blocks, seed, epoch, samples, classes, width }.fill(z)?;

        // All parameters of all blocks move in one launch at the end.
        let (samples_here, precision) = (samples.len(), plan.options.precision);
        let pass = Step { state: &self.state, gradients, optimiser: None, stop, samples: samples_here, precision };
        let mode = Mode::Training(Draw { seed, blocks, epoch, samples });
        block.forward(pass, mode, x, z)?;
        let error = SquaredError { classes, width };
        error.forward(loss, block.estimate())?;
        error.backward(gradient, block.estimate(), 1.0)?;
        block.backward(pass, mode, gradient, x, z)?;
        let placement = &self.launched.placement;
        let (parameters, statistics) = (placement.parameters(), placement.statistics());
        AdamW { parameters, statistics, ..plan.adamw(0) }.step(&self.state, gradients)?;
        self.epoch.store_loss(&self.step, loss)
    }

    /// Losses of the running epoch, and whether the states are finite now: one read.
    pub(crate) fn outcome(&self, engine: &Engine) -> Result<Outcome> {
        self.epoch.check_finite(&self.state)?;
        let mut outcome = self.epoch.read(&engine.read(&self.epoch.outcome)?)?;
        if let Some(plain) = &self.plain {
            outcome.losses = plain.losses().to_vec();
        }
        Ok(outcome)
    }

    /// The state of one row.
    pub(crate) fn state(&self, engine: &Engine, row: usize) -> Result<Vec<f32>> {
        Ok(self.launched.placement.packed_state(&engine.read(&self.row(row)?)?))
    }

    /// One row as it lies on the device.
    pub(super) fn row(&self, row: usize) -> Result<Tensor> {
        Ok(self.state.get(row)?)
    }
}

/// Whether a device takes the steps of blocks without the processor.
fn is_queued(plan: &Plan) -> bool {
    plan.model.method.is_queued() && plan.options.clip_norm.is_none() && plan.options.class_weights.is_none()
}
