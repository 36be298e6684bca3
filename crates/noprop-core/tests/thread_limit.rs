//! Where the system starts no further thread, work ends with an error that says so: no panic, and nothing that waits for ever.
#![cfg(unix)]

use noprop_core::bench::{BenchOptions, bench, peak_gflops};
use noprop_core::config::{Precision, from_json};
use noprop_core::data::{Dataset, InputShape, Pixels};
use noprop_core::inference::predict;
use noprop_core::storage::WeightStore;
use noprop_core::tensor::StopFlag;
use noprop_core::train::{Plan, Training};
use noprop_core::{Code, FitOptions, Model, SampleOptions};
use std::process::Command;
use std::sync::Arc;

/// Says to a process that it is the one without threads.
const WITHOUT: &str = "NOPROP_TEST_WITHOUT_THREADS";
/// What that process prints at its end.
const DONE: &str = "everything was refused";

#[test]
fn work_that_can_start_no_thread_fails_with_a_code() {
    if std::env::var_os(WITHOUT).is_some() {
        everything_is_refused();
        println!("{DONE}");
        return;
    }
    // No address space has room for such a stack. (The test harness runs a test on its own thread then.)
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "work_that_can_start_no_thread_fails_with_a_code", "--test-threads=1", "--nocapture"])
        .env(WITHOUT, "1")
        .env("RUST_MIN_STACK", (1_u64 << 47).to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains(DONE), "{}: {text}", output.status);
}

fn everything_is_refused() {
    let samples = 5000;
    let values = (0..samples * 3).map(|value| (value % 17) as f32 / 17.0).collect();
    let labels = (0..samples).map(|sample| sample % 2).collect();
    let input = InputShape::Vector { len: 3 };
    let data = Arc::new(Dataset::from_arrays(Pixels::F32(values), input, Some(labels)).unwrap());
    let config = r#"{"input":[3],"classes":[0,1],"blocks":2,"net":{"type":"mlp","hidden":[8]}}"#;
    let model = Model::new(from_json(config).unwrap()).unwrap();

    let options = FitOptions { threads: Some(2), ..FitOptions::default() };
    let plan = Plan::new(model.checked.clone(), options, data.clone()).unwrap();
    assert_eq!(Training::start(plan, Box::new(|_| {})).err().unwrap().code, Code::Threads);

    let store = WeightStore::temporary(2, model.checked.layout.weights()).unwrap();
    for block in 1..=2 {
        store.write(block, &model.checked.layout.initial_weights(1, block)).unwrap();
    }
    let model = model.with_weights(store, Default::default());
    let options = SampleOptions { threads: Some(2), ..SampleOptions::default() };
    let error = predict(&model, &data, options, &StopFlag::new()).unwrap_err();
    assert_eq!(error.code, Code::Threads);
    assert!(error.hint.contains("threads"), "{error}");

    assert_eq!(peak_gflops(2, Precision::F32).unwrap_err().code, Code::Threads);
    let options: BenchOptions = from_json(r#"{"input":[3],"threads":2,"seconds":0.01}"#).unwrap();
    assert_eq!(bench(&options, &StopFlag::new()).unwrap_err().code, Code::Threads);
}
