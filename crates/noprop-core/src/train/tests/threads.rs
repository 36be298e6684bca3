//! Threads: blocks train at the same time, none waits for another, all stop at once, and no failure hangs.

use super::*;
use crate::error::Code;

fn threads(threads: usize) -> FitOptions {
    FitOptions { threads: Some(threads), ..options(8) }
}

#[test]
fn blocks_train_at_the_same_time() {
    // Each block's first epoch waits for that of the other: alone on the threads neither would get on.
    let gates = [Gate::default(), Gate::default()];
    let mine = gates.clone();
    let run = Run::observed(plan(mlp(2), threads(2), &vectors(50)), move |event| {
        if let Event::Epoch { block, epoch: 1, .. } = event {
            mine[block - 1].open();
            assert!(mine[2 - block].wait(), "block {block} is alone");
        }
    });
    run.drive(&[1, 2], 2, |_| false);
    run.finish();
}

#[test]
fn a_slow_block_holds_up_no_other() {
    for in_flight in [2, 4] {
        let gate = Gate::default();
        let closed = gate.clone();
        let run = Run::observed(plan(mlp(4), threads(2), &vectors(50)), move |event| {
            if let Event::Epoch { block: 1, epoch: 1, .. } = event {
                assert!(closed.wait(), "nothing else happened");
            }
        });
        let mut ended = Vec::new();
        run.drive(&[1, 2, 3, 4], in_flight, |event| {
            if let Event::Block { block, .. } = event {
                ended.push(*block);
                if ended.len() == 3 {
                    gate.open();
                }
            }
            false
        });
        assert_eq!(ended.last(), Some(&1), "{in_flight} in flight: {ended:?}");
        assert_eq!(run.finish().sha256().unwrap(), sha256(plan(mlp(4), options(8), &vectors(50))));
    }
}

#[test]
fn blocks_in_flight_advance_together_on_one_thread() {
    let run = Run::observed(plan(mlp(2), threads(1), &vectors(50)), |event| {
        if matches!(event, Event::Epoch { .. }) {
            std::thread::sleep(Duration::from_millis(210));
        }
    });
    let epochs: Vec<usize> = run
        .drive(&[1, 2], 2, |_| false)
        .iter()
        .filter_map(|event| match event {
            Event::Epoch { block, .. } => Some(*block),
            _ => None,
        })
        .collect();
    // Which of two that are equally far goes first does not matter.
    assert!(epochs.chunks(2).all(|pair| pair.contains(&1) && pair.contains(&2)), "{epochs:?}");
}

#[test]
fn a_stopped_run_ends_no_block_and_has_no_weights() {
    let run = Run::start(plan(mlp(3), FitOptions { epochs: 1_000_000, ..threads(2) }, &vectors(50)));
    let events = run.drive(&[1, 2, 3], 3, |event| matches!(event, Event::Epoch { epoch: 3, .. }));
    assert!(!events.iter().any(|event| matches!(event, Event::Block { .. })));
    run.training.stop();
    assert_eq!(run.training.finish().err().expect("an error").code, Code::NotTrained);
    // The observer is gone with the run; what it was told before holds no end and no failure.
    assert!(!run.events.iter().any(|event| matches!(event, Event::Block { .. } | Event::Failed { .. })));
}

#[test]
fn stopping_twice_or_before_anything_began_is_fine() {
    let run = Run::start(plan(mlp(2), threads(2), &vectors(50)));
    run.training.stop();
    run.training.stop();
    drop(run);
    drop(Run::start(plan(mlp(2), threads(2), &vectors(50))));
}

#[test]
fn a_failure_stops_the_other_blocks() {
    let epochs = 1_000_000;
    let run = Run::observed(plan(mlp(2), FitOptions { epochs, ..threads(2) }, &vectors(50)), |event| {
        if let Event::Epoch { block: 2, epoch: 2, .. } = event {
            panic!("as a defect would");
        }
    });
    (1..=2).for_each(|block| run.training.start_block(block).unwrap());
    let error = loop {
        if let Event::Failed { block, error } = run.next() {
            assert_eq!(block, 2);
            break error.0;
        }
    };
    assert_eq!((error.code, &error.received[..]), (Code::Internal, "as a defect would"));
    assert_eq!(run.training.finish().err().expect("an error").code, Code::NotTrained);
}

#[test]
fn a_run_without_all_its_blocks_has_no_weights() {
    let run = Run::start(plan(mlp(3), threads(2), &vectors(50)));
    run.drive(&[1, 3], 2, |_| false);
    let error = run.training.finish().err().expect("an error");
    assert_eq!((error.code, &error.received[..]), (Code::NotTrained, "2 blocks"));
}

#[test]
fn blocks_that_are_not_there_or_started_already_are_refused() {
    let run = Run::start(plan(mlp(3), threads(2), &vectors(50)));
    for block in [0, 4, usize::MAX] {
        let error = run.training.start_block(block).unwrap_err();
        assert_eq!(error.code, Code::Option);
        assert!(error.expected.contains("1 to 3"), "{error}");
    }
    run.drive(&[1, 2], 2, |_| false);
    // It would count as a third trained block.
    assert_eq!(run.training.start_block(1).unwrap_err().code, Code::Option);
    run.drive(&[3], 1, |_| false);
    run.finish();
}
