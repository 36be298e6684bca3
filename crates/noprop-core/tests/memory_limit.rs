//! What happens where the system gives no more memory: an error, and the process goes on. The limit holds for a process, so
//! each case is this very test in a process of its own under `ulimit -v`.
#![cfg(target_os = "linux")]

use noprop_core::config::from_json;
use noprop_core::data::{Dataset, InputShape, Pixels};
use noprop_core::inference::predict;
use noprop_core::storage::WeightStore;
use noprop_core::tensor::StopFlag;
use noprop_core::train::{Event, Plan, Training};
use noprop_core::{Code, Error, FitOptions, Model, SampleOptions};
use std::process::Command;
use std::sync::{Arc, mpsc};

/// Set where a case is to run in this process.
const CASE: &str = "NOPROP_TEST_MEMORY_CASE";

fn model(classes: usize, hidden: usize) -> Model {
    let classes: Vec<usize> = (0..classes).collect();
    let json =
        format!(r#"{{"input":[4],"classes":{classes:?},"blocks":1,"net":{{"type":"mlp","hidden":[{hidden}]}}}}"#);
    Model::new(from_json(&json).unwrap()).unwrap()
}

fn trained(classes: usize, hidden: usize) -> Model {
    let model = model(classes, hidden);
    let store = WeightStore::temporary(1, model.checked.layout.weights()).unwrap();
    store.write(1, &vec![0.0; model.checked.layout.weights()]).unwrap();
    model.with_weights(store, serde_json::Value::Null)
}

fn data(samples: usize) -> Dataset {
    let labels = (0..samples).map(|sample| (sample % 2) as i32).collect();
    let values = (0..4 * samples).map(|value| value as f32).collect();
    Dataset::from_arrays(Pixels::F32(values), InputShape::Vector { len: 4 }, Some(labels)).unwrap()
}

/// Trains the block, or gives the error that it failed with.
fn fit(model: &Model, batch: usize) -> Result<(), Error> {
    let options = FitOptions { epochs: 1, batch: Some(batch), threads: Some(1), ..FitOptions::default() };
    let plan = Plan::new(model.checked.clone(), options, Arc::new(data(batch)))?;
    let (send, ends) = mpsc::channel();
    let observer = move |event| match event {
        Event::Failed { error, .. } => send.send(Err(error.0)).unwrap(),
        Event::Block { .. } => send.send(Ok(())).unwrap(),
        _ => {}
    };
    let training = Training::start(plan, Box::new(observer))?;
    training.start_block(1)?;
    ends.recv().unwrap()
}

/// What is too large for 512 MiB, and what it is called.
fn case(name: &str) -> Result<(), Error> {
    let (threads, stop) = (Some(1), StopFlag::new());
    match name {
        // 4096 · 65,536 states of 4 bytes: 1 GiB.
        "the samples' states" => {
            let options = SampleOptions { threads, ..SampleOptions::default() };
            predict(&trained(65_536, 1), &data(4096), options, &stop).map(drop)
        }
        // 3 · 3000 · 20,000 values of 4 bytes: 0.7 GiB of weights and moments.
        "a block's state" => fit(&model(20_000, 3000), 2),
        // 3000 samples · 65,536 values.
        "a block's activations" => fit(&model(65_536, 1), 3000),
        _ => unreachable!("no such case"),
    }
}

#[test]
fn memory_that_is_refused_is_an_error_that_says_how_much_and_for_what() {
    if let Ok(name) = std::env::var(CASE) {
        let error = case(&name).expect_err("it fits after all");
        assert_eq!((error.code, error.what), (Code::Memory, format!("there is not enough memory for {name}")));
        let asked: f64 = error.expected.strip_suffix(" MiB more").unwrap().parse().unwrap();
        assert!(asked > 64.0, "{asked}");
        // The process goes on.
        case_that_fits();
        return;
    }
    for name in ["the samples' states", "a block's state", "a block's activations"] {
        let this = "memory_that_is_refused_is_an_error_that_says_how_much_and_for_what";
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 524288; exec \"$0\" --exact \"$1\" --test-threads 1"]);
        let output = command.arg(std::env::current_exe().unwrap()).arg(this).env(CASE, name).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{name}: {}\n{text}", output.status);
    }
}

fn case_that_fits() {
    let options = SampleOptions { threads: Some(1), ..SampleOptions::default() };
    assert_eq!(predict(&trained(2, 3), &data(5), options, &StopFlag::new()).unwrap().labels.len(), 5);
}
