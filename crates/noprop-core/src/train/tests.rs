//! Block jobs and runs: schedule invariance, resumption, checkpoints, what a step computes, how threads share the work.

mod augment;
mod averages;
mod batches;
mod checkpoints;
mod class_weights;
mod continued;
#[cfg(feature = "emulation")]
mod device;
mod encoder;
mod events;
mod golden;
mod invariance;
mod kept;
mod methods;
mod not_begun;
mod numbers;
mod prototypes;
mod refusals;
mod resume;
mod steps;
mod stop;
mod teams;
mod threads;
mod validated_models;
mod validation;

use super::{BlockJob, Event, Observer, Plan, Trainer, Training};
use crate::config::{FitOptions, HeadConfig, ModelConfig, Precision};
use crate::data::{Dataset, InputShape, Pixels};
use crate::diffusion::{EmbeddingConfig, ScheduleConfig, Weighting};
use crate::optim::{LearningRateSchedule, Optimizer};
use crate::rng::{Purpose, Stream};
use crate::storage::WeightStore;
use crate::tensor::StopFlag;
use crate::{NetConfig, config::MethodConfig};
use candle_core::Device;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

/// Labels with holes, as users have them.
const CLASSES: [i32; 3] = [4, 7, 19];
/// Far longer than any of these runs: a test that waits longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Separable vectors of 6 values: the first three say the class, all carry noise.
fn vectors(samples: usize) -> Arc<Dataset> {
    let stream = Stream::new(1, Purpose::Init, 0, 0, 0);
    let value = |index: usize| {
        let signal = if index % 6 == index / 6 % 3 { 1.0 } else { 0.0 };
        (signal + 0.2 * stream.normal(index as u32)) as f32
    };
    let pixels = Pixels::F32((0..samples * 6).map(value).collect());
    let labels = (0..samples).map(|sample| CLASSES[sample % 3]).collect();
    Arc::new(Dataset::from_arrays(pixels, InputShape::Vector { len: 6 }, Some(labels)).unwrap())
}

/// Images of 14×14 whose bright rows say the class.
fn images(samples: usize) -> Arc<Dataset> {
    let stream = Stream::new(2, Purpose::Init, 0, 0, 0);
    let value = |index: usize| {
        let (sample, row) = (index / 196, index % 196 / 14);
        let bright = if row / 5 == sample % 3 { 150.0 } else { 0.0 };
        (bright + 100.0 * stream.uniform(index as u32)) as u8
    };
    let pixels = Pixels::U8((0..samples * 196).map(value).collect());
    let labels = (0..samples).map(|sample| CLASSES[sample % 3]).collect();
    let shape = InputShape::Image { height: 14, width: 14, channels: 1 };
    Arc::new(Dataset::from_arrays(pixels, shape, Some(labels)).unwrap())
}

fn model(blocks: usize, input: InputShape, net: NetConfig) -> ModelConfig {
    ModelConfig {
        method: MethodConfig::default(),
        blocks,
        input,
        targets: None,
        classes: CLASSES.to_vec().into(),
        encoder: None,
        net,
        schedule: ScheduleConfig::default(),
        embedding: EmbeddingConfig::default(),
        head: HeadConfig::None,
        seed: 7,
        preprocessing: None,
    }
}

/// A small mlp with dropout for [`vectors`].
fn mlp(blocks: usize) -> ModelConfig {
    model(blocks, InputShape::Vector { len: 6 }, NetConfig::Mlp { hidden: vec![16, 9], dropout: 0.1 })
}

/// A small cnn with dropout for [`images`].
fn cnn(blocks: usize) -> ModelConfig {
    let shape = InputShape::Image { height: 14, width: 14, channels: 1 };
    model(blocks, shape, NetConfig::Cnn { widths: [3, 4, 5], hidden: 12, dropout: 0.2 })
}

/// The precisions of this machine. (Elsewhere than on a machine that has it, bf16 is tested operation by operation.)
fn precisions() -> impl Iterator<Item = Precision> {
    Precision::OF_PROCESSORS.into_iter().filter(|precision| precision.check_processor().is_ok())
}

/// Three epochs in one thread.
fn options(batch: usize) -> FitOptions {
    FitOptions { epochs: 3, batch: Some(batch), learning_rate: 5e-3, threads: Some(1), ..FitOptions::default() }
}

fn plan(model: ModelConfig, options: FitOptions, data: &Arc<Dataset>) -> Plan {
    Plan::new(model.check().unwrap(), options, data.clone()).unwrap()
}

/// A run whose events can be waited for.
struct Run {
    training: Training,
    events: mpsc::Receiver<Event>,
}

impl Run {
    fn start(plan: Plan) -> Self {
        Self::observed(plan, |_| {})
    }

    /// `observe` sees each event first, on the thread that emits it.
    fn observed(plan: Plan, observe: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        let (sender, events) = mpsc::channel();
        let observer: Observer = Box::new(move |event| {
            observe(&event);
            let _ = sender.send(event);
        });
        Self { training: Training::start(plan, observer).unwrap(), events }
    }

    fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event in time")
    }

    /// Runs the blocks in this order, at most `in_flight` at once, as a scheduler would, until `until` says stop or all
    /// have ended. Returns the events so far.
    fn drive(&self, order: &[usize], in_flight: usize, mut until: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut waiting = order.iter();
        let mut start =
            || waiting.next().is_some_and(|block| self.training.start_block(*block).map(|()| true).unwrap());
        let mut running = (0..in_flight).filter(|_| start()).count();
        let mut events = Vec::new();
        while running > 0 {
            let event = self.next();
            let ended = matches!(event, Event::Block { .. });
            assert!(!matches!(event, Event::Failed { .. }), "{event:?}");
            let enough = until(&event);
            events.push(event);
            if enough {
                break;
            }
            if ended && !start() {
                running -= 1;
            }
        }
        events
    }

    fn finish(self) -> WeightStore {
        self.training.finish().unwrap().weights
    }
}

/// A gate that threads wait at until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Whether it was opened in time.
    fn wait(&self) -> bool {
        let opened = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(opened, PATIENCE, |open| !*open).unwrap().0
    }
}

/// Drives the blocks until `halt` says so; the thread that emitted that event gets no further before the gate is opened. There
/// is no gate if the run came to its end without a halt.
fn halted(
    plan: Plan,
    order: &[usize],
    in_flight: usize,
    halt: impl Fn(&Event) -> bool + Send + Sync + 'static,
) -> (Vec<Event>, Run, Option<Gate>) {
    let (gate, halted) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let (closed, halting) = (gate.clone(), halted.clone());
    let (sender, events) = mpsc::channel();
    let observer: Observer = Box::new(move |event| {
        let halts = halt(&event);
        halting.fetch_or(halts, Ordering::SeqCst);
        let _ = sender.send(event);
        assert!(!halts || closed.wait());
    });
    let run = Run { training: Training::start(plan, observer).unwrap(), events };
    let events = run.drive(order, in_flight, |_| halted.load(Ordering::SeqCst));
    let gate = halted.load(Ordering::SeqCst).then_some(gate);
    (events, run, gate)
}

/// Drives the blocks until `halt` says so, and then interrupts them as the end of the process would. Returns the events, and
/// the run if it came to its end without a halt.
fn interrupt(
    plan: Plan,
    order: &[usize],
    in_flight: usize,
    halt: impl Fn(&Event) -> bool + Send + Sync + 'static,
) -> (Vec<Event>, Option<Run>) {
    let (events, run, gate) = halted(plan, order, in_flight, halt);
    let Some(gate) = gate else { return (events, Some(run)) };
    run.training.stop_flag().stop();
    gate.open();
    (events, None)
}

/// Trains all blocks and returns their weights.
fn train(plan: Plan) -> WeightStore {
    let blocks = plan.model.jobs();
    let in_flight = plan.options.in_flight.unwrap();
    let run = Run::start(plan);
    run.drive(&(1..=blocks).collect::<Vec<_>>(), in_flight, |_| false);
    run.finish()
}

fn sha256(plan: Plan) -> String {
    train(plan).sha256().unwrap()
}

/// The job of one block after `steps` steps, without a run.
fn job(plan: &Plan, block: usize, steps: u64) -> BlockJob {
    let device = Device::Cpu;
    let (mut job, mut trainer) = (BlockJob::start(plan, block, &device).unwrap(), Trainer::new(plan, &device).unwrap());
    job.run(plan, &mut trainer, &StopFlag::new(), |job, _| job.progress.step == steps).unwrap();
    job
}
