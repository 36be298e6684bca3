//! Threads that help one another: no bit depends on how many there are, on what they share and when.

use super::resume::interrupted;
use super::*;
use crate::net::Activation;
use crate::team::stress;
use proptest::prelude::*;

/// Every preset, small, with channels that Winograd's kernels take and with ones that they do not, and the data for it.
fn presets() -> Vec<(ModelConfig, Arc<Dataset>)> {
    let image = InputShape::Image { height: 14, width: 14, channels: 1 };
    let resnet = |widths: [usize; 2]| NetConfig::Resnet {
        widths: widths.to_vec(),
        depth: 1,
        hidden: 9,
        activation: Activation::Gelu,
        whitening: 0,
        identity: false,
    };
    let vit = NetConfig::Vit { patch: 7, width: 12, depth: 1, heads: 3, mlp_ratio: 2, dropout: 0.1 };
    let nets = [
        NetConfig::Cnn { widths: [3, 4, 5], hidden: 12, dropout: 0.2 },
        NetConfig::Cnn { widths: [32, 32, 64], hidden: 12, dropout: 0.2 },
        resnet([5, 6]),
        resnet([16, 32]),
        vit,
    ];
    let data = images(41);
    let mut all: Vec<_> = nets.into_iter().map(|net| (model(2, image, net), data.clone())).collect();
    all.push((mlp(3), vectors(50)));
    all
}

#[test]
fn every_preset_is_the_same_for_any_number_of_threads() {
    for (config, data) in presets() {
        for precision in precisions() {
            let options = FitOptions { precision, epochs: 2, ..options(16) };
            let expected = sha256(plan(config.clone(), options.clone(), &data));
            for threads in [1, 2, 3, 5, 8] {
                for in_flight in [1, 2] {
                    let _stress = stress::begin((threads * 10 + in_flight) as u64);
                    let options = FitOptions { threads: Some(threads), in_flight: Some(in_flight), ..options.clone() };
                    let found = sha256(plan(config.clone(), options, &data));
                    assert_eq!(found, expected, "{:?}, {precision:?}, {threads} threads, {in_flight}", config.net);
                }
            }
        }
    }
}

#[test]
fn a_thread_without_a_job_helps() {
    // One job and two threads: the run takes parts on both.
    let helped = Arc::new(AtomicBool::new(false));
    let seen = helped.clone();
    let _stress = stress::begin(1);
    let options = FitOptions { threads: Some(2), epochs: 1000, ..options(16) };
    let run = Run::observed(plan(cnn(1), options, &images(41)), move |event| {
        if let Event::Progress { threads, jobs, .. } = event {
            seen.fetch_or((*threads, *jobs) == (2, 1), Ordering::SeqCst);
        }
    });
    run.drive(&[1], 1, |_| helped.load(Ordering::SeqCst));
    assert!(helped.load(Ordering::SeqCst), "nobody helped");
    run.training.close().unwrap();
}

#[test]
fn a_panic_amid_a_team_ends_the_run_with_its_error_and_hangs_nobody() {
    for threads in [2, 5] {
        let _stress = stress::begin(threads as u64);
        let options = FitOptions { threads: Some(threads), ..options(16) };
        let run = Run::observed(plan(cnn(1), options, &images(41)), |event| {
            if let Event::Epoch { epoch: 2, .. } = event {
                std::panic::resume_unwind(Box::new("as asked".to_owned()));
            }
        });
        run.training.start_block(1).unwrap();
        let failed = loop {
            if let Event::Failed { error, .. } = run.next() {
                break error.0;
            }
        };
        assert_eq!(failed.received, "as asked");
        run.training.close().unwrap();
    }
}

#[test]
fn a_stop_amid_a_team_ends_all_its_threads() {
    for threads in [2, 8] {
        let _stress = stress::begin(threads as u64);
        let options = FitOptions { threads: Some(threads), epochs: 1_000_000, ..options(16) };
        let run = Run::start(plan(cnn(1), options, &images(41)));
        run.drive(&[1], 1, |event| matches!(event, Event::Epoch { epoch: 2, .. }));
        // Waits for the threads.
        run.training.close().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn jobs_teams_and_interruptions_in_any_mixture_change_no_bit(
        preset in 0..6_usize,
        blocks in 1..4_usize,
        threads in 1..9_usize,
        in_flight in 1..4_usize,
        seed in 1..1000_u64,
    ) {
        let (config, data) = presets().swap_remove(preset);
        let config = ModelConfig { blocks, ..config };
        let expected = sha256(plan(config.clone(), options(16), &data));
        let _stress = stress::begin(seed);
        let directory = tempfile::tempdir().unwrap();
        let options = FitOptions { threads: Some(threads), in_flight: Some(in_flight.min(blocks)), ..options(16) };
        let (found, _) = interrupted(&config, &options, &data, directory.path());
        prop_assert_eq!(found, expected);
    }
}
