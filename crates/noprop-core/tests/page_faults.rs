//! Warm training steps touch no page of memory for the first time: nothing is given back to the system and fetched again.
//!
//! Linux only: it alone tells a thread its own page faults in a file that is read without allocating.
#![cfg(target_os = "linux")]

use noprop_core::Model;
use noprop_core::config::{FitOptions, Precision, from_json};
use noprop_core::data::{Dataset, InputShape, Pixels};
use noprop_core::tensor::StopFlag;
use noprop_core::train::{BlockJob, Plan, Trainer};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// Page faults of this thread that needed no disk, from `/proc/thread-self/stat` (proc_pid_stat(5), field 10).
fn minor_faults() -> u64 {
    let mut buffer = [0; 1024];
    let read = File::open("/proc/thread-self/stat").unwrap().read(&mut buffer).unwrap();
    let text = std::str::from_utf8(&buffer[..read]).unwrap();
    // The thread's name, field 2, is in parentheses and may hold spaces.
    let (_, fields) = text.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(7).unwrap().parse().unwrap()
}

/// Page faults of 20 warm steps: the least of five tries, because the kernel may itself move a page now and then. What a
/// step keeps, or takes from the system and gives back, would fault in all of them.
fn warm_faults(net: &str, precision: Precision) -> u64 {
    let json = format!(r#"{{"input":[28,28],"classes":[0,1,2],"blocks":2,"net":{net}}}"#);
    let model = Model::new(from_json(&json).unwrap()).unwrap();
    let samples: usize = 64 * 4 + 9;
    let pixels = Pixels::U8((0..samples * 784).map(|index| (index * 7919 % 251) as u8).collect());
    let labels = (0..samples).map(|sample| (sample % 3) as i32).collect();
    let data = Dataset::from_arrays(pixels, InputShape::new(&[28, 28]).unwrap(), Some(labels)).unwrap();
    let options = FitOptions { epochs: 100, batch: Some(64), threads: Some(1), precision, ..FitOptions::default() };
    let plan = Plan::new(model.checked, options, Arc::new(data)).unwrap();
    let device = &candle_core::Device::Cpu;
    let (mut trainer, mut job) = (Trainer::new(&plan, device).unwrap(), BlockJob::start(&plan, 1, device).unwrap());
    let stop = StopFlag::new();
    let mut steps = |count: usize| {
        for _ in 0..count {
            job.step(&plan, &mut trainer, &stop).unwrap();
        }
    };
    // 8 batches and 4 epoch orders (of 5 steps) are kept; each has its own pages.
    steps(25);
    let mut faults = || {
        let before = minor_faults();
        steps(20);
        minor_faults() - before
    };
    (0..5).map(|_| faults()).min().unwrap()
}

#[test]
fn warm_steps_fault_no_page() {
    // Those of this machine.
    for precision in Precision::OF_PROCESSORS.into_iter().filter(|precision| precision.check_processor().is_ok()) {
        for net in [
            r#"{"type":"cnn","widths":[8,8,8],"hidden":32,"dropout":0.2}"#,
            r#"{"type":"cnn","widths":[32,32,32],"hidden":32,"dropout":0.2}"#,
            r#"{"type":"mlp","hidden":[128,128],"dropout":0.1}"#,
        ] {
            assert_eq!(warm_faults(net, precision), 0, "{net}, {}", precision.as_str());
        }
    }
}

/// The measure itself sees what the test above is to find.
#[test]
fn memory_that_is_fetched_anew_faults() {
    let before = minor_faults();
    let fresh = vec![1u8; 64 << 20];
    assert!(std::hint::black_box(&fresh).iter().all(|value| *value == 1));
    assert!(minor_faults() > before);
}
