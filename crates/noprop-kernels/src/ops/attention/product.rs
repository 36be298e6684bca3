//! Products of small matrices that lie in larger ones, by the register tiles of linear layers.

use crate::ops::heights;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch};
use crate::ops::scratch;
use crate::ops::sums::inner;
use crate::ops::tile::{Factor, Onto, copy, most_rows, panel, product_tile, tile};
use crate::ops::transpose::to_panel;
use crate::team::Shared;

/// Element (r, c) is `data[r · row + c · column]`; one of the strides is 1.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that begin `stride` apart.
    pub fn new(data: &'a [f32], stride: usize) -> Self {
        Self { data, row: stride, column: 1 }
    }

    pub fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// Columns that are no more than this many behind whole panels are inner products, where both factors lie for that: 65 tokens, an
/// image's and one more, would take half as long again otherwise.
const MOST_INNER: usize = 4;

/// `to[r · stride + c]` = `Σ_{k < depth} a[r, k] · b[k, c]`; `sizes` are (rows, columns, depth).
pub(super) fn product(to: &mut [f32], stride: usize, sizes: (usize, usize, usize), a: Matrix<'_>, b: Matrix<'_>) {
    dispatch(Product { to, stride, sizes, a, b });
}

struct Product<'a> {
    to: &'a mut [f32],
    stride: usize,
    sizes: (usize, usize, usize),
    a: Matrix<'a>,
    b: Matrix<'a>,
}

impl WithMultiply for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) {
        let Self { to, stride, sizes: (rows, columns, depth), a, b } = self;
        let (panel, most) = (panel::<M>(), most_rows::<M>());
        let mut packed = scratch::take(depth * panel);
        let rest = columns % panel;
        let in_panels = if rest <= MOST_INNER && a.column == 1 && b.row == 1 { columns - rest } else { columns };
        for first in (0..in_panels).step_by(panel) {
            let used = panel.min(columns - first);
            pack(m, &mut packed, b, depth, first..first + used);
            let right = Factor { units: &packed, row: 0, step: panel };
            for part in 0..heights::tiles(rows, most) {
                let (low, high) = (heights::start(rows, most, part), heights::start(rows, most, part + 1));
                let to = Shared::new(&mut to[low * stride + first..]);
                let place = (stride, used, Onto::Nothing);
                // Two calls, so that a stride is a constant in the tile.
                if a.column == 1 {
                    let left = Factor { units: &a.data[low * a.row..], row: a.row, step: 1 };
                    tile!(high - low, product_tile, [M,], (m, to, place, (left, right), depth))
                } else {
                    let left = Factor { units: &a.data[low..], row: 1, step: a.column };
                    tile!(high - low, product_tile, [M,], (m, to, place, (left, right), depth))
                }
            }
        }
        for column in in_panels..columns {
            let b = &b.data[column * b.column..column * b.column + depth];
            for row in 0..rows {
                let a = &a.data[row * a.row..row * a.row + depth];
                to[row * stride + column] = inner(m.simd(), a, b);
            }
        }
    }
}

/// Packs columns of b as `[depth][panel]`, zeros behind the last.
#[inline(always)]
fn pack<M: Multiply>(m: M, packed: &mut [f32], b: Matrix<'_>, depth: usize, columns: std::ops::Range<usize>) {
    let panel = panel::<M>();
    if b.column == 1 {
        for (k, packed) in packed.chunks_exact_mut(panel).take(depth).enumerate() {
            copy(m, &mut packed[..columns.len()], &b.data[k * b.row + columns.start..k * b.row + columns.end]);
            packed[columns.len()..].fill(0.0);
        }
        return;
    }
    if columns.len() < panel {
        packed[..depth * panel].fill(0.0);
    }
    to_panel(m, packed, &b.data[columns.start * b.column..], b.column, (depth, columns.len()));
}

#[cfg(test)]
mod tests {
    use super::{Matrix, product};
    use crate::ops::simd::with_each;
    use crate::ops::testing::{assert_close, normal};

    #[test]
    fn equals_plain_sums_for_every_order_of_the_factors_and_writes_nothing_else() {
        for (rows, columns, depth) in [(1, 1, 1), (65, 65, 32), (7, 33, 5), (14, 100, 17), (30, 4, 65), (3, 16, 40)] {
            let (width, stride) = (rows.max(columns).max(depth) + 3, columns + 2);
            let [a, b] = [1, 2].map(|stream| normal(stream, width * width));
            let singles = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
            for (a_turned, b_turned) in [(false, false), (false, true), (true, false), (true, true)] {
                let at = |turned, r, c| if turned { c * width + r } else { r * width + c };
                let mut expected = vec![0.0; rows * columns];
                for (i, sum) in expected.iter_mut().enumerate() {
                    let (r, c) = (i / columns, i % columns);
                    *sum = (0..depth).map(|k| a[at(a_turned, r, k)] * b[at(b_turned, k, c)]).sum();
                }
                with_each(|set| {
                    let (a, b) = (singles(&a), singles(&b));
                    let matrix = |data, turned| {
                        let matrix = Matrix::new(data, width);
                        if turned { matrix.transposed() } else { matrix }
                    };
                    let mut to = vec![f32::NAN; rows * stride];
                    product(&mut to, stride, (rows, columns, depth), matrix(&a, a_turned), matrix(&b, b_turned));
                    assert!(to.chunks(stride).all(|row| row[columns..].iter().all(|value| value.is_nan())));
                    let found: Vec<f64> = to
                        .chunks(stride)
                        .flat_map(|row| row[..columns].iter().map(|value| f64::from(*value)))
                        .collect();
                    let what = format!("{rows}x{columns}x{depth}, {a_turned} {b_turned}, {set:?}");
                    assert_close(&what, &found, &expected, 2e-6);
                });
            }
        }
    }
}
