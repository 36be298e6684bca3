//! Losses and draws against plain references and finite differences, chains with nets that know the answer, orders of convergence.

use super::ct::Ct;
use super::gamma::{self, At, Gamma};
use super::*;
use crate::config::{CheckedConfig, ModelConfig, from_json};
use crate::math;
use crate::ops::testing::{normal, tensor, values};
use crate::rng::{Purpose, Stream};
use crate::tensor::Buffer;

const CLASSES: usize = 3;

fn checked(method: &str) -> CheckedConfig {
    embedded(method, r#"{"type":"one-hot"}"#)
}

fn embedded(method: &str, embedding: &str) -> CheckedConfig {
    let net = r#"{"type":"mlp","hidden":[5]}"#;
    let json = format!(r#"{{"method":{method},"input":[4],"classes":[0,1,2],"net":{net},"embedding":{embedding}}}"#);
    from_json::<ModelConfig>(&json).unwrap().check().unwrap()
}

/// Values of a method's own tensors, off those that they begin with.
fn own(checked: &CheckedConfig) -> Vec<f64> {
    let weights = checked.layout.initial_weights(3, 1);
    let values: Vec<f64> =
        checked.own.iter().flat_map(|slot| slot.of(&weights)).map(|value| f64::from(*value)).collect();
    values.iter().zip(normal(9, values.len())).map(|(value, random)| value + 0.2 * random).collect()
}

/// Samples 2, 5, 8 … of classes 0, 1, 2, 0 …
fn batch(samples: usize) -> (Vec<u32>, Vec<u32>) {
    ((0..samples as u32).map(|sample| 3 * sample + 2).collect(), (0..samples as u32).map(|sample| sample % 3).collect())
}

fn drawn(method: &dyn Method, own: &[f64], job: usize, samples: usize) -> Drawn {
    drawn_of(method, own, job, (samples, CLASSES))
}

fn drawn_of(method: &dyn Method, own: &[f64], job: usize, (samples, width): (usize, usize)) -> Drawn {
    let (places, classes) = batch(samples);
    let mut drawn = Drawn::new(samples, width);
    method.draw(&Draw { seed: 5, job, epoch: 1, samples: &places, classes: &classes, numbers: None, own }, &mut drawn);
    drawn
}

fn one_hot(class: u32, k: usize) -> f64 {
    f64::from(u8::from(k == class as usize))
}

fn buffer(values: &[f64]) -> Buffer {
    Buffer::new(tensor::<f64>(values).reshape((1, values.len())).unwrap()).unwrap()
}

#[test]
fn methods_are_named_or_given_with_options_and_dt_is_written_as_before() {
    let written = |json: &str| serde_json::to_string(&checked(json).config.method).unwrap();
    assert_eq!(written(r#""dt""#), r#""dt""#);
    assert_eq!(written(r#"{"type":"dt"}"#), r#""dt""#);
    assert_eq!(written(r#""fm""#), r#"{"type":"fm","noise":0.0}"#);
    assert_eq!(written(r#"{"type":"fm","noise":0.5}"#), r#"{"type":"fm","noise":0.5}"#);
    for (options, what) in [
        (r#""method":{"type":"fm","noise":-1}"#, "option method.noise"),
        (r#""method":{"type":"fm","sigma":1}"#, "method.sigma"),
        (r#""method":"fm","blocks":3"#, "one net instead of blocks"),
        (r#""method":"fm","schedule":{"type":"linear"}"#, "schedule does not apply"),
        (r#""method":{"type":"ct","gamma0":2,"gamma1":2}"#, "option method.gamma1"),
        (r#""method":{"type":"diffusion-blocks","preconditioning":true}"#, "method.preconditioning"),
        (r#""method":{"type":"diffusion-blocks","sigmaMin":90}"#, "option method.sigmaMax"),
        (
            r#""method":"fm","net":{"type":"graph","nodes":[{"op":"linear","units":"classes","from":["x","z"]}]}"#,
            "the time",
        ),
    ] {
        let json = format!(r#"{{"input":[4],"classes":[0,1,2],{options}}}"#);
        let error = from_json::<ModelConfig>(&json).and_then(ModelConfig::check).unwrap_err();
        assert!(error.to_string().contains(what), "{options}: {error}");
    }
    // A model file has no schedule that its method does not have, and comes back as it was.
    let config = checked(r#""ct""#).config;
    let json = serde_json::to_string(&config).unwrap();
    assert!(!json.contains("schedule"), "{json}");
    assert_eq!(from_json::<ModelConfig>(&json).unwrap(), config);
}

#[test]
fn flow_matching_leads_straight_from_the_noise_to_the_label() {
    let checked = checked(r#""fm""#);
    let found = drawn(&*checked.method, &[], 1, 40);
    let (places, classes) = batch(40);
    for (row, class) in classes.iter().enumerate() {
        let t = f64::from(found.times[row]);
        let noise = Stream::new(5, Purpose::LabelNoise, 1, 1, places[row] as usize);
        for k in 0..CLASSES {
            let (z, v) = (f64::from(found.z[row * CLASSES + k]), f64::from(found.targets[row * CLASSES + k]));
            // Rounding to f32.
            assert!((z + (1.0 - t) * v - one_hot(*class, k)).abs() < 1e-6);
            assert!((z - t * v - noise.normal(k as u32)).abs() < 1e-6);
        }
    }
    assert!(found.times.iter().all(|t| (0.0..1.0).contains(t)));
    let spread = found.times.iter().fold(0.0_f32, |most, t| most.max((t - found.times[0]).abs()));
    assert!(spread > 0.5, "times differ from sample to sample");
    // σ moves z and not the target.
    let noisy = drawn(&*self::checked(r#"{"type":"fm","noise":0.5}"#).method, &[], 1, 40);
    assert!(noisy.targets == found.targets && noisy.z != found.z);
}

/// Two samples of unequal weight, by hand.
#[test]
fn every_sample_has_its_own_weight() {
    let gradient = buffer(&[f64::NAN; 4]);
    let loss =
        WeightedSquares { targets: &[1.0, 0.0, 0.0, 1.0], weights: &[2.0, 10.0], weight: 1.0, samples: 2, width: 2 };
    let found = loss.run(&gradient, &tensor::<f64>(&[0.5, 0.5, 1.0, 1.0]).reshape((1, 4)).unwrap()).unwrap();
    assert_eq!(found, (0.25 + 0.25 + 1.0) / 2.0);
    assert_eq!(values(&gradient), [2.0 * -0.5, 2.0 * 0.5, 10.0, 0.0]);
}

/// By PyTorch in f64:
///
/// ```python
/// l = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], dtype=torch.float64, requires_grad=True)
/// loss = torch.nn.functional.cross_entropy(l, torch.tensor([0, 2]), label_smoothing=0.2)
/// loss.backward()
/// ```
#[test]
fn smoothed_labels_are_those_of_pytorch() {
    let logits = [0.5, -1.0, 2.0, 1.5, 0.25, -0.75];
    let gradient = buffer(&[f64::NAN; 6]);
    let loss = CrossEntropy { classes: &[0, 2], width: 3, smoothing: 0.2, weights: None };
    let found = loss.run(&gradient, &tensor::<f64>(&logits).reshape((1, 6)).unwrap()).unwrap();
    assert!((found - 2.0526586196988577).abs() < 1e-12, "{found}");
    let expected = [
        -0.345688137263315,
        -0.013777046697989608,
        0.3594651839613046,
        0.32588683724219913,
        0.06958496866549244,
        -0.3954718059076916,
    ];
    for (found, expected) in values(&gradient).into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}

#[test]
fn cross_entropy_is_the_plain_one_and_its_gradient_that_of_differences() {
    let (logits, classes) = (normal(4, 4 * CLASSES), [0, 2, 1, 2]);
    let run = |logits: &[f64]| {
        let gradient = buffer(&vec![f64::NAN; logits.len()]);
        let loss = CrossEntropy { classes: &classes, width: CLASSES, smoothing: 0.0, weights: None };
        let found = loss.run(&gradient, &tensor::<f64>(logits).reshape((1, logits.len())).unwrap()).unwrap();
        (found, values(&gradient))
    };
    let plain = |logits: &[f64]| {
        let rows = logits.chunks_exact(CLASSES).zip(classes);
        let each = rows
            .map(|(row, class)| math::ln(row.iter().map(|logit| math::exp(*logit)).sum::<f64>()) - row[class as usize]);
        each.sum::<f64>() / classes.len() as f64
    };
    let (loss, gradient) = run(&logits);
    assert!((loss - plain(&logits)).abs() < 1e-12);
    for index in 0..logits.len() {
        let moved = |by: f64| {
            let mut moved = logits.clone();
            moved[index] += by;
            plain(&moved)
        };
        let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!((gradient[index] - numeric).abs() < 1e-8, "{index}");
    }
    // Logits whose exponentials have no f64.
    let (loss, gradient) = run(&[1e4, 0.0, 0.0, 0.0, 0.0, -1e4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert!(loss.is_finite() && gradient.iter().all(|value| value.is_finite()));
}

#[test]
fn the_posterior_loss_is_the_plain_one_and_its_gradient_that_of_differences() {
    let classes = [0, 2, 1, 2];
    for vectors in [ClassVectors::one_hot(CLASSES), ClassVectors::orthogonal(CLASSES, 2, 3)] {
        let (logits, sigma, width) = (normal(4, 4 * CLASSES), 0.7, vectors.width());
        let plain = |logits: &[f64]| {
            let one = |(row, class): (&[f64], u32)| {
                let total: f64 = row.iter().map(|logit| math::exp(*logit)).sum();
                let mean = |k| (0..CLASSES).map(|j| math::exp(row[j]) / total * vectors.value(j, k)).sum::<f64>();
                let square = |j| (0..width).map(|k| (mean(k) - vectors.value(j, k)).powi(2)).sum::<f64>();
                let density = |j| math::exp(-square(j) / (2.0 * sigma * sigma));
                -math::ln(density(class as usize) / (0..CLASSES).map(density).sum::<f64>())
            };
            logits.chunks_exact(CLASSES).zip(classes).map(one).sum::<f64>() / classes.len() as f64
        };
        let gradient = buffer(&vec![f64::NAN; logits.len()]);
        let loss = Posterior { classes: &classes, vectors: &vectors, sigma };
        let estimate = tensor::<f64>(&logits).reshape((1, logits.len())).unwrap();
        let found = loss.run(&gradient, &estimate, &mut vec![f64::NAN; 2 * CLASSES + width]).unwrap();
        assert!((found - plain(&logits)).abs() < 1e-12);
        for (index, gradient) in values(&gradient).iter().enumerate() {
            let numeric = difference(&logits, index, plain);
            assert!((gradient - numeric).abs() < 1e-8, "{index}: {gradient} {numeric}");
        }
        // What reads the class is what is trained: with a weight of the identity, logits are states.
        let weight = (0..CLASSES * CLASSES).map(|at| f64::from(u8::from(at % (CLASSES + 1) == 0))).collect();
        let readout = Readout::Posterior { weight, bias: vec![0.0; CLASSES], vectors: vectors.clone(), sigma };
        let z: Vec<f32> = logits[..CLASSES].iter().map(|logit| *logit as f32).collect();
        let mut shares = [0.0; CLASSES];
        readout.probabilities(&z, &mut shares);
        let loss = |class: u32| {
            let (classes, row) = ([class], buffer(&[0.0; CLASSES]));
            let loss = Posterior { classes: &classes, vectors: &vectors, sigma };
            let estimate = tensor::<f64>(&logits[..CLASSES]).reshape((1, CLASSES)).unwrap();
            loss.run(&row, &estimate, &mut vec![0.0; 2 * CLASSES + width]).unwrap()
        };
        for (class, share) in shares.iter().enumerate() {
            assert!((f64::from(*share) - math::exp(-loss(class as u32))).abs() < 1e-5);
        }
    }
}

#[test]
fn gamma_falls_from_its_upper_end_to_its_lower_and_its_slope_is_that_of_differences() {
    let checked = checked(r#"{"type":"ct","units":6}"#);
    let own = own(&checked);
    let gamma = Gamma::of(&own, 6);
    assert!(gamma.high() > gamma.low());
    assert!((gamma.at(0.0).gamma - gamma.high()).abs() < 1e-12 && (gamma.at(1.0).gamma - gamma.low()).abs() < 1e-12);
    let snr = |t: f64| math::exp(-gamma.at(t).gamma);
    for step in 1..100 {
        let t = f64::from(step) / 100.0;
        assert!(gamma.at(t).gamma < gamma.at(t - 0.01).gamma, "{t}");
        let slope = (gamma.at(t + 1e-6).gamma - gamma.at(t - 1e-6).gamma) / 2e-6;
        assert!((gamma.at(t).slope - slope).abs() < 1e-7 * slope.abs().max(1.0), "{t}");
        let snr_slope = (snr(t + 1e-6) - snr(t - 1e-6)) / 2e-6;
        assert!((gamma.at(t).snr_slope() - snr_slope).abs() < 1e-7 * snr_slope.abs().max(1.0), "{t}");
        assert!(gamma.at(t).snr_slope() > 0.0, "a weight that is not positive ascends the loss");
    }
}

#[test]
fn the_gradients_of_gamma_are_those_of_differences() {
    let own = own(&checked(r#"{"type":"ct","units":4}"#))[..gamma::values(4)].to_vec();
    let (t, by) = (0.37, At { gamma: 0.7, slope: -1.3 });
    let loss = |own: &[f64]| {
        let at = Gamma::of(own, 4).at(t);
        by.gamma * at.gamma + by.slope * at.slope
    };
    let mut gradients = vec![0.0; own.len()];
    Gamma::of(&own, 4).differentiate(t, by, &mut gradients);
    for (index, gradient) in gradients.iter().enumerate() {
        let numeric = difference(&own, index, loss);
        assert!((gradient - numeric).abs() < 1e-7, "{index}: {gradient} {numeric}");
        assert!(*gradient != 0.0, "{index}");
    }
}

fn difference(at: &[f64], index: usize, loss: impl Fn(&[f64]) -> f64) -> f64 {
    let moved = |by: f64| {
        let mut moved = at.to_vec();
        moved[index] += by;
        loss(&moved)
    };
    (moved(1e-6) - moved(-1e-6)) / 2e-6
}

/// The objective of NoProp-CT in plain loops, with û = A z for a fixed A in place of a net. Returns the whole and the part of the net.
fn plain_objective(method: &Ct, own: &[f64], a: &[f64], samples: usize) -> (f64, f64) {
    let (gamma, (places, classes)) = (Gamma::of(own, method.units), batch(samples));
    let (vectors, width) = (&method.parts.vectors, method.parts.width());
    let head = &own[gamma::values(method.units)..];
    let (mut denoising, mut rest) = (0.0, 0.0);
    for (place, class) in places.iter().zip(&classes) {
        let stream = |purpose| Stream::new(5, purpose, 1, 1, *place as usize);
        let noised = |alpha_bar: f64, purpose| -> Vec<f64> {
            let value = |k| {
                alpha_bar.sqrt() * vectors.value(*class as usize, k)
                    + (1.0 - alpha_bar).sqrt() * stream(purpose).normal(k as u32)
            };
            (0..width).map(value).collect()
        };
        let t = stream(Purpose::Time).uniform(0);
        let alpha_bar = 1.0 / (1.0 + math::exp(gamma.at(t).gamma));
        let z = noised(alpha_bar, Purpose::LabelNoise);
        let error: f64 = (0..width)
            .map(|k| (0..width).map(|j| a[k * width + j] * z[j]).sum::<f64>() - vectors.value(*class as usize, k))
            .map(|error| error.powi(2))
            .sum();
        // Which another test compares with differences; here it would be a difference of differences.
        let slope = gamma.at(t).snr_slope();
        denoising += 0.5 * method.eta * slope * error / samples as f64;
        let last = noised(1.0 / (1.0 + math::exp(gamma.low())), Purpose::HeadNoise);
        let logits: Vec<f64> = (0..CLASSES)
            .map(|j| head[width * CLASSES + j] + (0..width).map(|k| last[k] * head[k * CLASSES + j]).sum::<f64>())
            .collect();
        let total: f64 = logits.iter().map(|logit| math::exp(*logit)).sum();
        rest += (math::ln(total) - logits[*class as usize]) / samples as f64;
    }
    let (alpha_bar, d) = (1.0 / (1.0 + math::exp(gamma.high())), width as f64);
    let square = |class: &u32| (0..width).map(|k| vectors.value(*class as usize, k).powi(2)).sum::<f64>();
    let square = classes.iter().map(square).sum::<f64>() / samples as f64;
    rest += 0.5 * (alpha_bar * square - d * alpha_bar - d * math::ln(1.0 - alpha_bar));
    (denoising + rest, rest)
}

#[test]
fn the_gradients_of_the_continuous_objective_are_those_of_differences() {
    check_continuous(checked(CONTINUOUS));
    // Of fewer values than classes, the embeddings have unequal lengths.
    for dim in [2, 5] {
        check_continuous(embedded(CONTINUOUS, &format!(r#"{{"type":"orthogonal","dim":{dim}}}"#)));
    }
}

const CONTINUOUS: &str = r#"{"type":"ct","units":2,"eta":0.7}"#;

fn check_continuous(checked: CheckedConfig) {
    let (samples, width) = (7, checked.vectors.width());
    let own = own(&checked);
    let parts = || Parts {
        net: checked.config.net.clone(),
        input: checked.config.input,
        classes: CLASSES,
        vectors: checked.vectors.clone(),
        learned: false,
        prototypes: None,
        numbers: false,
        blocks: 1,
        schedule: checked.schedule.clone(),
    };
    let method = Ct { parts: parts(), eta: 0.7, units: 2, ends: [-1.0, 4.0] };
    let a: Vec<f64> = normal(6, width * width);
    let found = drawn_of(&method, &own, 1, (samples, width));
    let (places, classes) = batch(samples);
    let draw = Draw { seed: 5, job: 1, epoch: 1, samples: &places, classes: &classes, numbers: None, own: &own };
    let (mut estimate, mut z_gradient) = (vec![0.0; samples * width], vec![0.0; samples * width]);
    for (row, class) in classes.iter().enumerate() {
        let at = |k: usize| row * width + k;
        for k in 0..width {
            estimate[at(k)] = (0..width).map(|j| a[k * width + j] * f64::from(found.z[at(j)])).sum();
        }
        for j in 0..width {
            let error = |k: usize| estimate[at(k)] - checked.vectors.value(*class as usize, k);
            let by = |k: usize| 2.0 * found.weights[row] / samples as f64 * error(k);
            z_gradient[at(j)] = (0..width).map(|k| a[k * width + j] * by(k)).sum();
        }
    }
    let (mut gradients, mut room) = (vec![0.0; own.len()], vec![0.0; width + CLASSES]);
    let pass = OwnPass { estimate: &estimate, z_gradient: &z_gradient, gradients: &mut gradients, room: &mut room };
    let rest = method.own_gradients(&draw, &found, pass);
    assert!((rest - plain_objective(&method, &own, &a, samples).1).abs() < 1e-9);
    for (index, gradient) in gradients.iter().enumerate() {
        let numeric = difference(&own, index, |own| plain_objective(&method, own, &a, samples).0);
        // z is rounded to f32.
        let bound = 1e-4 * gradient.abs().max(0.1);
        assert!((gradient - numeric).abs() < bound, "{index}: {gradient} {numeric}");
    }
}

/// The state after moves whose net answers by `answer(time, what it sees)`.
fn follow(moves: &[Move], mut z: f64, answer: impl Fn(f64, f64) -> f64) -> f64 {
    let ask = |query: &Query, z: f64| query.skip * z + query.out * answer(query.time, query.scale * z);
    for one in moves {
        z = match one {
            Move::Step { query, coefficients } => {
                assert_eq!(coefficients.noise, 0.0);
                coefficients.estimate * ask(query, z) + coefficients.state * z
            }
            Move::Heun { from, to, step } => {
                let slope = from.1.at(ask(&from.0, z), z);
                let ahead = z + step * slope;
                z + step / 2.0 * (slope + to.1.at(ask(&to.0, ahead), ahead))
            }
        };
    }
    z
}

/// Euler's rule is of the first order and Heun's of the second, on both differential equations, for an answer that bends.
#[test]
fn the_orders_of_convergence_are_one_and_two() {
    let (fm, ct) = (checked(r#""fm""#), checked(r#""ct""#));
    let own = own(&ct);
    let bends = |t: f64, z: f64| math::sin(2.0 * z) + t * t;
    for (checked, own) in [(&fm, &[][..]), (&ct, &own[..])] {
        let end = |sampler, steps| {
            let sampling = Sampling { sampler: Some(sampler), steps: Some(steps), ..Sampling::default() };
            follow(&checked.method.chain(1, own, &sampling).unwrap(), 0.8, bends)
        };
        let exact = end(SamplerChoice::Heun, 20_000);
        for (sampler, order) in [(SamplerChoice::Euler, 1.0), (SamplerChoice::Heun, 2.0)] {
            let [coarse, fine] = [200, 400].map(|steps| (end(sampler, steps) - exact).abs());
            let found = math::ln(coarse / fine) / std::f64::consts::LN_2;
            let name = checked.config.method.name();
            assert!((found - order).abs() < 0.1, "{name} {sampler:?}: order {found}, errors {coarse:e} {fine:e}");
        }
    }
}

/// With a net that knows the label the mean of the states is √ᾱ u_y all along, for every method and rule.
#[test]
fn a_chain_that_knows_the_answer_keeps_the_mean() {
    use SamplerChoice::{Ddim, Euler, Heun, Posterior, Resample};
    let levels = |sigma: f64| 1.0 / (1.0 + sigma * sigma);
    let dt = |t: usize| checked(r#""dt""#).schedule.alpha_bar(t);
    let ct_own = own(&checked(r#""ct""#));
    let ct = |t: f64| Gamma::of(&ct_own, 32).at(t).alpha_bar();
    let cases = [
        (r#""dt""#, vec![Posterior, Resample, Ddim], [dt(0), dt(10)]),
        (r#""ct""#, vec![Posterior, Resample, Ddim, Euler, Heun], [ct(0.0), ct(1.0)]),
        (r#""diffusion-blocks""#, vec![Ddim, Posterior, Resample], [levels(80.0), levels(0.002)]),
        (
            r#"{"type":"diffusion-blocks","partition":"equal-information"}"#,
            vec![Ddim, Posterior, Resample],
            [levels(80.0), levels(0.002)],
        ),
    ];
    for (json, samplers, [first, last]) in cases {
        let checked = checked(json);
        let own = if json == r#""ct""# { ct_own.clone() } else { Vec::new() };
        for sampler in samplers {
            let sampling = Sampling { sampler: Some(sampler), ..Sampling::default() };
            let moves: Vec<_> =
                (1..=checked.jobs()).flat_map(|job| checked.method.chain(job, &own, &sampling).unwrap()).collect();
            // Of the differential equations so many steps make an error.
            let bound = match sampler {
                Euler => 0.05,
                Heun => 0.005,
                _ => 1e-9,
            };
            for label in [0.0, 1.0] {
                let end = follow(&moves, first.sqrt() * label, |_, _| label);
                assert!((end - last.sqrt() * label).abs() < bound, "{json} {sampler:?}: {end} for {label}");
            }
        }
    }
    // Flow matching: the exact velocity leads to the label at once, in any number of steps.
    for steps in [1, 7] {
        let sampling = Sampling { steps: Some(steps), ..Sampling::default() };
        let moves = checked(r#""fm""#).method.chain(1, &[], &sampling).unwrap();
        let end = follow(&moves, 0.3, |t, z| (1.0 - z) / (1.0 - t));
        assert!((end - 1.0).abs() < 1e-12);
    }
}

/// Ranges of noise, whatever their partition and steps within a block: after every step the state has the mean and the variance of its σ,
/// that is u_y and σ² where it is not shrunk. Samplers without noise keep the mean, and `ddim` the variance as well.
#[test]
fn chains_over_ranges_of_noise_keep_the_marginals() {
    use SamplerChoice::{Ddim, Posterior, Resample};
    for partition in ["edm", "equal-information"] {
        let checked = checked(&format!(r#"{{"type":"diffusion-blocks","partition":"{partition}"}}"#));
        let cases = [(None, true), (Some(Posterior), true), (Some(Resample), true), (Some(Ddim), false)];
        let quiet = [(Some(Posterior), false), (Some(Resample), false)];
        for ((sampler, stochastic), steps) in
            cases.into_iter().chain(quiet).flat_map(|case| [(case, 1), (case, 2), (case, 5)])
        {
            let sampling = Sampling { sampler, stochastic, steps_per_block: Some(steps), ..Sampling::default() };
            let moves: Vec<_> = (1..=checked.jobs())
                .flat_map(|job| checked.method.chain(job, &[], &sampling).unwrap())
                .map(|one| match one {
                    Move::Step { query, coefficients } => (math::exp(4.0 * query.time), coefficients),
                    Move::Heun { .. } => unreachable!(),
                })
                .collect();
            assert_eq!(moves.len(), 3 * steps);
            let alpha_bar = |sigma: f64| 1.0 / (1.0 + sigma * sigma);
            assert!((moves[0].0 / 80.0 - 1.0).abs() < 1e-9);
            let start = alpha_bar(80.0);
            let (mut mean, mut variance) = (start.sqrt(), 1.0 - start);
            for (index, (sigma, coefficients)) in moves.iter().enumerate() {
                let next = moves.get(index + 1).map_or(0.002, |(sigma, _)| *sigma);
                assert!(next < *sigma, "{partition}, step {index}: {next} after {sigma}");
                mean = coefficients.estimate + coefficients.state * mean;
                variance = coefficients.state.powi(2) * variance + coefficients.noise.powi(2);
                let case = format!("{partition} {sampler:?} {stochastic}, {steps} steps a block, step {index}");
                // Roundings alone: of the greatest σ the mean is a small part of a state.
                assert!((mean / alpha_bar(next).sqrt() - 1.0).abs() < 1e-9, "{case}: {mean}");
                let found = variance / alpha_bar(next) / (next * next);
                match stochastic || sampler == Some(Ddim) {
                    true => assert!((found - 1.0).abs() < 1e-6, "{case}: {found} of the variance"),
                    false => assert!(found < 1.0, "{case}: {found} of the variance"),
                }
            }
        }
    }
}

/// The posterior of a learned schedule reproduces the marginals of training with an oracle, in its noise too.
#[test]
fn the_posterior_of_a_learned_schedule_keeps_the_marginals() {
    let checked = checked(r#""ct""#);
    let own = own(&checked);
    let gamma = Gamma::of(&own, 32);
    let sampling = Sampling { stochastic: true, steps: Some(50), ..Sampling::default() };
    let start = gamma.at(0.0).alpha_bar();
    let (mut mean, mut variance) = (start.sqrt(), 1.0 - start);
    for (index, one) in checked.method.chain(1, &own, &sampling).unwrap().into_iter().enumerate() {
        let Move::Step { coefficients, query } = one else { unreachable!() };
        assert!((query.time - index as f64 / 50.0).abs() < 1e-12);
        mean = coefficients.estimate + coefficients.state * mean;
        variance = coefficients.state.powi(2) * variance + coefficients.noise.powi(2);
        let alpha_bar = gamma.at((index + 1) as f64 / 50.0).alpha_bar();
        assert!((mean - alpha_bar.sqrt()).abs() < 1e-9 && (variance - (1.0 - alpha_bar)).abs() < 1e-9, "{index}");
    }
}

/// An output of 0 gives skip · z of variance exploding; an output as trained gives the label.
#[test]
fn preconditioning_is_undone_by_the_estimate() {
    let json = r#"{"type":"diffusion-blocks","loss":"mse","preconditioning":true}"#;
    let checked = checked(json);
    let data = 1.0 / 3.0_f64.sqrt();
    for job in 1..=3 {
        let found = drawn(&*checked.method, &[], job, 60);
        for (row, class) in batch(60).1.iter().enumerate() {
            let sigma = math::exp(4.0 * f64::from(found.times[row]));
            let total = sigma * sigma + data * data;
            for k in 0..CLASSES {
                let (seen, target) =
                    (f64::from(found.z[row * CLASSES + k]), f64::from(found.targets[row * CLASSES + k]));
                let exploding = seen * total.sqrt();
                let estimate = data * data / total * exploding + sigma * data / total.sqrt() * target;
                // f32 values of up to some hundreds where σ is small.
                assert!((estimate - one_hot(*class, k)).abs() < 2e-4, "{job} {row}: {estimate}");
            }
        }
        let moves = checked.method.chain(job, &[], &Sampling::default()).unwrap();
        let Move::Step { query, .. } = moves[0] else { unreachable!() };
        let sigma = math::exp(4.0 * query.time);
        let (alpha_bar, rho) = (1.0 / (1.0 + sigma * sigma), data * data / (sigma * sigma + data * data));
        assert!((query.skip * alpha_bar.sqrt() - rho).abs() < 1e-9, "F = 0 leaves c_skip z");
        assert!((query.out - data * (1.0 - rho).sqrt()).abs() < 1e-9);
    }
}

/// Blocks draw noise of their own range alone, evenly in its quantiles; ranges of no width are those of discrete time, bit for bit.
#[test]
fn blocks_draw_the_noise_of_their_range() {
    let checked = checked(r#"{"type":"diffusion-blocks","overlap":0}"#);
    let mut before = f64::INFINITY;
    for job in 1..=3 {
        let sigmas: Vec<f64> =
            drawn(&*checked.method, &[], job, 300).times.iter().map(|t| math::exp(4.0 * f64::from(*t))).collect();
        let (least, most) = sigmas.iter().fold((f64::MAX, 0.0_f64), |(least, most), s| (least.min(*s), most.max(*s)));
        assert!(most <= before * (1.0 + 1e-5), "the noisiest range comes first");
        assert!(most / least > 2.0, "levels differ from sample to sample");
        before = least;
    }
    // ᾱ = 0.5 in both.
    let levels = r#"{"type":"diffusion-blocks","overlap":0,"sigmaMin":1,"sigmaMax":1.01}"#;
    let narrow = drawn(&*self::checked(levels).method, &[], 3, 50);
    let json =
        r#"{"input":[4],"classes":[0,1,2],"blocks":3,"schedule":{"type":"custom","alphaBar":[0.1,0.2,0.5,0.6]}}"#;
    let discrete = from_json::<ModelConfig>(json).unwrap().check().unwrap();
    let expected = drawn(&*discrete.method, &[], 3, 50);
    for (one, other) in narrow.z.iter().zip(&expected.z) {
        // A range of 1 % in σ.
        assert!((one - other).abs() < 0.02, "{one} {other}");
    }
}

/// Whatever the embeddings are, every method's noised labels at nearly no noise are those that it reads the class off: one place gives
/// them to training and to sampling.
#[test]
fn training_and_sampling_have_the_same_embeddings() {
    for dim in [2, 3, 7] {
        let embedding = format!(r#"{{"type":"orthogonal","dim":{dim}}}"#);
        for method in [r#""dt""#, r#""fm""#, r#""diffusion-blocks""#, r#"{"type":"diffusion-blocks","loss":"mse"}"#] {
            let checked = embedded(method, &embedding);
            let last = checked.jobs();
            let found = drawn_of(&*checked.method, &[], last, (30, dim));
            let readout = checked.method.readout(checked.jobs(), &[]);
            for (row, class) in batch(30).1.iter().enumerate() {
                let mut target = found.targets[row * dim..][..dim].to_vec();
                if method == r#""fm""# {
                    // z + (1 − t) v is the label.
                    let (z, rest) = (&found.z[row * dim..][..dim], 1.0 - found.times[row]);
                    target.iter_mut().zip(z).for_each(|(v, z)| *v = z + rest * *v);
                }
                for (k, value) in target.iter().enumerate() {
                    let expected = checked.vectors.value(*class as usize, k);
                    assert!((f64::from(*value) - expected).abs() < 1e-6, "{method} {dim}");
                }
                let scaled: Vec<f32> = match &readout {
                    Readout::Nearest { alpha_bar, .. } => target.iter().map(|v| v * alpha_bar.sqrt() as f32).collect(),
                    _ => unreachable!(),
                };
                assert_eq!(readout.class(&scaled), *class as usize, "{method} {dim}");
            }
            let graph = checked.method.graph(false).unwrap();
            assert_eq!(graph.estimate_width(), dim);
        }
    }
}

#[test]
fn a_head_reads_the_greatest_logit() {
    let readout = Readout::Head { weight: vec![1.0, 0.0, 0.0, 2.0], bias: vec![0.5, 0.0] };
    let mut row = [0.0; 2];
    readout.probabilities(&[1.0, 1.0], &mut row);
    // Logits 1.5 and 2.
    assert_eq!(readout.class(&[1.0, 1.0]), 1);
    assert!((row[0] - 0.377_540_67).abs() < 1e-6 && (row[1] - 0.622_459_3).abs() < 1e-6, "{row:?}");
}

/// A sampler that keeps its noise draws a class from those that are likely; the posterior's mean goes to the likeliest.
#[test]
fn chains_over_noise_levels_move_by_the_posterior_if_nothing_else_is_asked() {
    for method in [r#""dt""#, r#""diffusion-blocks""#, r#""ct""#] {
        let checked = checked(method);
        let own = own(&checked);
        let moves = |sampler| {
            let moves = checked.method.chain(1, &own, &Sampling { sampler, ..Sampling::default() });
            format!("{:?}", moves.unwrap())
        };
        assert_eq!(moves(None), moves(Some(SamplerChoice::Posterior)), "{method}");
        assert_ne!(moves(None), moves(Some(SamplerChoice::Ddim)), "{method}");
    }
}

#[test]
fn what_a_method_does_not_have_is_refused() {
    let ask =
        |method: &str, sampling: Sampling| checked(method).method.chain(1, &[], &sampling).unwrap_err().to_string();
    let with = |sampler| Sampling { sampler: Some(sampler), ..Sampling::default() };
    assert!(ask(r#""dt""#, with(SamplerChoice::Heun)).contains("no sampler heun"));
    assert!(ask(r#""fm""#, with(SamplerChoice::Posterior)).contains("euler or heun"));
    assert!(ask(r#""fm""#, Sampling { stochastic: true, ..Sampling::default() }).contains("stochastic"));
    assert!(ask(r#""fm""#, Sampling { steps: Some(0), ..Sampling::default() }).contains("1 to 50000"));
    assert!(ask(r#""dt""#, Sampling { steps: Some(5), ..Sampling::default() }).contains("steps"));
    assert!(ask(r#""fm""#, Sampling { steps_per_block: Some(5), ..Sampling::default() }).contains("stepsPerBlock"));
}

/// The objective of a learned embedding in plain loops, with nets that stay as they are: logits = A z, and their softmax but for `fm`.
/// Returns what a step of net `job` reports, the terms without the net, and the whole, in which the net's loss has a factor.
fn plain_learned(checked: &CheckedConfig, own: &[f64], a: &[f64], job: usize, weight: f64) -> [f64; 3] {
    let (samples, width) = (7, checked.vectors.width());
    let (places, classes) = batch(samples);
    let (is_fm, is_ct) = (checked.config.method.name() == "fm", checked.config.method.name() == "ct");
    let gamma = is_ct.then(|| Gamma::of(&own[(2 * width + 1) * CLASSES..], 2));
    let w = |class: usize, k: usize| own[class * width + k];
    let head = |k: usize, j: usize| own[CLASSES * width + k * CLASSES + j];
    let bias = |j: usize| own[2 * CLASSES * width + j];
    let cross_entropy = |state: &[f64], class: usize| {
        let logits: Vec<f64> =
            (0..CLASSES).map(|j| bias(j) + (0..width).map(|k| state[k] * head(k, j)).sum::<f64>()).collect();
        math::ln(logits.iter().map(|logit| math::exp(*logit)).sum::<f64>()) - logits[class]
    };
    let (mut reported, mut rest, mut whole) = (0.0, 0.0, 0.0);
    for (sample, class) in places.iter().zip(&classes) {
        let class = *class as usize;
        let stream = |purpose| Stream::new(5, purpose, job, 1, *sample as usize);
        let (noise, t) = (stream(Purpose::LabelNoise), stream(Purpose::Time).uniform(0));
        // ᾱ at the beginning, at z and at the end, and the factor of the loss.
        let ([begin, at, end], factor) = match gamma {
            Some(gamma) => {
                let alpha_bar = |gamma: f64| 1.0 / (1.0 + math::exp(gamma));
                let at = gamma.at(t);
                ([gamma.high(), at.gamma, gamma.low()].map(alpha_bar), 0.5 * 0.7 * at.snr_slope())
            }
            None => ([0, job - 1, checked.config.blocks].map(|t| checked.schedule.alpha_bar(t)), 1.0),
        };
        let noised = |alpha_bar: f64, noise: &Stream, k: usize| {
            alpha_bar.sqrt() * w(class, k) + (1.0 - alpha_bar).sqrt() * noise.normal(k as u32)
        };
        let z: Vec<f64> = (0..width)
            .map(|k| match is_fm {
                true => t * w(class, k) + (1.0 - t) * noise.normal(k as u32),
                false => noised(at, &noise, k),
            })
            .collect();
        let mut shares: Vec<f64> = (0..CLASSES).map(|j| (0..width).map(|k| a[j * width + k] * z[k]).sum()).collect();
        if !is_fm {
            let total: f64 = shares.iter().map(|logit| math::exp(*logit)).sum();
            shares.iter_mut().for_each(|share| *share = math::exp(*share) / total);
        }
        let estimate: Vec<f64> = (0..width).map(|k| (0..CLASSES).map(|j| shares[j] * w(j, k)).sum()).collect();
        let wanted = |k: usize| w(class, k) - if is_fm { noise.normal(k as u32) } else { 0.0 };
        let error: f64 = (0..width).map(|k| (estimate[k] - wanted(k)).powi(2)).sum();
        let others = if is_fm {
            let end: Vec<f64> = (0..width).map(|k| z[k] + (1.0 - t) * estimate[k]).collect();
            cross_entropy(&end, class)
        } else {
            let last: Vec<f64> = (0..width).map(|k| noised(end, &stream(Purpose::HeadNoise), k)).collect();
            let (d, square) = (width as f64, (0..width).map(|k| w(class, k).powi(2)).sum::<f64>());
            cross_entropy(&last, class) + 0.5 * (begin * square - d * begin - d * math::ln(1.0 - begin))
        };
        reported += error;
        rest += others;
        whole += weight * factor * error + others;
    }
    [reported, rest, whole].map(|sum| sum / samples as f64)
}

#[test]
fn the_gradients_of_learned_embeddings_are_those_of_differences() {
    let cases = [
        (r#""dt""#, 5, 2),
        (r#""dt""#, 2, 1),
        (r#""dt""#, 2, 10),
        (r#""fm""#, 2, 1),
        (r#""fm""#, 5, 1),
        (CONTINUOUS, 2, 1),
        (CONTINUOUS, 5, 1),
    ];
    for (name, width, job) in cases {
        let (samples, weight) = (7, 0.3);
        let checked = embedded(name, &format!(r#"{{"type":"learned","dim":{width}}}"#));
        let (own, method, a) = (own(&checked), &checked.method, normal(6, CLASSES * width));
        let found = drawn_of(&**method, &own, job, (samples, width));
        let (places, classes) = batch(samples);
        let draw = Draw { seed: 5, job, epoch: 1, samples: &places, classes: &classes, numbers: None, own: &own };
        let is_fm = name == r#""fm""#;
        let mut estimate = vec![0.0; samples * CLASSES];
        for (z, row) in found.z.chunks_exact(width).zip(estimate.chunks_exact_mut(CLASSES)) {
            for (j, value) in row.iter_mut().enumerate() {
                *value = (0..width).map(|k| a[j * width + k] * f64::from(z[k])).sum();
            }
            if !is_fm {
                super::loss::softmax(row);
            }
        }
        let (mut gradient, mut gradients) = (vec![f64::NAN; samples * CLASSES], vec![0.0; own.len()]);
        let mut room = vec![0.0; 2 * (width + CLASSES)];
        let judged =
            Judged { estimate: &estimate, gradient: &mut gradient, gradients: &mut gradients, weight, room: &mut room };
        let reported = method.judge(&draw, &found, judged);
        // Back through the net to z.
        let mut z_gradient = vec![0.0; samples * width];
        for row in 0..samples {
            let (shares, by) = (&estimate[row * CLASSES..][..CLASSES], &gradient[row * CLASSES..][..CLASSES]);
            let inner: f64 = shares.iter().zip(by).map(|(share, by)| share * by).sum();
            for k in 0..width {
                let by_logit = |j: usize| if is_fm { by[j] } else { shares[j] * (by[j] - inner) };
                z_gradient[row * width + k] = (0..CLASSES).map(|j| by_logit(j) * a[j * width + k]).sum();
            }
        }
        let pass = OwnPass { estimate: &estimate, z_gradient: &z_gradient, gradients: &mut gradients, room: &mut room };
        let rest = method.own_gradients(&draw, &found, pass);
        let plain = plain_learned(&checked, &own, &a, job, weight);
        // z is rounded to f32.
        assert!((reported - plain[0]).abs() < 1e-5, "{name} {reported} {plain:?}");
        assert!(is_fm || (rest - plain[1]).abs() < 1e-9, "{name} {rest} {plain:?}");
        for (index, gradient) in gradients.iter().enumerate() {
            let numeric = difference(&own, index, |own| plain_learned(&checked, own, &a, job, weight)[2]);
            let bound = 1e-4 * gradient.abs().max(0.1);
            assert!((gradient - numeric).abs() < bound, "{name} {width} {job}, {index}: {gradient} {numeric}");
        }
    }
}
