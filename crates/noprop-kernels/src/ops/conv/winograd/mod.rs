//! Winograd's minimal filtering (Lavin & Gray 2016) with tiles of 4×4 outputs, F(4×4, 3×3), or of 2×2, F(2×2, 3×3), from
//! patches d of 6×6 or 4×4 inputs:
//!
//! ```text
//! y  = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A                 forward
//! dg = Gᵀ [ (Bᵀ d B) ⊙ (A dy Aᵀ) ] G                 gradient of the weights, summed over tiles
//! ```
//!
//! The gradient of x is a forward pass on dy, with the kernel turned round and its channels exchanged.
//!
//! ⊙ works on 36 or 16 "frequencies", each with channels a product of matrices V `[tiles, cin]`, U `[cin, cout]`,
//! M `[tiles, cout]`: 2.25 or 4 multiply-adds an output and pair of channels where the direct sum takes 9, at the price of
//! the transforms. In f32 the greater tiles are off by 1.8 times as much as the direct sum over 64 channels, those of 2×2 by
//! 0.6 times. Rounding the former's transforms to bf16 would lose too many bits, so that bf16 has tiles of 2×2.
//!
//! A border is what tiles read beyond x, as zeros, and write beyond y, where nobody reads: pointers of such pixels lead
//! to a row beside the image, so that the loops over channels have no branches.

mod backward_weights;
mod forward;
mod transform;

pub use backward_weights::backward_weights;
pub use forward::{backward_data, forward};

use super::Dims;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch};
use crate::ops::tile::panel;
use std::ops::Range;
use transform::Shape;

/// Values of a cache line, which frequencies lie further apart than they need: powers of two would meet in the same few places
/// of a cache.
const LINE: usize = 16;

/// Whether the kernel is one that there are transforms for, and all channels fill whole vectors of the current instruction set
/// and whole pairs.
pub fn suits(d: &Dims) -> bool {
    let lanes = lanes().max(2);
    d.kernel == 3 && d.stride == 1 && d.cin.is_multiple_of(lanes) && d.cout.is_multiple_of(lanes)
}

/// Values of a vector of the current instruction set.
fn lanes() -> usize {
    struct Lanes;
    impl WithMultiply for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with<M: Multiply>(self, _: M) -> usize {
            panel::<M>() / 2
        }
    }
    dispatch(Lanes)
}

/// `[height, width, channels]` of one sample.
#[derive(Clone, Copy)]
struct Image {
    height: usize,
    width: usize,
    channels: usize,
}

/// The convolution of an image to another, of a batch.
#[derive(Clone, Copy)]
struct Geometry {
    input: Image,
    output: Image,
    /// Zeros on each side of the input.
    pad: usize,
    samples: usize,
}

impl Geometry {
    fn forward(d: &Dims, samples: usize) -> Self {
        let input = Image { height: d.height, width: d.width, channels: d.cin };
        let output = Image { height: d.out_height(), width: d.out_width(), channels: d.cout };
        Self { input, output, pad: d.pad(), samples }
    }

    /// From dy to dx.
    fn backward(d: &Dims, samples: usize) -> Self {
        let Self { input, output, pad, .. } = Self::forward(d, samples);
        Self { input: output, output: input, pad: 2 - pad, samples }
    }

    /// Tiles of `side` × `side` outputs in a column, a row and the batch.
    #[inline(always)]
    fn tiles(&self, side: usize) -> (usize, usize, usize) {
        let (rows, columns) = (self.output.height.div_ceil(side), self.output.width.div_ceil(side));
        (rows, columns, self.samples * rows * columns)
    }

    /// Rows and columns of a tile's outputs: 4 where that takes fewer multiplications than 2, which fit the border more closely. bf16 has too few
    /// digits for 4, and portable code goes without to keep the program small.
    #[inline(always)]
    fn outputs_of<M: Multiply>(&self) -> usize {
        let has_four = M::DEPTH == 1 && panel::<M>() > 2;
        if has_four && 36 * self.tiles(4).2 < 16 * self.tiles(2).2 { 4 } else { 2 }
    }

    /// Of the products' right factor.
    fn shape(&self) -> Shape {
        Shape { rows: self.input.channels, columns: self.output.channels }
    }

    /// The sample of a tile, and the row and column of its first output.
    #[inline(always)]
    fn place(&self, tile: usize, side: usize) -> (usize, usize, usize) {
        let (rows, columns, _) = self.tiles(side);
        let within = tile % (rows * columns);
        (tile / (rows * columns), within / columns * side, within % columns * side)
    }

    /// Part `part` of `parts` of about what tiles read of an image: asking for the next tiles' part by part, while products keep
    /// the processor busy, brings it into the second-level cache.
    #[inline(always)]
    fn part<'a>(
        &self,
        image: &Image,
        values: &'a [f32],
        (tiles, side): (Range<usize>, usize),
        (part, parts): (usize, usize),
    ) -> &'a [f32] {
        if tiles.is_empty() {
            return &[];
        }
        let row = |tile: usize| {
            let (sample, row, _) = self.place(tile, side);
            sample * image.height + row.min(image.height - 1)
        };
        let of_row = image.width * image.channels;
        let (start, end) = (row(tiles.start) * of_row, (row(tiles.end - 1) + side) * of_row);
        let values = &values[start..end.min(values.len())];
        &values[values.len() * part / parts..values.len() * (part + 1) / parts]
    }
}

impl Image {
    /// Where the N × N pixels from a row and a column on begin in the batch's values, both counted from `pad` before the
    /// first one; `None` outside.
    #[inline(always)]
    fn pixels<const N: usize>(
        &self,
        (sample, row, column): (usize, usize, usize),
        pad: usize,
    ) -> [[Option<usize>; N]; N] {
        let mut places = [[None; N]; N];
        for i in 0..N {
            let row = (row + i).wrapping_sub(pad);
            for j in 0..N {
                let column = (column + j).wrapping_sub(pad);
                if row < self.height && column < self.width {
                    places[i][j] = Some(((sample * self.height + row) * self.width + column) * self.channels);
                }
            }
        }
        places
    }

    /// The same as pointers to the channels of each pixel, and to `zeros` outside.
    #[inline(always)]
    fn read<const N: usize>(
        &self,
        values: &[f32],
        place: (usize, usize, usize),
        pad: usize,
        zeros: &[f32],
    ) -> [[*const f32; N]; N] {
        let places = self.pixels::<N>(place, pad);
        let mut pointers = [[zeros[..self.channels].as_ptr(); N]; N];
        for i in 0..N {
            for j in 0..N {
                if let Some(at) = places[i][j] {
                    pointers[i][j] = values[at..at + self.channels].as_ptr();
                }
            }
        }
        pointers
    }
}
