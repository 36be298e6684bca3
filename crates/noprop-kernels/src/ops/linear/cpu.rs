//! Products by register tiles. Threads share rows or columns of a product, so the order of its sums depends on the shapes and the
//! instruction set alone.

use super::{Linear, row, sum_rows};
use crate::error::Result;
use crate::ops::adamw::AdamW;
use crate::ops::heights;
use crate::ops::multiply::{Multiply, Precision, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{Factor, Onto, copy, load, most_rows, panel, product_tile, put, tile};
use crate::ops::transpose::to_panel;
use crate::team::{Cost, Shared, part_of, parts, share, share_rows};
use std::ops::Range;

/// y = x · weight + bias, or y += x · weight without a bias.
pub fn forward(op: &Linear, y: &mut [f32], x: &[f32], (weight, bias): (&[f32], Option<&[f32]>)) -> Result<()> {
    let (n, i, o) = (op.samples, op.inputs, op.outputs);
    let onto = bias.map_or(Onto::Destination, Onto::Row);
    Product::new(y, (n, o, i), Matrix::new(x, n, i), Matrix::new(weight, i, o), onto).run(op.precision)
}

/// dx = dy · weightᵀ.
pub fn backward_data(op: &Linear, dx: &mut [f32], dy: &[f32], weight: &[f32]) -> Result<()> {
    let (n, i, o) = (op.samples, op.inputs, op.outputs);
    let b = Matrix::new(weight, i, o).transposed();
    Product::new(dx, (n, i, o), Matrix::new(dy, n, o), b, Onto::Nothing).run(op.precision)
}

/// dw = xᵀ · dy.
pub fn backward_weights(op: &Linear, dw: &mut [f32], x: &[f32], dy: &[f32]) -> Result<()> {
    let (n, i, o) = (op.samples, op.inputs, op.outputs);
    let a = Matrix::new(x, n, i).transposed();
    Product::new(dw, (i, o, n), a, Matrix::new(dy, n, o), Onto::Nothing).run(op.precision)
}

/// Moves weight and bias in `state`, `[parameters, first moments, second moments]`, by their gradients xᵀ · dy and Σ dy. A part
/// of the gradient at a time is computed and used while it is in the second-level cache.
pub fn update(op: &Linear, optimiser: &AdamW, mut state: [&mut [f32]; 3], x: &[f32], dy: &[f32]) -> Result<()> {
    let (n, i, o) = (op.samples, op.inputs, op.outputs);
    let cost = Cost { multiply_adds: (n + 16) * i * o, ..Cost::of_values(7 * i * o) };
    let weight = state.each_mut().map(|part| op.weight.of_mut(part));
    share_rows(weight, [o; 3], (i, ROW_STEP, cost), |rows, mut weight| {
        let mut gradient = scratch::take(ROWS.min(rows.len()) * o);
        for start in (0..rows.len()).step_by(ROWS) {
            let count = ROWS.min(rows.len() - start);
            let gradient = &mut gradient[..count * o];
            let a = Matrix { data: &x[rows.start + start..], row: 1, column: i };
            let product = Product::new(&mut *gradient, (count, o, n), a, Matrix::new(dy, n, o), Onto::Nothing);
            dispatch_at(op.precision, product);
            let weight = weight.each_mut().map(|part| &mut part[start * o..][..count * o]);
            optimiser.update_part(weight, gradient);
        }
        Ok(())
    })?;
    let Some(bias) = op.bias else { return Ok(()) };
    let mut gradient = scratch::take(o);
    sum_rows(&mut gradient, dy)?;
    optimiser.update(&mut state, bias, &gradient)
}

/// Units of the summed dimension that are worked on at a time: a panel of b (128 × 2 vectors = 16 KiB with AVX-512) and the
/// rows of one tile (13 × 128 = 6.5 KiB) stay in the first-level cache, while loading and storing the tile's sums costs 2 %.
const DEPTH: usize = 128;
/// Rows of a that are packed at a time: 16 tiles, 104 KiB, in the second-level cache.
const ROWS: usize = 208;
/// From row to row of a packed in its own order; the padding keeps the rows of a tile out of one set of the cache.
const ROW_STRIDE: usize = DEPTH + 16;
/// From step to step of a packed transposed.
const STEP_STRIDE: usize = ROWS + 16;
/// Room for either.
const PACKED_A: usize = ROW_STRIDE * STEP_STRIDE;

/// Element (r, c) is `data[r · row + c · column]`; one of the strides is 1.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    row: usize,
    column: usize,
}

impl<'a> Matrix<'a> {
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns);
        Self { data, row: columns, column: 1 }
    }

    pub(crate) fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    /// The matrix from a row and a column on.
    fn from(self, row: usize, column: usize) -> Self {
        Self { data: &self.data[row * self.row + column * self.column..], ..self }
    }
}

/// Rows of a product's parts are multiples of this, but for the last.
pub(crate) const ROW_STEP: usize = 8;
/// The same of columns: the widest panel.
const COLUMN_STEP: usize = 32;

/// c (row-major `[rows, columns]`) = a · b over `depth`, onto what there is to add to; `sizes` are (rows, columns, depth).
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    c: Shared<'a, f32>,
    /// Values from one row of c to the next.
    stride: usize,
    sizes: (usize, usize, usize),
    a: Matrix<'a>,
    b: Matrix<'a>,
    onto: Onto<'a>,
}

impl<'a> Product<'a> {
    pub(crate) fn new(
        c: &'a mut [f32],
        sizes: (usize, usize, usize),
        a: Matrix<'a>,
        b: Matrix<'a>,
        onto: Onto<'a>,
    ) -> Self {
        Self::of_shared(Shared::new(c), sizes, a, b, onto)
    }

    /// The same where other parts of an operation write other rows or columns.
    pub(crate) fn of_shared(
        c: Shared<'a, f32>,
        sizes: (usize, usize, usize),
        a: Matrix<'a>,
        b: Matrix<'a>,
        onto: Onto<'a>,
    ) -> Self {
        assert_eq!(c.len(), sizes.0 * sizes.1);
        Self { c, stride: sizes.1, sizes, a, b, onto }
    }

    /// Computes it, by as many threads as are there.
    pub(crate) fn run(self, precision: Precision) -> Result<()> {
        let (rows, columns, depth) = self.sizes;
        let values = rows * columns + rows * depth + columns * depth;
        let cost = Cost { multiply_adds: rows * columns * depth, ..Cost::of_values(values) };
        // Each part packs all of the other factor, so the greater one is cut.
        let (by_rows, len, step) = if rows >= columns { (true, rows, ROW_STEP) } else { (false, columns, COLUMN_STEP) };
        let count = parts(cost, len.div_ceil(step));
        share(count, |part| {
            let range = part_of(len, step, (part, count));
            dispatch_at(precision, if by_rows { self.rows(range) } else { self.columns(range) });
            Ok(())
        })
    }

    /// Those rows of it.
    pub(crate) fn rows(self, rows: Range<usize>) -> Self {
        let (_, columns, depth) = self.sizes;
        Self {
            c: self.c.from(rows.start * self.stride),
            sizes: (rows.len(), columns, depth),
            a: self.a.from(rows.start, 0),
            ..self
        }
    }

    fn columns(self, columns: Range<usize>) -> Self {
        let (rows, _, depth) = self.sizes;
        Self {
            c: self.c.from(columns.start),
            sizes: (rows, columns.len(), depth),
            b: self.b.from(0, columns.start),
            onto: self.onto.from(columns.start),
            ..self
        }
    }
}

impl WithMultiply for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) {
        let Self { c, stride, sizes: (rows, columns, depth), a, b, onto } = self;
        if rows == 1 && M::DEPTH == 1 && a.column == 1 && b.column == 1 {
            // SAFETY: no other part has these columns.
            let c = unsafe { c.part(0..columns) };
            if let Onto::Row(row) = onto {
                copy(m, c, row);
            }
            let adds = !matches!(onto, Onto::Nothing);
            return row::product(m, c, &a.data[..depth], (b.data, b.row), (DEPTH, adds));
        }
        let panel = panel::<M>();
        let mut packed = scratch::take(PACKED_A + DEPTH * panel);
        let (packed_a, packed_b) = packed.split_at_mut(PACKED_A);
        for first_row in (0..rows).step_by(ROWS) {
            let rows = first_row..rows.min(first_row + ROWS);
            for from in (0..depth).step_by(DEPTH * M::DEPTH) {
                let depth = from..depth.min(from + DEPTH * M::DEPTH);
                let units = depth.len().div_ceil(M::DEPTH);
                pack_a(m, packed_a, a, rows.clone(), depth.clone());
                for first in (0..columns).step_by(panel) {
                    let used = panel.min(columns - first);
                    // A single tile would not pay for packing a whole panel.
                    let plain = M::DEPTH == 1 && b.column == 1 && used == panel && rows.len() <= most_rows::<M>();
                    let right = if plain {
                        &b.data[from * b.row + first..]
                    } else {
                        pack_b(m, packed_b, b, depth.clone(), first..first + used);
                        &*packed_b
                    };
                    let step = if plain { b.row } else { panel };
                    let most = most_rows::<M>();
                    for part in 0..heights::tiles(rows.len(), most) {
                        let (low, high) =
                            (heights::start(rows.len(), most, part), heights::start(rows.len(), most, part + 1));
                        let c = c.from((rows.start + low) * stride + first);
                        let onto = if from > 0 { Onto::Destination } else { onto.from(first) };
                        let place = (stride, used, onto);
                        let b = Factor { units: right, row: 0, step };
                        // Two calls, so that the strides are constants in the tile.
                        if a.column == 1 {
                            let a = Factor { units: &packed_a[low * ROW_STRIDE..], row: ROW_STRIDE, step: 1 };
                            tile!(high - low, product_tile, [M,], (m, c, place, (a, b), units))
                        } else {
                            let a = Factor { units: &packed_a[low..], row: 1, step: STEP_STRIDE };
                            tile!(high - low, product_tile, [M,], (m, c, place, (a, b), units))
                        }
                    }
                }
            }
        }
    }
}

/// Packs rows × depth of a in its own order, as units.
#[inline(always)]
fn pack_a<M: Multiply>(m: M, packed: &mut [f32], a: Matrix<'_>, rows: Range<usize>, depth: Range<usize>) {
    let units = depth.len().div_ceil(M::DEPTH);
    if a.column == 1 {
        for (packed, row) in packed.chunks_exact_mut(ROW_STRIDE).zip(rows) {
            let a = &a.data[row * a.row + depth.start..row * a.row + depth.end];
            pack_pairs(m, &mut packed[..units], a);
        }
    } else {
        for (packed, k) in packed.chunks_exact_mut(STEP_STRIDE).zip(depth.clone().step_by(M::DEPTH)) {
            pack_interleaved(m, packed, a.transposed(), (k, depth.end), rows.clone());
        }
    }
}

/// Packs depth × columns of b as units `[units][panel]`, zeros behind the last column.
#[inline(always)]
fn pack_b<M: Multiply>(m: M, packed: &mut [f32], b: Matrix<'_>, depth: Range<usize>, columns: Range<usize>) {
    let panel = panel::<M>();
    let units = depth.len().div_ceil(M::DEPTH);
    if b.column == 1 {
        for (packed, k) in packed.chunks_exact_mut(panel).zip(depth.clone().step_by(M::DEPTH)) {
            pack_interleaved(m, packed, b, (k, depth.end), columns.clone());
            packed[columns.len()..].fill(0.0);
        }
        return;
    }
    // A column of b lies in one piece.
    if columns.len() < panel {
        packed[..units * panel].fill(0.0);
    }
    if M::DEPTH == 1 {
        let from = &b.data[columns.start * b.column + depth.start..];
        to_panel(m, packed, from, b.column, (units, columns.len()));
        return;
    }
    let mut pairs = scratch::take(columns.len() * units);
    for (pairs, column) in pairs.chunks_exact_mut(units).zip(columns.clone()) {
        pack_pairs(m, pairs, &b.data[column * b.column + depth.start..column * b.column + depth.end]);
    }
    to_panel(m, packed, &pairs, units, (units, columns.len()));
}

/// Units of values that lie side by side.
#[inline(always)]
fn pack_pairs<M: Multiply>(m: M, packed: &mut [f32], values: &[f32]) {
    if M::DEPTH == 1 {
        copy(m, packed, values);
        return;
    }
    let (lanes, whole) = (panel::<M>() / 2, values.len() / panel::<M>() * panel::<M>());
    assert!(packed.len() >= values.len().div_ceil(2));
    for at in (0..whole).step_by(lanes) {
        // SAFETY: at + lanes ≤ the number of values, and there is room for as many.
        unsafe { m.put_values(packed.as_mut_ptr(), at, load::<M>(values.as_ptr().add(at))) };
    }
    for (unit, pair) in packed[whole / 2..].iter_mut().zip(values[whole..].chunks(2)) {
        *unit = M::unit_of(pair[0], pair.get(1).copied().unwrap_or(0.0));
    }
}

/// Units of row `k` and, unless `k + 1` is the end, of the row behind it.
#[inline(always)]
fn pack_interleaved<M: Multiply>(
    m: M,
    packed: &mut [f32],
    matrix: Matrix<'_>,
    (k, end): (usize, usize),
    columns: Range<usize>,
) {
    let row = |k: usize| &matrix.data[k * matrix.row + columns.start..k * matrix.row + columns.end];
    let packed = &mut packed[..columns.len()];
    if M::DEPTH == 1 {
        copy(m, packed, row(k));
    } else if k + 1 < end {
        let (lanes, first, second) = (panel::<M>() / 2, row(k), row(k + 1));
        let whole = packed.len() / lanes * lanes;
        for at in (0..whole).step_by(lanes) {
            // SAFETY: at + lanes ≤ the length of all three.
            unsafe {
                let unit = m.unit(load::<M>(first.as_ptr().add(at)), load::<M>(second.as_ptr().add(at)));
                put::<M>(packed.as_mut_ptr().add(at), unit);
            }
        }
        for at in whole..packed.len() {
            packed[at] = M::unit_of(first[at], second[at]);
        }
    } else {
        for (unit, first) in packed.iter_mut().zip(row(k)) {
            *unit = M::unit_of(*first, 0.0);
        }
    }
}
