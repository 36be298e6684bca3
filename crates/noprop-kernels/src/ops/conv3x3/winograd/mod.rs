//! Winograd's minimal filtering F(2×2, 3×3) (Lavin & Gray 2016), forward and its exact adjoints.
//!
//! A tile is a 4×4 patch d of the input (tiles overlap by 2) and the 2×2 outputs it determines:
//!
//! ```text
//! y  = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A                 forward
//! dd = B  [ (G g Gᵀ) ⊙ (A dy Aᵀ) ] Bᵀ                gradient of the patch, added up where patches overlap
//! dg = Gᵀ [ (Bᵀ d B) ⊙ (A dy Aᵀ) ] G                 gradient of the weights, summed over tiles
//! ```
//!
//! ⊙ works on 16 "frequencies"; with channels it is 16 products of matrices, V `[tiles, cin]`, U `[cin, cout]`, M `[tiles, cout]`:
//! 16 multiply-adds a tile, channel pair and direction where the direct sum takes 36, at the price of the transforms, which
//! are additions. With pooling a tile is one window of it.
//!
//! Samples are worked on in groups, so that V and M stay in the second-level cache.

mod backward_data;
mod backward_weights;
mod forward;
mod geometry;
#[cfg(test)]
mod tests;
mod transform;

pub use backward_data::backward_data;
pub use backward_weights::backward_weights;
pub use forward::forward;

use super::Dims;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch};
use crate::ops::tile::{Factor, Onto, most_rows, panel, product_tile, tile};
use crate::team::Shared;
use std::ops::Range;

/// Frequencies of a tile.
const FREQUENCIES: usize = 16;

/// Whether all channels fill whole panels of the current instruction set.
pub fn suits(d: &Dims) -> bool {
    let panel = panel_width();
    d.cin.is_multiple_of(panel) && d.cout.is_multiple_of(panel)
}

/// Channels of a panel of the current instruction set.
pub fn panel_width() -> usize {
    struct Panel;
    impl WithMultiply for Panel {
        type Output = usize;
        #[inline(always)]
        fn with<M: Multiply>(self, _: M) -> usize {
            panel::<M>()
        }
    }
    dispatch(Panel)
}

/// Products of all frequencies for the tiles `rows` of a group and the panel of columns from `first` on: `[16][most rows][panel]`
/// from V `[16][tiles][depth]` and U `[16][columns / panel][depth][panel]`.
#[inline(always)]
fn products<M: Multiply>(
    m: M,
    products: &mut [f32],
    (v, tiles, rows): (&[f32], usize, Range<usize>),
    (u, columns, first): (&[f32], usize, usize),
    depth: usize,
) {
    let (panel, most) = (panel::<M>(), most_rows::<M>());
    for f in 0..FREQUENCIES {
        let a = Factor { units: &v[(f * tiles + rows.start) * depth..], row: depth, step: 1 };
        let b = Factor { units: &u[(f * columns + first) * depth..], row: 0, step: panel };
        let to = Shared::new(&mut products[f * most * panel..]);
        tile!(rows.len(), product_tile, [M,], (m, to, (panel, panel, Onto::Nothing), (a, b), depth))
    }
}
