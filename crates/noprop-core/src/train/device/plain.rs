//! A step of any method: the nets run on the device, and the processor draws what they are trained on and judges what they answer, by the code that
//! it trains with itself. The device waits meanwhile.
//!
//! ```text
//! host:    draw ─ z, times ─┐                      ┌─ û ─ loss ─ gradient ─┐                      ┌─ gradient of z ─ own gradients ─┐
//! device:                   └─ gather ─ forward ───┘                       └─ backward ───────────┘                                 └─ optimiser
//! ```

use super::DeviceData;
use super::buffers::StepBuffers;
use crate::config::Launched;
use crate::cuda::{Engine, StepTensors, StepValues};
use crate::error::Result;
use crate::method::{Draw as Draws, Drawn, Method, OwnPass};
use crate::net::{Buffers, Draw, Layout, Mode, Step};
use crate::ops::adamw::AdamW;
use crate::ops::apply;
use crate::tensor::{Buffer, Slot, StopFlag};
use crate::train::Plan;
use crate::train::judge::{self, Answer, OwnRoom};
use crate::train::ode::{Ode, On, Place};
use crate::train::values::{CopyIn, clip};
use candle_core::{Device, Tensor};

/// The jobs on the device, see [`Stack`](super::Stack).
pub(super) struct Stacked<'a> {
    pub state: &'a Buffer,
    pub is_head: bool,
    pub launched: &'a Launched,
    pub buffers: &'a mut StepBuffers,
    pub step: &'a StepTensors,
    pub blocks: &'a [usize],
    pub order: &'a [u32],
}

/// What the processor has of K jobs.
pub(super) struct Plain {
    rows: Vec<Row>,
    /// Of one job: û, its gradient, and room for a loss.
    estimate: Buffer,
    gradient: Buffer,
    loss: Buffer,
    /// Of a method whose net is the slope of a differential equation.
    ode: Option<Ode>,
    /// `[K][steps]`: the losses of the epoch.
    losses: Vec<Vec<f32>>,
}

/// What it has of each.
struct Row {
    drawn: Drawn,
    /// The values of the method's own tensors.
    own: Vec<f64>,
    room: OwnRoom,
}

impl Plain {
    pub fn new(plan: &Plan, launched: &Launched, there: &Buffers, is_head: bool) -> Result<Self> {
        let (capacity, stacked, width) = (there.capacity, there.stacked, launched.width);
        let buffers = Buffers { stacked: 1, device: Device::Cpu, launched: false, ..there.clone() };
        let (method, _) = kind(plan, is_head);
        let parameters = launched.placement.parameters();
        let ode = method.equation().map(|equation| Ode::new(equation, there, width, parameters)).transpose()?;
        let own = launched.own.iter().map(|slot| slot.len).sum();
        let row = |_| Row {
            drawn: Drawn::new(capacity, width),
            own: Vec::new(),
            room: OwnRoom::new(plan, method, own, launched.estimate_width()),
        };
        Ok(Self {
            rows: (0..stacked).map(row).collect(),
            estimate: buffers.samples(launched.estimate_width())?,
            gradient: buffers.samples(launched.estimate_width())?,
            loss: buffers.rows(1)?,
            ode,
            losses: vec![vec![0.0; plan.steps_per_epoch() as usize]; stacked],
        })
    }

    /// The losses of the running epoch, `[K][steps]`.
    pub fn losses(&self) -> &[Vec<f32>] {
        &self.losses
    }

    /// Other jobs come.
    pub fn forget(&mut self) {
        self.losses.iter_mut().for_each(|losses| losses.fill(0.0));
    }

    /// Makes the step (from 0 in the run) of the jobs in `stack`: one of each of their nets.
    pub fn step(
        &mut self,
        stack: &mut Stacked<'_>,
        plan: &Plan,
        engine: &Engine,
        data: &DeviceData,
        step: u64,
        stop: &StopFlag,
    ) -> Result<()> {
        let (batch, place) = (plan.options.batch_size(), (step % plan.steps_per_epoch()) as usize);
        let order = stack.order;
        let samples = &order[place * batch..(place * batch + batch).min(order.len())];
        let classes: Vec<u32> = samples.iter().map(|sample| plan.classes[*sample as usize]).collect();
        self.losses.iter_mut().for_each(|losses| losses[place] = 0.0);
        for net in 0..stack.buffers.nets.len() {
            self.step_net(stack, (plan, engine, data), (net, step), (samples, &classes), stop)?;
        }
        Ok(())
    }

    fn step_net(
        &mut self,
        stack: &mut Stacked<'_>,
        (plan, engine, data): (&Plan, &Engine, &DeviceData),
        (net, step): (usize, u64),
        (samples, classes): (&[u32], &[u32]),
        stop: &StopFlag,
    ) -> Result<()> {
        let (method, layout) = kind(plan, stack.is_head);
        let (seed, capacity, per_epoch) = (plan.model.config.seed, plan.options.batch_size(), plan.steps_per_epoch());
        let (epoch, place) = ((step / per_epoch) as usize, (step % per_epoch) as usize);
        let nets = stack.buffers.nets.len();
        // The nets of a job draw as blocks.
        let jobs = if nets == 1 { stack.blocks.to_vec() } else { vec![net + 1] };
        let Launched { graphs, layout: there, placement, own, seen_as, width, .. } = stack.launched;
        let (width, estimate_width) = (*width, stack.launched.estimate_width());
        let adamw = AdamW {
            parameters: placement.parameters(),
            statistics: placement.statistics(),
            ..plan.adamw_of(layout, step)
        };
        let values = |adamw: &AdamW| {
            let [keep, step_size, inverse_root_correction] = adamw.rates();
            let (epoch, samples, step) = (epoch as u32, samples.len() as u32, place as u32);
            StepValues { epoch, samples, step, keep, step_size, inverse_root_correction }.words()
        };
        engine.write(&stack.step.values, &values(&adamw))?;
        engine.write(&stack.step.samples, &filled(samples, capacity))?;
        engine.write(&stack.step.classes, &filled(classes, capacity))?;
        engine.write(&stack.step.blocks, &jobs.iter().map(|job| *job as u32).collect::<Vec<_>>())?;

        let numbers = plan.numbers.as_ref();
        let draw = Draws { seed, job: 0, epoch, samples, classes, numbers, own: &[] };
        let mut z = vec![0.0; jobs.len() * capacity * width];
        let mut times = vec![0.0; jobs.len() * capacity];
        for (k, (row, job)) in self.rows.iter_mut().zip(&jobs).enumerate() {
            row.own.clear();
            for slot in own {
                let there: Vec<f32> = engine.read(&part(stack.state, k, *slot)?)?;
                row.own.extend(there.into_iter().map(f64::from));
            }
            let draw = Draws { job: *job, own: &row.own, ..draw };
            judge::draw(method, &draw, plan.class_weights_of(*job), &mut row.drawn);
            let len = samples.len() * width;
            z[k * capacity * width..][..len].copy_from_slice(&row.drawn.z[..len]);
            times[k * capacity..][..samples.len()].copy_from_slice(&row.drawn.times[..samples.len()]);
        }
        let buffers = &mut stack.buffers;
        let (block, x, gradients) = (&mut buffers.nets[net], &buffers.x, &buffers.gradients);
        let context = engine.context(plan.multiply(), Some(stack.step.addresses()?));
        let precision = plan.options.precision;
        let pass = Step { state: stack.state, gradients, optimiser: None, stop, samples: samples.len(), precision };
        let mode = Mode::Training(Draw { seed, blocks: &jobs, epoch, samples });
        context.run(|| data.gather(x, *seen_as, samples.len(), plan.augmenter(epoch)))?;
        if let (Some(ode), Some(equation)) = (&mut self.ode, method.equation()) {
            // A method of one job, whose states and times are written step by step.
            let Row { drawn, own: values, room } = &mut self.rows[0];
            let draw = Draws { job: jobs[0], own: values, ..draw };
            let (z, gradient, place_of) = (&buffers.z, &buffers.gradient, Place::There(engine, context));
            let on = On { block, x, z, gradient, pass, mode, width, place: place_of };
            let (loss, summed) = ode.run(equation, on, &draw, &drawn.z, &mut room.gradients)?;
            self.losses[0][place] = loss as f32;
            put_own(engine, summed, 0, own, &room.gradients)?;
            clip_rows(plan, engine, summed, adamw.parameters)?;
            return context.run(|| adamw.step(stack.state, summed));
        }
        engine.write(&buffers.z, &z)?;
        if let Some(time) = block.time() {
            engine.write(time, &times)?;
        }
        context.run(|| block.forward(pass, mode, x, &buffers.z))?;

        let found: Vec<f32> = engine.read(block.estimate())?;
        let mut gradient = vec![0.0; found.len()];
        let of_row = |k: usize, width: usize| k * capacity * width..(k * capacity + samples.len()) * width;
        for (k, (row, job)) in self.rows.iter_mut().zip(&jobs).enumerate() {
            let Row { drawn, own, room } = row;
            let found = &found[of_row(k, estimate_width)];
            apply(&CopyIn(found), &self.estimate, [])?;
            if !own.is_empty() {
                room.estimate.clear();
                room.estimate.extend(found.iter().map(|value| f64::from(*value)));
                room.gradients.fill(0.0);
            }
            let draw = Draws { job: *job, own, ..draw };
            let class_weights = plan.class_weights_of(*job);
            let answer = Answer { plan, method, draw: &draw, drawn, width: estimate_width, class_weights };
            let loss = answer.judge(&self.estimate, &self.gradient, &self.loss, room)?;
            self.losses[k][place] += (loss / nets as f64) as f32;
            let judged: Vec<f32> = self.gradient.flatten_all()?.to_vec1()?;
            let to = &mut gradient[of_row(k, estimate_width)];
            to.copy_from_slice(&judged[..samples.len() * estimate_width]);
        }
        engine.write(&buffers.gradient, &gradient)?;
        context.run(|| block.backward(pass, mode, &buffers.gradient, x, &buffers.z))?;

        let by_z = match block.z_gradient() {
            Some(by_z) if !own.is_empty() => Some(engine.read::<f32>(by_z)?),
            _ => None,
        };
        if let Some(by_z) = &by_z {
            for (k, (row, job)) in self.rows.iter_mut().zip(&jobs).enumerate() {
                let Row { drawn, own: values, room } = row;
                let OwnRoom { estimate, z_gradient, gradients: own_gradients, room, .. } = room;
                z_gradient.clear();
                z_gradient.extend(by_z[of_row(k, width)].iter().copied().map(f64::from));
                let pass = OwnPass { estimate, z_gradient, gradients: own_gradients, room };
                method.own_gradients(&Draws { job: *job, own: values, ..draw }, drawn, pass);
                put_own(engine, gradients, k, own, own_gradients)?;
            }
        }
        clip_rows(plan, engine, gradients, adamw.parameters)?;
        if nets == 1 {
            return context.run(|| adamw.step(stack.state, gradients));
        }
        // A net's parameters, and what moves with every net.
        let declared = graphs[net].layout();
        let names = declared.entries().iter().filter(|entry| entry.name.starts_with("params."));
        context.run(|| {
            names
                .map(|entry| there.slot(&entry.name))
                .try_for_each(|slot| adamw.step_part(stack.state, gradients, slot))
        })?;
        let every = AdamW { step: step * nets as u64 + net as u64 + 1, ..adamw };
        engine.write(&stack.step.values, &values(&every))?;
        context.run(|| own.iter().try_for_each(|slot| every.step_part(stack.state, gradients, *slot)))
    }
}

/// How the jobs are trained, and their tensors on the processor.
fn kind(plan: &Plan, is_head: bool) -> (&dyn Method, &Layout) {
    match &plan.model.head {
        Some(head) if is_head => (&*head.method, &head.layout),
        _ => (&*plan.model.method, &plan.model.layout),
    }
}

/// Writes the gradients of a method's own tensors, one after the other, to their places in row `k`.
fn put_own(engine: &Engine, gradients: &Tensor, k: usize, slots: &[Slot], values: &[f64]) -> Result<()> {
    let mut rest = values;
    for slot in slots {
        let values: Vec<f32> = rest[..slot.len].iter().map(|value| *value as f32).collect();
        engine.write(&part(gradients, k, *slot)?, &values)?;
        rest = &rest[slot.len..];
    }
    Ok(())
}

/// Shortens each row of gradients to the length that a run allows.
fn clip_rows(plan: &Plan, engine: &Engine, gradients: &Tensor, parameters: usize) -> Result<()> {
    let Some(most) = plan.options.clip_norm else { return Ok(()) };
    let mut values: Vec<f32> = engine.read(gradients)?;
    let rows = values.chunks_exact_mut(parameters);
    if rows.map(|row| clip(row, most)).fold(false, |any, one| any | one) {
        engine.write(gradients, &values)?;
    }
    Ok(())
}

/// Some values of row `k`.
fn part(rows: &Tensor, k: usize, slot: Slot) -> Result<Tensor> {
    Ok(rows.get(k)?.narrow(0, slot.offset, slot.len)?)
}

/// As many values, of which those that are missing are 0.
fn filled(values: &[u32], count: usize) -> Vec<u32> {
    values.iter().copied().chain(std::iter::repeat(0)).take(count).collect()
}
