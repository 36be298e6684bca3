//! Several devices: each takes blocks as it is done with others, and what one does changes no bit of what another does.

use super::*;
use std::collections::BTreeMap;

/// The threads of the devices, by their number.
fn device() -> usize {
    let thread = std::thread::current();
    let name = thread.name().expect("devices have threads with names");
    name.strip_prefix("noprop-train-").and_then(|number| number.parse().ok()).expect(name)
}

fn two(blocks: usize) -> (ModelConfig, FitOptions, Arc<Dataset>) {
    (mlp(blocks), FitOptions { in_flight: Some(4), ..on("emulated:2", options(16)) }, vectors(50))
}

fn on_one(config: &ModelConfig, options: &FitOptions, data: &Arc<Dataset>) -> String {
    sha256(plan(config.clone(), on("emulated", options.clone()), data))
}

#[test]
fn a_device_that_is_busy_trains_fewer_blocks_and_changes_no_bit() {
    let (config, options, data) = two(12);
    let (gate, trained) = (Gate::default(), Arc::new(Mutex::new(BTreeMap::new())));
    let (busy, count) = (gate.clone(), trained.clone());
    // Device 0 comes to the end of its first epoch when the other one has trained eight blocks.
    let run = Run::observed(plan(config.clone(), options.clone(), &data), move |event| match event {
        Event::Epoch { .. } if device() == 0 => assert!(busy.wait(), "the other device does not go on"),
        Event::Block { .. } => *count.lock().unwrap().entry(device()).or_insert(0) += 1,
        _ => {}
    });
    let mut ended = 0;
    run.drive(&(1..=12).collect::<Vec<_>>(), 4, |event| {
        ended += usize::from(matches!(event, Event::Block { .. }));
        if ended == 8 {
            gate.open();
        }
        false
    });
    let found = run.finish().sha256().unwrap();
    let trained = trained.lock().unwrap().clone();
    assert!(trained.get(&0).is_some_and(|blocks| (1..=4).contains(blocks)), "{trained:?}");
    assert_eq!(trained.values().sum::<usize>(), 12);
    assert_eq!(found, on_one(&config, &options, &data));
}

#[test]
fn a_device_that_fails_ends_the_run_and_what_is_kept_goes_on_elsewhere_with_the_same_bits() {
    let (config, options, data) = two(6);
    let expected = on_one(&config, &options, &data);
    for devices in ["emulated", "emulated:2"] {
        let directory = tempfile::tempdir().unwrap();
        let with = |options: FitOptions| plan(config.clone(), checkpointed(options, directory.path()), &data);
        let failed = AtomicBool::new(false);
        // Once, in the middle of its second epoch.
        let run = Run::observed(with(options.clone()), move |event| {
            if matches!(event, Event::Checkpoint { step: 6, .. })
                && device() == 1
                && !failed.swap(true, Ordering::SeqCst)
            {
                panic!("device 1 is lost");
            }
        });
        (1..=4).for_each(|block| run.training.start_block(block).unwrap());
        let error = loop {
            if let Event::Failed { error, .. } = run.next() {
                break error.0;
            }
        };
        assert_eq!(error.code, Code::Internal);
        assert!(error.what.contains("device 1 is lost") || error.received.contains("device 1 is lost"), "{error}");
        assert_eq!(run.training.finish().err().expect("an error").code, Code::NotTrained);

        let run = Run::start(with(on(devices, options.clone())));
        let events = run.drive(&(1..=6).collect::<Vec<_>>(), 4, |_| false);
        let gone_on = events.iter().filter(|event| matches!(event, Event::Checkpoint { step: 1, .. })).count();
        assert!(gone_on < 6, "no block was kept");
        assert_eq!(run.finish().sha256().unwrap(), expected, "on {devices}");
    }
}
