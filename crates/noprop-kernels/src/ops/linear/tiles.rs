//! Which blocks of threads make the products of layers.

use crate::cuda::product::{Blocking, Size};
use crate::ops::batch_norm::cuda::{COLUMNS, SHARED, THREADS};

/// Products of few columns, 10 classes say, take the narrow one.
pub(super) fn blocking(columns: usize) -> (Blocking, &'static str) {
    match columns {
        0..=16 => (Blocking { rows: 64, columns: 16, threads: 128 }, "_narrow"),
        _ => (Blocking { rows: 64, columns: 64, threads: 128 }, ""),
    }
}

/// `WholeColumns` of columns.cuh: all samples of as many columns as batch norm has threads for.
pub(super) const ALL_SAMPLES: Blocking = Blocking { rows: 128, columns: COLUMNS, threads: THREADS };
/// Deeper products are left to more blocks of threads: a block waits for memory once a stride in depth, and a product that
/// few blocks share takes as long as one of them.
const MOST_DEPTH: usize = 512;

/// Shared memory of `WholeColumns`: the product's, and then its sums (4 values between rows) with the room of batch norm.
pub(super) fn shared_of_columns() -> u32 {
    let sums = 4 * ALL_SAMPLES.rows * (COLUMNS + 4);
    (ALL_SAMPLES.shared() as u32).max(sums as u32 + SHARED)
}

/// Whether `WholeColumns` serves for a product.
pub(super) fn has_whole_columns(size: Size) -> bool {
    size.rows <= ALL_SAMPLES.rows && size.depth <= MOST_DEPTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::product::Tiling;

    #[test]
    fn a_product_needs_no_permission_for_its_shared_memory() {
        for columns in [1, 16, 17, 256] {
            let (blocking, _) = blocking(columns);
            assert!(blocking.shared() <= 48 * 1024 && blocking.columns >= columns.min(64));
        }
    }

    #[test]
    fn whole_columns_need_no_permission_and_holds_all_sums() {
        assert!(shared_of_columns() <= 48 * 1024);
        assert!(shared_of_columns() as usize >= ALL_SAMPLES.shared());
        // Rows of 36 values, and one value a thread behind them.
        assert!(shared_of_columns() as usize >= 4 * (128 * 36 + 256));
    }

    #[test]
    fn one_kernel_serves_what_a_tile_holds() {
        let fits = |rows, depth| has_whole_columns(Size { rows, columns: 1000, depth });
        assert!(fits(1, 1) && fits(128, 512) && !fits(129, 1) && !fits(1, 513));
        let tiling = Tiling::whole(ALL_SAMPLES, Size { rows: 128, columns: 70, depth: 512 });
        assert_eq!((tiling.grid(10), tiling.parts()), ([3, 1, 10], 1));
    }
}
