//! Stops: in the middle of a step where nothing is kept; with a checkpoint between two steps, with every block in flight.

use super::resume::checkpointed;
use super::*;
use crate::error::Code;
use crate::train::checkpoint::{Checkpoint, Saved};
use std::path::Path;
use std::sync::atomic::AtomicUsize;

/// Options that write a checkpoint at the end of a run alone.
fn kept_at_the_end(threads: usize, directory: &Path) -> FitOptions {
    FitOptions { threads: Some(threads), checkpoint_seconds: 1e9, ..checkpointed(options(8), directory) }
}

/// Starts all blocks and stops the run gracefully when `halt` says so; the thread that emitted that event waits until the run
/// has been asked to stop. Returns how it closed, or the run where it came to its end without a halt.
fn stopped(plan: Plan, halt: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Result<crate::Result<()>, Run> {
    let blocks: Vec<usize> = (1..=plan.model.config.blocks).collect();
    let (_, run, gate) = halted(plan, &blocks, blocks.len(), halt);
    let Some(gate) = gate else { return Err(run) };
    // It returns although a thread does not get on.
    run.training.stop();
    gate.open();
    Ok(run.training.close())
}

/// Says yes to the epoch of this number, of whichever block.
fn epoch(number: usize) -> impl Fn(&Event) -> bool + Send + Sync {
    let seen = AtomicUsize::new(0);
    move |event| matches!(event, Event::Epoch { .. }) && seen.fetch_add(1, Ordering::SeqCst) + 1 == number
}

/// Says yes when the last of three blocks has ended its first epoch.
fn first_epochs_of_all() -> impl Fn(&Event) -> bool + Send + Sync {
    let seen = AtomicUsize::new(0);
    move |event| matches!(event, Event::Epoch { epoch: 1, .. }) && seen.fetch_add(1, Ordering::SeqCst) == 2
}

/// How far each of three blocks is in the checkpoint: steps, or `None` where there is no file.
fn steps_kept(directory: &Path, plan: &Plan) -> Vec<Option<u64>> {
    let checkpoint = Checkpoint::open(directory, plan, true).unwrap();
    let step = |block| match checkpoint.load(plan, block, &Device::Cpu).unwrap()? {
        Saved::Running(job) => Some(job.progress.step),
        Saved::Finished(progress, _) => Some(progress.step),
    };
    (1..=3).map(step).collect()
}

#[test]
fn a_stop_keeps_every_block_in_flight() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let new = || plan(mlp(3), kept_at_the_end(1, directory.path()), &data);
    stopped(new(), first_epochs_of_all()).ok().expect("a halt").unwrap();
    let kept = steps_kept(directory.path(), &new());
    // The one that came last is in its second epoch; another may have begun long before it and have ended.
    assert!(kept.iter().all(|step| step.is_some_and(|step| step >= 7)), "{kept:?}");
    assert!(kept.iter().any(|step| step.is_some_and(|step| step < 14)), "{kept:?}");
    assert_eq!(sha256(new()), sha256(plan(mlp(3), options(8), &data)));
}

/// Stops again and again, at least so often, until all blocks are trained.
fn stop_and_go_on(new: impl Fn() -> Plan, expected: &str, least: usize) {
    // Each epoch of each block is a place to stop at once.
    for stops in 0..=9 {
        match stopped(new(), epoch(1)) {
            Ok(outcome) => outcome.unwrap(),
            Err(run) => {
                assert_eq!(run.finish().sha256().unwrap(), expected);
                assert!(stops >= least, "only {stops} stops");
                return;
            }
        }
    }
    panic!("the run does not get on from stop to stop");
}

#[test]
fn a_run_that_is_stopped_again_and_again_ends_the_same() {
    let data = vectors(50);
    let expected = sha256(plan(mlp(3), options(8), &data));
    // While one of two threads waits for the stop the other one gets on.
    for (threads, least) in [(1, 9), (2, 2)] {
        let directory = tempfile::tempdir().unwrap();
        stop_and_go_on(|| plan(mlp(3), kept_at_the_end(threads, directory.path()), &data), &expected, least);
    }
    let (data, directory) = (images(41), tempfile::tempdir().unwrap());
    let expected = sha256(plan(cnn(3), options(8), &data));
    stop_and_go_on(|| plan(cnn(3), kept_at_the_end(2, directory.path()), &data), &expected, 2);
}

#[cfg(feature = "emulation")]
#[test]
fn on_devices_as_well() {
    let data = vectors(50);
    let on = |device: &str, options| FitOptions { device: device.parse().unwrap(), ..options };
    let expected = sha256(plan(mlp(3), on("emulated", options(8)), &data));
    for device in ["emulated", "emulated:2"] {
        let directory = tempfile::tempdir().unwrap();
        let new = || plan(mlp(3), on(device, kept_at_the_end(1, directory.path())), &data);
        stopped(new(), epoch(1)).ok().expect("a halt").unwrap();
        let kept = steps_kept(directory.path(), &new());
        assert!(kept.iter().any(|step| step.is_some_and(|step| (1..21).contains(&step))), "{device}: {kept:?}");
        // Blocks that are stepped together end their epochs together.
        stop_and_go_on(new, &expected, 1);
    }
}

#[test]
fn a_stop_before_the_first_step_keeps_nothing_and_one_without_a_step_writes_nothing_again() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let new = || plan(mlp(3), kept_at_the_end(1, directory.path()), &data);
    Run::start(new()).training.close().unwrap();
    assert_eq!(steps_kept(directory.path(), &new()), [None; 3]);

    stopped(new(), first_epochs_of_all()).ok().expect("a halt").unwrap();
    let before = steps_kept(directory.path(), &new());
    assert!(before.iter().all(Option::is_some), "{before:?}");
    Run::start(new()).training.close().unwrap();
    assert_eq!(steps_kept(directory.path(), &new()), before);
}

#[test]
fn a_block_that_cannot_be_kept_is_told() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint");
    let gone = path.clone();
    let all = first_epochs_of_all();
    let halt = move |event: &Event| all(event) && std::fs::remove_dir_all(&gone).is_ok();
    let closed = stopped(plan(mlp(3), kept_at_the_end(1, &path), &data), halt).ok().expect("a halt");
    assert_eq!(closed.unwrap_err().code, Code::Output);
}

#[test]
fn a_checkpoint_is_told_only_when_it_is_on_disk() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint");
    let options = FitOptions { checkpoint_seconds: 0.0, ..kept_at_the_end(1, &path) };
    let gone = path.clone();
    // As soon as the first step is on disk the directory vanishes.
    let run = Run::observed(plan(mlp(1), options, &data), move |event| {
        if matches!(event, Event::Checkpoint { .. }) {
            std::fs::remove_dir_all(&gone).unwrap();
        }
    });
    run.training.start_block(1).unwrap();
    assert!(matches!(run.next(), Event::Checkpoint { block: 1, step: 1 }));
    let Event::Failed { block: 1, error } = run.next() else { panic!("not failed") };
    assert_eq!(error.0.code, Code::Output);
}

#[test]
fn a_failure_keeps_the_other_blocks() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let new = || plan(mlp(3), kept_at_the_end(1, directory.path()), &data);
    let all = first_epochs_of_all();
    let run = Run::observed(new(), move |event| assert!(!all(event), "as a defect would"));
    (1..=3).for_each(|block| run.training.start_block(block).unwrap());
    let failed = loop {
        if let Event::Failed { block, .. } = run.next() {
            break block;
        }
    };
    run.training.close().unwrap();
    let kept = steps_kept(directory.path(), &new());
    for block in 1..=3 {
        assert_eq!(kept[block - 1].is_some(), block != failed, "block {block}: {kept:?}, {failed} failed");
    }
    assert_eq!(sha256(new()), sha256(plan(mlp(3), options(8), &data)));
}

/// Where nothing is kept a stop interrupts a step: how soon is counted in samples between two looks at the flag.
#[test]
fn a_step_looks_at_the_stop_flag_between_samples_and_ends_at_the_first_look_that_finds_it_raised() {
    let shape = InputShape::Image { height: 28, width: 28, channels: 1 };
    let samples = 64;
    let values = (0..samples * 784).map(|index| (index * 31 % 251) as u8).collect();
    let labels = (0..samples).map(|sample| CLASSES[sample % 3]).collect();
    let data = Arc::new(Dataset::from_arrays(Pixels::U8(values), shape, Some(labels)).unwrap());
    let plan = plan(model(1, shape, NetConfig::default()), options(samples), &data);
    let mut trainer = Trainer::new(&plan, &Device::Cpu).unwrap();
    let mut step = |stop: &StopFlag| BlockJob::start(&plan, 1, &Device::Cpu).unwrap().step(&plan, &mut trainer, stop);
    let whole = StopFlag::new();
    step(&whole).unwrap();
    // Eight passes of convolutions over the samples (the first has no gradient of its input), in groups of at most eight.
    let looks = whole.polls();
    assert!(looks >= 8 * samples / 8, "{looks} looks in a step of {samples} samples");
    for poll in [1, 2, looks / 3, looks / 2, looks - 1, looks] {
        let stop = StopFlag::raised_by(poll);
        assert_eq!(step(&stop).unwrap_err().code, Code::Cancelled, "raised by look {poll} of {looks}");
        assert_eq!(stop.polls(), poll, "it went on after the look that found it raised");
    }
}
