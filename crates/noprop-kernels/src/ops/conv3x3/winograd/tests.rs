//! bf16: the kernels compute what the formulas say of transforms in f32 that are then rounded. The reference is written down
//! anew, value by value. (In f32 the kernels are compared with the definition of the convolution itself.)

use super::suits;
use crate::ops::conv3x3::{Backward, Conv3x3, Dims};
use crate::ops::multiply::Precision;
use crate::ops::simd::with_each;
use crate::ops::testing::{assert_close, normal, poisoned, slot, tensor, values};
use crate::tensor::{Real, StopFlag};

/// Sums have up to 96 or 3 · 36 terms of order 10; the kernels add them in f32.
const TOLERANCE: f64 = 2e-5;

/// `line` on the rows, then on the columns of the result.
fn both<T: Real, const I: usize, const O: usize>(square: [[T; I]; I], line: fn([T; I]) -> [T; O]) -> [[T; O]; O] {
    let rows = square.map(line);
    let columns: [[T; O]; O] = std::array::from_fn(|o| line(std::array::from_fn(|i| rows[i][o])));
    std::array::from_fn(|i| std::array::from_fn(|o| columns[o][i]))
}

fn half<T: Real>(value: T) -> T {
    value * T::of(0.5)
}

/// Bᵀ d B, G g Gᵀ and A dy Aᵀ, rounded to bf16, by frequency.
fn factors<const I: usize>(square: [[f32; I]; I], line: fn([f32; I]) -> [f32; 4]) -> [f64; 16] {
    let frequencies = both(square, line);
    std::array::from_fn(|f| f64::from(Precision::Bf16.factor(frequencies[f / 4][f % 4])))
}
fn of_patch(patch: [[f32; 4]; 4]) -> [f64; 16] {
    factors(patch, |[a, b, c, d]| [a - c, b + c, c - b, b - d])
}
fn of_weights(weights: [[f32; 3]; 3]) -> [f64; 16] {
    factors(weights, |[a, b, c]| [a, half(a + c) + half(b), half(a + c) - half(b), c])
}
fn of_gradient(gradient: [[f32; 2]; 2]) -> [f64; 16] {
    factors(gradient, |[a, b]| [a, a + b, a - b, -b])
}

/// Aᵀ m A, B m Bᵀ and Gᵀ m G.
fn back<const O: usize>(sums: [f64; 16], line: fn([f64; 4]) -> [f64; O]) -> [[f64; O]; O] {
    both(std::array::from_fn(|i| std::array::from_fn(|j| sums[4 * i + j])), line)
}
fn to_outputs(sums: [f64; 16]) -> [[f64; 2]; 2] {
    back(sums, |[a, b, c, d]| [a + b + c, b - c - d])
}
fn to_patch(sums: [f64; 16]) -> [[f64; 4]; 4] {
    back(sums, |[a, b, c, d]| [a, b - c + d, b + c - a, -d])
}
fn to_weights(sums: [f64; 16]) -> [[f64; 3]; 3] {
    back(sums, |[a, b, c, d]| [a + half(b + c), half(b - c), half(b + c) + d])
}

/// Σ of products, frequency by frequency.
fn dot<'a>(pairs: impl Iterator<Item = (&'a [f64; 16], &'a [f64; 16])>) -> [f64; 16] {
    let mut sums = [0.0; 16];
    for (a, b) in pairs {
        for f in 0..16 {
            sums[f] += a[f] * b[f];
        }
    }
    sums
}

/// The upper left corners of all tiles of one sample.
fn corners(d: &Dims) -> Vec<(usize, usize)> {
    let rows = (0..d.conv_height()).step_by(2);
    rows.flat_map(|row| (0..d.conv_width()).step_by(2).map(move |column| (row, column))).collect()
}

/// The N × N values at a corner, zeros beyond the border.
fn square<const N: usize>(
    values: &[f32],
    (height, width, channels): (usize, usize, usize),
    (row, column): (usize, usize),
    channel: usize,
) -> [[f32; N]; N] {
    let inside = |r: usize, c: usize| row + r < height && column + c < width;
    let at = |r: usize, c: usize| values[((row + r) * width + column + c) * channels + channel];
    std::array::from_fn(|r| std::array::from_fn(|c| if inside(r, c) { at(r, c) } else { 0.0 }))
}

struct Reference<'a> {
    d: Dims,
    /// By sample and tile, then by channel.
    patches: Vec<Vec<[f64; 16]>>,
    /// By input channel, then by output channel.
    weights: Vec<Vec<[f64; 16]>>,
    bias: &'a [f32],
}

impl<'a> Reference<'a> {
    fn new(d: Dims, x: &[f32], weight: &[f32], bias: &'a [f32]) -> Self {
        let shape = (d.height, d.width, d.cin);
        let patch = |x: &[f32], at| (0..d.cin).map(|k| of_patch(square(x, shape, at, k))).collect();
        let patches =
            x.chunks(d.input()).flat_map(|x| corners(&d).into_iter().map(|at| patch(x, at)).collect::<Vec<_>>());
        let tap = |k: usize, o: usize| move |i: usize, j: usize| weight[((i * 3 + j) * d.cin + k) * d.cout + o];
        let taps = |k, o| std::array::from_fn(|i| std::array::from_fn(|j| tap(k, o)(i, j)));
        let weights = (0..d.cin).map(|k| (0..d.cout).map(|o| of_weights(taps(k, o))).collect()).collect();
        Self { d, patches: patches.collect(), weights, bias }
    }

    /// relu(x * weight + bias) of each sample, `[conv height, conv width, cout]`.
    fn convolved(&self) -> Vec<f64> {
        let (d, tiles) = (&self.d, corners(&self.d));
        let mut all = vec![0.0; self.patches.len() / tiles.len() * d.convolved()];
        for (index, patch) in self.patches.iter().enumerate() {
            let (sample, (row, column)) = (index / tiles.len(), tiles[index % tiles.len()]);
            for o in 0..d.cout {
                let out = to_outputs(dot(patch.iter().zip(self.weights.iter().map(|weights| &weights[o]))));
                for (r, c) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    if row + r < d.conv_height() && column + c < d.conv_width() {
                        let at = ((sample * d.conv_height() + row + r) * d.conv_width() + column + c) * d.cout + o;
                        all[at] = (out[r][c] + f64::from(self.bias[o])).max(0.0);
                    }
                }
            }
        }
        all
    }

    /// dx and dw from the gradient of the convolution's output.
    fn gradients(&self, da: &[f32]) -> [Vec<f64>; 2] {
        let (d, tiles) = (&self.d, corners(&self.d));
        let shape = (d.conv_height(), d.conv_width(), d.cout);
        let of_tile = |da: &[f32], at| (0..d.cout).map(|o| of_gradient(square(da, shape, at, o))).collect::<Vec<_>>();
        let da: Vec<_> = da
            .chunks(d.convolved())
            .flat_map(|da| tiles.iter().map(|at| of_tile(da, *at)).collect::<Vec<_>>())
            .collect();
        let (mut dx, mut dw) = (vec![0.0; da.len() / tiles.len() * d.input()], vec![0.0; d.weights()]);
        for (index, da) in da.iter().enumerate() {
            let (sample, (row, column)) = (index / tiles.len(), tiles[index % tiles.len()]);
            for k in 0..d.cin {
                let patch = to_patch(dot(da.iter().zip(&self.weights[k])));
                for (r, c) in (0..16).map(|at| (at / 4, at % 4)) {
                    if row + r < d.height && column + c < d.width {
                        dx[((sample * d.height + row + r) * d.width + column + c) * d.cin + k] += patch[r][c];
                    }
                }
            }
        }
        for (k, o) in (0..d.cin * d.cout).map(|at| (at / d.cout, at % d.cout)) {
            let taps = to_weights(dot(self.patches.iter().zip(&da).map(|(patch, da)| (&patch[k], &da[o]))));
            for (i, j) in (0..9).map(|at| (at / 3, at % 3)) {
                dw[((i * 3 + j) * d.cin + k) * d.cout + o] = taps[i][j];
            }
        }
        [dx, dw]
    }
}

/// The maximum of each window of a convolution.
fn pooled(d: &Dims, all: &[f64]) -> Vec<f64> {
    let (width, cout) = (d.conv_width(), d.cout);
    let window = |at: usize| {
        let (channel, column) = (at % cout, at / cout % d.out_width());
        let first = (at / cout / d.out_width() * 2 * width + 2 * column) * cout + channel;
        [0, cout, width * cout, (width + 1) * cout].map(|offset| all[first + offset]).into_iter().fold(0.0, f64::max)
    };
    (0..all.len() / 4).map(window).collect()
}

#[test]
fn bf16_equals_the_formulas_with_rounded_transforms_on_odd_shapes() {
    // One tile, borders that cut tiles in both directions, an odd number of tiles, several groups, pooling.
    let shapes = [
        ((3, 3, 32, 32, false), 1),
        ((4, 5, 32, 64, false), 3),
        ((5, 7, 64, 32, true), 2),
        ((9, 6, 64, 96, false), 2),
        ((11, 11, 32, 32, true), 5),
        ((8, 13, 32, 32, false), 3),
    ];
    for ((height, width, cin, cout, pool), samples) in shapes {
        let d = Dims { height, width, cin, cout, pool };
        let f32s = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<_>>();
        let (x, w, b) = (f32s(normal(1, samples * d.input())), f32s(normal(2, d.weights())), f32s(normal(3, cout)));
        let f64s = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        let dy = normal(4, samples * d.output());
        let reference = Reference::new(d, &x, &w, &b);
        let convolved = reference.convolved();
        let expected_y = if pool { pooled(&d, &convolved) } else { convolved };
        let stop = StopFlag::new();
        let (weight, bias, precision) = (slot(cout, w.len()), slot(0, cout), Precision::Bf16);
        let op = Conv3x3 { dims: d, samples, weight, bias, precision, stop: &stop };
        let (state, x, dy) =
            (tensor::<f32>(&f64s(&[&b[..], &w].concat())), tensor::<f32>(&f64s(&x)), tensor::<f32>(&dy));
        with_each(|set| {
            assert!(suits(&d));
            let y = poisoned::<f32>(samples * d.stored());
            op.forward(&y, &x, &state, None).unwrap();
            let name = |what: &str| format!("{what} of {d:?} x {samples}, {}", set.as_str());
            let stored = values(&y);
            assert_close(&name("y"), &stored[..samples * d.output()], &expected_y, TOLERANCE);
            // The gradients of that very y, whose zeros and winners decide where they pass.
            let (dx, gradients) = (poisoned::<f32>(samples * d.input()), poisoned::<f32>(cout + d.weights()));
            let backward = Backward { dy: &dy, y: &y, scale: 1.25 };
            op.backward_data(&dx, backward, &state).unwrap();
            op.backward_weights(&gradients, &x, backward).unwrap();
            let (dy, y) = (f32s(values(&dy)), f32s(stored));
            let da = op.gradient(&dy, &y, 1.25).of_batch();
            let [expected_dx, expected_dw] = reference.gradients(&da);
            assert_close(&name("dx"), &values(&dx), &expected_dx, TOLERANCE);
            assert_close(&name("dw"), &values(&gradients)[cout..], &expected_dw, TOLERANCE);
            let expected_db = |o: usize| da[o..].iter().step_by(cout).copied().map(f64::from).sum::<f64>();
            assert_close(
                &name("db"),
                &values(&gradients)[..cout],
                &(0..cout).map(expected_db).collect::<Vec<_>>(),
                TOLERANCE,
            );
        });
    }
}
