//! Where the tiles of a group of samples lie.

use super::super::Dims;

/// Tiles that a group has about: their V and M (16 · 64 · (64 + 128) values for the paper's third convolution) then fit into a
/// second-level cache of 1 MiB.
const TILES: usize = 64;

/// Tiles of each sample and samples of each group.
#[derive(Clone, Copy)]
pub struct Geometry {
    pub dims: Dims,
    /// Tiles in a row and in all of one sample.
    pub columns: usize,
    pub tiles: usize,
    /// Samples of a group.
    pub group: usize,
}

impl Geometry {
    pub fn new(dims: &Dims) -> Self {
        let (rows, columns) = (dims.conv_height().div_ceil(2), dims.conv_width().div_ceil(2));
        let tiles = rows * columns;
        Self { dims: *dims, columns, tiles, group: TILES.div_ceil(tiles) }
    }

    /// Part `part` of `parts` of what the group behind sample `end` reads of a tensor of `samples` samples.
    #[inline(always)]
    pub fn next_part<'a>(
        &self,
        tensor: &'a [f32],
        (end, samples): (usize, usize),
        (part, parts): (usize, usize),
    ) -> &'a [f32] {
        let each = tensor.len() / samples;
        let next = &tensor[end * each..samples.min(end + self.group) * each];
        &next[next.len() * part / parts..next.len() * (part + 1) / parts]
    }

    /// The sample of a group that tile `tile` belongs to, and the tile's row and column.
    #[inline(always)]
    pub fn place(&self, tile: usize) -> (usize, usize, usize) {
        let within = tile % self.tiles;
        (tile / self.tiles, within / self.columns, within % self.columns)
    }

    /// Where a tile's patch begins in the inputs of its group, and how many of its 4 rows and columns lie inside the border.
    #[inline(always)]
    pub fn patch(&self, tile: usize) -> (usize, usize, usize) {
        let (d, (sample, row, column)) = (&self.dims, self.place(tile));
        let start = sample * d.input() + (2 * row * d.width + 2 * column) * d.cin;
        (start, (d.height - 2 * row).min(4), (d.width - 2 * column).min(4))
    }

    /// The same of its 2×2 outputs in the group's convolution, which nothing pools.
    #[inline(always)]
    pub fn outputs(&self, tile: usize) -> (usize, usize, usize) {
        let (d, (sample, row, column)) = (&self.dims, self.place(tile));
        let start = sample * d.convolved() + (2 * row * d.conv_width() + 2 * column) * d.cout;
        (start, (d.conv_height() - 2 * row).min(2), (d.conv_width() - 2 * column).min(2))
    }
}
