//! With a perfect block (û = u_y) every sampler must reproduce the states that training draws: mean √alpha_bar_t · u_y and
//! variance 1 − alpha_bar_t at every t. Also one test for each mistake that public implementations of NoProp made here.

use noprop_core::Result;
use noprop_core::diffusion::*;
use noprop_core::rng::{Purpose, Stream};
use proptest::prelude::*;

const SAMPLERS: [Sampler; 3] = [Sampler::Posterior, Sampler::Resample, Sampler::Ddim];

/// The factor m of the mean m · u_y and the variance of z_0..=z_T, propagated exactly through the coefficients from z_0 ~
/// q(z_0 | y).
fn propagate(schedule: &Schedule, sampler: Sampler, stochastic: bool) -> Vec<(f64, f64)> {
    let mut moments = vec![(schedule.alpha_bar(0).sqrt(), 1.0 - schedule.alpha_bar(0))];
    for t in 1..=schedule.blocks() {
        let (mean, variance) = moments[t - 1];
        let Coefficients { estimate, state, noise } = sampler.coefficients(schedule, t, stochastic);
        moments.push((estimate + state * mean, state * state * variance + noise * noise));
    }
    moments
}

fn custom() -> impl Strategy<Value = Schedule> {
    (prop::collection::vec(1e-4f64..1.0, 1..60), any::<bool>(), any::<bool>()).prop_map(|(gaps, from_zero, to_one)| {
        // Cumulated gaps, scaled into [0, 1] with or without its ends.
        let first = if from_zero { 0.0 } else { 0.01 };
        let last = if to_one { 1.0 } else { 0.99 };
        let total: f64 = gaps.iter().sum();
        let mut alpha_bar = vec![first];
        let mut reached = 0.0;
        for gap in &gaps {
            reached += gap;
            alpha_bar.push((first + (last - first) * reached / total).min(1.0));
        }
        let blocks = gaps.len();
        ScheduleConfig::Custom { alpha_bar }.build(blocks).unwrap()
    })
}

fn cosine() -> impl Strategy<Value = Schedule> {
    (1usize..300, 0.0f64..0.2, 0.5f64..=1.0)
        .prop_map(|(blocks, min, max)| ScheduleConfig::Cosine { min, max }.build(blocks).unwrap())
}

fn linear() -> impl Strategy<Value = Schedule> {
    (2usize..300, 0.5f64..=1.0, 0.01f64..0.5)
        .prop_map(|(blocks, start, end)| ScheduleConfig::Linear { start, end }.build(blocks).unwrap())
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        custom(),
        cosine(),
        linear(),
        Just(ScheduleConfig::Linear { start: 1.0, end: 0.1 }.build(1000).unwrap())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sampler_reproduces_the_training_states(schedule in any_schedule()) {
        for sampler in SAMPLERS {
            for (t, (mean, variance)) in propagate(&schedule, sampler, true).into_iter().enumerate() {
                let alpha_bar = schedule.alpha_bar(t);
                prop_assert!((mean - alpha_bar.sqrt()).abs() < 1e-10, "{:?} t={}: mean {}", sampler, t, mean);
                prop_assert!((variance - (1.0 - alpha_bar)).abs() < 1e-10, "{:?} t={}: variance {}", sampler, t, variance);
            }
        }
    }

    /// Without noise the mean still holds for all; the variance holds for the deterministic sampler and is otherwise too small.
    #[test]
    fn without_noise_the_mean_still_holds(schedule in any_schedule()) {
        for sampler in SAMPLERS {
            for (t, (mean, variance)) in propagate(&schedule, sampler, false).into_iter().enumerate() {
                let alpha_bar = schedule.alpha_bar(t);
                prop_assert!((mean - alpha_bar.sqrt()).abs() < 1e-10, "{:?} t={}: mean {}", sampler, t, mean);
                prop_assert!(variance < 1.0 - alpha_bar + 1e-10, "{:?} t={}: variance {}", sampler, t, variance);
                if sampler == Sampler::Ddim {
                    prop_assert!((variance - (1.0 - alpha_bar)).abs() < 1e-10, "ddim t={}: variance {}", t, variance);
                }
            }
        }
    }

    #[test]
    fn the_posterior_identities_hold_in_every_block(schedule in any_schedule()) {
        for t in 1..=schedule.blocks() {
            let (before, after) = (schedule.alpha_bar(t - 1), schedule.alpha_bar(t));
            let Coefficients { estimate: a, state: b, noise } = Sampler::Posterior.coefficients(&schedule, t, true);
            prop_assert!(a.is_finite() && b.is_finite() && noise.is_finite() && a >= 0.0 && b >= 0.0 && noise >= 0.0);
            prop_assert!((a + b * before.sqrt() - after.sqrt()).abs() < 1e-12);
            prop_assert!((b * b * (1.0 - before) + noise * noise - (1.0 - after)).abs() < 1e-12);
        }
    }

    /// Mistake 1, a reversed schedule: SNR(t) − SNR(t−1) turns negative and the loss is ascended.
    #[test]
    fn the_snr_strictly_increases_and_a_reversed_schedule_is_refused(schedule in custom()) {
        let blocks = schedule.blocks();
        for t in 1..=blocks {
            prop_assert!(schedule.snr(t) > schedule.snr(t - 1));
            prop_assert!(schedule.snr_weight(t, 0.1) > 0.0);
            prop_assert!(schedule.alpha(t) < 1.0);
        }
        let reversed = (0..=blocks).rev().map(|t| schedule.alpha_bar(t)).collect();
        let error = ScheduleConfig::Custom { alpha_bar: reversed }.build(blocks).unwrap_err();
        prop_assert_eq!(error.code, noprop_core::Code::Option);
        prop_assert!(error.what.contains("alphaBar[1]"), "{}", error);
    }

    /// Mistake 1 for the schedules that are computed: block 1 gets the noisiest state, the last block the cleanest.
    #[test]
    fn no_schedule_ever_loses_signal(schedule in any_schedule()) {
        let last = schedule.blocks();
        for t in 1..=last {
            prop_assert!(schedule.alpha_bar(t) >= schedule.alpha_bar(t - 1));
            prop_assert!(schedule.snr(t) >= schedule.snr(t - 1));
        }
        prop_assert!(schedule.snr(last) > schedule.snr(0));
    }
}

/// Mean of the class's element, mean of the others, and variance about those means.
#[derive(Debug)]
struct Moments {
    class: f64,
    others: f64,
    variance: f64,
}

fn moments(states: &[[f32; 4]], class: usize) -> Moments {
    let n = states.len() as f64;
    let means: [f64; 4] = std::array::from_fn(|k| states.iter().map(|z| f64::from(z[k])).sum::<f64>() / n);
    let squares = states.iter().flat_map(|z| (0..4).map(|k| (f64::from(z[k]) - means[k]).powi(2))).sum::<f64>();
    let others = (0..4).filter(|k| *k != class).map(|k| means[k]).sum::<f64>() / 3.0;
    Moments { class: means[class], others, variance: squares / (4.0 * n) }
}

/// Draws `samples` chains of `block` (given t and the state) with `step`; calls `seen` with t and all states z_t.
fn chains(
    schedule: &Schedule,
    sampler: Sampler,
    stochastic: bool,
    samples: usize,
    block: impl Fn(usize, &[f32; 4]) -> [f32; 4],
    mut seen: impl FnMut(usize, &[[f32; 4]]),
) {
    let mut states = vec![[0.0; 4]; samples];
    for (sample, state) in states.iter_mut().enumerate() {
        initial_state(&Stream::new(5, Purpose::InitialState, 0, 0, sample), state);
    }
    seen(0, &states);
    for t in 1..=schedule.blocks() {
        let coefficients = sampler.coefficients(schedule, t, stochastic);
        for (sample, state) in states.iter_mut().enumerate() {
            let noise = Stream::new(5, Purpose::SamplerNoise, t, 0, sample);
            let estimate = block(t, state);
            step(&coefficients, &estimate, state, Some(&noise)).unwrap();
        }
        seen(t, &states);
    }
}

/// alpha_bar_0 is 0, so that the start of inference is exactly the state that the first block is trained on.
fn paper_schedule() -> Schedule {
    ScheduleConfig::Cosine { min: 0.0, max: 0.999 }.build(10).unwrap()
}

/// Mistake 2, trained with the cumulative alpha_bar and sampled with the factor of one step: the states that really arrive at
/// block t + 1 must be distributed as the ones that block is trained on, both drawn, for every sampler.
#[test]
fn drawn_chains_arrive_where_training_draws() {
    let (schedule, samples, class) = (paper_schedule(), 20_000, 2);
    let mut oracle = [0.0; 4];
    oracle[class] = 1.0;
    // Differences of two drawn means have a standard error of at most √(2/20000) = 0.01; of variances (four elements) 0.01.
    let tolerance = 0.05;
    for sampler in SAMPLERS {
        chains(
            &schedule,
            sampler,
            true,
            samples,
            |_, _| oracle,
            |t, arrived| {
                let mut trained = vec![[0.0; 4]; samples];
                let mut per_step = trained.clone();
                for sample in 0..samples {
                    let noise = Stream::new(5, Purpose::LabelNoise, t + 1, 0, sample);
                    noised_label(schedule.alpha_bar(t), class, &noise, &mut trained[sample]);
                    if t > 0 {
                        noised_label(schedule.alpha(t), class, &noise, &mut per_step[sample]);
                    }
                }
                let (arrived, trained) = (moments(arrived, class), moments(&trained, class));
                let place = format!("{sampler:?} t={t}: arrived {arrived:?}, trained {trained:?}");
                assert!((arrived.class - trained.class).abs() < tolerance, "{place}");
                assert!((arrived.others - trained.others).abs() < tolerance, "{place}");
                assert!((arrived.variance - trained.variance).abs() < tolerance, "{place}");
                // The mistake would be seen where blocks do most: states noised with the factor of one block lie far off.
                if (2..=4).contains(&t) {
                    assert!((moments(&per_step, class).class - arrived.class).abs() > 2.0 * tolerance, "{place}");
                }
            },
        );
    }
}

/// Mistake 4, an evaluation that starts from the true label. The types take no label, which this test states as types; and a
/// block that knows nothing must classify at chance, whatever the sampler.
#[test]
fn a_blind_block_classifies_at_chance() {
    type Step = fn(&Coefficients, &[f32], &mut [f32], Option<&Stream>) -> Result<()>;
    let _: fn(&Stream, &mut [f32]) = initial_state;
    let _: Step = step;
    let _: fn(Sampler, &Schedule, usize, bool) -> Coefficients = Sampler::coefficients;

    let (schedule, samples) = (paper_schedule(), 4000);
    for sampler in SAMPLERS {
        for stochastic in [false, true] {
            let mut right = 0;
            chains(
                &schedule,
                sampler,
                stochastic,
                samples,
                |_, _| [0.25; 4],
                |t, states| {
                    if t == schedule.blocks() {
                        right = states.iter().enumerate().filter(|(sample, z)| argmax(*z) == sample % 4).count();
                    }
                },
            );
            let accuracy = right as f64 / samples as f64;
            // Five standard errors of a quarter: 5 · √(0.25 · 0.75 / 4000) = 0.034.
            assert!((accuracy - 0.25).abs() < 0.035, "{sampler:?} stochastic {stochastic}: {accuracy}");
        }
    }
}

/// Mistake 6, √alpha_bar and alpha_bar confused: the signal is √alpha_bar, so that signal² + variance is 1.
#[test]
fn signal_is_the_root_and_variance_the_complement() {
    let (schedule, samples) = (paper_schedule(), 20_000);
    for t in 1..schedule.blocks() {
        let alpha_bar = schedule.alpha_bar(t);
        let mut states = vec![[0.0; 4]; samples];
        for (sample, state) in states.iter_mut().enumerate() {
            noised_label(alpha_bar, 0, &Stream::new(9, Purpose::LabelNoise, t + 1, 0, sample), state);
        }
        let Moments { class, variance, .. } = moments(&states, 0);
        assert!((class - alpha_bar.sqrt()).abs() < 0.03, "t={t}: mean {class}");
        assert!((class * class + variance - 1.0).abs() < 0.06, "t={t}: {class}² + {variance}");
    }
    for sampler in SAMPLERS {
        let one =
            sampler.coefficients(&ScheduleConfig::Custom { alpha_bar: vec![0.0, 0.49] }.build(1).unwrap(), 1, true);
        // From pure noise the whole signal comes from the estimate, and what remains is noise, fresh or kept.
        assert!((one.estimate - 0.7).abs() < 1e-15, "{sampler:?} {one:?}");
        assert!((one.state.powi(2) + one.noise.powi(2) - 0.51).abs() < 1e-15, "{sampler:?} {one:?}");
    }
}

/// Mistake 6, a stochastic process integrated without its noise: it happens only when it is asked for.
#[test]
fn noise_is_left_out_only_on_request() {
    let schedule = paper_schedule();
    for sampler in [Sampler::Posterior, Sampler::Resample] {
        let moments = propagate(&schedule, sampler, false);
        for (t, (_, variance)) in moments.into_iter().enumerate().take(schedule.blocks()).skip(1) {
            assert!(variance < 0.5 * (1.0 - schedule.alpha_bar(t)), "{sampler:?} t={t}");
            let on = sampler.coefficients(&schedule, t, true);
            assert!(step(&on, &[0.0], &mut [0.0], None).is_err(), "a stochastic step without a stream must not pass");
            let off = sampler.coefficients(&schedule, t, false);
            assert!(step(&off, &[0.0], &mut [0.0], None).is_ok());
        }
    }
}

/// The last block's output decides the class, also under the original sketch's schedule, whose last two shares are both 1.
#[test]
fn the_last_block_decides() {
    for schedule in [paper_schedule(), ScheduleConfig::Linear { start: 1.0, end: 0.1 }.build(10).unwrap()] {
        let last = schedule.blocks();
        for sampler in [Sampler::Posterior, Sampler::Resample] {
            let block = |t: usize, _: &[f32; 4]| if t == last { [0.0, 0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0, 0.0] };
            chains(&schedule, sampler, true, 50, block, |t, states| {
                if t == last {
                    assert!(states.iter().all(|z| argmax(z) == 3), "{sampler:?}");
                }
            });
        }
    }
}
