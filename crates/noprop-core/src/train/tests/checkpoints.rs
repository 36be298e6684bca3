//! Checkpoint directories that exist already, belong to another run, are damaged or in use.

use super::*;
use crate::error::{Code, Error};
use crate::train::checkpoint::{Checkpoint, Saved};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

fn in_directory(directory: &Path, resume: bool) -> FitOptions {
    FitOptions { checkpoint: Some(directory.to_owned()), checkpoint_seconds: 0.0, resume, ..options(8) }
}

fn open(config: ModelConfig, options: FitOptions, data: &Arc<Dataset>) -> crate::Result<Training> {
    Training::start(plan(config, options, data), Box::new(|_| {}))
}

fn refusal(config: ModelConfig, options: FitOptions, data: &Arc<Dataset>) -> Error {
    open(config, options, data).err().expect("a refusal")
}

/// A directory with block 1 in the middle of training and block 2 trained.
fn half_trained(data: &Arc<Dataset>) -> tempfile::TempDir {
    half_trained_by(FitOptions::default().weighting, data)
}

fn half_trained_by(weighting: Weighting, data: &Arc<Dataset>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(mlp(2), FitOptions { weighting, ..in_directory(directory.path(), false) }, data);
    let checkpoint = Checkpoint::open(directory.path(), &plan, false).unwrap();
    checkpoint.save_running(&job(&plan, 1, 9)).unwrap();
    let second = job(&plan, 2, u64::MAX);
    checkpoint.save_finished(&plan, &second, &second.weights(&plan).unwrap()).unwrap();
    directory
}

#[test]
fn a_directory_with_a_run_is_refused_without_resume_and_left_alone() {
    let data = vectors(50);
    let directory = half_trained(&data);
    let before = std::fs::read(directory.path().join("block-0001.safetensors")).unwrap();
    let error = refusal(mlp(2), in_directory(directory.path(), false), &data);
    assert_eq!(error.code, Code::CheckpointExists);
    assert!(error.hint.contains("resume"), "{error}");
    assert_eq!(std::fs::read(directory.path().join("block-0001.safetensors")).unwrap(), before);
}

#[test]
fn another_run_is_refused_by_the_name_of_what_differs() {
    let data = vectors(50);
    let directory = half_trained(&data);
    let resume = || in_directory(directory.path(), true);
    let cases = [
        (ModelConfig { seed: 8, ..mlp(2) }, resume(), "model.seed", "8"),
        (mlp(3), resume(), "model.blocks", "3"),
        (mlp(2), FitOptions { learning_rate: 0.25, ..resume() }, "training.learningRate", "0.25"),
        (mlp(2), FitOptions { epochs: 2, ..resume() }, "training.epochs", "2"),
        (mlp(2), FitOptions { batch: Some(9), ..resume() }, "training.batch", "9"),
        (mlp(2), FitOptions { weight_decay: 0.5, ..resume() }, "training.weightDecay", "0.5"),
        (mlp(2), FitOptions { warmup: 0.5, ..resume() }, "training.warmup", "0.5"),
        (mlp(2), FitOptions { optimizer: Optimizer::Adam {}, ..resume() }, "training.optimizer", "adam"),
        (mlp(2), FitOptions { weighting: Weighting::Snr, ..resume() }, "training.weighting", "snr"),
    ];
    let rounded = precisions()
        .filter(|precision| *precision != Precision::F32)
        .map(|precision| (mlp(2), FitOptions { precision, ..resume() }, "training.precision", precision.as_str()));
    for (config, options, name, value) in cases.into_iter().chain(rounded) {
        let error = refusal(config, options, &data);
        assert_eq!(error.code, Code::CheckpointMismatch, "{name}");
        assert!(error.what.contains(name) && error.expected.contains(value), "{name}: {error}");
        assert!(!error.what.contains(", "), "only {name} differs: {error}");
    }
    // η is of the weighting.
    let weighted = half_trained_by(Weighting::Snr, &data);
    let options = FitOptions { weighting: Weighting::Snr, eta: 0.5, ..in_directory(weighted.path(), true) };
    let error = refusal(mlp(2), options, &data);
    assert_eq!(error.code, Code::CheckpointMismatch);
    assert!(error.what.contains("training.eta") && error.expected.contains("0.5"), "{error}");
    assert!(!error.what.contains(", "), "{error}");
    let error = refusal(mlp(2), resume(), &vectors(51));
    assert_eq!(error.code, Code::CheckpointMismatch);
    assert!(error.what.contains("data.samples") && error.received.contains("50"), "{error}");
}

#[test]
fn another_way_to_schedule_the_same_run_is_accepted() {
    let data = vectors(50);
    let directory = half_trained(&data);
    let options = FitOptions {
        threads: Some(2),
        in_flight: Some(1),
        checkpoint_seconds: 9.0,
        ..in_directory(directory.path(), true)
    };
    assert_eq!(sha256(plan(mlp(2), options, &data)), sha256(plan(mlp(2), super::options(8), &data)));
}

#[test]
fn a_directory_in_use_is_refused_until_its_run_ends() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let first = open(mlp(2), in_directory(directory.path(), false), &data).unwrap();
    for resume in [false, true] {
        let error = refusal(mlp(2), in_directory(directory.path(), resume), &data);
        assert_eq!(error.code, Code::CheckpointLocked);
    }
    drop(first);
    open(mlp(2), in_directory(directory.path(), true), &data).unwrap();
}

#[test]
fn a_finished_run_releases_its_directory() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let store = train(plan(mlp(2), in_directory(directory.path(), false), &data));
    let again = train(plan(mlp(2), in_directory(directory.path(), true), &data));
    assert_eq!(store.sha256().unwrap(), again.sha256().unwrap());
}

#[test]
fn an_unusable_directory_is_refused_before_training() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path().to_owned(), file.path().join("below")] {
        assert_eq!(refusal(mlp(2), in_directory(&path, true), &vectors(50)).code, Code::Output);
    }
}

#[test]
fn what_a_killed_process_left_half_written_is_removed_and_nothing_else() {
    let data = vectors(50);
    let directory = half_trained(&data);
    let leftovers = [".noprop-checkpoint-1a2b3c", ".noprop-checkpoint-Zz9"].map(|name| directory.path().join(name));
    leftovers.iter().for_each(|path| std::fs::write(path, "half").unwrap());
    // A model file that another process is writing here, and what is no file.
    let others = ["notes.txt", ".noprop-1a2b3c", ".noprop-notes"].map(|name| directory.path().join(name));
    others.iter().for_each(|path| std::fs::write(path, "mine").unwrap());
    let folder = directory.path().join(".noprop-checkpoint-folder");
    std::fs::create_dir(&folder).unwrap();
    drop(open(mlp(2), in_directory(directory.path(), true), &data).unwrap());
    assert!(leftovers.iter().all(|path| !path.exists()));
    assert!(others.iter().all(|path| std::fs::read_to_string(path).unwrap() == "mine") && folder.is_dir());
}

#[test]
fn block_files_are_taken_up_by_resume_alone() {
    let data = vectors(50);
    let whole = sha256(plan(mlp(2), options(8), &data));
    for resume in [false, true] {
        let directory = half_trained(&data);
        std::fs::remove_file(directory.path().join("run.json")).unwrap();
        let run = Run::start(plan(mlp(2), in_directory(directory.path(), resume), &data));
        let events = run.drive(&[1, 2], 2, |_| false);
        let taken = events.iter().any(|event| matches!(event, Event::Block { block: 2, resumed: true, .. }));
        let epochs = events.iter().filter(|event| matches!(event, Event::Epoch { block: 1, .. })).count();
        assert_eq!((taken, epochs), if resume { (true, 2) } else { (false, 3) });
        assert_eq!(run.finish().sha256().unwrap(), whole);
    }
}

#[test]
fn a_run_file_that_cannot_be_read_is_refused() {
    let data = vectors(50);
    for text in ["", "{", "\0\0\0", "{\"version\": 1"] {
        let directory = half_trained(&data);
        std::fs::write(directory.path().join("run.json"), text).unwrap();
        let error = refusal(mlp(2), in_directory(directory.path(), true), &data);
        assert_eq!(error.code, Code::CheckpointCorrupt, "{text:?}");
    }
    let directory = half_trained(&data);
    std::fs::write(directory.path().join("run.json"), "[]").unwrap();
    assert_eq!(refusal(mlp(2), in_directory(directory.path(), true), &data).code, Code::CheckpointMismatch);
}

fn path(directory: &Path, block: usize) -> PathBuf {
    directory.join(format!("block-{block:04}.safetensors"))
}

/// Panics unless the file of `block` is refused after each of some changes to it.
fn assert_refused(directory: &Path, block: usize, changes: impl IntoIterator<Item = impl FnOnce(&Path) -> String>) {
    let plan = plan(mlp(2), in_directory(directory, true), &vectors(50));
    let checkpoint = Checkpoint::open(directory, &plan, true).unwrap();
    for change in changes {
        let name = change(&path(directory, block));
        let error = checkpoint.load(&plan, block, &Device::Cpu).err();
        let error = error.unwrap_or_else(|| panic!("{name} of block {block} was accepted"));
        assert_eq!(error.code, Code::CheckpointCorrupt, "{name}: {error}");
        assert!(error.what.contains("safetensors"), "{name}: {error}");
    }
}

#[test]
fn damage_to_any_byte_is_found() {
    let directory = half_trained(&vectors(50));
    for block in [1, 2] {
        let whole = std::fs::read(path(directory.path(), block)).unwrap();
        let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        // Three bits of each byte of the header, where the lowest one makes another digit; one of each byte behind it.
        let bits = (0..8 * header).filter(|bit| [0, 4, bit / 8 % 8].contains(&(bit % 8)));
        let bits = bits.chain((header..whole.len()).map(|byte| 8 * byte + byte % 8));
        let mut file = File::options().write(true).open(path(directory.path(), block)).unwrap();
        let mut set = move |byte: usize, value: u8| {
            file.seek(SeekFrom::Start(byte as u64)).unwrap();
            file.write_all(&[value]).unwrap();
        };
        let mut last = 0;
        let flips = bits.map(|bit| {
            set(last, whole[last]);
            last = bit / 8;
            set(last, whole[last] ^ 1 << (bit % 8));
            move |_: &Path| format!("bit {bit}")
        });
        assert_refused(directory.path(), block, flips);
    }
}

#[test]
fn a_file_that_is_cut_short_or_too_long_is_found() {
    let directory = half_trained(&vectors(50));
    let whole = std::fs::read(path(directory.path(), 1)).unwrap();
    let cut = (0..whole.len()).step_by(11).map(|len| (format!("{len} bytes"), whole[..len].to_vec()));
    let long = ("one byte more".to_owned(), [&whole[..], &[0]].concat());
    let huge = ("a header of 2^63 bytes".to_owned(), [&(1u64 << 63).to_le_bytes(), &whole[8..]].concat());
    assert_refused(directory.path(), 1, cut.chain([long, huge]).map(write));
}

/// Writes these bytes instead.
fn write((name, bytes): (String, Vec<u8>)) -> impl FnOnce(&Path) -> String {
    move |path| {
        std::fs::write(path, bytes).unwrap();
        name
    }
}

#[test]
fn a_file_of_another_block_or_run_is_found() {
    let data = vectors(50);
    let (directory, other) = (half_trained(&data), tempfile::tempdir().unwrap());
    let plan = plan(ModelConfig { seed: 8, ..mlp(2) }, in_directory(other.path(), false), &data);
    Checkpoint::open(other.path(), &plan, false).unwrap().save_running(&job(&plan, 1, 9)).unwrap();
    let read = |directory: &Path, block: usize| std::fs::read(path(directory, block)).unwrap();
    let files =
        [("the other block".to_owned(), read(directory.path(), 2)), ("another run".to_owned(), read(other.path(), 1))];
    assert_refused(directory.path(), 1, files.map(write));
}

#[test]
fn a_damaged_block_fails_the_run_and_says_which_file_to_delete() {
    let data = vectors(50);
    let directory = half_trained(&data);
    let path = path(directory.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let run = Run::start(plan(mlp(2), in_directory(directory.path(), true), &data));
    run.training.start_block(1).unwrap();
    let Event::Failed { block: 1, error } = run.next() else { panic!("not failed") };
    assert_eq!(error.0.code, Code::CheckpointCorrupt);
    assert!(error.0.what.contains("block-0001") && error.0.hint.contains("delete this file"), "{}", error.0);
    drop(run);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        sha256(plan(mlp(2), in_directory(directory.path(), true), &data)),
        sha256(plan(mlp(2), options(8), &data))
    );
}

#[test]
fn a_job_comes_back_as_it_was_saved() {
    let data = vectors(50);
    let directory = half_trained(&data);
    let plan = plan(mlp(2), in_directory(directory.path(), true), &data);
    let checkpoint = Checkpoint::open(directory.path(), &plan, true).unwrap();
    let Some(Saved::Running(back)) = checkpoint.load(&plan, 1, &Device::Cpu).unwrap() else { panic!("not running") };
    let expected = job(&plan, 1, 9);
    assert_eq!(back.state().unwrap(), expected.state().unwrap());
    assert_eq!((back.progress.step, back.progress.loss_sum), (9, expected.progress.loss_sum));
    assert_eq!(back.progress.losses, expected.progress.losses);
    assert!(matches!(checkpoint.load(&plan, 2, &Device::Cpu).unwrap(), Some(Saved::Finished(_, weights)) if weights
        == job(&plan, 2, u64::MAX).weights(&plan).unwrap()));
    std::fs::remove_file(path(directory.path(), 2)).unwrap();
    assert!(checkpoint.load(&plan, 2, &Device::Cpu).unwrap().is_none());
}
