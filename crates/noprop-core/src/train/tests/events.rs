//! Events: complete, in order per block, and true.

use super::*;

/// What one block has emitted, checked for order and completeness. Returns the number of progress and checkpoint
/// events.
pub(super) fn check(events: &[Event], block: usize, plan: &Plan) -> (usize, usize) {
    let (mut losses, mut last_step, mut checkpoints, mut progresses, mut done) = (Vec::new(), 0, 0, 0, false);
    let (mut last_checkpoint, per_epoch) = (0, plan.steps_per_epoch());
    for event in events {
        let of = match event {
            Event::Progress { block, .. }
            | Event::Epoch { block, .. }
            | Event::Checkpoint { block, .. }
            | Event::Block { block, .. }
            | Event::Failed { block, .. } => *block,
            Event::Chain { .. } => 0,
        };
        if of != block {
            continue;
        }
        assert!(!done, "{event:?} after the end of block {block}");
        match event {
            Event::Progress { epoch, epochs, step, steps, loss, samples_per_second, seconds_left, .. } => {
                assert!(*step > last_step && *step <= *steps, "{event:?}");
                assert_eq!(
                    (*epochs, *steps, *epoch as u64),
                    (3, plan.steps(), (step - 1) / per_epoch + 1),
                    "{event:?}"
                );
                assert!(
                    loss.map_or(!plan.devices.is_cpu(), |loss| loss.is_finite() && loss > 0.0)
                        && *samples_per_second > 0.0
                        && *seconds_left >= 0.0,
                    "{event:?}"
                );
                assert_eq!(*seconds_left == 0.0, step == steps, "{event:?}");
                (last_step, progresses) = (*step, progresses + 1);
            }
            Event::Epoch { epoch, loss, .. } => {
                losses.push(*loss);
                assert_eq!(*epoch, losses.len());
            }
            Event::Checkpoint { step, .. } => {
                assert!(*step > last_checkpoint && *step <= plan.steps(), "{event:?}");
                (last_checkpoint, checkpoints) = (*step, checkpoints + 1);
            }
            Event::Block { loss, losses: all, seconds, resumed, .. } => {
                assert_eq!((all, Some(loss), *resumed), (&losses, losses.last(), false));
                assert!(*seconds > 0.0);
                done = true;
            }
            Event::Failed { .. } | Event::Chain { .. } => panic!("{event:?}"),
        }
    }
    assert!(done && losses.len() == 3, "block {block}: {} epochs", losses.len());
    (progresses, checkpoints)
}

#[test]
fn each_block_emits_its_epochs_in_order_and_then_its_end() {
    for (threads, in_flight) in [(1, 1), (2, 5), (3, 2)] {
        let directory = tempfile::tempdir().unwrap();
        let checkpoint = Some(directory.path().to_owned());
        let options = FitOptions { threads: Some(threads), checkpoint, checkpoint_seconds: 0.0, ..options(16) };
        let run = Run::start(plan(mlp(5), options, &vectors(50)));
        let events = run.drive(&[1, 2, 3, 4, 5], in_flight, |_| false);
        for block in 1..=5 {
            let (_, checkpoints) = check(&events, block, run.training.plan());
            assert_eq!(checkpoints, 12, "one after each step");
        }
        run.finish();
    }
}

#[test]
fn progress_comes_after_a_tenth_of_a_second() {
    // Each epoch outlasts the time between two progress events.
    let run = Run::observed(plan(mlp(2), options(16), &vectors(50)), |event| {
        if matches!(event, Event::Epoch { .. }) {
            std::thread::sleep(Duration::from_millis(120));
        }
    });
    let events = run.drive(&[1, 2], 1, |_| false);
    for block in [1, 2] {
        let (progresses, checkpoints) = check(&events, block, run.training.plan());
        assert!(progresses >= 2, "{progresses} progress events of 12 steps");
        assert_eq!(checkpoints, 0);
    }
}

#[test]
fn a_resumed_block_reports_its_own_speed() {
    let plan = plan(mlp(1), options(16), &vectors(50));
    // Of 12 steps of an epoch of 4, an earlier process made 9.
    let job = job(&plan, 1, 11);
    let event = crate::train::run::progress_event(&plan, &job, 11, (4.0, 9), (1, 2));
    let Event::Progress { epoch, step, steps, samples_per_second, seconds_left, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!((epoch, step, steps), (3, 11, 12));
    // 2 steps in 4 seconds, 4 steps for 50 samples.
    assert_eq!((samples_per_second, seconds_left), (50.0 / 8.0, 2.0));
}

#[test]
fn events_are_json_as_the_binding_promises() {
    let json = |event: Event| serde_json::to_value(event).unwrap();
    let epoch = json(Event::Epoch { block: 3, epoch: 1, loss: 0.25, validation_loss: None, validation_accuracy: None });
    assert_eq!(epoch, serde_json::json!({ "event": "epoch", "block": 3, "epoch": 1, "loss": 0.25 }));
    let epoch = json(Event::Epoch {
        block: 3,
        epoch: 1,
        loss: 0.25,
        validation_loss: Some(0.5),
        validation_accuracy: Some(0.75),
    });
    assert_eq!((&epoch["validationLoss"], &epoch["validationAccuracy"]), (&0.5.into(), &0.75.into()));
    let chain = json(Event::Chain { epoch: 2, accuracy: 0.5, loss: 0.25 });
    assert_eq!(chain, serde_json::json!({ "event": "chain", "epoch": 2, "accuracy": 0.5, "loss": 0.25 }));
    let progress = json(Event::Progress {
        block: 3,
        epoch: 1,
        epochs: 2,
        step: 5,
        steps: 9,
        loss: Some(0.5),
        samples_per_second: 8.0,
        seconds_left: 1.5,
        jobs: 1,
        threads: 2,
    });
    assert_eq!(progress["event"], "progress");
    assert_eq!((&progress["samplesPerSecond"], &progress["secondsLeft"]), (&8.0.into(), &1.5.into()));
    let error = crate::Error::new(crate::Code::Diverged, "w").expected("e").received("r").hint("h");
    let failed = json(Event::Failed { block: 2, error: crate::train::progress::Failure(error) });
    let error =
        serde_json::json!({ "code": "NOPROP_DIVERGED", "what": "w", "expected": "e", "received": "r", "hint": "h" });
    assert_eq!(failed, serde_json::json!({ "event": "failed", "block": 2, "error": error }));
}
