//! A readout that is fitted on held-out samples: the estimates of the blocks, each with a weight of its own, through a softmax.
//!
//! With c_tk the coordinate of block t's estimate along class k, p = softmax_k(Σ_t w_t c_tk). The weights are those of the least log loss, which is
//! convex in them, by Newton's method from 0: a function of model and samples alone. A weight may be negative: a block that others
//! make up for.

use super::processor::Processor;
use super::{SampleOptions, check_classes, encode, finite};
use crate::config;
use crate::data::Dataset;
use crate::diffusion::{ClassVectors, EmbeddingConfig};
use crate::error::{Code, Error, Result};
use crate::math::{exp, ln};
use crate::memory::zeros;
use crate::method::MethodConfig;
use crate::model::Model;
use crate::tensor::StopFlag;
use crate::train::plan::check_shape;
use serde::Serialize;
use serde_json::Value;

/// Most blocks whose weights are fitted: their square is summed for every sample.
const MOST_BLOCKS: usize = 256;
/// Share of ½ ‖w‖² in what is least, without which samples that are all right would make weights without bound.
const RIDGE: f64 = 1e-6;
const STEPS: usize = 100;

/// What was fitted, as a model file keeps it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FittedReadout {
    /// w of each block.
    pub weights: Vec<f64>,
    /// Mean of −ln p of the right class over the samples that it was fitted on.
    pub log_loss: f64,
    /// Those samples.
    pub samples: usize,
    /// Of those samples.
    pub fingerprint: String,
}

/// The weights of the model's blocks.
///
/// # Errors
/// [`Code::Option`] where none were fitted, [`Code::ModelFormat`] where a file has others than those of its blocks.
pub(super) fn weights(model: &Model) -> Result<Vec<f64>> {
    let readout = model.readout();
    if readout.is_null() {
        return Err(Error::new(Code::Option, "option readout 'fitted' needs weights of the blocks")
            .expected("a model whose readout has been fitted on held-out samples")
            .received("a model without a fitted readout")
            .hint("train with validationSplit and fitReadout, or call model.fitReadout(samples)"));
    }
    let blocks = model.checked.method.jobs();
    let found: Vec<f64> = readout["weights"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    match found.len() == blocks && found.iter().all(|weight| weight.is_finite()) {
        true => Ok(found),
        false => Err(Error::new(Code::ModelFormat, "the model's fitted readout is damaged")
            .expected(format!("a finite weight for each of {blocks} blocks"))
            .hint("fit it again: model.fitReadout(samples)")),
    }
}

/// The coordinates along the classes, whose vectors are orthonormal, of Σ_t w_t û_t.
pub(super) fn coordinates(vectors: &ClassVectors, sum: &[f64], to: &mut [f64]) {
    if vectors.is_one_hot() {
        return to.copy_from_slice(sum);
    }
    for (class, to) in to.iter_mut().enumerate() {
        *to = sum.iter().enumerate().map(|(k, value)| value * vectors.value(class, k)).sum();
    }
}

/// Softmax in place. Returns the logarithm of the sum of the exponentials.
pub(super) fn softmax(values: &mut [f64]) -> f64 {
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter_mut().for_each(|value| *value = exp(*value - top));
    let total: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= total);
    ln(total) + top
}

/// Whether a readout can be fitted to a model, trained or not.
///
/// # Errors
/// [`Code::Option`] for a model of numbers, or of a method without blocks that estimate by themselves.
pub fn check_readout(model: &Model) -> Result<()> {
    check_classes(model)?;
    let (config, blocks) = (&model.checked.config, model.checked.method.jobs());
    let has_blocks = matches!(config.method, MethodConfig::Dt { .. } | MethodConfig::DiffusionBlocks { .. });
    // A state has to hold the shares of the classes.
    let is_orthonormal = match config.embedding {
        EmbeddingConfig::OneHot {} => true,
        EmbeddingConfig::Orthogonal { dim } => dim >= config.classes.len(),
        _ => false,
    };
    if !has_blocks || !is_orthonormal || model.checked.head.is_some() {
        let method = config.method.name();
        return Err(Error::new(Code::Option, "a readout cannot be fitted to this model")
            .expected("method dt or diffusion-blocks without a head, with embedding one-hot, or orthogonal of at least as many values as classes")
            .received(format!("method {method} with embedding {}", config.embedding.name())));
    }
    if blocks > MOST_BLOCKS {
        return Err(config::out_of_range("blocks", format!("up to {MOST_BLOCKS} for a fitted readout"), blocks));
    }
    Ok(())
}

/// Fits the weights of the blocks on labelled samples, which should not be those that the blocks were trained on.
///
/// # Errors
/// Those of [`evaluate`](super::evaluate); [`Code::Option`] for a method without blocks that estimate by themselves.
pub fn fit_readout(model: &Model, data: &Dataset, options: &SampleOptions, stop: &StopFlag) -> Result<FittedReadout> {
    check_readout(model)?;
    super::refuse_early(options, "a readout that is fitted")?;
    super::views::refuse(options, "a readout that is fitted")?;
    let (config, blocks) = (&model.checked.config, model.checked.method.jobs());
    let fingerprint = data.fingerprint().to_owned();
    let seen = encode::seen(model, data, options, stop)?;
    let (model, data) = seen.parts();
    let targets = data.class_indices(&config.classes)?;
    model.check_trained()?;
    check_shape(&model.checked, data)?;
    let (vectors, classes) = (&model.checked.vectors, config.classes.len());
    let width = vectors.width();
    let mut processor = Processor::new(model, data, options, config::threads(options.threads)?, stop)?;
    let mut states = processor.initial()?;
    let mut estimates = zeros::<f32>(states.len(), "the samples' estimates")?;
    let all: Vec<u32> = (0..targets.len() as u32).collect();
    let mut table = Vec::with_capacity(blocks);
    let mut row = vec![0.0; width];
    for block in 1..=blocks {
        processor.advance_some(block, &all, &mut states, &mut estimates)?;
        let mut of_block = zeros::<f64>(targets.len().saturating_mul(classes), "the estimates of blocks")?;
        for (to, estimate) in of_block.chunks_exact_mut(classes).zip(estimates.chunks_exact(width)) {
            row.iter_mut().zip(estimate).for_each(|(value, estimate)| *value = f64::from(*estimate));
            coordinates(vectors, &row, to);
        }
        table.push(of_block);
    }
    finite(states)?;
    let (weights, log_loss) = fit(&table, &targets, classes, stop)?;
    Ok(FittedReadout { weights, log_loss, samples: targets.len(), fingerprint })
}

/// The log loss at some weights, and with `slopes` its gradient and its second derivatives `[blocks, blocks]`; with the ridge.
struct At {
    loss: f64,
    gradient: Vec<f64>,
    curvature: Vec<f64>,
}

fn at(weights: &[f64], table: &[Vec<f64>], targets: &[u32], classes: usize, slopes: bool) -> At {
    let (blocks, samples) = (weights.len(), targets.len() as f64);
    let mut found = At { loss: 0.0, gradient: vec![0.0; blocks], curvature: vec![0.0; blocks * blocks] };
    let (mut shares, mut means) = (vec![0.0; classes], vec![0.0; blocks]);
    for (sample, target) in targets.iter().enumerate() {
        let first = sample * classes;
        let row = |block: usize| &table[block][first..first + classes];
        for (class, share) in shares.iter_mut().enumerate() {
            *share = weights.iter().enumerate().map(|(block, weight)| weight * row(block)[class]).sum();
        }
        let of_target = shares[*target as usize];
        found.loss += softmax(&mut shares) - of_target;
        if !slopes {
            continue;
        }
        for (block, mean) in means.iter_mut().enumerate() {
            *mean = shares.iter().zip(row(block)).map(|(share, value)| share * value).sum();
            found.gradient[block] += *mean - row(block)[*target as usize];
        }
        for one in 0..blocks {
            for other in 0..=one {
                let products = shares.iter().zip(row(one)).zip(row(other));
                let mean: f64 = products.map(|((share, one), other)| share * one * other).sum();
                found.curvature[one * blocks + other] += mean - means[one] * means[other];
            }
        }
    }
    found.loss = found.loss / samples + 0.5 * RIDGE * weights.iter().map(|weight| weight * weight).sum::<f64>();
    for (one, weight) in weights.iter().enumerate() {
        found.gradient[one] = found.gradient[one] / samples + RIDGE * weight;
        for other in 0..=one {
            let ridge = if one == other { RIDGE } else { 0.0 };
            found.curvature[one * blocks + other] = found.curvature[one * blocks + other] / samples + ridge;
        }
    }
    found
}

/// The weights of the least loss, and that without the ridge.
fn fit(table: &[Vec<f64>], targets: &[u32], classes: usize, stop: &StopFlag) -> Result<(Vec<f64>, f64)> {
    let mut weights = vec![0.0; table.len()];
    for _ in 0..STEPS {
        stop.check()?;
        let here = at(&weights, table, targets, classes, true);
        let step = solve(&here.curvature, &here.gradient);
        let mut share = 1.0;
        let next = loop {
            let next: Vec<f64> = weights.iter().zip(&step).map(|(weight, step)| weight - share * step).collect();
            if at(&next, table, targets, classes, false).loss < here.loss {
                break Some(next);
            }
            share /= 2.0;
            if share < 1e-9 {
                break None;
            }
        };
        let Some(next) = next else { break };
        let moved = next.iter().zip(&weights).map(|(next, weight)| (next - weight).abs()).fold(0.0, f64::max);
        weights = next;
        if moved < 1e-9 {
            break;
        }
    }
    let ridge = 0.5 * RIDGE * weights.iter().map(|weight| weight * weight).sum::<f64>();
    let loss = at(&weights, table, targets, classes, false).loss - ridge;
    Ok((weights, loss))
}

/// The solution of a symmetric positive definite system, of which the lower half is read (Cholesky).
fn solve(matrix: &[f64], right: &[f64]) -> Vec<f64> {
    let n = right.len();
    let mut root = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| root[i * n + k] * root[j * n + k]).sum();
            let rest = matrix[i * n + j] - inner;
            // The ridge keeps it above 0, but for rounding.
            root[i * n + j] = if i == j { rest.max(1e-12).sqrt() } else { rest / root[j * n + j] };
        }
    }
    let mut x = right.to_vec();
    for i in 0..n {
        let inner: f64 = (0..i).map(|k| root[i * n + k] * x[k]).sum();
        x[i] = (x[i] - inner) / root[i * n + i];
    }
    for i in (0..n).rev() {
        let inner: f64 = (i + 1..n).map(|k| root[k * n + i] * x[k]).sum();
        x[i] = (x[i] - inner) / root[i * n + i];
    }
    x
}

#[cfg(test)]
mod tests;
