//! Tests of the tile of products (`tile.cuh`).

use super::{Address, Arguments, Executor, Launch};
use crate::rng::{Purpose, Stream};

#[repr(C)]
#[derive(Clone, Copy)]
struct TileArguments {
    a: Address,
    b: Address,
    sums: Address,
}

// SAFETY: mirrors the struct in tile.cu.
unsafe impl Arguments for TileArguments {}

#[repr(C)]
#[derive(Clone, Copy)]
struct PlacesArguments {
    places: Address,
}

// SAFETY: mirrors the struct in tile.cu.
unsafe impl Arguments for PlacesArguments {}

/// Both ways' sums `[32, 32]` of lines `[32, depth]`.
fn both_ways(precision: &str, a: &[f32], b: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![f32::NAN; 2 * 1024];
    let arguments =
        TileArguments { a: a.as_ptr() as Address, b: b.as_ptr() as Address, sums: sums.as_mut_ptr() as Address };
    let kernel = &format!("tile_both_ways_{precision}");
    Executor::Emulation.launch(Launch { kernel, grid: [1; 3], threads: 32, shared: 64 * 80, arguments }).unwrap();
    (sums[..1024].to_vec(), sums[1024..].to_vec())
}

fn normal(seed: u64, len: usize) -> Vec<f32> {
    let stream = Stream::new(seed, Purpose::Init, 0, 0, 0);
    (0..len).map(|at| stream.normal(at as u32) as f32).collect()
}

/// To 10 bits, ties away from zero; to 7 bits, ties to even.
fn rounded(precision: &str, value: f32) -> f64 {
    let bits = value.to_bits();
    f64::from(f32::from_bits(match precision {
        "tf32" => (bits + 0x1000) & !0x1FFF,
        _ => (bits + 0x7FFF + (bits >> 16 & 1)) & !0xFFFF,
    }))
}

#[test]
fn tensor_cores_are_given_the_values_of_their_places() {
    for (precision, depth) in [("tf32", 16), ("bf16", 32)] {
        let (a, b) = (normal(1, 32 * depth), normal(2, 32 * depth));
        let (fragments, values) = both_ways(precision, &a, &b);
        for row in 0..32 {
            for column in 0..32 {
                let terms = a[row * depth..][..depth].iter().zip(&b[column * depth..][..depth]);
                let sum: f64 = terms.map(|(a, b)| rounded(precision, *a) * rounded(precision, *b)).sum();
                // Products of rounded factors are exact; sums of magnitude below 32 are cut off four or eight times, by less
                // than five or nine grains of 2^-20.
                for (way, sums) in [("fragments", &fragments), ("values", &values)] {
                    let error = (f64::from(sums[row * 32 + column]) - sum).abs();
                    assert!(error < 4e-5, "{precision}, {way}, row {row}, column {column}: off by {error}");
                }
            }
        }
    }
}

/// The examples of the papers, see `truncated_sum`: what lies below the grain of a sum is lost, and the sum itself is cut off.
#[test]
fn tensor_cores_cut_sums_off() {
    let two = |power: i32| 2f32.powi(power);
    for (precision, depth) in [("tf32", 16), ("bf16", 32)] {
        // One line of a against ones.
        let sum = |terms: &[f32]| {
            let (mut a, b) = (vec![0.0; 32 * depth], vec![1.0; 32 * depth]);
            a[..terms.len()].copy_from_slice(terms);
            let (fragments, values) = both_ways(precision, &a, &b);
            assert_eq!(fragments[0], values[0]);
            fragments[0]
        };
        // Three quarters of the last bit of 1: an f32 would be rounded up.
        assert_eq!(sum(&[1.0, two(-24), two(-25)]), 1.0, "{precision}");
        assert_eq!(sum(&[-1.0, -two(-24), -two(-25)]), -1.0, "{precision}, towards 0");
        // A bit behind the mantissa is kept until all are added, two bits behind it are not.
        assert_eq!(sum(&[1.0, two(-24), two(-24)]), 1.0 + two(-23), "{precision}");
        assert_eq!(sum(&[1.0, two(-25), two(-25), two(-25)]), 1.0, "{precision}");
        // But the sum of the next instruction begins with what this one left.
        let mut apart = vec![0.0; 2 * depth / 4];
        (apart[0], apart[1], apart[depth / 4]) = (1.0, two(-24), two(-24));
        assert_eq!(sum(&apart), 1.0, "{precision}");
        assert_eq!(sum(&[f32::INFINITY, 1.0]), f32::INFINITY, "{precision}");
    }
}

#[test]
fn ties_round_as_the_instructions_do() {
    // Line 0 of a against ones: 1 + 2^-11 and 1 + 3 · 2^-11 lie between two TF32, 1 + 2^-8 and 1 + 3 · 2^-8 between two bf16.
    for (precision, depth, cases) in [
        ("tf32", 16, [(1.0 + 2f32.powi(-11), 1.0 + 2f32.powi(-10)), (1.0 + 3.0 * 2f32.powi(-11), 1.0 + 2f32.powi(-9))]),
        ("bf16", 32, [(1.0 + 2f32.powi(-8), 1.0), (1.0 + 3.0 * 2f32.powi(-8), 1.0 + 2f32.powi(-6))]),
    ] {
        for (value, expected) in cases {
            let (mut a, mut b) = (vec![0.0; 32 * depth], vec![0.0; 32 * depth]);
            (a[3], b[3]) = (value, 1.0);
            let (fragments, values) = both_ways(precision, &a, &b);
            assert_eq!((fragments[0], values[0]), (expected, expected), "{precision} of {value}");
        }
    }
}

/// Shared memory has 32 banks of a word, each of which serves one thread at a time. 128 bytes are moved at once, by as many
/// threads as that takes.
#[test]
fn threads_that_move_words_together_use_different_banks() {
    for (precision, words) in [("tf32", 4), ("bf16", 2)] {
        let mut places = vec![f32::NAN; 4 * 128];
        let arguments = PlacesArguments { places: places.as_mut_ptr() as Address };
        let kernel = &format!("tile_places_{precision}");
        Executor::Emulation.launch(Launch { kernel, grid: [1; 3], threads: 128, shared: 0, arguments }).unwrap();
        let ways = ["stored along the depth", "stored across lines", "read of a", "read of b"];
        for ((way, places), words) in ways.into_iter().zip(places.chunks(128)).zip([words, 1, 4, 4]) {
            for (at, together) in places.chunks(32 / words).enumerate() {
                let mut banks: Vec<_> = together
                    .iter()
                    .flat_map(|place| (0..words).map(move |word| (*place as usize + word) % 32))
                    .collect();
                banks.sort_unstable();
                assert_eq!(banks, (0..32).collect::<Vec<_>>(), "{precision}, {way}, threads from {}", at * 32 / words);
            }
        }
    }
}
