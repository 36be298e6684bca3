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
mod transform;

pub use backward_data::backward_data;
pub use backward_weights::backward_weights;
pub use forward::forward;

use super::Dims;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch};
use crate::ops::tile::{Left, accumulate, assert_rows, panel, store_tile, zeros};

/// Frequencies of a tile.
const FREQUENCIES: usize = 16;

/// Whether all channels fill whole panels of the current instruction set.
pub fn suits(d: &Dims) -> bool {
    struct Panel;
    impl WithMultiply for Panel {
        type Output = usize;
        #[inline(always)]
        fn with<M: Multiply>(self, _: M) -> usize {
            panel::<M>()
        }
    }
    let panel = dispatch(Panel);
    d.cin.is_multiple_of(panel) && d.cout.is_multiple_of(panel)
}

/// `to` `[P, panel]` = Σ_{k < depth} a[p, k] · b[k] of one frequency.
#[inline(always)]
fn product_tile<M: Multiply, const P: usize>(m: M, to: &mut [f32], a: &[f32], b: &[f32], depth: usize) {
    assert_rows::<M, P>();
    let panel = panel::<M>();
    assert!(to.len() >= P * panel && a.len() >= P * depth && b.len() >= depth * panel);
    // SAFETY: the asserts above bound all three.
    unsafe {
        let mut tile = zeros::<M, P>(m);
        tile = accumulate(m, tile, 0..P, Left { start: a.as_ptr(), row: depth, step: 1 }, (b.as_ptr(), panel), depth);
        store_tile(m, tile, to.as_mut_ptr(), (panel, panel, false));
    }
}
