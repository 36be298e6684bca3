//! DiffusionBlocks at its limits: one block for all noise is continuous time, and a block whose range has no width that of discrete time.

use super::config::MethodConfig;
use super::diffusion_blocks::DiffusionBlocks;
use super::noise_levels::{NoiseLevels, Partition};
use super::{BlockLoss, Draw, Drawn, Method, Parts, Query};
use crate::config::{ModelConfig, from_json};
use crate::math::{erfc, exp, ln};
use crate::rng::{Purpose, Stream};

const CLASSES: usize = 3;
const SAMPLES: usize = 200;
const ENDS: [f64; 2] = [0.002, 80.0];

fn parts(method: &str, rest: &str) -> (MethodConfig, Parts) {
    let json =
        format!(r#"{{"method":{method},"input":[4],"classes":[0,1,2],"net":{{"type":"mlp","hidden":[5]}}{rest}}}"#);
    let checked = from_json::<ModelConfig>(&json).unwrap().check().unwrap();
    let config = checked.config;
    let (net, input, blocks) = (config.net, config.input, config.blocks);
    (
        config.method,
        Parts {
            net,
            input,
            classes: CLASSES,
            blocks,
            schedule: checked.schedule,
            vectors: checked.vectors,
            learned: false,
            prototypes: None,
            numbers: false,
        },
    )
}

fn drawn(method: &dyn Method, job: usize) -> (Drawn, Vec<u32>) {
    let places: Vec<u32> = (0..SAMPLES as u32).collect();
    let classes: Vec<u32> = places.iter().map(|place| place % CLASSES as u32).collect();
    let mut drawn = Drawn::new(SAMPLES, CLASSES);
    method.draw(
        &Draw { seed: 5, job, epoch: 2, samples: &places, classes: &classes, numbers: None, own: &[] },
        &mut drawn,
    );
    (drawn, classes)
}

fn blocks(parts: Parts, ends: [f64; 2]) -> DiffusionBlocks {
    let levels = NoiseLevels::new(Partition::Edm, ends, CLASSES);
    DiffusionBlocks { parts, levels, overlap: 0.0, loss: BlockLoss::Mse, preconditioning: false }
}

/// The states, targets and weights that a block trains on, and what it is asked at inference.
#[test]
fn a_range_of_no_width_is_a_block_of_discrete_time_bit_for_bit() {
    let sigma = 0.7_f64;
    let alpha_bar = 1.0 / (1.0 + sigma * sigma);
    let schedule = format!(r#","blocks":2,"schedule":{{"type":"custom","alphaBar":[0.01,{alpha_bar:?},0.9]}}"#);
    let (dt, dt_parts) = parts(r#""dt""#, &schedule);
    assert_eq!(dt_parts.schedule.alpha_bar(1).to_bits(), alpha_bar.to_bits());
    let (_, db_parts) = parts(r#""diffusion-blocks""#, r#","blocks":2"#);
    let [(discrete, classes), (narrow, _)] =
        [drawn(&*dt.build(dt_parts).unwrap(), 2), drawn(&blocks(db_parts.clone(), [sigma, sigma]), 2)];
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&narrow.z), bits(&discrete.z));
    for (target, class) in narrow.targets.chunks_exact(CLASSES).zip(&classes) {
        assert!(target.iter().enumerate().all(|(k, value)| *value == f32::from(u8::from(k == *class as usize))));
    }
    assert!(narrow.weights.iter().all(|weight| *weight == 1.0));
    let time = (0.25 * ln(sigma)) as f32;
    assert!(narrow.times.iter().all(|found| *found == time), "all samples have one level");
    let moves = blocks(db_parts, [sigma, sigma]).chain(2, &[], &super::Sampling::default()).unwrap();
    let super::Move::Step { query, .. } = moves[0] else { unreachable!() };
    assert_eq!(query, Query { time: 0.25 * ln(sigma), ..Query::default() });
}

/// The density of ln σ in training, a normal distribution cut off at both ends.
fn density(sigma: f64) -> f64 {
    let standard = |sigma: f64| (ln(sigma) + 1.2) / 1.2;
    let below = |sigma: f64| 0.5 * erfc(-standard(sigma) * std::f64::consts::FRAC_1_SQRT_2);
    let bell = exp(-0.5 * standard(sigma).powi(2)) / (1.2 * (2.0 * std::f64::consts::PI).sqrt());
    bell / (below(ENDS[1]) - below(ENDS[0]))
}

/// With ᾱ(t) = 1 / (1 + σ²), σ falling through its quantiles as t rises from 0 to 1: the mean of ½ η SNR′(t) · error over t is that of
/// η / (σ² p(ln σ)) · error over what the one block draws.
#[test]
fn one_block_with_the_weights_of_its_levels_is_continuous_time() {
    let (_, parts) = parts(r#"{"type":"diffusion-blocks","loss":"mse"}"#, r#","blocks":1"#);
    let method = blocks(parts, ENDS);
    let (eta, sigma) = (0.7, |t: f64| method.levels.sigma(1.0 - t));
    let snr = |t: f64| sigma(t).powi(-2);
    for step in 1..100 {
        let t = f64::from(step) / 100.0;
        let by_time = 0.5 * eta * (snr(t + 1e-6) - snr(t - 1e-6)) / 2e-6;
        let by_level = eta / (sigma(t).powi(2) * density(sigma(t)));
        assert!(by_time > 0.0 && (by_level / by_time - 1.0).abs() < 1e-4, "{t}: {by_time} {by_level}");
    }
    // What it draws are those levels, and the states of continuous time at them.
    let (found, classes) = drawn(&method, 1);
    for (row, class) in classes.iter().enumerate() {
        let stream = |purpose| Stream::new(5, purpose, 1, 2, row);
        let level = sigma(1.0 - stream(Purpose::Time).uniform(0));
        assert_eq!(found.times[row], (0.25 * ln(level)) as f32);
        let alpha_bar = 1.0 / (1.0 + level * level);
        for k in 0..CLASSES {
            let label = f64::from(u8::from(k == *class as usize));
            let noise = stream(Purpose::LabelNoise).normal(k as u32);
            let z = alpha_bar.sqrt() * label + (1.0 - alpha_bar).sqrt() * noise;
            // Rounding to f32.
            assert!((f64::from(found.z[row * CLASSES + k]) - z).abs() < 1e-6, "{row}");
        }
    }
}
