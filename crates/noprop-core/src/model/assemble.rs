//! Parts into one model. Whether they belong together is read off the parts alone: they may come from any machine.

use super::part::{BlockReport, PartFile, of_kind, told};
use super::tensors::check_finite;
use super::{Model, Weights};
use crate::error::{Code, Error, Result};
use crate::storage::WeightStore;
use crate::storage::container::{from_bytes, hexadecimal};
use crate::storage::weights::pieces;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

impl Model {
    /// Puts parts together. The same block may come several times if it is the same each time.
    ///
    /// # Errors
    /// [`Code::Parts`] where blocks are missing, differ or were stopped, or where parts are of different runs; those of files
    /// ([`Model::load`]), naming the file.
    pub fn assemble(paths: &[PathBuf]) -> Result<Model> {
        assemble(paths, |_| Ok(()))
    }

    /// Puts parts together, which must be those of `run`, its device named by its kind.
    ///
    /// # Errors
    /// Those of [`assemble`](Self::assemble); [`Code::Parts`] for a part of another run.
    pub fn assemble_run(paths: &[PathBuf], run: &Value) -> Result<Model> {
        assemble(paths, |part| part.check_run(run))
    }

    /// Checks the whole file of a part of one block, which must be one of `run`, its device named by its kind. Returns the block, the
    /// SHA-256 of its weights and the event of its end.
    ///
    /// # Errors
    /// Those of [`assemble_run`](Self::assemble_run).
    pub fn check_part(path: &Path, run: &Value) -> Result<(usize, String, Value)> {
        let mut part = PartFile::open(path)?;
        part.check_run(run)?;
        let [report] = &part.part.blocks[..] else {
            return Err(Error::new(Code::Parts, format!("{} is no part of one block", path.display()))
                .expected("one block")
                .received(told(part.part.blocks.iter().map(|report| report.block))));
        };
        let report = report.clone();
        let len = part.checked.layout_of(report.block).weights();
        part.weights(&report, 0, len)?;
        Ok((report.block, part.digests[0].clone(), report.event))
    }
}

fn assemble(paths: &[PathBuf], check: impl Fn(&PartFile) -> Result<()>) -> Result<Model> {
    let mut whole: Option<Whole> = None;
    for path in paths {
        let mut part = PartFile::open(path)?;
        check(&part)?;
        let whole = match &mut whole {
            Some(whole) => {
                whole.check(&part)?;
                whole
            }
            empty => empty.insert(Whole::new(&part)?),
        };
        whole.take(&mut part)?;
    }
    let no_part = || Error::new(Code::Parts, "there is no part to assemble").expected("the files of all parts");
    whole.ok_or_else(no_part)?.finish()
}

impl PartFile {
    /// Whether it is a part of `run`.
    fn check_run(&self, run: &Value) -> Result<()> {
        let own = of_kind(self.part.run.clone());
        let mut differences = Vec::new();
        compare("", run, &own, &mut differences);
        compare("model", &run["model"], &json!(self.checked.blocks().config), &mut differences);
        let Some((name, expected, received)) = differences.into_iter().next() else { return Ok(()) };
        Err(Error::new(Code::Parts, format!("{} is a part of another run: {name} differs", self.path.display()))
            .expected(format!("{name} {expected}"))
            .received(received)
            .hint("remove it, and train its block again"))
    }

    /// The weights of its so many-th block, which come next in the file.
    fn weights(&mut self, report: &BlockReport, index: usize, len: usize) -> Result<Vec<f32>> {
        let block = report.block;
        if report.stopped {
            return Err(Error::new(Code::Parts, format!("block {block} of {} was stopped", self.path.display()))
                .expected("blocks that trained to their end")
                .received(format!("one that ended after {} epochs", report.epochs))
                .hint("train it again; with --checkpoint and --resume it goes on from where it was"));
        }
        let mut weights = crate::memory::reserved(len, "the weights of a block")?;
        let mut hash = Sha256::new();
        let checked = &self.checked;
        pieces(&mut self.file, len, |first, bytes| {
            hash.update(bytes);
            let values = from_bytes(bytes);
            check_finite(checked, block, first, &values)?;
            weights.extend_from_slice(&values);
            Ok(())
        })
        .map_err(|error| named(&self.path, error))?;
        if hexadecimal(&hash.finalize()) != self.digests[index] {
            let damaged = Error::new(Code::ModelFormat, format!("the weights of block {block} are damaged"))
                .expected("bytes that match their checksum")
                .hint("get the file again from where it was trained, or train its blocks again");
            return Err(named(&self.path, damaged));
        }
        Ok(weights)
    }
}

impl Model {
    /// The events of the ends of the blocks that parts hold, each block once, in their order.
    ///
    /// # Errors
    /// Those of the files, as [`Model::assemble`] has them.
    pub fn part_events(paths: &[PathBuf]) -> Result<Vec<Value>> {
        let mut events = BTreeMap::new();
        for path in paths {
            let reports = PartFile::open(path)?.part.blocks;
            events.extend(reports.into_iter().map(|report| (report.block, report.event)));
        }
        Ok(events.into_values().collect())
    }
}

/// What has been put together so far.
struct Whole {
    first: PathBuf,
    model: Model,
    run: Value,
    store: WeightStore,
    blocks: BTreeMap<usize, (BlockReport, String, PathBuf)>,
}

impl Whole {
    fn new(part: &PartFile) -> Result<Self> {
        let checked = part.checked.clone();
        let store = WeightStore::temporary_of(&checked.weights_of_jobs())?;
        let model = Model::of(checked, Weights::None, part.training.clone());
        let (first, run) = (part.path.clone(), part.part.run.clone());
        Ok(Self { first, model, run, store, blocks: BTreeMap::new() })
    }

    /// Whether a part belongs to the same run as the first one.
    fn check(&self, part: &PartFile) -> Result<()> {
        let config = [&self.model.checked.config, &part.checked.config].map(|config| json!(config));
        let mut differences = Vec::new();
        compare("model", &config[0], &config[1], &mut differences);
        compare("", &self.run, &part.part.run, &mut differences);
        let Some((name, expected, received)) = differences.into_iter().next() else { return Ok(()) };
        Err(Error::new(
            Code::Parts,
            format!("{} and {} are parts of different runs: {name} differs", self.first.display(), part.path.display()),
        )
        .expected(format!("{name} {expected} in every part"))
        .received(received)
        .hint("assemble parts of one run: the same model, options, data, version of noprop and kind of processor"))
    }

    /// Copies the weights of a part.
    fn take(&mut self, part: &mut PartFile) -> Result<()> {
        for (index, report) in part.part.blocks.clone().iter().enumerate() {
            let (block, len) = (report.block, self.store.len(report.block));
            let weights = part.weights(report, index, len)?;
            let digest = &part.digests[index];
            match self.blocks.get(&block) {
                Some((_, other, path)) if other != digest => {
                    return Err(Error::new(Code::Parts, format!("block {block} comes twice, with different weights"))
                        .expected("the same weights wherever a block was trained")
                        .received(format!("{} and {}", path.display(), part.path.display()))
                        .hint("one of the machines computes wrongly, or a file was changed: train the block again on both"));
                }
                Some(_) => continue,
                None => {}
            }
            self.store.write(block, &weights)?;
            self.blocks.insert(block, (report.clone(), digest.clone(), part.path.clone()));
        }
        let encoder = part.encoder().map_err(|error| named(&part.path, error))?;
        let sums = [&self.model.encoder, &encoder].map(|encoder| encoder.as_ref().map(|encoder| encoder.sha256()));
        let [own, other] = sums.map(|sum| sum.transpose());
        let (own, other) = (own?, other?);
        if own.is_some() && own != other {
            return Err(Error::new(Code::Parts, "the parts were trained on the features of different encoders")
                .expected("one encoder")
                .received(format!("{} and {}", self.first.display(), part.path.display()))
                .hint("train all parts with the same encoder (--encoder, option encoder)"));
        }
        self.model.encoder = encoder;
        Ok(())
    }

    fn finish(self) -> Result<Model> {
        let jobs = self.model.checked.jobs();
        let missing: Vec<_> = (1..=jobs).filter(|block| !self.blocks.contains_key(block)).collect();
        if !missing.is_empty() {
            return Err(Error::new(
                Code::Parts,
                format!(
                    "{} missing",
                    match missing.len() {
                        1 => format!("{} is", told(missing.into_iter())),
                        _ => format!("{} are", told(missing.into_iter())),
                    }
                ),
            )
            .expected(format!("all {jobs} blocks"))
            .received(told(self.blocks.keys().copied()))
            .hint("train those that are missing (--only-blocks, onlyBlocks) and assemble all parts"));
        }
        let mut training = self.model.training.clone();
        let early: Vec<_> = self.blocks.into_values().filter_map(|(report, ..)| report.early).collect();
        if let Some(record) = training.as_object_mut() {
            record.remove("ended");
            if !early.is_empty() {
                record.insert("ended".to_owned(), json!(early));
            }
        }
        Ok(self.model.with_weights(self.store, training))
    }
}

fn named(path: &Path, mut error: Error) -> Error {
    error.what = format!("{}: {}", path.display(), error.what);
    error
}

/// Collects the values that differ, by their names, with both values.
pub(super) fn compare(name: &str, left: &Value, right: &Value, differences: &mut Vec<(String, String, String)>) {
    let (Value::Object(one), Value::Object(other)) = (left, right) else {
        if left != right {
            let short = |value: &Value| value.to_string().chars().take(80).collect();
            differences.push((name.to_owned(), short(left), short(right)));
        }
        return;
    };
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for key in names {
        let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        compare(&name, one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null), differences);
    }
}
