//! Working with trained blocks: some trained anew, further ones behind them, the last ones dropped, several models averaged.
//!
//! A block belongs to the noise that it gets, ᾱ_{t−1}: what it is trained on depends on nothing else of the schedule. (A factor of its loss,
//! `weighting`, does, which AdamW does not see.) So the chain stays sound as long as these levels rise, and a block keeps its own wherever the
//! chain ends. Blocks of `diffusion-blocks` share one range of noise among them: none can be added or taken away.

use super::assemble::compare;
use super::{Model, Weights, history};
use crate::config::{Append, CheckedConfig, FitOptions, HeadConfig, ModelConfig, out_of_range};
use crate::diffusion::{MAX_BLOCKS, ScheduleConfig};
use crate::error::{Code, Error, Result};
use crate::math::{asin, sin};
use crate::memory::reserved;
use crate::method::MethodConfig;
use crate::storage::WeightStore;
use candle_core::Device;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most models of which a mean is taken.
const MOST_AVERAGED: usize = 100;

impl Model {
    /// What a training with these options trains: the model as it is, or with the blocks that are appended to it.
    ///
    /// # Errors
    /// [`Code::Option`] where blocks cannot be trained alone or appended, [`Code::NotTrained`] where there is nothing to keep.
    pub fn to_train(&self, options: &FitOptions) -> Result<CheckedConfig> {
        let Some(name) = options.keeps() else { return Ok(self.checked.blocks().clone()) };
        self.check_separate(&format!("option {name}"))?;
        self.check_trained()?;
        match &options.append {
            Some(append) => self.longer(append).map(|checked| checked.blocks().clone()),
            None => Ok(self.checked.blocks().clone()),
        }
    }

    /// Whether its blocks are jobs of their own.
    fn check_separate(&self, what: &str) -> Result<()> {
        let config = &self.checked.config;
        let method = config.method.name();
        let has_blocks = matches!(config.method, MethodConfig::Dt { .. } | MethodConfig::DiffusionBlocks { .. });
        if has_blocks && !self.checked.is_coupled() {
            return Ok(());
        }
        let mut name = method.to_owned();
        if has_blocks {
            name += &format!(" with {} embeddings", config.embedding.name());
        }
        Err(Error::new(Code::Option, format!("{what} does not apply to method {name}"))
            .expected(
                "a model whose blocks are each trained alone: method dt or diffusion-blocks, with fixed embeddings",
            )
            .received(format!("one that is trained as one job ({name})"))
            .hint("train the whole on instead (continue, noprop train --from)"))
    }

    /// Whether its blocks have levels of noise of their own.
    fn check_levels(&self, what: &str) -> Result<()> {
        self.check_separate(what)?;
        if self.checked.config.method.has_schedule() {
            return Ok(());
        }
        let method = self.checked.config.method.name();
        Err(Error::new(Code::Option, format!("{what} does not apply to method {method}"))
            .expected("method dt, whose blocks each have a level of noise of their own")
            .received(format!("{method}, whose {} blocks share one range of noise among them", self.checked.config.blocks))
            .hint("with another number of blocks each would own another range: train such a model; stopAfter ends the chain earlier"))
    }

    /// The configuration with further blocks at the end, at levels between that of the last block and the end of the chain.
    fn longer(&self, append: &Append) -> Result<CheckedConfig> {
        self.check_levels("option append")?;
        let (schedule, blocks) = (&self.checked.schedule, self.checked.config.blocks);
        let (last, end) = (schedule.alpha_bar(blocks - 1), schedule.alpha_bar(blocks));
        if last >= end {
            return Err(Error::new(Code::Option, "no block can be appended: the last one gets a label without noise")
                .expected("a schedule whose last block gets less signal than the chain ends with")
                .received(format!("a signal share of {last} before the last block and {end} after it"))
                .hint("drop the last block first, which makes room"));
        }
        let levels = match append {
            Append::Blocks(count) => {
                if !(1..=MAX_BLOCKS - blocks).contains(count) {
                    let range = format!("1 to {}: a model has at most {MAX_BLOCKS} blocks", MAX_BLOCKS - blocks);
                    return Err(out_of_range("append", range, count));
                }
                between(last, end, *count)
            }
            Append::Levels(levels) => {
                let mut before = last;
                for level in levels {
                    if !(*level > before && *level < end) {
                        let range = format!(
                            "signal shares that rise, all above {last:.6} (the last block's) and below {end:.6}"
                        );
                        return Err(Error::new(Code::Option, "a level of an appended block does not fit")
                            .expected(range)
                            .received(level.to_string()));
                    }
                    before = *level;
                }
                if levels.is_empty() {
                    return Err(out_of_range("append", "at least one signal share", "none"));
                }
                levels.clone()
            }
        };
        let before = (0..blocks).map(|t| schedule.alpha_bar(t));
        self.checked.on_levels(before.chain(levels).chain([end]).collect())
    }

    /// The model without its last `count` blocks. Those that stay keep their levels of noise; the last of them leads to the end of the chain.
    ///
    /// # Errors
    /// [`Code::Option`] for more blocks than can go, or a method whose blocks have no levels of their own; [`Code::NotTrained`].
    pub fn without_last(&self, count: usize) -> Result<Model> {
        self.check_levels("dropping blocks")?;
        self.check_trained()?;
        let blocks = self.checked.config.blocks;
        if count == 0 || count >= blocks {
            let error = Error::new(Code::Option, format!("{count} of {blocks} blocks cannot be dropped"));
            return Err(error.expected("at least 1, and at least one that stays").received(count.to_string()));
        }
        let left = blocks - count;
        let checked = self.checked.of_first(left, true)?;
        let store = WeightStore::temporary_of(&checked.weights_of_jobs())?;
        for job in 1..=checked.jobs() {
            store.write(job, &self.values(self.place_of(job, &checked))?)?;
        }
        let rows: Vec<_> =
            (1..=checked.jobs()).map(|job| history::Row::Kept(self.place_of(job, &checked) - 1)).collect();
        let history = history::of_rows(&self.history, &Value::Null, &rows);
        let change = json!({ "dropped": (left + 1..=blocks).collect::<Vec<_>>() });
        Ok(self.changed(checked, Weights::stored(store), change).with_history(history))
    }

    /// The model with the blocks that a run of [`to_train`](Self::to_train) has trained. `record` says what trained them and `history` how their
    /// losses went, in the order of the blocks.
    ///
    /// # Errors
    /// Those of reading weights.
    pub fn with_blocks(
        &self,
        mut checked: CheckedConfig,
        store: WeightStore,
        trained: &[usize],
        mut record: Value,
        history: &Value,
    ) -> Result<Model> {
        // The training knows nothing of an encoder, and its seed may be another.
        checked.config.seed = self.checked.config.seed;
        let checked = self.checked.clone().with_blocks(checked);
        let mut rows = Vec::new();
        for job in 1..=checked.jobs() {
            if let Ok(place) = trained.binary_search(&job) {
                rows.push(history::Row::Made(place));
                continue;
            }
            let from = self.place_of(job, &checked);
            store.write(job, &self.values(from)?)?;
            rows.push(history::Row::Kept(from - 1));
        }
        let is_longer = checked.config.blocks > self.checked.config.blocks;
        record[if is_longer { "appended" } else { "retrained" }] = json!(trained);
        let history = history::of_rows(&self.history, history, &rows);
        Ok(self.changed(checked, Weights::stored(store), record).with_history(history))
    }

    /// Where a job (from 1) of a model with another number of blocks is in this one: the head is the last.
    fn place_of(&self, job: usize, other: &CheckedConfig) -> usize {
        if other.head_of(job).is_some() { self.checked.jobs() } else { job }
    }

    /// Another model made of this one, whose record says how.
    fn changed(&self, checked: CheckedConfig, weights: Weights, change: Value) -> Model {
        let mut training = self.training.clone();
        if !training.is_object() {
            training = json!({});
        }
        if !training["changes"].is_array() {
            training["changes"] = json!([]);
        }
        if let Some(changes) = training["changes"].as_array_mut() {
            changes.push(change);
        }
        Model { encoder: self.encoder.clone(), ..Model::of(checked, weights, training) }
    }

    /// Parameters and statistics of a job (from 1).
    fn values(&self, job: usize) -> Result<Vec<f32>> {
        Ok(self.block(job, &Device::Cpu)?.flatten_all()?.to_vec1()?)
    }

    /// How often its weights have been trained on, in whole or in part.
    pub fn rounds(&self) -> u64 {
        rounds(&self.training)
    }

    /// The model whose weights, and running statistics, are the means of those of several models of the same configuration and data. It
    /// does not depend on the order in which they come.
    ///
    /// # Errors
    /// [`Code::Option`] for fewer than two, or models that differ in configuration or data; [`Code::NotTrained`].
    pub fn average(models: &[Arc<Model>]) -> Result<Model> {
        if !(2..=MOST_AVERAGED).contains(&models.len()) {
            return Err(Error::new(Code::Option, "this number of models cannot be averaged")
                .expected(format!("2 to {MOST_AVERAGED} models"))
                .received(models.len().to_string()));
        }
        for (number, model) in models.iter().enumerate() {
            model.check_trained()?;
            same(&models[0], model, number + 1)?;
        }
        let mut models = models.iter().map(|model| Ok((model.weights_sha256()?, model))).collect::<Result<Vec<_>>>()?;
        // A sum in an order that the weights decide.
        models.sort_by(|one, other| one.0.cmp(&other.0));
        let (_, first) = &models[0];
        let store = WeightStore::temporary_of(&first.checked.weights_of_jobs())?;
        for job in 1..=first.checked.jobs() {
            let len = store.len(job);
            let mut sums: Vec<f64> = reserved(len, "the sums of weights")?;
            sums.resize(len, 0.0);
            for (_, model) in &models {
                sums.iter_mut().zip(model.values(job)?).for_each(|(sum, value)| *sum += f64::from(value));
            }
            let mut means = reserved(len, "the means of weights")?;
            means.extend(sums.iter().map(|sum| (sum / models.len() as f64) as f32));
            store.write(job, &means)?;
        }
        let of: Vec<_> = models
            .iter()
            .map(|(sha256, model)| json!({ "weightsSha256": sha256, "training": model.training }))
            .collect();
        let mut record = first.training.clone();
        if let Some(record) = record.as_object_mut() {
            record.remove("changes");
        }
        let plain = Model { encoder: first.encoder.clone(), ..Model::of(first.checked.clone(), Weights::None, record) };
        Ok(plain.changed(first.checked.clone(), Weights::stored(store), json!({ "averaged": of })))
    }
}

impl CheckedConfig {
    /// The configuration with blocks at these levels, and the end of the chain.
    fn on_levels(&self, alpha_bar: Vec<f64>) -> Result<Self> {
        let (blocks, schedule) = (alpha_bar.len() - 1, ScheduleConfig::Custom { alpha_bar });
        ModelConfig { blocks, schedule, ..self.config.clone() }.check()
    }

    /// The configuration of the first `blocks` blocks alone, with or without the head. They keep their levels of noise, and the last of them
    /// leads to the end of the chain.
    pub(crate) fn of_first(&self, blocks: usize, has_head: bool) -> Result<Self> {
        let mut of = self.clone();
        if !has_head {
            of.config.head = HeadConfig::None;
        }
        if blocks == self.config.blocks {
            return of.config.check();
        }
        let levels = (0..blocks).map(|t| self.schedule.alpha_bar(t));
        of.on_levels(levels.chain([self.schedule.alpha_bar(self.config.blocks)]).collect())
    }
}

/// Levels of `count` blocks between two: even in the angle whose squared sine they are, as the cosine schedule is.
fn between(last: f64, end: f64, count: usize) -> Vec<f64> {
    let [from, to] = [last, end].map(|level| asin(level.sqrt()));
    let angle = |place: usize| from + (to - from) * place as f64 / (count + 1) as f64;
    (1..=count).map(|place| sin(angle(place)).powi(2)).collect()
}

/// Whether a model is of the same configuration and data as the first.
fn same(first: &Model, model: &Model, number: usize) -> Result<()> {
    let mut differences = Vec::new();
    let [one, other] = [first, model].map(|model| json!(model.checked.config));
    compare("model", &one, &other, &mut differences);
    let blocks = first.checked.config.blocks;
    let [one, other] = [first, model].map(|model| begun(&model.training, model.checked.config.seed, blocks));
    if let Some(block) = (0..blocks).find(|block| one[*block] != other[*block]) {
        let name = format!("the seed that block {} began with", block + 1);
        differences.push((name, one[block].to_string(), other[block].to_string()));
    }
    let [one, other] = [first, model].map(|model| model.encoder.as_ref().map(|encoder| encoder.sha256()).transpose());
    compare("encoder", &json!(one?), &json!(other?), &mut differences);
    compare("data", &first.training["fingerprint"], &model.training["fingerprint"], &mut differences);
    let Some((name, expected, received)) = differences.into_iter().next() else { return Ok(()) };
    let hint = match &name[..] {
        name if name.contains("seed") => {
            "nets that began with other weights have their units in other places, and a mean of those is none; average models that went on \
             from the same one"
        }
        _ => "average models of one configuration that learned from the same data",
    };
    Err(Error::new(Code::Option, format!("model {number} cannot be averaged with the first: {name} differs"))
        .expected(format!("{name} {expected} in all"))
        .received(received)
        .hint(hint))
}

/// The seed of the weights that each block began with: that of the model, or of the training that last began it anew.
fn begun(record: &Value, seed: u64, blocks: usize) -> Vec<u64> {
    let mut seeds = vec![seed; blocks];
    for change in record["changes"].as_array().into_iter().flatten() {
        // A mean is of models that began alike.
        if let Some(first) = change["averaged"].get(0) {
            seeds = begun(&first["training"], seed, blocks);
        }
        // One that went on has a round.
        if change["round"].is_u64() {
            continue;
        }
        let trained = [&change["retrained"], &change["appended"]].into_iter().filter_map(Value::as_array).flatten();
        for block in trained.filter_map(Value::as_u64) {
            if let Some(begun) = seeds.get_mut((block as usize).wrapping_sub(1)) {
                *begun = change["seed"].as_u64().unwrap_or(seed);
            }
        }
    }
    seeds
}

fn rounds(record: &Value) -> u64 {
    let own = |record: &Value| record["round"].as_u64().unwrap_or(0);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of_change = |change: Value| {
        let averaged = list(&change["averaged"]).iter().map(|each| rounds(&each["training"])).max();
        own(&change).max(averaged.unwrap_or(0))
    };
    own(record).max(list(&record["changes"]).into_iter().map(of_change).max().unwrap_or(0))
}
