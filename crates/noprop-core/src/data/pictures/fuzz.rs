//! Damaged pictures in memory: they are read or refused, and nothing panics. `PROPTEST_CASES=1000000` tries more of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::decode::{decode, header};
use super::item::Item;
use crate::Code;

/// Pictures of every format that is read.
static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures");
    let names = [
        "alpha.png",
        "bits.png",
        "grey16.png",
        "palette.png",
        "plain.png",
        "cmyk.jpg",
        "grey.jpg",
        "plain.jpg",
        "progressive.jpg",
        "turned-6.jpg",
        "alpha.webp",
        "lossless.webp",
        "lossy.webp",
        "frames.gif",
        "palette.bmp",
        "plain.bmp",
    ];
    names.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect()
});

/// A change of bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    /// A part of another picture.
    Splice(prop::sample::Index, prop::sample::Index, prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let bold = prop_oneof![Just(0), Just(0xff), Just(0x7f), Just(0x80), any::<u8>()];
    prop_oneof![
        4 => (at(), bold).prop_map(|(at, value)| Change::Set(at, value)),
        4 => (at(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (at(), 1..40usize).prop_map(|(at, len)| Change::Remove(at, len)),
        1 => (at(), at(), at(), 1..200usize).prop_map(|(at, other, from, len)| Change::Splice(at, other, from, len)),
        1 => at().prop_map(Change::Cut),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        match self {
            Self::Set(at, value) => bytes[at.index(len)] = *value,
            Self::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Self::Insert(at, more) => {
                let at = at.index(len);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(len);
                bytes.drain(at..(at + count).min(len));
            }
            Self::Splice(at, other, from, count) => {
                let other = &CORPUS[other.index(CORPUS.len())];
                let from = from.index(other.len());
                let part = &other[from..(from + count).min(other.len())];
                let at = at.index(len);
                let end = (at + part.len()).min(len);
                bytes.splice(at..end, part.iter().copied());
            }
            Self::Cut(at) => bytes.truncate(at.index(len)),
        }
    }
}

/// Larger pictures are not decoded here, only their headers read: they take their time, and nothing else.
const MAX_PIXELS: usize = 1 << 16;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_panics(kind in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..6)) {
        let mut bytes = CORPUS[kind.index(CORPUS.len())].clone();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        let item = Item::Bytes { name: Arc::from(Path::new("x")), bytes: Arc::from(bytes) };
        let is_refused = |code| matches!(code, Code::FileFormat | Code::FileTruncated);
        let found = match header(&item) {
            Ok(found) => found,
            Err(error) => {
                prop_assert!(is_refused(error.code), "{error}");
                return Ok(());
            }
        };
        if found.height * found.width > MAX_PIXELS {
            return Ok(());
        }
        match decode(&item, |_| Ok(())) {
            Ok((picture, _)) => {
                prop_assert_eq!((picture.height, picture.width), (found.height, found.width));
                prop_assert_eq!(picture.pixels.len(), 4 * found.height * found.width);
            }
            Err(error) => prop_assert!(is_refused(error.code), "{error}"),
        }
    }
}
