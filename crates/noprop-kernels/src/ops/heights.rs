//! How rows are cut into tiles: about as long as each other where a tile has few rows; else as long as registers allow, but for the last two.
//!
//! Every height is compiled for every kernel that multiplies, and for every instruction set. Tiles of 9 and 11 rows are spared: whatever is longer
//! than a tile goes without them into as many tiles, and what is not into two.

/// Whether tiles of so many rows are compiled.
#[inline(always)]
pub(super) const fn is_height(rows: usize) -> bool {
    !matches!(rows, 9 | 11)
}

/// Into how many tiles of at most `most` rows `len` rows go.
#[inline(always)]
pub(super) const fn tiles(len: usize, most: usize) -> usize {
    len.div_ceil(most) + if is_height(len) || len > most { 0 } else { 1 }
}

/// The row that tile `tile` of `len` rows begins with; `len` behind the last.
#[inline(always)]
pub(super) const fn start(len: usize, most: usize, tile: usize) -> usize {
    let tiles = tiles(len, most);
    if tile >= tiles {
        return len;
    }
    if most < 9 {
        return len * tile / tiles;
    }
    if tile + 1 < tiles || tiles == 1 {
        return tile * most;
    }
    let before = (tiles - 2) * most;
    before + first_of_two(len - before)
}

/// Rows of the first of two tiles.
#[inline(always)]
const fn first_of_two(rows: usize) -> usize {
    match rows {
        17 | 18 => 10,
        19 | 22 => 12,
        21 | 23 => 13,
        _ => rows.div_ceil(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_rows_and_have_heights_that_are_compiled() {
        for most in [3, 6, 13] {
            assert_eq!((tiles(0, most), start(0, most, 0)), (0, 0));
            for len in 1..200 {
                let count = tiles(len, most);
                let heights: Vec<_> =
                    (0..count).map(|tile| start(len, most, tile + 1) - start(len, most, tile)).collect();
                assert_eq!((heights.iter().sum::<usize>(), start(len, most, count)), (len, len), "{len}: {heights:?}");
                assert!(heights.iter().all(|rows| (1..=most).contains(rows) && is_height(*rows)), "{len}: {heights:?}");
                let fewest = if most == 13 && [9, 11].contains(&len) { 2 } else { len.div_ceil(most) };
                assert_eq!(count, fewest, "{len}: {heights:?}");
            }
        }
    }
}
