//! Each head's products by register tiles, its softmax in vectors; one head of one sample after the other, so that what they
//! share stays in the cache.

use super::Attention;
use super::product::{Matrix, product};
use crate::ops::exp::exp;
use crate::ops::scratch;
use crate::ops::simd::dispatch;
use crate::ops::sums::{greatest, inner, sum};
use pulp::{Simd, WithSimd};

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
        dispatch(Softmax { len: n, rows: p, scale: head.scale() });
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
        dispatch(SoftmaxBackward { len: n, dp: &mut ds, p, scale: head.scale() });
        let (p, ds) = (Matrix::new(p, n), Matrix::new(&ds, n));
        let (q, k, v) = (head.qkv, head.qkv + op.width, head.qkv + 2 * op.width);
        product(&mut d_qkv[q..], stride, (n, d, n), ds, head.part(qkv, 1));
        product(&mut d_qkv[k..], stride, (n, d, n), ds.transposed(), head.part(qkv, 0));
        product(&mut d_qkv[v..], stride, (n, d, n), p.transposed(), d_out);
    }
}

/// The softmax of `scale` times each row.
struct Softmax<'a> {
    /// Values of a row.
    len: usize,
    rows: &'a mut [f32],
    scale: f32,
}

impl WithSimd for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        for row in self.rows.chunks_exact_mut(self.len) {
            let most = greatest(s, row);
            for value in &mut *row {
                *value = exp((*value - most) * self.scale);
            }
            let total = sum(
                s,
                [row],
                #[inline(always)]
                |[value]| value,
            );
            let share = 1.0 / total;
            for value in row {
                *value *= share;
            }
        }
    }
}

/// dp becomes ds = p · (dp − Σ dp · p) · scale, row by row.
struct SoftmaxBackward<'a> {
    /// Values of a row.
    len: usize,
    dp: &'a mut [f32],
    p: &'a [f32],
    scale: f32,
}

impl WithSimd for SoftmaxBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        for (dp, p) in self.dp.chunks_exact_mut(self.len).zip(self.p.chunks_exact(self.len)) {
            let mean = inner(s, dp, p);
            for (dp, p) in dp.iter_mut().zip(p) {
                *dp = *p * (*dp - mean) * self.scale;
            }
        }
    }
}
