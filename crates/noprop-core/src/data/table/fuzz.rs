//! Bytes of all kinds as tables: nothing may panic. `PROPTEST_CASES=1000000` tries more of them.

use proptest::prelude::*;

use super::numpy::Arrays;
use super::options::TableOptions;
use super::samples::from_table;
use super::{delimited, json, npy, numpy};

/// Bytes that mean something to these formats, mixed with others.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b",".to_vec()),
        Just(b";".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"1,5".to_vec()),
        Just(b"-2.5e3".to_vec()),
        Just(b"NA".to_vec()),
        Just(b"{\"a\":1,\"b\":\"x\"}".to_vec()),
        Just(b"[".to_vec()),
        Just(b"\x93NUMPY\x01\x00\x40\x00{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }".to_vec()),
        Just("\u{feff}ü".as_bytes().to_vec()),
        Just(b"sep=;\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000)
    ))]

    #[test]
    fn nothing_panics(bytes in bytes(), header in any::<Option<bool>>(), split in any::<bool>()) {
        let options = TableOptions { test_split: split.then_some(0.3), ..TableOptions::default() };
        let layout = delimited::Layout { header, delimiter: None };
        let tables = [delimited::read("x", &bytes, layout), json::read("x", &bytes)];
        for table in tables.into_iter().flatten() {
            let label = table.names().last().cloned();
            let labelled = TableOptions { label, ..options.clone() };
            for options in [&options, &labelled] {
                if let Ok(loaded) = from_table("x", &table, None, options) {
                    let known = TableOptions { preprocessing: loaded.train.preprocessing().cloned(), ..TableOptions::default() };
                    let again = from_table("x", &table, None, &known).unwrap();
                    prop_assert_eq!(again.train.samples(), table.rows());
                }
            }
        }
        if let Ok(array) = npy::read("x", &bytes) {
            let _ = Arrays::of(array).into_table().map_err(|arrays| numpy::load("x", *arrays, None, &options));
        }
    }
}
