//! The host's side of products (`product.cuh`): which blocks of threads share one, and the sum of its parts.

use super::{Address, Arguments, Context, Executor, Launch, RowsOf, ceil_div};
use crate::error::{Code, Error, Result};

/// Values from one line of a factor to the next in shared memory, in bytes: `LINE_STRIDE` words.
const LINE: usize = 80;
/// A part of the depth is a multiple of what the deepest stride is, that of bf16.
const DEPTH_STEP: usize = 32;
/// Parts of the depth have at least this, so that adding them does not cost more than it wins.
const LEAST_PART: usize = 8 * DEPTH_STEP;
/// A product with fewer tiles than this is split in depth, if it is deep enough. About a third of a large card's
/// multiprocessors, since several blocks are trained at once; a constant, since a sum must not depend on how many there are.
const WANTED_TILES: usize = 48;

/// `Blocking` of product.cuh: the sums that a block of threads makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocking {
    pub rows: usize,
    pub columns: usize,
    pub threads: u32,
}

impl Blocking {
    /// Shared memory of a block of threads: two strides of both factors.
    pub(crate) fn shared(&self) -> usize {
        2 * (self.rows + self.columns) * LINE
    }
}

/// The size of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
}

/// `Split` of product.cuh.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Split {
    partial: Address,
    elements: u32,
    depth_of_part: u32,
    column_tiles: u32,
}

/// How a product is shared by blocks of threads: a function of its size, or of [`Context::nominal_rows`], alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tiling {
    pub blocking: Blocking,
    row_tiles: usize,
    column_tiles: usize,
    depth_of_part: usize,
    parts: usize,
    /// Sums of one part: rows · columns, and more that come with them.
    elements: usize,
}

impl Tiling {
    /// In parts, if there are few tiles. `extra`: sums beyond rows · columns.
    pub(crate) fn new(blocking: Blocking, size: Size, extra: usize) -> Self {
        let rows = Context::current().nominal_rows.unwrap_or(size.rows);
        let tiles = rows.div_ceil(blocking.rows) * size.columns.div_ceil(blocking.columns);
        let most = (size.depth / LEAST_PART).max(1);
        Self::in_parts(blocking, size, extra, (WANTED_TILES / tiles).clamp(1, most))
    }

    /// In one part, for kernels that do more with a sum.
    pub(crate) fn whole(blocking: Blocking, size: Size) -> Self {
        Self::in_parts(blocking, size, 0, 1)
    }

    fn in_parts(blocking: Blocking, size: Size, extra: usize, parts: usize) -> Self {
        let (row_tiles, column_tiles) = (size.rows.div_ceil(blocking.rows), size.columns.div_ceil(blocking.columns));
        let depth_of_part = size.depth.div_ceil(parts).next_multiple_of(DEPTH_STEP);
        let parts = size.depth.div_ceil(depth_of_part);
        Self { blocking, row_tiles, column_tiles, depth_of_part, parts, elements: size.rows * size.columns + extra }
    }

    /// Parts of the depth.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// Of `blocks` products at once.
    pub(crate) fn grid(&self, blocks: usize) -> [u32; 3] {
        [ceil_div(self.row_tiles * self.column_tiles, 1), ceil_div(self.parts, 1), ceil_div(blocks, 1)]
    }

    /// With room for the parts' sums, if there are several.
    pub(crate) fn split(&self, on: &Executor<'_>, blocks: usize) -> Result<Split> {
        let partial = if self.parts == 1 { 0 } else { on.scratch(blocks * self.parts * self.elements)? };
        Ok(Split {
            partial,
            elements: ceil_div(self.elements, 1),
            depth_of_part: ceil_div(self.depth_of_part, 1),
            column_tiles: ceil_div(self.column_tiles, 1),
        })
    }

    /// Adds the parts, if there are several.
    pub(crate) fn sum(&self, on: &Executor<'_>, blocks: usize, split: &Split, to: Sums) -> Result<()> {
        if self.parts == 1 {
            return Ok(());
        }
        on.launch(Launch {
            kernel: "sum_of_parts",
            grid: [ceil_div(self.elements, 256), ceil_div(blocks, 1), 1],
            threads: 256,
            shared: 0,
            arguments: SumOfPartsArguments {
                destination: to.destination,
                tail: to.tail,
                gate: to.gate,
                partial: split.partial,
                elements: split.elements,
                parts: ceil_div(self.parts, 1),
                head: ceil_div(to.head, 1),
                scale: to.scale,
            },
        })
    }
}

/// Where the sums of the parts go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sums {
    /// The first `head` of them.
    pub destination: RowsOf,
    /// The rest.
    pub tail: RowsOf,
    /// Where the destination is 0 unless this is greater than 0.
    pub gate: RowsOf,
    pub head: usize,
    /// Factor of all sums.
    pub scale: f32,
}

impl Sums {
    /// A product that is all of its destination.
    pub(crate) fn only(destination: RowsOf, size: Size) -> Self {
        Self { destination, tail: NO_ROWS, gate: NO_ROWS, head: size.rows * size.columns, scale: 1.0 }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SumOfPartsArguments {
    destination: RowsOf,
    tail: RowsOf,
    gate: RowsOf,
    partial: Address,
    elements: u32,
    parts: u32,
    head: u32,
    scale: f32,
}

// SAFETY: mirrors the struct in product.cu, which has no padding.
unsafe impl Arguments for SumOfPartsArguments {}

/// `Divisor` of factor.cuh: division by multiplication, for numerators below 2^31.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Divisor {
    divisor: u32,
    multiplier: u32,
    shift: u32,
}

impl Divisor {
    /// After Granlund and Montgomery (PLDI 1994), figure 4.1: shift = ⌈log2 d⌉, multiplier = ⌊2^32 (2^shift − d) / d⌋ + 1.
    pub(crate) fn new(divisor: usize) -> Self {
        let wide = divisor as u64;
        let shift = wide.next_power_of_two().trailing_zeros();
        let multiplier = ((1_u64 << 32) * ((1 << shift) - wide) / wide + 1) as u32;
        Self { divisor: ceil_div(divisor, 1), multiplier, shift }
    }
}

/// Rows that no kernel touches.
pub(crate) const NO_ROWS: RowsOf = RowsOf { data: 0, stride: 0 };

/// Whether each row of `rows` can be read four values at once, where all offsets inside of a row are multiples of `steps`.
pub(crate) fn vector(rows: RowsOf, steps: &[usize]) -> u32 {
    let aligned = rows.data.is_multiple_of(16) && rows.stride.is_multiple_of(4);
    u32::from(aligned && steps.iter().all(|step| step.is_multiple_of(4)))
}

/// Kernels count in 32 bits, and divide numbers below 2^31.
pub(crate) fn check_size(name: &str, lens: &[usize]) -> Result<()> {
    match lens.iter().find(|len| **len >= 1 << 31) {
        None => Ok(()),
        Some(len) => Err(Error::new(Code::DeviceMemory, format!("{name}: a batch is too large for the GPU"))
            .expected("fewer than 2^31 values of a tensor of a block")
            .received(len.to_string())
            .hint("use a smaller batch")),
    }
}

/// Factors with more bits than tensor cores take, and what each precision makes of them: for tests that a kernel multiplies in the
/// precision of its name, which comparisons on exact factors cannot see.
#[cfg(all(test, feature = "emulation"))]
pub(crate) mod rounding {
    use crate::cuda::{Context, Multiply};

    pub(crate) const FACTORS: [f32; 2] = [1.0 + 1.0 / 512.0, 1.0 + 1.0 / 4096.0];

    /// Calls `test` on the emulation with every precision and the rounded [`FACTORS`].
    pub(crate) fn each(test: impl Fn([f32; 2])) {
        let rounded = [(Multiply::F32, FACTORS), (Multiply::Tf32, [FACTORS[0], 1.0]), (Multiply::Bf16, [1.0; 2])];
        for (multiply, rounded) in rounded {
            Context { multiply, emulate: true, ..Context::current() }.run(|| test(rounded));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Blocking = Blocking { rows: 64, columns: 64, threads: 128 };

    #[test]
    fn the_grid_covers_every_shape_in_depth_too() {
        for rows in [1, 63, 64, 65, 128, 3200] {
            for columns in [1, 10, 64, 129] {
                for depth in [1, 31, 32, 33, 511, 512, 3200, 115_200] {
                    let tiling = Tiling::new(WIDE, Size { rows, columns, depth }, 7);
                    let [tiles, parts, blocks] = tiling.grid(3).map(|side| side as usize);
                    assert!(tiles * 64 * 64 >= rows * columns && tiling.row_tiles * 64 >= rows);
                    assert!(tiling.column_tiles * 64 >= columns && tiling.column_tiles * 64 < columns + 64);
                    assert_eq!((tiling.elements, blocks), (rows * columns + 7, 3));
                    // Every part has work, and none but the last is cut.
                    assert!(parts * tiling.depth_of_part >= depth && (parts - 1) * tiling.depth_of_part < depth);
                    assert!(tiling.depth_of_part.is_multiple_of(DEPTH_STEP));
                    assert!(parts == 1 || tiling.depth_of_part >= LEAST_PART);
                    assert!(parts == 1 || tiles * parts <= WANTED_TILES);
                }
            }
        }
        assert_eq!(Tiling::new(WIDE, Size { rows: 128, columns: 256, depth: 3200 }, 0).grid(10), [8, 6, 10]);
    }

    #[test]
    fn divisors_divide() {
        for divisor in [1, 2, 3, 5, 7, 9, 27, 64, 225, 900, 65_535, 65_537, 1 << 30, (1 << 31) - 1] {
            let Divisor { multiplier, shift, .. } = Divisor::new(divisor);
            let below = (1_u64 << 31) - 1;
            let d = divisor as u64;
            for n in [0, 1, d - 1, d, d + 1, 7 * d - 1, 7 * d, below / d * d, below / d * d - 1, below - 1, below] {
                let n = n.min(below);
                let high = (n * u64::from(multiplier)) >> 32;
                assert_eq!((high + n) >> shift, n / d, "{n} / {d}");
            }
        }
    }

    #[test]
    fn four_values_at_once_only_where_all_of_it_is_aligned() {
        let rows = RowsOf { data: 64, stride: 8 };
        assert_eq!(vector(rows, &[4, 32]), 1);
        assert_eq!(vector(rows, &[4, 30]), 0);
        assert_eq!(vector(RowsOf { data: 68, ..rows }, &[4]), 0);
        assert_eq!(vector(RowsOf { stride: 9, ..rows }, &[4]), 0);
    }
}
