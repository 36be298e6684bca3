//! Loading data sets from files: what must load, and every kind of bad file with the error it gives.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use noprop_core::data::{Dataset, InputShape, Pixels, Split, load, load_images};
use noprop_core::{Code, Error, Result};
use support::{directory, gzip, idx};
use tempfile::TempDir;

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

/// Four images of 2×3 pixels with the values 0, 1, 2, …
fn images() -> Vec<u8> {
    idx(&[4, 2, 3], &(0..24).collect::<Vec<_>>())
}

fn labels() -> Vec<u8> {
    idx(&[4], &[3, 1, 2, 1])
}

fn train(directory: &Path) -> Result<Dataset> {
    load(directory, Split::Train, None)
}

/// The error of loading a training set from these two files.
fn refusal(images: &[u8], labels: &[u8]) -> Error {
    train(directory(&[(IMAGES, images), (LABELS, labels)]).path()).unwrap_err()
}

#[track_caller]
fn assert_code(error: &Error, code: Code, mentions: &str) {
    assert_eq!(error.code, code, "{error}");
    assert!(error.to_string().contains(mentions), "{mentions:?} is not in: {error}");
}

fn bytes_of(data: &Dataset) -> &[u8] {
    match data.pixels() {
        Pixels::U8(bytes) => bytes,
        Pixels::F32(_) | Pixels::Disk(_) => panic!("files hold bytes, which are read into memory"),
    }
}

mod idx_files {
    use super::*;

    #[test]
    fn plain_and_gzipped_files_load_alike_whatever_their_names_say() {
        let plain = directory(&[(IMAGES, &images()), (LABELS, &labels())]);
        let expected = train(plain.path()).unwrap();
        assert_eq!((expected.samples(), expected.shape().to_string().as_str()), (4, "2x3x1"));
        assert_eq!(expected.labels(), Some(&[3, 1, 2, 1][..]));
        assert_eq!(bytes_of(&expected), (0..24).collect::<Vec<_>>());
        let packed = format!("{IMAGES}.gz");
        for files in [
            [(packed.as_str(), gzip(&images())), (LABELS, labels())],
            [(IMAGES, gzip(&images())), (LABELS, gzip(&labels()))],
            [(packed.as_str(), images()), (LABELS, labels())],
        ] {
            let files = files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice()));
            assert_eq!(train(directory(&files).path()).unwrap(), expected);
        }
    }

    #[test]
    fn other_names_and_folders_are_found() {
        for (images_name, labels_name) in [
            ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
            ("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte"),
            ("data/train-images-idx3-ubyte", "data/train-labels-idx1-ubyte"),
            ("raw/train-images-idx3-ubyte", "raw/train-labels-idx1-ubyte"),
        ] {
            let directory = directory(&[(images_name, &images()), (labels_name, &labels())]);
            assert_eq!(train(directory.path()).unwrap().samples(), 4, "{images_name}");
            assert_code(&load(directory.path(), Split::Test, None).unwrap_err(), Code::FileNotFound, "t10k-images");
        }
        for prefix in ["t10k", "emnist-letters-test"] {
            let names = [format!("{prefix}-images-idx3-ubyte"), format!("{prefix}-labels-idx1-ubyte")];
            let directory = directory(&[(&names[0], &images()), (&names[1], &labels())]);
            assert_eq!(load(directory.path(), Split::Test, None).unwrap().samples(), 4, "{prefix}");
        }
    }

    #[test]
    fn letters_and_labels_with_holes_keep_their_labels() {
        let letters: Vec<u8> = (1..=26).collect();
        let directory = |labels: &[u8]| {
            let count = labels.len() as u32;
            let images = idx(&[count, 1, 2], &vec![5; 2 * labels.len()]);
            super::directory(&[(IMAGES, &images), (LABELS, &idx(&[count], labels))])
        };
        let data = train(directory(&letters).path()).unwrap();
        assert_eq!(data.classes().values(), (1..=26).collect::<Vec<_>>());
        assert_eq!(data.class_indices(data.classes()).unwrap(), (0..26).collect::<Vec<_>>());
        let data = train(directory(&[200, 7, 0, 7]).path()).unwrap();
        assert_eq!((data.classes().values(), data.labels().unwrap()), (&[0, 7, 200][..], &[200, 7, 0, 7][..]));
        assert_eq!(data.class_indices(&vec![0, 7, 200].into()).unwrap(), [2, 1, 0, 1]);
    }

    #[test]
    fn other_ranks_give_vectors_and_channels() {
        for (sizes, shape) in
            [(&[2, 5][..], "5"), (&[2, 3, 1], "3x1x1"), (&[2, 1, 7], "1x7x1"), (&[2, 3, 2, 4], "3x2x4")]
        {
            let values = sizes.iter().product::<u32>() as u8;
            let name = format!("train-images-idx{}-ubyte", sizes.len());
            let images = idx(sizes, &(0..values).collect::<Vec<_>>());
            let data = train(directory(&[(&name, &images), (LABELS, &idx(&[2], &[0, 1]))]).path()).unwrap();
            assert_eq!((data.shape().to_string().as_str(), data.samples()), (shape, 2));
            assert_eq!(bytes_of(&data), (0..values).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_limit_takes_the_first_samples() {
        for pack in [false, true] {
            let pack = |bytes: Vec<u8>| if pack { gzip(&bytes) } else { bytes };
            let directory = directory(&[(IMAGES, &pack(images())), (LABELS, &pack(labels()))]);
            let data = load(directory.path(), Split::Train, Some(3)).unwrap();
            assert_eq!((data.samples(), data.labels().unwrap()), (3, &[3, 1, 2][..]));
            assert_eq!(data, train(directory.path()).unwrap().truncate(3).unwrap());
            assert_eq!(load(directory.path(), Split::Train, Some(100)).unwrap(), train(directory.path()).unwrap());
            assert_code(&load(directory.path(), Split::Train, Some(0)).unwrap_err(), Code::Option, "limit");
        }
    }

    #[test]
    fn missing_files_are_named() {
        assert_code(&train(Path::new("/nowhere/at/all")).unwrap_err(), Code::FileNotFound, "does not exist");
        let empty = directory(&[]);
        assert_code(&train(empty.path()).unwrap_err(), Code::FileNotFound, "train-images-idx3-ubyte");
        let alone = directory(&[(IMAGES, &images())]);
        assert_code(&train(alone.path()).unwrap_err(), Code::FileNotFound, LABELS);
        let file = directory(&[(IMAGES, &images()), (LABELS, &labels())]);
        assert_code(&train(&file.path().join(IMAGES)).unwrap_err(), Code::FileFormat, "is not a directory");
        let folder = directory(&[(&format!("{IMAGES}/x"), &[]), (LABELS, &labels())]);
        assert_code(&train(folder.path()).unwrap_err(), Code::FileFormat, "a directory");
    }

    #[test]
    fn several_sets_in_a_directory_are_refused() {
        let other = "emnist-letters-train-images-idx3-ubyte";
        let others = "emnist-letters-train-labels-idx1-ubyte";
        let files = [(IMAGES, images()), (LABELS, labels()), (other, images()), (others, labels())];
        let directory = directory(&files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice())));
        assert_code(&train(directory.path()).unwrap_err(), Code::FileFormat, other);
    }

    #[test]
    fn short_files_are_truncated() {
        for end in [0, 1, 4, 10, 16, 39] {
            let packed = if end == 0 { "is empty" } else { "ends too early" };
            let plain = if end < 16 { packed } else { "shorter than its header says" };
            assert_code(&refusal(&images()[..end], &labels()), Code::FileTruncated, plain);
            assert_code(&refusal(&gzip(&images()[..end]), &labels()), Code::FileTruncated, packed);
        }
        assert_code(&refusal(&images(), &labels()[..7]), Code::FileTruncated, LABELS);
        assert_code(&refusal(&images(), &labels()[..11]), Code::FileTruncated, LABELS);
        let packed = gzip(&images());
        assert_code(&refusal(&packed[..packed.len() - 9], &labels()), Code::FileTruncated, IMAGES);
    }

    #[test]
    fn bytes_after_the_data_are_refused() {
        let long = [images(), vec![0]].concat();
        assert_code(&refusal(&long, &labels()), Code::FileFormat, "longer than its header says");
        assert_code(&refusal(&gzip(&long), &labels()), Code::FileFormat, "longer than its header says");
    }

    #[test]
    fn a_wrong_magic_number_is_shown_and_explained() {
        assert_code(&refusal(&labels(), &labels()), Code::FileFormat, "this looks like a labels file");
        assert_code(&refusal(&images(), &images()), Code::FileFormat, "this looks like an images file");
        assert_code(&refusal(b"\x89PNG\r\n\x1a\n and so on", &labels()), Code::FileFormat, "0x89504e47");
        let mut floats = images();
        floats[2] = 0x0d;
        assert_code(&refusal(&floats, &labels()), Code::FileFormat, "another kind of value");
        let mut rank = images();
        rank[3] = 9;
        assert_code(&refusal(&rank, &labels()), Code::FileFormat, "2057");
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        assert_code(&refusal(&idx(&[0, 2, 3], &[]), &labels()), Code::FileFormat, "sizes out of range");
        assert_code(&refusal(&idx(&[4, 0, 3], &[]), &labels()), Code::FileFormat, "sizes out of range");
        assert_code(&refusal(&idx(&[u32::MAX; 4], &[1; 99]), &labels()), Code::FileFormat, "sizes out of range");
        let large = idx(&[1, 4097, 4096], &vec![0; 4097 * 4096]);
        assert_code(&refusal(&gzip(&large), &idx(&[1], &[0])), Code::Shape, "4097");
    }

    #[test]
    fn counts_that_disagree_are_refused() {
        assert_code(&refusal(&images(), &idx(&[3], &[1, 2, 3])), Code::Count, "3 labels");
        assert_code(&refusal(&gzip(&images()), &gzip(&idx(&[5], &[1; 5]))), Code::Count, "5 labels");
        // A limit below both numbers does not hide it.
        let directory = directory(&[(IMAGES, &images()), (LABELS, &idx(&[3], &[1, 2, 3]))]);
        assert_code(&load(directory.path(), Split::Train, Some(2)).unwrap_err(), Code::Count, LABELS);
    }

    #[test]
    fn damaged_gzip_data_is_refused() {
        let garbage = [&[0x1f, 0x8b][..], &[0xee; 300]].concat();
        assert_code(&refusal(&garbage, &labels()), Code::FileFormat, "gzip");
        assert_code(&refusal(&images(), &garbage), Code::FileFormat, "gzip");
        let mut packed = gzip(&images());
        let checksum = packed.len() - 7;
        packed[checksum] ^= 0x10;
        assert_code(&refusal(&packed, &labels()), Code::FileFormat, "checksum");
    }

    /// Headers that lie about sizes, and gzip bombs. The memory that this process ever held shows that nothing was allocated
    /// for them; the other tests of this file need little.
    #[test]
    fn lies_and_bombs_take_no_memory() {
        let many = idx(&[1 << 31, 28, 28], &[1; 5000]);
        for file in [many.clone(), gzip(&many)] {
            assert_code(&refusal(&file, &labels()), Code::FileTruncated, "1683627180048");
        }
        let many = idx(&[1 << 31], &[1; 5000]);
        assert_code(&refusal(&images(), &many), Code::FileTruncated, LABELS);
        assert_code(&refusal(&images(), &gzip(&many)), Code::FileTruncated, LABELS);

        // A lie within what gzip can reach: 300 kB that do not compress, claimed to be 300 MB.
        let noise: Vec<u8> =
            (0..300_000u32).map(|k| (k.wrapping_mul(0x9E37_79B9) >> 11 ^ k.wrapping_mul(k)) as u8).collect();
        let packed = gzip(&idx(&[300_000, 1, 1000], &noise));
        assert!(packed.len() > 295_000, "the noise compresses to {}", packed.len());
        let count = idx(&[300_000], &vec![0; 300_000]);
        assert_code(&refusal(&packed, &count), Code::FileTruncated, "ends too early");

        // A bomb: a small header, then 300 MB of zeros.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&images()).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..300 {
            encoder.write_all(&zeros).unwrap();
        }
        assert_code(&refusal(&encoder.finish().unwrap(), &labels()), Code::FileFormat, "longer than its header says");

        #[cfg(target_os = "linux")]
        {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
            assert!(kilobytes < 150_000, "the peak is {kilobytes} kB");
            let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
            let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
            assert!(kilobytes < 1_000_000_000, "{kilobytes} kB of address space");
        }
    }
}

mod cifar_files {
    use super::*;

    /// A record whose pixel k of channel c has the value k + 80 c + `start` (modulo 256).
    fn record(labels: &[u8], start: u8) -> Vec<u8> {
        let plane = |c: u8| (0..1024).map(move |k| (k as u8).wrapping_add(80 * c).wrapping_add(start));
        labels.iter().copied().chain((0..3).flat_map(plane)).collect()
    }

    /// The file of batch `number`: two records, the second with the batch's number as its label.
    fn batch(number: u8) -> Vec<u8> {
        [record(&[0], 10 * number), record(&[number], 10 * number + 1)].concat()
    }

    fn name(number: u8) -> String {
        format!("data_batch_{number}.bin")
    }

    fn batches(folder: &str) -> Vec<(String, Vec<u8>)> {
        (1..=5).map(|number| (format!("{folder}{}", name(number)), batch(number))).collect()
    }

    fn directory_of(files: &[(String, Vec<u8>)]) -> TempDir {
        directory(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
    }

    pub fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut archive = Vec::new();
        let mut member = |name: &str, kind: u8, bytes: &[u8]| {
            let mut header = [0; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
            header[148..156].fill(b' ');
            header[156] = kind;
            header[257..263].copy_from_slice(b"ustar\0");
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            archive.extend(header);
            archive.extend(bytes);
            archive.resize(archive.len().next_multiple_of(512), 0);
        };
        member("cifar-10-batches-bin/", b'5', &[]);
        member("cifar-10-batches-bin/readme.html", b'0', b"<html>");
        members.iter().for_each(|(name, bytes)| member(name, b'0', bytes));
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    /// The members as the official archive orders them: not by number.
    fn shuffled() -> Vec<(String, Vec<u8>)> {
        let mut members = batches("cifar-10-batches-bin/");
        members.rotate_left(3);
        members.push(("cifar-10-batches-bin/test_batch.bin".to_owned(), batch(9)));
        members
    }

    #[test]
    fn planes_become_channels_and_batches_keep_their_order() {
        let directory = directory_of(&batches(""));
        let data = train(directory.path()).unwrap();
        assert_eq!((data.samples(), data.shape().to_string().as_str()), (10, "32x32x3"));
        assert_eq!(data.labels().unwrap(), [0, 1, 0, 2, 0, 3, 0, 4, 0, 5]);
        let pixels = bytes_of(&data);
        // Sample 3 (batch 2, start 21), row 1, column 5: pixel 37.
        assert_eq!(pixels[3 * 3072 + 37 * 3..][..3], [58, 138, 218]);
        assert_code(&load(directory.path(), Split::Test, None).unwrap_err(), Code::FileNotFound, "test_batch.bin");
    }

    #[test]
    fn every_form_loads_alike() {
        let expected = train(directory_of(&batches("")).path()).unwrap();
        let packed: Vec<_> = batches("").into_iter().map(|(name, bytes)| (name + ".gz", gzip(&bytes))).collect();
        let archive = "cifar-10-binary.tar.gz".to_owned();
        for files in [
            packed,
            batches("cifar-10-batches-bin/"),
            vec![(archive.clone(), gzip(&tar(&shuffled())))],
            vec![(archive, tar(&shuffled()))],
        ] {
            let directory = directory_of(&files);
            assert_eq!(train(directory.path()).unwrap(), expected, "{}", files[0].0);
            for limit in [1, 2, 3, 7, 10, 11] {
                let data = load(directory.path(), Split::Train, Some(limit)).unwrap();
                assert_eq!(data.labels().unwrap(), &expected.labels().unwrap()[..limit.min(10)], "{}", files[0].0);
                assert_eq!(bytes_of(&data), &bytes_of(&expected)[..3072 * limit.min(10)]);
            }
        }
    }

    #[test]
    fn the_test_split_and_the_hundred_classes() {
        let archive = directory_of(&[("cifar-10-binary.tar.gz".to_owned(), gzip(&tar(&shuffled())))]);
        assert_eq!(load(archive.path(), Split::Test, None).unwrap().labels().unwrap(), [0, 9]);
        let fine = [record(&[19, 99], 0), record(&[3, 0], 1)].concat();
        for folder in ["", "cifar-100-binary/"] {
            let directory = directory(&[(&format!("{folder}train.bin"), &fine), (&format!("{folder}test.bin"), &fine)]);
            for split in [Split::Train, Split::Test] {
                let data = load(directory.path(), split, None).unwrap();
                assert_eq!(data.labels().unwrap(), [99, 0]);
                assert_eq!(bytes_of(&data)[..3], [0, 80, 160]);
            }
        }
    }

    #[test]
    fn files_that_hold_no_whole_records_are_refused() {
        let bad = |bytes: Vec<u8>| {
            let mut files = batches("");
            files[2].1 = bytes;
            train(directory_of(&files).path()).unwrap_err()
        };
        for len in [0, 1, 3072, 3073 + 3072] {
            assert_code(&bad(batch(3)[..len].to_vec()), Code::FileTruncated, &format!("{len} bytes"));
            assert_code(&bad(gzip(&batch(3)[..len])), Code::FileTruncated, &format!("{len} bytes"));
        }
        let packed = gzip(&batch(3));
        assert_code(&bad(packed[..packed.len() / 2].to_vec()), Code::FileTruncated, "data_batch_3.bin");
        assert_code(&bad([&[0x1f, 0x8b][..], &[0xee; 300]].concat()), Code::FileFormat, "gzip");
        assert_code(&bad(record(&[10], 0)), Code::FileFormat, "label out of range");
    }

    #[test]
    fn a_missing_batch_is_named() {
        let mut files = batches("");
        files.remove(3);
        let directory = directory_of(&files);
        assert_code(&train(directory.path()).unwrap_err(), Code::FileNotFound, "data_batch_4.bin");
        assert_eq!(
            load(directory.path(), Split::Train, Some(6)).unwrap().samples(),
            6,
            "three batches hold six samples"
        );
        let mut members = shuffled();
        members.retain(|(name, _)| !name.contains("_2"));
        let archive = directory_of(&[("cifar-10-binary.tar.gz".to_owned(), gzip(&tar(&members)))]);
        assert_code(&train(archive.path()).unwrap_err(), Code::FileNotFound, "data_batch_2.bin");
    }

    #[test]
    fn damaged_archives_are_refused() {
        let sound = tar(&shuffled());
        let bad =
            |bytes: Vec<u8>| train(directory_of(&[("cifar-10-binary.tar.gz".to_owned(), bytes)]).path()).unwrap_err();
        assert_code(&bad(Vec::new()), Code::FileNotFound, "data_batch_1.bin");
        assert_code(&bad(gzip(&sound[..700])), Code::FileTruncated, "ends too early");
        assert_code(&bad(gzip(&sound[..5000])), Code::FileTruncated, "");
        assert_code(&bad(vec![b'x'; 2048]), Code::FileFormat, "checksum");
        let mut checksum = sound.clone();
        checksum[3] ^= 1;
        assert_code(&bad(gzip(&checksum)), Code::FileFormat, "checksum");
        let mut members = shuffled();
        members[0].1.pop();
        assert_code(&bad(gzip(&tar(&members))), Code::FileTruncated, "6145 bytes");
    }

    /// A member that claims almost 8 GiB, as much as its eleven octal digits can say.
    #[test]
    fn a_member_that_lies_about_its_size_is_refused() {
        let mut archive = tar(&shuffled());
        let at = 512 + 1024 + 124;
        let size = 3073u64 * 2_795_000;
        archive[at..at + 12].copy_from_slice(format!("{size:011o}\0").as_bytes());
        let header = &mut archive[1536..2048];
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let directory = directory_of(&[("cifar-10-binary.tar.gz".to_owned(), gzip(&archive))]);
        let error = train(directory.path()).unwrap_err();
        assert!(matches!(error.code, Code::FileTruncated | Code::FileFormat), "{error}");
    }
}

/// Whatever a file holds, loading ends with data or with an error: sound files with some bytes changed and the end cut off.
mod damaged_at_random {
    use proptest::prelude::*;

    use super::*;

    /// `PROPTEST_CASES=1000000` tries more of them.
    fn cases() -> u32 {
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
    }

    /// Positions and values to overwrite, and how much to keep in thousandths.
    fn damage() -> impl Strategy<Value = (Vec<(usize, u8)>, usize)> {
        (prop::collection::vec((0..2000usize, any::<u8>()), 0..5), prop_oneof![Just(1000), 0..=1000usize])
    }

    fn damaged(sound: &[u8], (changes, keep): &(Vec<(usize, u8)>, usize)) -> Vec<u8> {
        let mut bytes = sound.to_vec();
        for (at, value) in changes {
            // Half of the changes go to the first bytes, where the headers are.
            let at = if at % 2 == 0 { at / 2 % 64 } else { *at } % bytes.len();
            bytes[at] = *value;
        }
        bytes.truncate(bytes.len() * keep / 1000);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn loading_never_panics(plain in damage(), inside in damage(), kind in 0..4) {
            let pixels: Vec<u8> = (0..3073u32).map(|k| (k.wrapping_mul(k) >> 4) as u8 % 10).collect();
            let archive = cifar_files::tar(&[("test_batch.bin".to_owned(), pixels.clone())]);
            let (name, sound) = match kind {
                0 => ("t10k-images-idx3-ubyte", images()),
                1 => ("t10k-labels-idx1-ubyte", labels()),
                2 => ("test_batch.bin", pixels),
                _ => ("cifar-10-binary.tar.gz", archive),
            };
            let mut files = vec![(name, damaged(&sound, &plain))];
            match kind {
                0 => files.push(("t10k-labels-idx1-ubyte", labels())),
                1 => files.push(("t10k-images-idx3-ubyte", images())),
                _ => {}
            }
            for pack in [false, true] {
                if pack {
                    files[0].1 = damaged(&gzip(&files[0].1), &inside);
                }
                let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
                if let Ok(data) = load(directory(&files).path(), Split::Test, None) {
                    prop_assert!(data.samples() > 0 && bytes_of(&data).len() == data.samples() * data.shape().len());
                }
            }
        }

        #[test]
        fn decoding_never_panics(damage in damage(), colour in 0..3usize) {
            use png::{BitDepth, ColorType};
            let data: Vec<u8> = (0..9 * 7 * 4u32).map(|k| (k.wrapping_mul(k) >> 3) as u8).collect();
            let (colour, depth, len) = [
                (ColorType::Rgba, BitDepth::Eight, 9 * 7 * 4),
                (ColorType::Grayscale, BitDepth::Sixteen, 9 * 7 * 2),
                (ColorType::Indexed, BitDepth::One, 2 * 7),
            ][colour];
            let file = damaged(&png_files::encode(9, 7, colour, depth, &data[..len]), &damage);
            let directory = directory(&[("image.png", &file)]);
            let shape = InputShape::new(&[7, 9, 1]).unwrap();
            if let Ok(data) = load_images(&[directory.path().join("image.png")], &shape, None) {
                prop_assert_eq!(bytes_of(&data).len(), 63);
            }
        }
    }
}

mod png_files {
    use png::{BitDepth, ColorType};

    use super::*;

    fn shape(height: usize, width: usize, channels: usize) -> InputShape {
        InputShape::new(&[height, width, channels]).unwrap()
    }

    pub fn encode(width: u32, height: u32, colour: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette(vec![255, 0, 0, 0, 255, 0]);
            encoder.set_trns(vec![255, 0]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    fn decode(file: &[u8], shape: InputShape) -> Result<Dataset> {
        let directory = directory(&[("image.png", file)]);
        load_images(&[directory.path().join("image.png")], &shape, None)
    }

    #[test]
    fn every_kind_of_colour_becomes_what_the_model_takes() {
        use BitDepth::{Eight, One, Sixteen};
        use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};

        /// The file's colours, bit depth and data; its two pixels as grey and as colour.
        type Case<'a> = (ColorType, BitDepth, &'a [u8], [u8; 2], [u8; 6]);
        let cases: [Case; 7] = [
            (Grayscale, Eight, &[7, 200], [7, 200], [7, 7, 7, 200, 200, 200]),
            (Grayscale, One, &[0b0100_0000], [0, 255], [0, 0, 0, 255, 255, 255]),
            (Grayscale, Sixteen, &[7, 0, 255, 255], [7, 255], [7, 7, 7, 255, 255, 255]),
            (GrayscaleAlpha, Eight, &[200, 255, 200, 51], [200, 40], [200, 200, 200, 40, 40, 40]),
            (Rgb, Eight, &[255, 0, 0, 0, 255, 0], [76, 150], [255, 0, 0, 0, 255, 0]),
            (Rgba, Eight, &[10, 20, 30, 255, 255, 255, 255, 0], [18, 0], [10, 20, 30, 0, 0, 0]),
            // Palette: red, then green that is transparent.
            (Indexed, One, &[0b0100_0000], [76, 0], [255, 0, 0, 0, 0, 0]),
        ];
        for (colour, depth, data, grey, rgb) in cases {
            let file = encode(2, 1, colour, depth, data);
            assert_eq!(bytes_of(&decode(&file, shape(1, 2, 1)).unwrap()), grey, "{colour:?} {depth:?}");
            assert_eq!(bytes_of(&decode(&file, shape(1, 2, 3)).unwrap()), rgb, "{colour:?} {depth:?}");
        }
    }

    #[test]
    fn files_keep_their_order_and_have_no_labels() {
        let directory = directory(&[
            ("b.png", &encode(1, 2, ColorType::Grayscale, BitDepth::Eight, &[1, 2])),
            ("a.png", &encode(1, 2, ColorType::Grayscale, BitDepth::Eight, &[3, 4])),
        ]);
        let paths: Vec<PathBuf> = ["b.png", "a.png"].map(|name| directory.path().join(name)).to_vec();
        let data = load_images(&paths, &shape(2, 1, 1), None).unwrap();
        assert_eq!((data.samples(), data.labels(), bytes_of(&data)), (2, None, &[1, 2, 3, 4][..]));
    }

    #[test]
    fn another_size_is_refused_with_the_way_to_mend_it() {
        let file = encode(2, 1, ColorType::Grayscale, BitDepth::Eight, &[7, 200]);
        for shape in [shape(2, 1, 1), shape(28, 28, 1)] {
            assert_code(&decode(&file, shape).unwrap_err(), Code::Shape, "resize");
        }
        for shape in [InputShape::new(&[2]).unwrap(), shape(1, 2, 4)] {
            assert_code(&decode(&file, shape).unwrap_err(), Code::Shape, "input");
        }
        // A header that claims 2^31 − 1 pixels a side: refused by its size before anything is decoded.
        let mut huge = file.clone();
        huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        let code = decode(&huge, shape(1, 2, 1)).unwrap_err().code;
        assert!(matches!(code, Code::Shape | Code::FileFormat), "{code:?}");
    }

    #[test]
    fn what_is_not_a_sound_png_is_refused() {
        let data: Vec<u8> = (0..64 * 64u32).map(|k| (k.wrapping_mul(k) >> 3) as u8).collect();
        let file = encode(64, 64, ColorType::Grayscale, BitDepth::Eight, &data);
        assert!(decode(&file, shape(64, 64, 1)).is_ok());
        assert_code(&decode(b"<svg>, and no picture", shape(64, 64, 1)).unwrap_err(), Code::FileFormat, "PNG");
        for end in [0, 5, 20, 40, file.len() / 2] {
            assert_code(&decode(&file[..end], shape(64, 64, 1)).unwrap_err(), Code::FileTruncated, "image.png");
        }
        let mut damaged = file.clone();
        damaged[file.len() / 2] ^= 0xff;
        assert_code(&decode(&damaged, shape(64, 64, 1)).unwrap_err(), Code::FileFormat, "image.png");
        let nowhere = load_images(&["/nowhere/image.png"], &shape(1, 1, 1), None).unwrap_err();
        assert_code(&nowhere, Code::FileNotFound, "/nowhere/image.png");
        let folder = directory(&[]);
        assert_code(
            &load_images(&[folder.path()], &shape(1, 1, 1), None).unwrap_err(),
            Code::FileFormat,
            "a directory",
        );
        assert_code(&load_images::<&str>(&[], &shape(1, 1, 1), None).unwrap_err(), Code::Count, "path");
    }
}
