//! Odd pictures against what Pillow reads from them (`golden/make_pictures.py`), and folders of them.

use std::fs;
use std::path::{Path, PathBuf};

use noprop_core::Code;
use noprop_core::data::pictures::{Size, sizes};
use noprop_core::data::{Classes, Dataset, Fit, FolderOptions, InputShape, Pixels, load_folder, load_images};
use noprop_core::tensor::StopFlag;
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures")
}

fn bytes_of(data: &Dataset) -> &[u8] {
    match data.pixels() {
        Pixels::U8(bytes) => bytes,
        Pixels::F32(_) | Pixels::Disk(_) => panic!("pictures are bytes in memory"),
    }
}

fn from_hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn odd_pictures_are_read_as_by_pillow() {
    let text = fs::read_to_string(golden().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let pictures = expected["pictures"].as_object().unwrap();
    assert_eq!(pictures.len(), 23);
    for (name, expected) in pictures {
        let tolerance = expected["tolerance"].as_u64().unwrap();
        for case in expected["samples"].as_array().unwrap() {
            let fit: Fit = serde_json::from_value(case["fit"].clone()).unwrap();
            let sizes: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
            for (channels, key) in [(3, "rgb"), (1, "grey")] {
                let shape = InputShape::new(&[sizes[0], sizes[1], channels]).unwrap();
                let data =
                    load_images(&[golden().join(name)], &shape, Some(fit)).unwrap_or_else(|error| panic!("{error}"));
                let (values, wanted) = (bytes_of(&data), from_hex(&case[key]));
                assert_eq!(values.len(), wanted.len());
                let most = values.iter().zip(&wanted).map(|(one, other)| one.abs_diff(*other)).max().unwrap();
                // Resizing rounds twice, and Pillow in another order.
                let tolerance = tolerance + u64::from(sizes != [22, 31] && sizes != [31, 22]);
                assert!(u64::from(most) <= tolerance, "{name}, {fit:?} to {shape}: differs by {most}");
            }
        }
    }
}

/// A folder with copies of the golden pictures at these paths; an empty name makes a folder.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, golden_name) in files {
        let path = folder.path().join(path);
        if golden_name.is_empty() {
            fs::create_dir_all(path).unwrap();
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match golden_name.strip_prefix('=') {
            Some(text) => fs::write(path, text).unwrap(),
            None => drop(fs::copy(golden().join(golden_name), path).unwrap()),
        }
    }
    folder
}

fn names(data: &Dataset) -> Vec<String> {
    data.classes().names().unwrap().to_vec()
}

#[test]
fn folders_as_people_keep_them() {
    let photos = folder(&[
        ("Katzen 猫/1.jpg", "plain.jpg"),
        ("Katzen 猫/deeper/2.PNG", "plain.png"),
        ("Katzen 猫/broken.png", "=\u{2}"),
        ("Katzen 猫/Thumbs.db", "=junk"),
        ("Katzen 猫/.hidden.png", "=junk"),
        ("Katzen 猫/notes.txt", "=text"),
        ("Katzen 猫/__MACOSX/._1.jpg", "=junk"),
        ("dogs/a.webp", "lossy.webp"),
        ("dogs/damaged.jpg", "=\u{1}not a picture"),
        // The content counts, not the ending.
        ("dogs/b.jpg", "plain.png"),
        ("empty", ""),
        (".git/x.png", "plain.png"),
        ("__MACOSX/x.png", "plain.png"),
        ("loose.png", "plain.png"),
    ]);
    let load = |options: FolderOptions| load_folder(photos.path(), None, &options, &StopFlag::new());
    let loaded = load(FolderOptions::default()).unwrap();
    assert_eq!(names(&loaded.train), ["Katzen 猫", "dogs"]);
    assert_eq!(loaded.train.labels().unwrap(), [0, 0, 1, 1]);
    // All have one small size, which they keep.
    assert_eq!(loaded.train.shape(), InputShape::new(&[22, 31, 3]).unwrap());
    assert!(loaded.test.is_none());
    let failed: Vec<_> = loaded.failures.iter().map(|(path, error)| (path.file_name().unwrap(), error.code)).collect();
    let damaged = ["broken.png", "damaged.jpg"].map(|name| (std::ffi::OsStr::new(name), Code::FileFormat));
    assert_eq!(failed, damaged);
    let notes = loaded.notes.join("\n");
    for part in ["\"empty\" has no pictures", "1 pictures lie beside", "1 files are no pictures", "31x22"]
        .into_iter()
        .chain(["2 pictures could not be read and are left out: ", "broken.png is not a picture"])
    {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let sizes = [Some([8, 12]), None];
    for size in sizes {
        let error = load(FolderOptions { strict: true, size, channels: size.map(|_| 3), ..FolderOptions::default() });
        assert!(error.unwrap_err().what.contains("broken.png"));
    }
    let sized = load(FolderOptions { size: Some([8, 12]), channels: Some(1), ..FolderOptions::default() }).unwrap();
    assert_eq!((sized.train.shape(), sized.train.samples()), (InputShape::new(&[8, 12, 1]).unwrap(), 4));
    assert_eq!((sized.failures.len(), sized.train.labels().unwrap()), (2, &[0, 0, 1, 1][..]));
    let sound = load_images(&[photos.path().join("dogs/b.jpg")], &sized.train.shape(), Some(Fit::Cover)).unwrap();
    assert_eq!(bytes_of(&sized.train)[3 * 96..], *bytes_of(&sound), "what is left out leaves no gap");
}

#[test]
fn parts_of_folders() {
    let files =
        ["train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "train/dog/2.jpg", "val/dog/3.jpg", "val/cat/3.jpg"];
    let photos = folder(&files.map(|path| (path, "grey.jpg")));
    let load = |folder: &Path, test: Option<&Path>, options: &FolderOptions| {
        load_folder(folder, test, options, &StopFlag::new())
    };
    let options = FolderOptions::default();
    let loaded = load(photos.path(), None, &options).unwrap();
    // All are grey.
    assert_eq!(loaded.train.shape().sizes(), [22, 31, 1]);
    let test = loaded.test.unwrap();
    assert_eq!((loaded.train.samples(), test.samples(), names(&test)), (4, 2, names(&loaded.train)));
    assert_eq!(loaded.train.preprocessing(), test.preprocessing());

    let (train, val) = (photos.path().join("train"), photos.path().join("val"));
    let loaded = load(&train, Some(&val), &options).unwrap();
    assert_eq!((loaded.train.samples(), loaded.test.unwrap().fingerprint()), (4, test.fingerprint()));
    let split = FolderOptions { test_split: Some(0.5), ..FolderOptions::default() };
    let loaded = load(&train, None, &split).unwrap();
    let (kept, held) = (loaded.train, loaded.test.unwrap());
    assert_eq!((names(&kept), names(&held)), (names(&test), names(&test)));
    for (folder, test, options) in
        [(photos.path(), None, &split), (&train, Some(val.as_path()), &split), (photos.path(), Some(&*val), &options)]
    {
        assert_eq!(load(folder, test, options).unwrap_err().code, Code::Option);
    }
    let limited = load(&train, None, &FolderOptions { limit: Some(2), ..FolderOptions::default() }).unwrap();
    assert_eq!(limited.train.classes(), &Classes::Names(vec!["cat".to_owned(), "dog".to_owned()]));
}

#[test]
fn pictures_without_an_ending_are_read_and_other_kinds_are_told() {
    let photos = folder(&[
        ("cat/1", "plain.jpg"),
        ("cat/2", "plain.png"),
        ("cat/README", "=text"),
        ("cat/3.heic", "=x"),
        ("dog/1", "lossy.webp"),
        ("phone/1.HEIC", "=x"),
        ("phone/2.heic", "=x"),
        ("phone/3.heif", "=x"),
        ("scans/1", "=II*\0\u{8}"),
    ]);
    let load = |path: &Path| load_folder(path, None, &FolderOptions::default(), &StopFlag::new());
    let loaded = load(photos.path()).unwrap();
    assert_eq!((names(&loaded.train), loaded.train.samples()), (vec!["cat".to_owned(), "dog".to_owned()], 3));
    let place = |name: &str| Path::new("phone").join(name).display().to_string();
    let heic = format!(
        "4 files are of a kind that is not read (HEIC): {}, {}, {}, …; convert them to JPEG or PNG",
        Path::new("cat").join("3.heic").display(),
        place("1.HEIC"),
        place("2.heic")
    );
    assert!(loaded.notes.contains(&heic), "{:?}", loaded.notes);
    let notes = loaded.notes.join("\n");
    for part in ["1 file is of a kind that is not read (TIFF): scans", "1 files are no pictures"] {
        assert!(notes.contains(part), "{notes}");
    }
    let phone = folder(&[("phone/1.heic", "=x"), ("scans/2.tif", "=x")]);
    let error = load(phone.path()).unwrap_err();
    assert_eq!((error.code, error.hint.as_str()), (Code::FileNotFound, "convert them to JPEG or PNG"));
    assert!(error.received.contains("(HEIC): phone") && error.received.contains("(TIFF): scans"), "{error}");
    // One that is called a JPEG.
    let renamed = folder(&[("a/1.jpg", "=\0\0\0\u{18}ftypheic"), ("a/2.jpg", "plain.jpg")]);
    let (_, error) = &load(renamed.path()).unwrap().failures[0];
    assert!(error.received.contains("HEIC"), "{error}");
}

#[test]
fn parts_that_are_left_out_are_told() {
    let notes = |files: &[&str]| {
        let photos = folder(&files.iter().map(|path| (*path, "grey.jpg")).collect::<Vec<_>>());
        let loaded = load_folder(photos.path(), None, &FolderOptions::default(), &StopFlag::new()).unwrap();
        (loaded.notes.join("\n"), loaded.test.map(|test| test.samples()))
    };
    let train = ["train/a/1.jpg", "train/b/1.jpg"];
    let with = |more: &[&'static str]| notes(&[&train[..], more].concat());
    let (told, test) = with(&["val/a/1.jpg", "test/a/2.jpg", "test/b/2.jpg"]);
    assert!(told.contains("folder \"val\" is left out, since \"test\" serves for the test"), "{told}");
    assert_eq!(test, Some(2));
    // Without classes it serves for nothing, and the next one does.
    let (told, test) = with(&["test/1.jpg", "test/2.jpg"]);
    assert!(told.contains("folder \"test\" has no folders of classes and is left out"), "{told}");
    assert_eq!(test, None);
    let (told, test) = with(&["test/1.jpg", "valid/a/2.jpg", "unlabelled/3.jpg"]);
    for part in ["folder \"test\" has no folders of classes", "folder \"unlabelled\" beside \"train\" is left out"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(test, Some(1));
    let (told, test) = with(&["val/a/1.jpg"]);
    assert!(!told.contains("left out"), "{told}");
    assert_eq!(test, Some(1));
    let (told, _) = notes(&["train/1.jpg", "test/2.jpg"]);
    assert!(told.contains("folder \"train\" has no folders of classes, so it counts as a class itself"), "{told}");
}

#[test]
fn a_file_is_no_folder_of_test_pictures() {
    let photos = folder(&[("a/1.jpg", "grey.jpg"), ("b/1.jpg", "grey.jpg"), ("t.csv", "=a,b")]);
    let table = photos.path().join("t.csv");
    let error = load_folder(photos.path(), Some(&table), &FolderOptions::default(), &StopFlag::new()).unwrap_err();
    assert_eq!((error.code, error.received.as_str()), (Code::Option, "a file"));
    assert!(error.what.starts_with("option test: ") && error.expected.contains("for each class"), "{error}");
}

#[test]
fn sizes_are_those_of_the_files() {
    let photos = folder(&[("a/1.jpg", "turned-6.jpg"), ("a/2.jpg", "grey.jpg")]);
    let loaded = load_folder(photos.path(), None, &FolderOptions::default(), &StopFlag::new()).unwrap();
    let found = sizes(&[&loaded.train], &StopFlag::new()).unwrap().unwrap();
    let size = |width, height| Size { width, height };
    assert_eq!((found.smallest, found.largest), (size(22, 31), size(31, 22)));
    assert_eq!(sizes(&[], &StopFlag::new()).unwrap(), None);
}

#[test]
fn what_is_no_folder_of_pictures_is_refused_in_words() {
    let fails = |files: &[(&str, &str)]| {
        let photos = folder(files);
        load_folder(photos.path(), None, &FolderOptions::default(), &StopFlag::new()).unwrap_err()
    };
    assert_eq!(fails(&[]).code, Code::FileNotFound);
    let error = fails(&[("1.png", "plain.png")]);
    assert!(error.code == Code::FileNotFound && error.received.starts_with("1 pictures without a class"), "{error}");
    let error = fails(&[("a/1.png", "=x"), ("b/2.png", "=<html></html>")]);
    assert_eq!(error.code, Code::FileFormat, "all are damaged: {error}");
    let options = |json: &str| serde_json::from_str::<FolderOptions>(json).unwrap();
    let photos = folder(&[("a/1.png", "plain.png"), ("b/2.png", "plain.png")]);
    for json in
        [r#"{"size":[0,3]}"#, r#"{"size":[99999,99999]}"#, r#"{"channels":2}"#, r#"{"limit":0}"#, r#"{"testSplit":2}"#]
    {
        let error = load_folder(photos.path(), None, &options(json), &StopFlag::new()).unwrap_err();
        assert_eq!(error.code, Code::Option, "{json}: {error}");
    }
    let stopped = StopFlag::new();
    stopped.stop();
    let error = load_folder(photos.path(), None, &FolderOptions::default(), &stopped).unwrap_err();
    assert_eq!(error.code, Code::Cancelled);
}

/// The header of a picture that claims 60,000 x 60,000 pixels.
#[test]
fn bombs_are_refused_by_their_headers() {
    let side = 60_000u32;
    let mut png = fs::read(golden().join("plain.png")).unwrap();
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let mut bmp = fs::read(golden().join("plain.bmp")).unwrap();
    bmp[18..22].copy_from_slice(&side.to_le_bytes());
    bmp[22..26].copy_from_slice(&side.to_le_bytes());
    let mut gif = fs::read(golden().join("frames.gif")).unwrap();
    gif[6..10].copy_from_slice(&[0x60, 0xea, 0x60, 0xea]);
    let mut jpeg = fs::read(golden().join("grey.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("a.png", png), ("b.bmp", bmp), ("c.gif", gif), ("d.jpg", jpeg)] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let shape = InputShape::new(&[8, 8, 3]).unwrap();
        let error = load_images(&[path], &shape, Some(Fit::Cover)).unwrap_err();
        assert!(error.code == Code::FileFormat && error.received.contains("60000"), "{name}: {error}");
    }
}

/// Every sample as a net sees it.
fn samples(data: &Dataset) -> Vec<Vec<f32>> {
    (0..data.samples()).map(|sample| data.sample(sample).unwrap()).collect()
}

#[test]
fn what_is_larger_than_the_limit_is_read_from_a_file_that_stays() {
    let photos = folder(&[
        ("train/a/1.png", "plain.png"),
        ("train/a/2.png", "=\u{1}not a picture"),
        ("train/a/3.jpg", "plain.jpg"),
        ("train/b/1.webp", "lossy.webp"),
        ("train/b/2.bmp", "palette.bmp"),
        ("test/a/1.png", "palette.png"),
        ("test/b/1.png", "alpha.png"),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let kept = || fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let options = FolderOptions { size: Some([9, 7]), channels: Some(3), ..FolderOptions::default() };
    let load = |memory_limit: Option<f64>, named: bool| {
        let cache = named.then(|| cache.path().join("below"));
        let options = FolderOptions { memory_limit, cache, ..options.clone() };
        load_folder(photos.path(), None, &options, &StopFlag::new())
    };
    let memory = load(None, false).unwrap();
    // Four pictures to train on, one of which is damaged, and two for the test; of 189 bytes each.
    assert_eq!(load(Some(7.0 * 189.0 / 1_048_576.0), true).unwrap().train.pixels(), memory.train.pixels());
    assert!(kept().is_empty());
    let error = load(Some(0.001), false).unwrap_err();
    assert_eq!(error.code, Code::Memory, "{error}");
    assert_eq!(load(Some(f64::NAN), true).unwrap_err().code, Code::Option);
    for _ in 0..2 {
        let disk = load(Some(0.001), true).unwrap();
        assert!(matches!(disk.train.pixels(), Pixels::Disk(_)));
        assert!(disk.notes.iter().any(|note| note.contains("are kept in")), "{:?}", disk.notes);
        assert_eq!(disk.failures, memory.failures);
        for (disk, memory) in
            [(&disk.train, &memory.train), (disk.test.as_ref().unwrap(), memory.test.as_ref().unwrap())]
        {
            assert_eq!((disk.fingerprint(), samples(disk)), (memory.fingerprint(), samples(memory)));
            assert_eq!((disk.labels(), disk.classes()), (memory.labels(), memory.classes()));
            assert_eq!(disk.origin(1), memory.origin(1));
        }
    }
    let directory = cache.path().join("below");
    let files = || {
        let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    assert_eq!(files().len(), 2);
    // The file serves the next reading: what is changed in it is seen.
    let largest = files().into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let first = bytes[0];
    bytes[0] ^= 0xff;
    fs::write(&largest, &bytes).unwrap();
    let seen = load(Some(0.001), true).unwrap().train.sample(0).unwrap()[0];
    assert_eq!(seen, f32::from(first ^ 0xff) / 255.0);
    // One that was cut is made anew.
    for len in [0, 10, bytes.len() - 1] {
        fs::write(&largest, &bytes[..len]).unwrap();
        assert_eq!(load(Some(0.001), true).unwrap().train.fingerprint(), memory.train.fingerprint());
    }
    // And so it is for a picture that was changed.
    fs::copy(golden().join("grey.jpg"), photos.path().join("train/a/1.png")).unwrap();
    let changed = load(Some(0.001), true).unwrap();
    assert_eq!(changed.train.fingerprint(), load(None, false).unwrap().train.fingerprint());
    assert_ne!(changed.train.fingerprint(), memory.train.fingerprint());
    assert_eq!(files().len(), 3);
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn every_beginning_of_a_picture_is_told_as_damaged_or_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plain.png", "plain.jpg", "lossy.webp", "lossless.webp", "frames.gif", "plain.bmp"] {
        let bytes = fs::read(golden().join(name)).unwrap();
        for part in 0..16 {
            let path = folder.path().join(name);
            fs::write(&path, &bytes[..bytes.len() * part / 16]).unwrap();
            let shape = InputShape::new(&[8, 8, 3]).unwrap();
            if let Err(error) = load_images(&[path], &shape, Some(Fit::Cover)) {
                assert!(matches!(error.code, Code::FileFormat | Code::FileTruncated), "{name}: {error}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
    ))]

    /// Damaged pictures are read or refused. `PROPTEST_CASES=1000000` tries more of them.
    #[test]
    fn nothing_panics(kind in 0..6usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<Option<prop::sample::Index>>()) {
        let name = ["alpha.png", "turned-6.jpg", "lossy.webp", "alpha.webp", "frames.gif", "palette.bmp"][kind];
        let mut bytes = fs::read(golden().join(name)).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            let len = cut.index(bytes.len());
            bytes.truncate(len);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let shape = InputShape::new(&[9, 7, 1]).unwrap();
        match load_images(&[file.path()], &shape, Some(Fit::Contain)) {
            Ok(data) => prop_assert_eq!(bytes_of(&data).len(), 63),
            Err(error) => prop_assert!(matches!(error.code, Code::FileFormat | Code::FileTruncated), "{}", error),
        }
    }
}
