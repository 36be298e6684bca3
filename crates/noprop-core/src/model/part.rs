//! A part of a model: the weights of some blocks of a run, in a file of its own that says which run it was. It has what it takes to put
//! parts together on another machine: `assemble.rs`.

use super::Model;
use super::encoder::{self, Encoder};
use super::tensors::tensors_of;
use crate::config::{CheckedConfig, ModelConfig, from_json};
use crate::error::{Code, Error, Result};
use crate::storage::container::{self, Header, hexadecimal, put};
use crate::storage::{atomic, open_file};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a part's file says it is.
pub(super) const FORMAT: &str = "noprop-part";
/// Version of its format.
const VERSION: &str = "1";

/// Which blocks there are, and of which run.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Everything that the weights depend on, the version of noprop and the kind of processor included.
    pub run: Value,
    /// The blocks, in their order.
    pub blocks: Vec<BlockReport>,
}

/// What is known of a trained block beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlockReport {
    /// The block, from 1.
    pub block: usize,
    /// Epochs that it finished.
    pub epochs: usize,
    /// Whether it was told to end with what it had: other runs would give other weights.
    pub stopped: bool,
    /// What the record of the training says of it, where it ended before its last epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<Value>,
    /// The event of its end.
    pub event: Value,
}

/// A run with its device named by its kind alone (`cpu-avx512`, `cuda-nvidia-h100-80gb-hbm3`), as machines tell each other of it.
pub fn of_kind(mut run: Value) -> Value {
    let device = &run["device"];
    let name = device["name"].as_str().unwrap_or_default().to_lowercase();
    let kind = match device["instructionSet"].as_str() {
        Some(set) => format!("{name}-{set}"),
        None => {
            let words: Vec<_> =
                name.split(|at: char| !at.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
            format!("cuda-{}", words.join("-"))
        }
    };
    run["device"] = json!(kind);
    run
}

/// A report in a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    report: BlockReport,
    /// Of the block's weights.
    sha256: String,
}

/// A part's file that has been opened and checked, but for its weights.
pub(super) struct PartFile {
    pub path: PathBuf,
    /// At the beginning of the weights.
    pub file: File,
    pub checked: CheckedConfig,
    /// What trained it, as a model file says it.
    pub training: Value,
    pub part: Part,
    /// Of each block's weights.
    pub digests: Vec<String>,
}

impl Part {
    pub(super) fn is_no_model(&self, blocks: usize) -> Error {
        Error::new(Code::NotTrained, "this is a part of a model")
            .expected(format!("all {blocks} blocks"))
            .received(told(self.blocks.iter().map(|report| report.block)))
            .hint("save it, and put all parts together: NoProp.assemble, noprop assemble")
    }
}

/// The error of a part's file where a model's is expected.
pub(super) fn is_part(entries: &str) -> Error {
    let entries: Vec<Entry> = serde_json::from_str(entries).unwrap_or_default();
    Error::new(Code::ModelFormat, "this file holds a part of a model")
        .expected("a whole model")
        .received(told(entries.iter().map(|entry| entry.report.block)))
        .hint("put all parts together first: noprop assemble PART… --out MODEL")
}

/// `block 3`, `blocks 1-3, 7`.
pub(super) fn told(blocks: impl Iterator<Item = usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut count = 0;
    for block in blocks {
        count += 1;
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == block => *last = block,
            _ => ranges.push((block, block)),
        }
    }
    let texts = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    let list = texts.collect::<Vec<_>>().join(", ");
    match count {
        0 => "no block".to_owned(),
        1 => format!("block {list}"),
        _ => format!("blocks {list}"),
    }
}

impl Model {
    /// Writes the file of a part atomically.
    pub(super) fn save_part(&self, part: &Part, path: &Path) -> Result<()> {
        let entry = |report: &BlockReport| {
            let mut hash = Sha256::new();
            self.each_piece(report.block, |bytes| {
                hash.update(bytes);
                Ok(())
            })?;
            Ok(Entry { report: report.clone(), sha256: hexadecimal(&hash.finalize()) })
        };
        let entries = part.blocks.iter().map(entry).collect::<Result<Vec<_>>>()?;
        let texts = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("format_version", VERSION.to_owned()),
            ("config", json!(self.checked.config).to_string()),
            ("training", self.training.to_string()),
            ("run", part.run.to_string()),
            ("blocks", json!(entries).to_string()),
        ]);
        let blocks = part.blocks.iter().map(|report| report.block);
        let encoder = encoder::tensors(&self.checked);
        let header = container::header(&texts, tensors_of(&self.checked, blocks.clone()).chain(encoder));
        atomic::write(path, |writer| {
            put(writer, &header)?;
            blocks.clone().try_for_each(|block| self.each_piece(block, |bytes| put(writer, bytes)))?;
            self.put_encoder(writer)
        })
    }
}

impl PartFile {
    /// The encoder, which stands behind the weights of all blocks.
    pub(super) fn encoder(&mut self) -> Result<Option<Arc<Encoder>>> {
        Encoder::read(&mut self.file, &self.checked, &self.training)
    }

    /// Opens a part's file and checks all but its weights.
    ///
    /// # Errors
    /// [`Code::FileNotFound`], [`Code::ModelFormat`], [`Code::ModelVersion`] or [`Code::ModelTruncated`], naming the file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = open_file(path, Code::ModelFormat)?;
        let named = |mut error: Error| {
            error.what = format!("{}: {}", path.display(), error.what);
            error
        };
        let header = container::read_header(&mut file).map_err(named)?;
        let (checked, training, part, digests) = read(&header).map_err(named)?;
        Ok(Self { path: path.to_owned(), file, checked, training, part, digests })
    }
}

fn read(header: &Header) -> Result<(CheckedConfig, Value, Part, Vec<String>)> {
    let text = |key: &str| header.texts.get(key).map(String::as_str).unwrap_or_default();
    if text("format") != FORMAT {
        return Err(Error::new(Code::ModelFormat, "this is not a part of a model")
            .expected(format!("metadata format {FORMAT:?}"))
            .received(format!("{:?}", text("format")))
            .hint("choose files that a training with --only-blocks (onlyBlocks) saved"));
    }
    if text("format_version") != VERSION {
        return Err(Error::new(Code::ModelVersion, "the part has another version")
            .expected(format!("version {VERSION}"))
            .received(format!("version {:?}", text("format_version")))
            .hint("use the version of noprop that saved it, or train again"));
    }
    let damaged = |what: &str, received: String| {
        Error::new(Code::ModelFormat, format!("its {what} cannot be used"))
            .received(received.chars().take(200).collect::<String>())
            .hint("get the file again from where it was trained, or train its blocks again")
    };
    for name in ["config", "training", "run", "blocks"] {
        container::check_names(name, text(name))?;
    }
    let checked = from_json::<ModelConfig>(text("config"))
        .and_then(ModelConfig::check)
        .map_err(|error| damaged("configuration", error.to_string()))?;
    let value =
        |name: &str| serde_json::from_str::<Value>(text(name)).map_err(|error| damaged(name, error.to_string()));
    let (training, run) = (value("training")?, value("run")?);
    let entries: Vec<Entry> =
        serde_json::from_str(text("blocks")).map_err(|error| damaged("list of blocks", error.to_string()))?;
    let blocks: Vec<usize> = entries.iter().map(|entry| entry.report.block).collect();
    let is_sorted = blocks.windows(2).all(|pair| pair[0] < pair[1]);
    let is_there = |block: &usize| (1..=checked.jobs()).contains(block);
    if blocks.is_empty() || !is_sorted || !blocks.iter().all(is_there) {
        return Err(damaged("list of blocks", told(blocks.into_iter())));
    }
    header.expect(tensors_of(&checked, blocks).chain(encoder::tensors(&checked)))?;
    let (blocks, digests) = entries.into_iter().map(|entry| (entry.report, entry.sha256)).unzip();
    Ok((checked, training, Part { run, blocks }, digests))
}
