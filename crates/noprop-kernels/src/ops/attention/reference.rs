//! The definition, in plain loops.

use super::Attention;
use crate::tensor::Real;

/// Calls `work` with each sample and head.
fn each_head(op: &Attention, mut work: impl FnMut(usize, usize)) {
    for sample in 0..op.samples {
        for head in 0..op.heads {
            work(sample, head);
        }
    }
}

/// Where a token's queries (part 0), keys (1) or values (2) of a head begin in qkv.
fn place(op: &Attention, part: usize, (sample, head, token): (usize, usize, usize)) -> usize {
    (sample * op.tokens + token) * 3 * op.width + part * op.width + head * op.head_width()
}

/// The same in out.
fn place_out(op: &Attention, (sample, head, token): (usize, usize, usize)) -> usize {
    (sample * op.tokens + token) * op.width + head * op.head_width()
}

/// Where a token's probabilities begin.
fn place_row(op: &Attention, (sample, head, token): (usize, usize, usize)) -> usize {
    ((sample * op.heads + head) * op.tokens + token) * op.tokens
}

/// Σ a · b
fn inner<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sum = T::zero();
    for (a, b) in a.iter().zip(b) {
        sum += *a * *b;
    }
    sum
}

/// p[i, j] = exp(s[i, j] − m) / Σ_j exp(s[i, j] − m), s[i, j] = Σ_c q[i, c] k[j, c] / √d, m the greatest of a row
pub fn probabilities<T: Real>(op: &Attention, p: &mut [T], qkv: &[T]) {
    let (n, d) = (op.tokens, op.head_width());
    let root = T::of(d as f64).sqrt();
    each_head(op, |sample, head| {
        for i in 0..n {
            let row = place_row(op, (sample, head, i));
            let row = &mut p[row..row + n];
            let q = place(op, 0, (sample, head, i));
            for (j, score) in row.iter_mut().enumerate() {
                let k = place(op, 1, (sample, head, j));
                *score = inner(&qkv[q..q + d], &qkv[k..k + d]) / root;
            }
            let most = row.iter().copied().fold(T::neg_infinity(), T::max);
            let mut sum = T::zero();
            for value in row.iter_mut() {
                *value = (*value - most).exp_anywhere();
                sum += *value;
            }
            for value in row {
                *value /= sum;
            }
        }
    });
}

/// out[i, c] = Σ_j p[i, j] v[j, c]
pub fn mix<T: Real>(op: &Attention, out: &mut [T], p: &[T], qkv: &[T]) {
    let (n, d) = (op.tokens, op.head_width());
    each_head(op, |sample, head| {
        for i in 0..n {
            let (row, to) = (place_row(op, (sample, head, i)), place_out(op, (sample, head, i)));
            for c in 0..d {
                let mut sum = T::zero();
                for j in 0..n {
                    sum += p[row + j] * qkv[place(op, 2, (sample, head, j)) + c];
                }
                out[to + c] = sum;
            }
        }
    });
}

/// dv[j] = Σ_i p[i, j] do[i];  dp[i, j] = Σ_c do[i, c] v[j, c];  ds[i, j] = p[i, j] (dp[i, j] − Σ_j dp[i, j] p[i, j]) / √d;
/// dq[i] = Σ_j ds[i, j] k[j];  dk[j] = Σ_i ds[i, j] q[i]
pub fn backward<T: Real>(op: &Attention, d_qkv: &mut [T], [d_out, qkv, p]: [&[T]; 3]) {
    let (n, d) = (op.tokens, op.head_width());
    let root = T::of(d as f64).sqrt();
    d_qkv.fill(T::zero());
    each_head(op, |sample, head| {
        for i in 0..n {
            let (row, from) = (place_row(op, (sample, head, i)), place_out(op, (sample, head, i)));
            let (row, d_out) = (&p[row..row + n], &d_out[from..from + d]);
            let dp = |j: usize| {
                let v = place(op, 2, (sample, head, j));
                inner(d_out, &qkv[v..v + d])
            };
            let mut mean = T::zero();
            for j in 0..n {
                mean += dp(j) * row[j];
            }
            let q = place(op, 0, (sample, head, i));
            for j in 0..n {
                let ds = row[j] * (dp(j) - mean) / root;
                let [k, v] = [1, 2].map(|part| place(op, part, (sample, head, j)));
                for c in 0..d {
                    d_qkv[q + c] += ds * qkv[k + c];
                    d_qkv[k + c] += ds * qkv[q + c];
                    d_qkv[v + c] += row[j] * d_out[c];
                }
            }
        }
    });
}
