//! A block job's result depends on (block, configuration, data, seed) alone.

use super::*;

fn blocks(order: impl IntoIterator<Item = usize>) -> Vec<usize> {
    order.into_iter().collect()
}

/// The weights are the same bytes for any number of threads and of blocks in flight, and for any order of the blocks.
pub(super) fn check(config: &ModelConfig, options: &FitOptions, data: &Arc<Dataset>) {
    let t = config.clone().check().unwrap().jobs();
    let with = |threads: usize, order: Vec<usize>, in_flight: usize| {
        let options = FitOptions { threads: Some(threads), ..options.clone() };
        let run = Run::start(plan(config.clone(), options, data));
        run.drive(&order, in_flight, |_| false);
        run.finish().sha256().unwrap()
    };
    let expected = with(1, blocks(1..=t), 1);
    for threads in 1..=3 {
        for in_flight in [1, 2, t] {
            assert_eq!(with(threads, blocks(1..=t), in_flight), expected, "{threads} threads, {in_flight} in flight");
        }
        assert_eq!(with(threads, blocks((1..=t).rev()), 2), expected, "{threads} threads, reversed");
    }
}

#[test]
fn an_mlp_is_the_same_under_any_schedule() {
    // 50 samples in batches of 8: the last batch of an epoch has 2.
    for precision in precisions() {
        check(&mlp(5), &FitOptions { precision, ..options(8) }, &vectors(50));
    }
}

#[test]
fn a_cnn_is_the_same_under_any_schedule() {
    let learning_rate_schedule = LearningRateSchedule::OneCycle;
    for precision in precisions() {
        let options = FitOptions { epochs: 2, learning_rate_schedule, precision, ..options(16) };
        check(&cnn(4), &options, &images(41));
        // Channels that Winograd's kernels take.
        let net = NetConfig::Cnn { widths: [32, 32, 32], hidden: 12, dropout: 0.2 };
        check(&ModelConfig { net, ..cnn(3) }, &options, &images(41));
    }
}

#[test]
fn a_block_that_is_put_back_and_taken_up_by_another_thread_is_the_same() {
    let data = vectors(50);
    let expected = sha256(plan(mlp(3), options(8), &data));
    // Each epoch outlasts a thread's slice, so three blocks take turns on two threads.
    let options = FitOptions { threads: Some(2), ..options(8) };
    let run = Run::observed(plan(mlp(3), options, &data), |event| {
        if matches!(event, Event::Epoch { .. }) {
            std::thread::sleep(Duration::from_millis(220));
        }
    });
    let events = run.drive(&[1, 2, 3], 3, |_| false);
    let place = |wanted: fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let third_begins = place(|event| matches!(event, Event::Epoch { block: 3, epoch: 1, .. }));
    let first_ends = place(|event| matches!(event, Event::Block { block: 1, .. }));
    assert!(third_begins < first_ends, "the blocks did not take turns: {events:?}");
    assert_eq!(run.finish().sha256().unwrap(), expected);
}

#[test]
fn a_block_alone_equals_the_same_block_of_a_whole_run() {
    for (config, data) in [(mlp(4), vectors(50)), (cnn(4), images(40))] {
        let store = train(plan(config.clone(), options(16), &data));
        for block in [3, 1] {
            let plan = plan(config.clone(), options(16), &data);
            let alone = job(&plan, block, u64::MAX).weights(&plan).unwrap();
            assert_eq!(alone, store.read(block).unwrap(), "block {block}");
        }
    }
}

#[test]
fn the_weights_depend_on_seed_data_and_training_options_and_on_nothing_else() {
    let data = vectors(50);
    let base = sha256(plan(mlp(2), options(8), &data));
    let directory = tempfile::tempdir().unwrap();
    let same = [
        options(8),
        FitOptions { threads: Some(2), in_flight: Some(1), ..options(8) },
        FitOptions { checkpoint: Some(directory.path().to_owned()), checkpoint_seconds: 0.0, ..options(8) },
    ];
    for options in same {
        assert_eq!(sha256(plan(mlp(2), options.clone(), &data)), base, "{options:?}");
    }
    let mut others = vec![
        sha256(plan(ModelConfig { seed: 8, ..mlp(2) }, options(8), &data)),
        sha256(plan(ModelConfig { seed: 7 + (1 << 32), ..mlp(2) }, options(8), &data)),
        sha256(plan(mlp(2), options(8), &vectors(51))),
        sha256(plan(mlp(2), options(9), &data)),
        sha256(plan(mlp(2), FitOptions { epochs: 4, ..options(8) }, &data)),
        sha256(plan(mlp(2), FitOptions { weight_decay: 0.0, ..options(8) }, &data)),
    ];
    for learning_rate_schedule in [LearningRateSchedule::Cosine, LearningRateSchedule::Constant] {
        let options = FitOptions { learning_rate_schedule, warmup: 0.5, ..options(8) };
        others.push(sha256(plan(mlp(2), options, &data)));
    }
    let schedule = LearningRateSchedule::OneCycle;
    others.push(sha256(plan(mlp(2), FitOptions { learning_rate_schedule: schedule, ..options(8) }, &data)));
    for precision in precisions().filter(|precision| *precision != Precision::F32) {
        others.push(sha256(plan(mlp(2), FitOptions { precision, ..options(8) }, &data)));
    }
    for other in others {
        assert_ne!(other, base);
    }
}

#[test]
fn blocks_of_one_network_differ() {
    let store = train(plan(mlp(3), options(8), &vectors(50)));
    let [first, second, third] = [1, 2, 3].map(|block| store.read(block).unwrap());
    assert!(first != second && second != third && first != third);
}
