//! Data sets in the layouts in which people find and keep them, and files that are something else than their names say.

mod support;

use noprop_core::data::{Split, load, load_unlabelled};
use noprop_core::{Code, Result};
use support::{gzip, idx};
use tempfile::TempDir;

/// Names (with folders) and contents.
type Files = Vec<(String, Vec<u8>)>;

fn directory(files: &Files) -> TempDir {
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    support::directory(&files)
}

const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The contents of [`NAMES`]: 24 training and 12 test images of 14×14, with the labels 0 to 3. `start` makes them others.
fn contents(start: u8) -> [Vec<u8>; 4] {
    let images = |count: u32| {
        let pixels: Vec<u8> = (0..count * 196).map(|at| (at as u8).wrapping_mul(37).wrapping_add(start)).collect();
        idx(&[count, 14, 14], &pixels)
    };
    let labels = |count: u32| idx(&[count], &(0..count).map(|at| at as u8 % 4).collect::<Vec<_>>());
    [images(24), labels(24), images(12), labels(12)]
}

/// The four files under these names.
fn named(name: impl Fn(&str) -> String) -> Files {
    NAMES.iter().zip(contents(0)).map(|(plain, bytes)| (name(plain), bytes)).collect()
}

fn samples(files: &Files) -> Result<(usize, usize)> {
    let directory = directory(files);
    let [train, test] = [Split::Train, Split::Test].map(|split| load(directory.path(), split, None));
    Ok((train?.samples(), test?.samples()))
}

#[track_caller]
fn assert_loads(files: &Files) {
    assert_eq!(samples(files), Ok((24, 12)), "{:?}", files.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

fn dot(name: &str) -> String {
    name.replace("-idx", ".idx")
}

#[test]
fn every_spelling_of_the_names_is_found() {
    let spellings: [fn(&str) -> String; 9] = [
        |name| name.to_owned(),
        dot,
        str::to_uppercase,
        |name| dot(name).to_uppercase() + ".GZ",
        |name| name.replace('-', "_"),
        |name| format!("raw/{name}"),
        |name| format!("MNIST/raw/{name}"),
        // 7-Zip: each file in a folder of its name, which its archive had with a dot.
        |name| format!("{name}/{}", dot(name)),
        |name| format!("old-{name}"),
    ];
    for spelling in spellings {
        assert_loads(&named(spelling));
    }
    let packed = named(|name| format!("{}/{name}.gz", dot(name)));
    assert_loads(&packed.into_iter().map(|(name, bytes)| (name, gzip(&bytes))).collect());
}

#[test]
fn what_systems_and_tools_add_does_not_matter() {
    let double = [&[0, 5, 22, 7, 0, 2, 0, 0][..], b"Mac OS X        ", &[0; 4072]].concat();
    let extras: [&dyn Fn(&str) -> String; 6] = [
        &|name| format!("._{name}"),
        &|name| format!("__MACOSX/._{name}"),
        &|name| format!(".{name}.Xa3b9Z"),
        &|name| format!("{name} (1)"),
        &|name| format!("old-{name}"),
        &|name| format!("Copy of {name}"),
    ];
    for extra in extras {
        let mut files = named(str::to_owned);
        files.extend(NAMES.iter().map(|name| (extra(name), double.clone())));
        files.push((".DS_Store".to_owned(), b"\0\0\0\x01Bud1".to_vec()));
        assert_loads(&files);
    }
    // The files with a dot beside folders of the dashed name, as in Kaggle's copy; even where the latter hold something else.
    let mut files = named(dot);
    files.extend(NAMES.iter().zip(contents(9)).map(|(name, bytes)| (format!("{name}/{name}"), bytes)));
    assert_loads(&files);
    // Images of another set whose labels are not there.
    let mut files = named(str::to_owned);
    files.push((format!("emnist-{}", NAMES[0]), contents(9)[0].clone()));
    assert_loads(&files);
}

#[test]
fn two_files_of_one_name_must_be_the_same() {
    let mut files = named(str::to_owned);
    files.extend(named(dot));
    assert_loads(&files);
    files.last_mut().unwrap().1 = contents(1)[3].clone();
    assert_loads(&files);
    files[4].1 = contents(1)[0].clone();
    let error = samples(&files).unwrap_err();
    assert_eq!(error.code, Code::FileFormat);
    assert!(error.what.contains("train-images.idx3-ubyte") && error.what.contains("different contents"), "{error}");
}

#[test]
fn several_sets_are_refused() {
    let mut files = named(|name| format!("MNIST/raw/{name}"));
    files.extend(named(|name| format!("KMNIST/raw/{name}")));
    let error = samples(&files).unwrap_err();
    assert_eq!(error.code, Code::FileFormat);
    assert!(error.received.contains("KMNIST") && error.received.contains("MNIST"), "{error}");
}

#[test]
fn prediction_needs_no_labels() {
    let images = directory(&vec![(NAMES[2].to_owned(), contents(0)[2].clone())]);
    let data = load_unlabelled(images.path(), Split::Test, Some(5)).unwrap();
    assert_eq!((data.samples(), data.labels()), (5, None));
    let error = load(images.path(), Split::Test, None).unwrap_err();
    assert_eq!(error.code, Code::FileNotFound);
    assert!(error.expected.contains(NAMES[3]), "{error}");
    // Labels that are there are not looked at.
    let files = vec![(NAMES[2].to_owned(), contents(0)[2].clone()), (NAMES[3].to_owned(), b"damaged".to_vec())];
    let damaged = directory(&files);
    assert_eq!(load_unlabelled(damaged.path(), Split::Test, None).unwrap().samples(), 12);
    assert_eq!(load_unlabelled(damaged.path(), Split::Train, None).unwrap_err().code, Code::FileNotFound);
}

#[test]
fn what_a_wrong_file_is_gets_told() {
    let html = b"<!DOCTYPE html><html><head><title>404</title></head></html>".repeat(20);
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n".to_vec();
    let sound = contents(0)[0].clone();
    let little = [&[3, 8, 0, 0][..], &sound[4..]].concat();
    let text_mode: Vec<u8> =
        sound.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    let float = [&sound[..2], &[0x0d], &sound[3..]].concat();
    let cases: [(Vec<u8>, Code, &str); 10] = [
        (html.clone(), Code::FileFormat, "a web page"),
        (gzip(&html), Code::FileFormat, "a web page"),
        (gzip(&gzip(&sound)), Code::FileFormat, "packed once too often"),
        (pointer, Code::FileFormat, "git lfs pull"),
        (Vec::new(), Code::FileTruncated, "is empty"),
        (gzip(&[]), Code::FileTruncated, "is empty"),
        (little, Code::FileFormat, "little-endian"),
        ([&sound[..], b"\r\n"].concat(), Code::FileFormat, "longer than its header says"),
        (text_mode, Code::FileFormat, "text mode"),
        (float, Code::FileFormat, "another kind of value"),
    ];
    for (bytes, code, mentions) in cases {
        let mut files = named(str::to_owned);
        files[0].1 = bytes;
        let error = samples(&files).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.to_string().contains(mentions), "{mentions:?} is not in: {error}");
        assert!(error.what.contains(NAMES[0]), "{error}");
    }
}

#[test]
fn cifar_is_found_in_the_same_layouts() {
    let record = |label: u8| [&[label, label][..], &[7; 3072]].concat();
    let files = |name: &dyn Fn(&str) -> String| -> Files {
        vec![(name("train.bin"), [record(1), record(99)].concat()), (name("test.bin"), record(2))]
    };
    let layouts: [&dyn Fn(&str) -> String; 7] = [
        &|name| name.to_owned(),
        &str::to_uppercase,
        &|name| format!("{name}/{name}"),
        &|name| format!("cifar-100-binary/{name}"),
        &|name| format!("CIFAR-100-Binary/{name}"),
        &|name| format!("cifar-100-binary/cifar-100-binary/{name}"),
        &|name| format!("cifar-100-binary/{name}/{name}"),
    ];
    for layout in layouts {
        let mut files = files(layout);
        files.push(("._train.bin".to_owned(), b"\x00\x05\x16\x07".to_vec()));
        assert_eq!(samples(&files), Ok((2, 1)), "{}", files[0].0);
    }
    let directory = directory(&files(&str::to_owned));
    assert_eq!(load_unlabelled(directory.path(), Split::Train, None).unwrap().labels(), None);
    for (bytes, mentions) in [(&b"<html>not found</html>"[..], "a web page"), (b"version https://git-lfs", "git lfs")] {
        let mut files = files(&str::to_owned);
        files[0].1 = bytes.to_vec();
        let error = samples(&files).unwrap_err();
        assert_eq!(error.code, Code::FileFormat);
        assert!(error.to_string().contains(mentions), "{error}");
        let archive = vec![("cifar-100-binary.tar.gz".to_owned(), bytes.to_vec())];
        let error = samples(&archive).unwrap_err();
        assert_eq!(error.code, Code::FileFormat);
        assert!(error.to_string().contains(mentions), "{error}");
    }
}

#[test]
fn what_a_directory_holds_instead_is_told_with_how_to_read_it() {
    let refused = |files: &[(&str, &[u8])]| {
        let files: Files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let error = load(directory(&files).path(), Split::Train, None).unwrap_err();
        assert_eq!(error.code, Code::FileNotFound, "{error}");
        for part in ["IDX", "CIFAR", "folders of pictures", "tables"] {
            assert!(error.expected.contains(part), "{error}");
        }
        error
    };
    let error = refused(&[("1.jpg", b"x"), ("2.PNG", b"x"), ("3", b"\x89PNG\r\n\x1a\n"), ("notes.txt", b"x")]);
    assert_eq!(error.received, "3 pictures in no folder of a class");
    assert!(error.hint.starts_with("put the pictures of each class into a folder of its name"), "{error}");
    let error = refused(&[("wine.csv.gz", b"x")]);
    assert!(error.hint.starts_with("name the table itself: ") && error.hint.ends_with("wine.csv.gz"), "{error}");
    assert!(refused(&[("notes.txt", b"x")]).hint.starts_with("check that the path"));
}
