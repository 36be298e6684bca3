//! A warm training step and a warm chunk of inference allocate nothing, counted by an allocator of this test's own.
//! What dependencies allocate counts as well.

use noprop_core::config::{FitOptions, Precision, from_json};
use noprop_core::data::{Augment, Dataset, Flip, InputShape, Pixels};
use noprop_core::inference::predict;
use noprop_core::storage::WeightStore;
use noprop_core::team::{share, stress, with_helpers};
use noprop_core::tensor::StopFlag;
use noprop_core::train::{BlockJob, Plan, Trainer};
use noprop_core::{Model, SampleOptions};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

/// Counts this thread's allocations, so that tests beside this one do not disturb.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter, and nobody who reads it.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes on to the system's allocator as it came; the counter is a constant-initialised cell without a
// destructor, so that reading it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread during `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

const CNN: &str = r#"{"type":"cnn","widths":[4,5,6],"hidden":16,"dropout":0.2}"#;
/// Channels that Winograd's kernels take.
const WIDE: &str = r#"{"type":"cnn","widths":[32,32,32],"hidden":16,"dropout":0.2}"#;
const PLAIN: &str = r#"{"type":"mlp","hidden":[20,18,16]}"#;
const MLP: &str = r#"{"type":"mlp","hidden":[24,17],"dropout":0.1}"#;

fn model(net: &str, classes: usize) -> Model {
    model_by(r#""dt""#, 4, net, classes)
}

fn model_by(method: &str, blocks: usize, net: &str, classes: usize) -> Model {
    let classes: Vec<_> = (0..classes).collect();
    let json = format!(r#"{{"method":{method},"input":[14,14],"classes":{classes:?},"blocks":{blocks},"net":{net}}}"#);
    Model::new(from_json(&json).unwrap()).unwrap()
}

fn data(samples: usize, classes: usize) -> Dataset {
    let pixels = Pixels::U8((0..samples * 196).map(|index| (index * 7919 % 251) as u8).collect());
    let labels = (0..samples).map(|sample| (sample % classes) as i32).collect();
    Dataset::from_arrays(pixels, InputShape::new(&[14, 14]).unwrap(), Some(labels)).unwrap()
}

/// Allocations of `epochs` warm epochs of 6 steps, the last of 5 samples, of three blocks that take turns. Images are
/// augmented.
fn training(net: &str, classes: usize, (in_flight, batch): (usize, usize), precision: Precision, epochs: u64) -> u64 {
    training_of(model(net, classes), classes, (in_flight, batch), precision, epochs)
}

fn training_of(
    model: Model,
    classes: usize,
    (in_flight, batch): (usize, usize),
    precision: Precision,
    epochs: u64,
) -> u64 {
    let augment = Augment { shift: 2, flip: Flip::Alternating, cutout: 3 };
    let (threads, in_flight) = (Some(1), Some(in_flight));
    let options =
        FitOptions { epochs: 100, batch: Some(batch), threads, in_flight, precision, augment, ..FitOptions::default() };
    let data = Arc::new(data(5 * batch + 5, classes));
    let jobs = model.checked.jobs().min(3);
    let plan = Plan::new(model.checked, options, data).unwrap();
    let device = &candle_core::Device::Cpu;
    let mut trainer = Trainer::new(&plan, device).unwrap();
    let mut jobs: Vec<_> = (1..=jobs).map(|block| BlockJob::start(&plan, block, device).unwrap()).collect();
    let stop = StopFlag::new();
    let mut train = |epochs: u64| {
        for _ in 0..epochs * plan.steps_per_epoch() {
            for job in &mut jobs {
                job.step(&plan, &mut trainer, &stop).unwrap();
            }
        }
    };
    // Until every buffer that is kept has been used: 4 epoch orders, 8 batches, the kernels' scratch.
    train(5);
    allocations(|| train(epochs))
}

#[test]
fn a_warm_training_step_allocates_nothing() {
    // 70 classes: labels wider than any buffer on the stack. One block in flight keeps one batch, so that each job gathers.
    let cases = [(CNN, 3, 3), (WIDE, 3, 3), (MLP, 3, 3), (CNN, 70, 3), (MLP, 70, 3), (MLP, 3, 1)];
    // Those of this machine.
    let precisions = || Precision::OF_PROCESSORS.into_iter().filter(|precision| precision.check_processor().is_ok());
    for (precision, (net, classes, in_flight)) in precisions().flat_map(|one| cases.map(|case| (one, case))) {
        for batch in [8, 32] {
            // Whole epochs, so that their ends and their orders count.
            let count = training(net, classes, (in_flight, batch), precision, 3);
            let name = precision.as_str();
            assert_eq!(count, 0, "{net}, {classes} classes, batch {batch}, {in_flight} in flight, {name}");
        }
    }
}

/// How much each thread of this thread's team has allocated so far.
fn of_threads() -> HashMap<ThreadId, u64> {
    let counts = Mutex::new(HashMap::new());
    // So many parts, none of which is over at once, that every thread takes some.
    let part = |_| {
        std::thread::sleep(Duration::from_millis(1));
        let count = ALLOCATIONS.get();
        counts.lock().unwrap().insert(std::thread::current().id(), count);
        Ok(())
    };
    share(32, part).unwrap();
    counts.into_inner().unwrap()
}

#[test]
fn a_warm_step_of_a_team_allocates_nothing_on_any_of_its_threads() {
    // Every operation is cut, however small.
    let _stress = stress::begin(1);
    let options = FitOptions { epochs: 1000, batch: Some(32), threads: Some(1), ..FitOptions::default() };
    let plan = Plan::new(model(WIDE, 3).checked, options, Arc::new(data(165, 3))).unwrap();
    let device = &candle_core::Device::Cpu;
    let (mut trainer, mut job) = (Trainer::new(&plan, device).unwrap(), BlockJob::start(&plan, 1, device).unwrap());
    let stop = StopFlag::new();
    let [before, after] = with_helpers(1, || {
        let mut train = |epochs: u64| {
            for _ in 0..epochs * plan.steps_per_epoch() {
                job.step(&plan, &mut trainer, &stop).unwrap();
            }
        };
        // Until each thread has had parts of every operation, and its scratch.
        train(40);
        let before = of_threads();
        train(3);
        [before, of_threads()]
    });
    assert_eq!(before.len(), 2, "one thread alone");
    for (thread, before) in before {
        // What the measure itself allocates: its map.
        let count = after[&thread] - before;
        assert!(count <= 4, "{count} allocations in 18 steps on {thread:?}");
    }
}

#[test]
fn a_warm_step_of_every_method_allocates_nothing() {
    let methods = [
        (r#""fm""#, 1),
        (r#"{"type":"fm","noise":0.2}"#, 1),
        (r#""ct""#, 1),
        (r#""backprop""#, 2),
        (r#"{"type":"adjoint","steps":3}"#, 1),
        // On plain layers alone.
        (r#""forward-forward""#, 1),
        (r#""diffusion-blocks""#, 3),
        (r#"{"type":"diffusion-blocks","loss":"mse","preconditioning":true}"#, 3),
    ];
    for (method, blocks) in methods {
        let nets = if method.contains("forward-forward") { &[PLAIN][..] } else { &[CNN, MLP] };
        for net in nets {
            let model = model_by(method, blocks, net, 3);
            assert_eq!(training_of(model, 3, (3, 8), Precision::F32, 3), 0, "{method} {net}");
        }
    }
}

/// The measure itself sees what the tests are to find.
#[test]
fn an_allocation_is_counted() {
    let mut grown = Vec::with_capacity(3);
    let count = allocations(|| {
        std::hint::black_box(vec![1.0f32; 5]);
        std::hint::black_box(String::from("step"));
        (0..4).for_each(|value| std::hint::black_box(&mut grown).push(value));
    });
    assert_eq!(count, 3);
}

/// A prediction allocates for its results and its first use of buffers, once, however many chunks there are.
#[test]
fn a_warm_chunk_of_inference_allocates_nothing() {
    for net in [CNN, MLP] {
        let model = model(net, 3);
        let store = WeightStore::temporary(4, model.checked.layout.weights()).unwrap();
        for block in 1..=4 {
            store.write(block, &model.checked.layout.initial_weights(1, block)).unwrap();
        }
        let model = model.with_weights(store, serde_json::Value::Null);
        let options = SampleOptions { stochastic: true, threads: Some(1), ..SampleOptions::default() };
        let predict = |data: &Dataset| {
            allocations(|| {
                predict(&model, data, options.clone(), &StopFlag::new()).unwrap();
            })
        };
        // Chunks have 128 samples.
        let (two, three) = (data(256, 3), data(300, 3));
        predict(&three);
        println!("{net}: {} allocations for 2 chunks of 4 blocks, {} for 3", predict(&two), predict(&three));
        assert_eq!(predict(&two), predict(&three), "{net}");
    }
}
