//! Each head's products by register tiles, its softmax in vectors; one head of one sample after the other, so that what they
//! share stays in the cache.

use super::Attention;
use super::product::{Matrix, product};
use crate::ops::exp::exp;
use crate::ops::scratch;
use crate::ops::simd::vectorize;
use crate::ops::sums::{LANES, by_halves, sum};

/// One head of one sample.
#[derive(Clone, Copy)]
struct Head {
    tokens: usize,
    width: usize,
    head_width: usize,
    /// Where its queries begin in qkv, its part of out, and its probabilities.
    qkv: usize,
    out: usize,
    probabilities: usize,
}

impl Head {
    /// Its queries (part 0), keys (1) or values (2), `[tokens, head width]`.
    fn part<'a>(&self, qkv: &'a [f32], part: usize) -> Matrix<'a> {
        Matrix::new(&qkv[self.qkv + part * self.width..], 3 * self.width)
    }

    fn out<'a>(&self, out: &'a [f32]) -> Matrix<'a> {
        Matrix::new(&out[self.out..], self.width)
    }

    fn square(&self) -> std::ops::Range<usize> {
        self.probabilities..self.probabilities + self.tokens * self.tokens
    }

    /// 1 / √d.
    fn scale(&self) -> f32 {
        1.0 / (self.head_width as f32).sqrt()
    }
}

fn heads(op: &Attention) -> impl Iterator<Item = Head> {
    let Attention { samples, tokens, width, heads } = *op;
    let head_width = op.head_width();
    (0..samples * heads).map(move |index| {
        let (row, column) = (index / heads * tokens * width, index % heads * head_width);
        let probabilities = index * tokens * tokens;
        Head { tokens, width, head_width, qkv: 3 * row + column, out: row + column, probabilities }
    })
}

/// See [`super::reference::probabilities`].
pub fn probabilities(op: &Attention, p: &mut [f32], qkv: &[f32]) {
    let (n, d) = (op.tokens, op.head_width());
    for head in heads(op) {
        let p = &mut p[head.square()];
        product(p, n, (n, n, d), head.part(qkv, 0), head.part(qkv, 1).transposed());
        let scale = head.scale();
        vectorize(
            #[inline(always)]
            || p.chunks_exact_mut(n).for_each(|row| softmax(row, scale)),
        );
    }
}

/// See [`super::reference::mix`].
pub fn mix(op: &Attention, out: &mut [f32], p: &[f32], qkv: &[f32]) {
    let (n, d) = (op.tokens, op.head_width());
    for head in heads(op) {
        let p = Matrix::new(&p[head.square()], n);
        product(&mut out[head.out..], op.width, (n, d, n), p, head.part(qkv, 2));
    }
}

/// See [`super::reference::backward`].
pub fn backward(op: &Attention, d_qkv: &mut [f32], [d_out, qkv, p]: [&[f32]; 3]) {
    let (n, d, stride) = (op.tokens, op.head_width(), 3 * op.width);
    // The gradient of the scores.
    let mut ds = scratch::take(n * n);
    for head in heads(op) {
        let (p, d_out) = (&p[head.square()], head.out(d_out));
        product(&mut ds, n, (n, n, d), d_out, head.part(qkv, 2).transposed());
        let scale = head.scale();
        vectorize(
            #[inline(always)]
            || {
                for (ds, p) in ds.chunks_exact_mut(n).zip(p.chunks_exact(n)) {
                    softmax_backward(ds, p, scale);
                }
            },
        );
        let (p, ds) = (Matrix::new(p, n), Matrix::new(&ds, n));
        let (q, k, v) = (head.qkv, head.qkv + op.width, head.qkv + 2 * op.width);
        product(&mut d_qkv[q..], stride, (n, d, n), ds, head.part(qkv, 1));
        product(&mut d_qkv[k..], stride, (n, d, n), ds.transposed(), head.part(qkv, 0));
        product(&mut d_qkv[v..], stride, (n, d, n), p.transposed(), d_out);
    }
}

/// The softmax of `scale` times a row, in place.
#[inline(always)]
fn softmax(row: &mut [f32], scale: f32) {
    let len = row.len();
    let (whole, rest) = row.as_chunks_mut::<LANES>();
    // The values behind whole vectors, filled up so that they are a vector too.
    let mut last = [f32::NEG_INFINITY; LANES];
    if !rest.is_empty() {
        last[..rest.len()].copy_from_slice(rest);
    }
    let mut most = last;
    for values in &*whole {
        for lane in 0..LANES {
            most[lane] = greater(values[lane], most[lane]);
        }
    }
    let most = by_halves(most, greater);
    let mut sums = [0.0; LANES];
    for values in &mut *whole {
        for lane in 0..LANES {
            values[lane] = exp((values[lane] - most) * scale);
            sums[lane] += values[lane];
        }
    }
    if !rest.is_empty() {
        for lane in 0..LANES {
            last[lane] = exp((last[lane] - most) * scale);
            sums[lane] += if lane < len % LANES { last[lane] } else { 0.0 };
        }
        rest.copy_from_slice(&last[..len % LANES]);
    }
    let share = 1.0 / by_halves(sums, |a, b| a + b);
    for value in row {
        *value *= share;
    }
}

/// The greater of two; the second if the first is NaN.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// dp becomes ds = p · (dp − Σ dp · p) · scale.
#[inline(always)]
fn softmax_backward(dp: &mut [f32], p: &[f32], scale: f32) {
    let inner = sum(
        [dp, p],
        #[inline(always)]
        |[dp, p]| dp * p,
    );
    for (dp, p) in dp.iter_mut().zip(p) {
        *dp = *p * (*dp - inner) * scale;
    }
}
