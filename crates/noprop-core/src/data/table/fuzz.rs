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
        let tables = [delimited::read("x", bytes.clone(), layout), json::read("x", &bytes)];
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

    /// Archives with damage in the archive, or in an array that is packed into a sound one.
    #[test]
    fn archives_panic_neither(
        inside in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        split in any::<bool>(),
    ) {
        let damage = |bytes: &mut Vec<u8>| {
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        };
        let array = |descr: &str, shape: &str, values: &[u8]| {
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
            [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
        };
        let mut x = array("|u1", "(4, 2, 3)", &[7; 24]);
        if inside {
            damage(&mut x);
        }
        let y = array("<i4", "(4,)", &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in [("x.npy", &x), ("y.npy", &y)] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut writer, bytes).unwrap();
        }
        let mut bytes = writer.finish().unwrap().into_inner();
        if !inside {
            damage(&mut bytes);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        if let Ok(arrays) = numpy::archive(file.path()) {
            let options = TableOptions { test_split: split.then_some(0.3), ..TableOptions::default() };
            let _ = numpy::load("x", arrays, None, &options);
        }
    }
}
