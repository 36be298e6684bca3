//! Steps jobs: the buffers that one worker thread needs to run any job of a run, one step at a time.

use super::batch::Gather;
use super::judge::{self, Answer, OwnRoom};
use super::ode::{Ode, On, Place};
use super::plan::Plan;
use super::validation::Validator;
use crate::config::JobParts;
use crate::error::{Code, Error, Result};
use crate::method::{Draw as Draws, Drawn, Method, OwnPass};
use crate::net::Step;
use crate::net::{Block, Buffers, Draw, Layout, Mode};
use crate::ops::adamw::AdamW;
use crate::ops::apply;
use crate::tensor::{Buffer, Slot, StopFlag};
use crate::train::values::{Clip, CopyIn, PutSlots, read, read_slots};
use candle_core::{DType, Device};

pub(super) use super::values::all_finite;

/// Steps any job of a run in buffers of its own.
pub struct Trainer {
    /// One a net of a job, all on the same buffers.
    blocks: Vec<Block>,
    /// x in double precision, for checks; in f32 the batch's own is read.
    wide: Option<Buffer>,
    z: Buffer,
    gradient: Buffer,
    gradients: Buffer,
    loss: Buffer,
    drawn: Drawn,
    /// Values of an estimate.
    estimate: usize,
    own: Own,
    /// Where the net is the slope of a differential equation.
    ode: Option<Ode>,
    /// Made at the first validation.
    validator: Option<Validator>,
    /// Steps the head, where that is a job.
    head: Option<Box<Trainer>>,
}

/// What a method's own tensors need beside: room that no step has to make.
struct Own {
    values: Vec<f64>,
    room: OwnRoom,
}

impl Trainer {
    /// Buffers for `plan`'s batches.
    pub fn new(plan: &Plan, device: &Device) -> Result<Self> {
        Self::with_dtype(plan, device, DType::F32)
    }

    pub(crate) fn with_dtype(plan: &Plan, device: &Device, dtype: DType) -> Result<Self> {
        let model = &plan.model;
        let of_head = |head: &JobParts| {
            let trainer = Self::of_jobs(plan, device, dtype, (&*head.method, &head.layout, &[]));
            trainer.map(Box::new)
        };
        let head = model.head.as_deref().map(of_head).transpose()?;
        let trainer = Self::of_jobs(plan, device, dtype, (&*model.method, &model.layout, &model.own))?;
        Ok(Self { head, ..trainer })
    }

    /// For jobs of one kind, with these tensors of their own.
    fn of_jobs(
        plan: &Plan,
        device: &Device,
        dtype: DType,
        (method, layout, own): (&dyn Method, &Layout, &[Slot]),
    ) -> Result<Self> {
        let (model, config) = (&plan.model, &plan.model.config);
        let capacity = plan.options.batch_size();
        let buffers = Buffers { stacked: 1, capacity, dtype, device: device.clone(), training: true, launched: false };
        let (width, graphs) = (model.vectors.width(), method.graphs()?);
        let graph = &graphs[0];
        let estimate = graph.estimate_width();
        let own: usize = own.iter().map(|slot| slot.len).sum();
        let equation = method.equation();
        let ode = equation.map(|equation| Ode::new(equation, &buffers, width, layout.parameters())).transpose()?;
        let mut blocks = vec![Block::of_graph(graph, layout, &buffers)?];
        for graph in &graphs[1..] {
            blocks.push(blocks[0].beside(graph, layout, false)?);
        }
        Ok(Self {
            blocks,
            wide: (dtype != DType::F32).then(|| buffers.samples(config.input.len())).transpose()?,
            z: buffers.samples(width)?,
            gradient: buffers.samples(estimate)?,
            gradients: buffers.rows(layout.parameters())?,
            loss: buffers.rows(1)?,
            drawn: Drawn::new(capacity, width),
            estimate,
            own: Own { values: Vec::with_capacity(own), room: OwnRoom::new(plan, method, own, estimate) },
            ode,
            validator: None,
            head: None,
        })
    }

    /// What measures blocks on validation samples.
    pub(super) fn validator(&mut self, plan: &Plan) -> Result<&mut Validator> {
        match &mut self.validator {
            Some(validator) => Ok(validator),
            empty => Ok(empty.insert(Validator::new(&plan.model)?)),
        }
    }

    /// One training step (from 0) of job `job` on `state` `[1, 3 · parameters + statistics]`. Returns the batch's mean loss and
    /// its number of samples.
    ///
    /// # Errors
    /// [`Code::Cancelled`] when stopped; `state` is then between two steps and must not be used. [`Code::Diverged`] when the
    /// loss is not a finite number.
    pub fn step(
        &mut self,
        plan: &Plan,
        job: usize,
        step: u64,
        state: &Buffer,
        stop: &StopFlag,
    ) -> Result<(f64, usize)> {
        let model = &plan.model;
        if let (Some(parts), Some(head)) = (model.head_of(job), &mut self.head) {
            return head.step_of(plan, (&*parts.method, &parts.layout, &[]), job, step, state, stop);
        }
        self.step_of(plan, (&*model.method, &model.layout, &model.own), job, step, state, stop)
    }

    /// The same of a job of this kind: a step of each of its nets.
    fn step_of(
        &mut self,
        plan: &Plan,
        of: (&dyn Method, &Layout, &[Slot]),
        job: usize,
        step: u64,
        state: &Buffer,
        stop: &StopFlag,
    ) -> Result<(f64, usize)> {
        let nets = self.blocks.len();
        if nets == 1 {
            return self.step_net(plan, of, (0, job), step, state, stop);
        }
        let mut sum = 0.0;
        let mut samples = 0;
        for net in 0..nets {
            let (loss, count) = self.step_net(plan, of, (net, net + 1), step, state, stop)?;
            (sum, samples) = (sum + loss, count);
        }
        Ok((sum / nets as f64, samples))
    }

    /// The same of a net (from 0), whose random numbers are those of job `job`.
    fn step_net(
        &mut self,
        plan: &Plan,
        (method, layout, slots): (&dyn Method, &Layout, &[Slot]),
        (net, job): (usize, usize),
        step: u64,
        state: &Buffer,
        stop: &StopFlag,
    ) -> Result<(f64, usize)> {
        let config = &plan.model.config;
        let epoch = (step / plan.steps_per_epoch()) as usize;
        let batch = plan.batch(step)?;
        let (samples, classes) = (&batch.samples[..], &batch.classes[..]);
        let x = match &self.wide {
            None => &batch.x,
            Some(wide) => {
                Gather { data: &plan.data, samples, augmenter: plan.augmenter(epoch) }.fill(wide)?;
                wide
            }
        };
        let (seed, blocks, width, of_estimate) = (config.seed, &[job], plan.model.vectors.width(), self.estimate);
        let nets = self.blocks.len();
        let (block, Own { values, room: own }) = (&mut self.blocks[net], &mut self.own);
        read_slots(state, slots, values)?;
        let draw = Draws { seed, job, epoch, samples, classes, numbers: plan.numbers.as_ref(), own: values };
        let class_weights = plan.class_weights_of(job);
        judge::draw(method, &draw, class_weights, &mut self.drawn);
        let mode = Mode::Training(Draw { seed, blocks, epoch, samples });
        let (gradients, precision) = (&self.gradients, plan.options.precision);
        if let (Some(ode), Some(equation)) = (&mut self.ode, method.equation()) {
            let pass = Step { state, gradients, optimiser: None, stop, samples: samples.len(), precision };
            let (z, gradient, place) = (&self.z, &self.gradient, Place::Here);
            let on = On { block, x, z, gradient, pass, mode, width, place };
            let (loss, summed) = ode.run(equation, on, &draw, &self.drawn.z, &mut own.gradients)?;
            apply(&PutSlots { slots: &plan.model.own, values: &own.gradients }, summed, [])?;
            if !loss.is_finite() {
                return Err(diverged(job, step).received(loss.to_string()));
            }
            if let Some(most) = plan.options.clip_norm {
                apply(&Clip { most, len: layout.parameters() }, summed, [])?;
            }
            plan.adamw(step).step(state, summed)?;
            return Ok((loss, samples.len()));
        }
        apply(&CopyIn(&self.drawn.z[..samples.len() * width]), &self.z, [])?;
        if let Some(time) = block.time() {
            apply(&CopyIn(&self.drawn.times[..samples.len()]), time, [])?;
        }

        let adamw = plan.adamw_of(layout, step);
        let clip = plan.options.clip_norm;
        // The length of all gradients is known when all are there.
        let optimiser = clip.is_none().then_some(&adamw);
        let pass = Step { state, gradients, optimiser, stop, samples: samples.len(), precision };
        block.forward(pass, mode, x, &self.z)?;
        if !own.gradients.is_empty() {
            read(block.estimate(), samples.len() * of_estimate, &mut own.estimate)?;
            own.gradients.fill(0.0);
        }
        let answer = Answer { plan, method, draw: &draw, drawn: &self.drawn, width: of_estimate, class_weights };
        let loss = answer.judge(block.estimate(), &self.gradient, &self.loss, own)?;
        block.backward(pass, mode, &self.gradient, x, &self.z)?;
        if let Some(z_gradient) = block.z_gradient()
            && !own.gradients.is_empty()
        {
            read(z_gradient, samples.len() * width, &mut own.z_gradient)?;
            let OwnRoom { estimate, z_gradient, gradients, room, .. } = own;
            method.own_gradients(&draw, &self.drawn, OwnPass { estimate, z_gradient, gradients, room });
            apply(&PutSlots { slots, values: &own.gradients }, &self.gradients, [])?;
            if clip.is_none() {
                // They move with every net.
                let adamw = AdamW { step: step * nets as u64 + net as u64 + 1, ..adamw };
                slots.iter().try_for_each(|slot| adamw.step_part(state, &self.gradients, *slot))?;
            }
        }
        if let Some(most) = clip {
            apply(&Clip { most, len: layout.parameters() }, &self.gradients, [])?;
            adamw.step(state, &self.gradients)?;
        }

        if !loss.is_finite() {
            return Err(diverged(job, step).received(loss.to_string()));
        }
        Ok((loss, samples.len()))
    }
}

/// The error of a block whose numbers are no longer finite.
pub(super) fn diverged(block: usize, step: u64) -> Error {
    Error::new(Code::Diverged, format!("block {block} diverged in step {}", step + 1))
        .expected("a finite loss and finite weights")
        .hint("use a smaller learning rate, and check the scale of the inputs")
}
