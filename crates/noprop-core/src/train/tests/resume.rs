//! A run that stops at any moment and goes on gives the weights of one that did not.

use super::*;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

/// Options that write a checkpoint of a block after each of its steps.
pub(super) fn checkpointed(options: FitOptions, directory: &Path) -> FitOptions {
    FitOptions { checkpoint: Some(directory.to_owned()), checkpoint_seconds: 0.0, resume: true, ..options }
}

/// Stops and resumes until all blocks are trained. Returns the weights' hash and the number of interruptions.
pub(super) fn interrupted(
    config: &ModelConfig,
    options: &FitOptions,
    data: &Arc<Dataset>,
    directory: &Path,
) -> (String, usize) {
    let jobs = config.clone().check().unwrap().jobs();
    let new = || plan(config.clone(), checkpointed(options.clone(), directory), data);
    let (run, interruptions) = interrupted_by(new, jobs, 12);
    (run.finish().sha256().unwrap(), interruptions)
}

/// Stops a run of `jobs` jobs after up to `most` checkpoints and resumes it until all are trained. Returns it and the number
/// of interruptions.
pub(super) fn interrupted_by(new: impl Fn() -> Plan, jobs: usize, most: usize) -> (Run, usize) {
    let order: Vec<usize> = (1..=jobs).collect();
    let random = Stream::new(3, Purpose::Init, 0, 0, 0);
    for attempt in 0.. {
        let left = AtomicUsize::new(1 + (random.uniform(attempt) * most as f64) as usize);
        let halt =
            move |event: &Event| matches!(event, Event::Checkpoint { .. }) && left.fetch_sub(1, Ordering::SeqCst) == 1;
        if let (_, Some(run)) = interrupt(new(), &order, 3, halt) {
            return (run, attempt as usize);
        }
    }
    unreachable!()
}

#[test]
fn an_mlp_stopped_at_random_steps_ends_the_same() {
    let data = vectors(50);
    let expected = sha256(plan(mlp(4), options(8), &data));
    for threads in [1, 2] {
        let directory = tempfile::tempdir().unwrap();
        let options = FitOptions { threads: Some(threads), ..options(8) };
        let (found, interruptions) = interrupted(&mlp(4), &options, &data, directory.path());
        assert!(interruptions >= 3, "only {interruptions} interruptions");
        assert_eq!(found, expected, "{threads} threads, {interruptions} interruptions");
    }
}

#[test]
fn a_cnn_stopped_at_random_steps_ends_the_same() {
    let data = images(41);
    let options = FitOptions { learning_rate_schedule: LearningRateSchedule::OneCycle, ..options(16) };
    let expected = sha256(plan(cnn(4), options.clone(), &data));
    let directory = tempfile::tempdir().unwrap();
    let (found, interruptions) = interrupted(&cnn(4), &options, &data, directory.path());
    assert!(interruptions >= 2, "only {interruptions} interruptions");
    assert_eq!(found, expected);
}

/// Copies what is in a directory now, as a kill would leave it. Files that vanish meanwhile were temporary.
fn snapshot(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let _ = std::fs::copy(entry.path(), to.path().join(entry.file_name()));
    }
    to
}

#[test]
fn a_run_killed_at_any_moment_ends_the_same() {
    let data = vectors(50);
    let expected = sha256(plan(mlp(3), options(8), &data));
    let directory = tempfile::tempdir().unwrap();
    let options = FitOptions { threads: Some(2), ..options(8) };
    let run = Run::start(plan(mlp(3), checkpointed(options.clone(), directory.path()), &data));
    let (mut snapshots, mut events) = (vec![snapshot(directory.path())], 0);
    run.drive(&[1, 2, 3], 3, |_| {
        events += 1;
        if events % 9 == 0 {
            // The threads go on writing.
            snapshots.push(snapshot(directory.path()));
        }
        false
    });
    drop(run);
    assert!(snapshots.len() > 5);
    for killed in snapshots {
        assert_eq!(sha256(plan(mlp(3), checkpointed(options.clone(), killed.path()), &data)), expected);
    }
}

#[test]
fn resume_with_nothing_there_starts_anew() {
    let data = vectors(50);
    let expected = sha256(plan(mlp(2), options(8), &data));
    let directory = tempfile::tempdir().unwrap();
    // No directory yet; then one that a process left before it wrote anything of a block; then one it left still
    // earlier.
    let path = directory.path().join("not/yet");
    drop(Run::start(plan(mlp(2), checkpointed(options(8), &path), &data)));
    assert_eq!(sha256(plan(mlp(2), checkpointed(options(8), &path), &data)), expected);
    let earlier = directory.path().join("earlier");
    std::fs::create_dir(&earlier).unwrap();
    std::fs::write(earlier.join("lock"), "").unwrap();
    std::fs::write(earlier.join(".noprop-checkpoint-Abc123"), "{ half of a").unwrap();
    assert_eq!(sha256(plan(mlp(2), checkpointed(options(8), &earlier), &data)), expected);
}

#[test]
fn trained_blocks_are_not_trained_again() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let new = || plan(mlp(3), checkpointed(options(8), directory.path()), &data);
    let first = Run::start(new());
    let events = first.drive(&[1, 2], 1, |_| false);
    drop(first);
    let losses = |events: &[Event], wanted: usize| {
        events.iter().find_map(|event| match event {
            Event::Block { block, losses, resumed, .. } if *block == wanted => Some((losses.clone(), *resumed)),
            _ => None,
        })
    };
    let run = Run::start(new());
    let again = run.drive(&[1, 2, 3], 3, |_| false);
    for block in [1, 2] {
        let (expected, resumed) = losses(&events, block).unwrap();
        assert!(!resumed);
        assert_eq!(losses(&again, block).unwrap(), (expected, true));
        let other = |event: &Event| matches!(event, Event::Epoch { block: b, .. } | Event::Checkpoint { block: b, .. } if *b == block);
        assert!(!again.iter().any(other), "block {block} was trained again");
    }
    assert!(!losses(&again, 3).unwrap().1);
    assert_eq!(run.finish().sha256().unwrap(), sha256(plan(mlp(3), options(8), &data)));
}

#[test]
fn the_losses_of_epochs_before_an_interruption_are_kept() {
    let data = vectors(50);
    let whole = Run::start(plan(mlp(1), options(8), &data));
    let whole = whole.drive(&[1], 1, |_| false);
    let directory = tempfile::tempdir().unwrap();
    let new = || plan(mlp(1), checkpointed(options(8), directory.path()), &data);
    // In the middle of the second epoch, so that its sum is in the checkpoint as well.
    interrupt(new(), &[1], 1, |event| matches!(event, Event::Checkpoint { step: 10, .. }));
    let rest = Run::start(new()).drive(&[1], 1, |_| false);
    let losses = |events: &[Event]| match events.last() {
        Some(Event::Block { losses, .. }) => losses.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(losses(&rest), losses(&whole));
    assert_eq!(losses(&whole).len(), 3);
    let epochs = rest.iter().filter(|event| matches!(event, Event::Epoch { .. })).count();
    assert_eq!(epochs, 2, "of the three the first was trained before");
}
