//! What each block adds: how good the classes are after it, how good the whole is without it, and how much of its answer comes
//! from the image. A block that is inert, or that reads the class off its state alone, looks trained by its loss.

use super::processor::{Processor, Seen};
use super::{ReadoutChoice, SampleOptions, encode, finite, readout};
use crate::config;
use crate::data::Dataset;
use crate::error::{Code, Error, Result};
use crate::method::MethodConfig;
use crate::model::Model;
use crate::rng;
use crate::tensor::StopFlag;
use crate::train::plan::check_shape;
use serde::Serialize;

/// What a block adds to the chain. Accuracies are those of the class read off a state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contribution {
    /// The block, from 1.
    pub block: usize,
    /// Accuracy of its input z_{t−1}.
    pub accuracy_before: f64,
    /// Accuracy of its output z_t.
    pub accuracy_after: f64,
    /// Accuracy of z_T where this block is skipped: the next one gets z_{t−1} as it is.
    pub accuracy_skipped: f64,
    /// Accuracy of z_t where this block, and no other, sees another sample's image in place of the sample's own.
    pub accuracy_from_z: f64,
    /// Why the block adds nothing, if it does not.
    pub adds_nothing: Option<AddsNothing>,
}

/// Why a block adds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddsNothing {
    /// Its output is as good with another sample's image: it makes nothing of the image.
    ImageUnused,
    /// The whole is as good without it.
    AsGoodWithout,
}

/// Measures what each block adds, on the processor. It costs about T / 2 evaluations.
///
/// # Errors
/// Those of [`evaluate`](super::evaluate); [`Code::Option`] for a method without independent blocks; [`Code::Shape`] for a single sample, beside which there is no other image.
pub fn contributions(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
) -> Result<Vec<Contribution>> {
    let seen = encode::seen(model, data, options, stop)?;
    let (model, data) = seen.parts();
    let unfolded = model.unfolded()?;
    let model = unfolded.as_deref().unwrap_or(model);
    let (asked, jobs) = (&model.checked.config, model.checked.method.jobs());
    if !matches!(asked.method, MethodConfig::Dt { .. } | MethodConfig::DiffusionBlocks { .. }) {
        let method = asked.method.name();
        return Err(Error::new(
            Code::Option,
            format!("a model of method {method} is trained as one, without blocks to measure"),
        )
        .expected("method dt or diffusion-blocks")
        .received(method));
    }
    super::check_classes(model)?;
    super::views::refuse(options, "option blocks")?;
    if options.confidence.is_some() || options.stop_after.is_some() || options.readout != ReadoutChoice::State {
        return Err(Error::new(Code::Option, "what blocks add is measured on the whole chain alone")
            .expected("option blocks without confidence, stopAfter and readout")
            .received("both"));
    }
    let targets = data.class_indices(&asked.classes)?;
    model.check_trained()?;
    check_shape(&model.checked, data)?;
    if data.samples() < 2 {
        return Err(Error::new(Code::Shape, "a single sample does not tell what blocks make of images")
            .expected("at least 2 samples")
            .received("1 sample"));
    }
    let (width, readout) = (model.checked.vectors.width(), readout(model)?);
    let accuracy = |states: &[f32]| {
        let pairs = states.chunks_exact(width).zip(&targets);
        pairs.filter(|(z, target)| readout.class(z) == **target as usize).count() as f64 / targets.len() as f64
    };
    let others = others(options.seed, data.samples());
    let mut processor = Processor::new(model, data, options, config::threads(options.threads)?, stop)?;
    let mut states = processor.initial()?;
    let mut before = accuracy(&states);
    let mut found = Vec::with_capacity(jobs);
    let mut trial = states.clone();
    for block in 1..=jobs {
        trial.copy_from_slice(&states);
        for later in block + 1..=jobs {
            processor.advance(later, Seen::default(), &mut trial)?;
        }
        let accuracy_skipped = accuracy(&trial);
        trial.copy_from_slice(&states);
        processor.advance(block, Seen { images: Some(&others), recorder: None }, &mut trial)?;
        let accuracy_from_z = accuracy(&trial);
        processor.advance(block, Seen::default(), &mut states)?;
        let accuracy_after = accuracy(&states);
        found.push(Contribution {
            block,
            accuracy_before: before,
            accuracy_after,
            accuracy_skipped,
            accuracy_from_z,
            adds_nothing: None,
        });
        before = accuracy_after;
    }
    finite(states)?;
    for each in &mut found {
        each.adds_nothing = if each.accuracy_from_z >= each.accuracy_after {
            Some(AddsNothing::ImageUnused)
        } else if each.accuracy_skipped >= before {
            Some(AddsNothing::AsGoodWithout)
        } else {
            None
        };
    }
    Ok(found)
}

/// For each sample another one, by chance: the next one of a random order.
fn others(seed: u64, samples: usize) -> Vec<u32> {
    let (mut order, mut others) = (Vec::new(), vec![0; samples]);
    rng::fill_epoch_order(seed, 0, samples, &mut Vec::new(), &mut order);
    for (place, sample) in order.iter().enumerate() {
        others[*sample as usize] = order[(place + 1) % samples];
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;
    use crate::data::{InputShape, Pixels};
    use crate::inference::evaluate;
    use crate::storage::WeightStore;
    use serde_json::Value;

    /// A net of one linear layer and a softmax, on x alone or on z alone: it says what it is told to.
    fn model(nodes: &str, blocks: &[f32]) -> Model {
        let json = format!(
            r#"{{"input":[3],"classes":[0,1,2],"blocks":{},"net":{{"type":"graph","nodes":[{nodes}]}}}}"#,
            blocks.len()
        );
        let model = Model::new(from_json(&json).unwrap()).unwrap();
        let layout = &model.checked.layout;
        let store = WeightStore::temporary(blocks.len(), layout.weights()).unwrap();
        for (block, scale) in blocks.iter().enumerate() {
            let mut weights = vec![0.0; layout.weights()];
            let matrix = layout.entries().iter().find(|entry| entry.shape == [3, 3]).unwrap();
            (0..3).for_each(|k| weights[matrix.slot.offset + 4 * k] = *scale);
            store.write(block + 1, &weights).unwrap();
        }
        model.with_weights(store, Value::Null)
    }

    /// One-hot images of their classes, each with a little of its own.
    fn data() -> Dataset {
        let labels: Vec<i32> = (0..300).map(|sample| sample % 3).collect();
        let value = |(sample, k): (usize, usize)| if k == sample % 3 { 1.0 } else { sample as f32 / 1000.0 };
        let values = (0..300).flat_map(|sample| (0..3).map(move |k| (sample, k))).map(value).collect();
        Dataset::from_arrays(Pixels::F32(values), InputShape::Vector { len: 3 }, Some(labels)).unwrap()
    }

    fn report(model: &Model) -> Vec<Contribution> {
        contributions(model, &data(), &SampleOptions::default(), &StopFlag::new()).unwrap()
    }

    #[test]
    fn a_block_that_reads_the_image_adds_and_an_inert_one_does_not() {
        let of_x = r#"{"op":"linear","from":"x","units":3},{"op":"softmax"}"#;
        // The second block says 1/3 of each class whatever it sees.
        let model = model(of_x, &[20.0, 0.0, 20.0]);
        let found = report(&model);
        let whole = evaluate(&model, &data(), SampleOptions::default(), &StopFlag::new()).unwrap();
        let after: Vec<_> = found.iter().map(|block| block.accuracy_after).collect();
        assert_eq!(after, whole.accuracy_per_block);
        assert_eq!(found[1].accuracy_before, found[0].accuracy_after);
        assert_eq!((found[1].accuracy_from_z, found[1].adds_nothing), (after[1], Some(AddsNothing::ImageUnused)));
        // The first and the third see all that there is to see: either is enough.
        assert_eq!([found[0].accuracy_skipped, found[2].accuracy_skipped, after[2]], [1.0; 3]);
        assert_eq!([found[0], found[2]].map(|block| block.adds_nothing), [Some(AddsNothing::AsGoodWithout); 2]);
        // Another sample is of the same class one time in three; 0.1 is more than three deviations of 300.
        assert!((found[2].accuracy_from_z - 1.0 / 3.0).abs() < 0.1, "{:?}", found[2]);
        let found = report(&self::model(of_x, &[0.0, 20.0]));
        assert_eq!(found[1].adds_nothing, None);
        assert_eq!(found[1].accuracy_skipped, found[1].accuracy_before);
    }

    #[test]
    fn a_block_that_reads_the_class_off_z_is_named() {
        let of_z = r#"{"op":"linear","from":"z","units":3},{"op":"softmax"}"#;
        let found = report(&model(of_z, &[20.0, 20.0]));
        assert!(found.iter().all(|block| block.adds_nothing == Some(AddsNothing::ImageUnused)), "{found:?}");
    }

    #[test]
    fn nobody_sees_their_own_image_and_everybody_is_seen_once() {
        for samples in [2, 3, 500] {
            let mut all = others(4, samples);
            assert!(all.iter().enumerate().all(|(sample, other)| sample != *other as usize));
            all.sort_unstable();
            assert!(all.iter().enumerate().all(|(place, sample)| place == *sample as usize));
        }
        let one = Dataset::from_arrays(Pixels::U8(vec![1; 3]), InputShape::Vector { len: 3 }, Some(vec![0])).unwrap();
        let of_x = r#"{"op":"linear","from":"x","units":3},{"op":"softmax"}"#;
        let (model, stop) = (model(of_x, &[1.0]), StopFlag::new());
        let options = SampleOptions::default();
        assert_eq!(contributions(&model, &one, &options, &stop).unwrap_err().code, Code::Shape);
        stop.stop();
        assert_eq!(contributions(&model, &data(), &options, &stop).unwrap_err().code, Code::Cancelled);
    }
}
