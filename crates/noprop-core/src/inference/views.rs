//! Several views of an image: itself, mirrored, moved by a pixel. An answer is then read off the mean of their states, which is often better
//! than any of them. Which views there are is a function of their number alone.

use super::chain::one;
use super::exit::{Ended, Exit};
use super::processor::Processor;
use super::{AfterBlock, SampleOptions};
use crate::config;
use crate::data::{Dataset, InputShape, augment::Change};
use crate::device::DeviceChoice;
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::model::Model;
use crate::ops::{BlockOp, Cut, apply};
use crate::tensor::{Buffer, Real, check};
use std::ops::Range;

/// Where views stand, pixels down and to the right; each is there as it is and mirrored.
const PLACES: [[isize; 2]; 5] = [[0, 0], [-1, -1], [1, 1], [-1, 1], [1, -1]];
/// Greatest number of views.
pub(super) const MOST: usize = 2 * PLACES.len();

/// A view (from 0) of every image.
pub(super) fn view(number: usize) -> Change {
    let [down, right] = PLACES[number / 2];
    Change { down, right, flip: number % 2 == 1, hole: None }
}

/// How many views of each sample are asked for.
///
/// # Errors
/// [`Code::Option`] out of the range, for samples that are no images, or with what is about one view; [`Code::Device`] for GPUs.
pub(super) fn views(model: &Model, options: &SampleOptions) -> Result<usize> {
    let views = options.views.unwrap_or(1);
    if !(1..=MOST).contains(&views) {
        return Err(config::out_of_range("views", format!("1 to {MOST}"), views));
    }
    if views == 1 {
        return Ok(1);
    }
    let input = model.checked.config.input;
    if !matches!(input, InputShape::Image { .. }) {
        return Err(Error::new(Code::Option, "option views needs images")
            .expected("samples of [height, width] or [height, width, channels], or 1 view")
            .received(format!("samples of {input} values")));
    }
    if options.confidence.is_some() {
        return refuse(options, "option confidence").map(|()| 1);
    }
    if let DeviceChoice::Cuda(_) | DeviceChoice::AllCuda = options.device {
        return Err(Error::new(Code::Device, "option views does not serve on GPUs yet")
            .expected("device auto or cpu")
            .received(options.device.to_string()));
    }
    Ok(views)
}

/// Whether there is one view alone, as something else needs it.
///
/// # Errors
/// [`Code::Option`] for more.
pub(super) fn refuse(options: &SampleOptions, what: &str) -> Result<()> {
    match options.views {
        None | Some(1) => Ok(()),
        Some(views) => Err(Error::new(Code::Option, format!("option views does not go with {what}"))
            .expected("one of the two")
            .received(format!("{views} views"))),
    }
}

/// The means of the states of so many views, after each block too.
pub(super) fn mean(
    processor: &mut Processor<'_>,
    model: &Model,
    views: usize,
    exit: Option<Exit>,
    samples: usize,
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let (width, jobs) = (model.checked.vectors.width(), model.checked.method.jobs());
    let len = samples.saturating_mul(width);
    let mut sum = zeros::<f32>(len, "the states of views")?;
    let kept = if after_block.is_some() { jobs } else { 0 };
    let mut after: Vec<Vec<f32>> =
        (0..kept).map(|_| zeros(len, "the states of views after each block")).collect::<Result<_>>()?;
    let mut through = Vec::new();
    for number in 0..views {
        processor.view = Some(view(number));
        let mut gather =
            |block: usize, first: usize, states: &[f32]| add(&mut after[block - 1][first * width..], states);
        let gather: AfterBlock<'_> = if kept > 0 { Some(&mut gather) } else { None };
        let Ended { states, blocks } = one(processor, model, exit, samples, gather)?;
        add(&mut sum, &states);
        through = blocks;
    }
    let average = |states: &mut [f32]| states.iter_mut().for_each(|value| *value /= views as f32);
    average(&mut sum);
    if let Some(after_block) = after_block {
        for (block, states) in after.iter_mut().enumerate() {
            average(states);
            after_block(block + 1, 0, states);
        }
    }
    Ok(Ended { states: sum, blocks: through })
}

fn add(to: &mut [f32], values: &[f32]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += value);
}

/// Samples of a data set, all changed alike.
pub(super) struct Viewed<'a> {
    pub data: &'a Dataset,
    pub samples: &'a [u32],
    pub change: Change,
}

impl Viewed<'_> {
    /// Writes them to the beginning of x.
    pub fn fill(&self, x: &Buffer) -> Result<()> {
        apply(self, x, [])
    }
}

impl BlockOp<0> for Viewed<'_> {
    const NAME: &'static str = "viewed";
    fn block<T: Real>(&self, _: usize, x: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let len = self.data.shape().len();
        check(x.len() >= self.samples.len() * len, "views")?;
        let Some(x) = T::f32s_mut(x) else { return check(false, "views in single precision") };
        let mut rows = x.chunks_exact_mut(len).zip(self.samples);
        rows.try_for_each(|(x, sample)| self.change.value(self.data, *sample as usize, x))
    }
    fn cut(&self) -> Option<Cut<0>> {
        Some(Cut::rows(self.samples.len(), self.data.shape().len(), []))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { samples: &self.samples[rows], ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::DeviceCache;
    use super::*;
    use crate::config::from_json;
    use crate::data::Pixels;
    use crate::storage::WeightStore;
    use crate::tensor::StopFlag;
    use std::collections::HashSet;

    #[test]
    fn the_first_views_are_the_image_and_its_mirror_and_all_differ() {
        assert_eq!(view(0), Change { down: 0, right: 0, flip: false, hole: None });
        assert_eq!(view(1), Change { down: 0, right: 0, flip: true, hole: None });
        let all: HashSet<_> = (0..MOST).map(view).map(|Change { down, right, flip, .. }| (down, right, flip)).collect();
        assert_eq!(all.len(), MOST);
    }

    fn model() -> Model {
        let json = r#"{"input":[4,4],"classes":[0,1,2],"blocks":2,"net":{"type":"mlp","hidden":[8]}}"#;
        let model = Model::new(from_json(json).unwrap()).unwrap();
        let store = WeightStore::temporary(2, model.checked.layout.weights()).unwrap();
        for block in 1..=2 {
            store.write(block, &model.checked.layout.initial_weights(1, block)).unwrap();
        }
        model.with_weights(store, serde_json::Value::Null)
    }

    /// Images by the value at (row, column) of each.
    fn images(value: impl Fn(usize, usize, usize) -> usize) -> Dataset {
        let pixels = (0..150 * 16).map(|at| (value(at / 16, at % 16 / 4, at % 4) * 29 % 256) as u8).collect();
        let shape = InputShape::Image { height: 4, width: 4, channels: 1 };
        Dataset::from_arrays(Pixels::U8(pixels), shape, None).unwrap()
    }

    fn states(model: &Model, data: &Dataset, views: usize, threads: usize) -> (Vec<f32>, Vec<f32>) {
        let options = SampleOptions {
            views: Some(views),
            threads: Some(threads),
            device: DeviceChoice::Cpu,
            ..SampleOptions::default()
        };
        let mut last = vec![0.0; 150 * 3];
        let mut after = |block: usize, first: usize, states: &[f32]| {
            if block == 2 {
                last[first * 3..][..states.len()].copy_from_slice(states);
            }
        };
        let (cache, stop) = (DeviceCache::default(), StopFlag::new());
        let found = super::super::chain(&cache, model, data, &options, &stop, Some(&mut after)).unwrap();
        (found.states, last)
    }

    #[test]
    fn what_is_its_own_mirror_has_one_view_and_others_the_mean_of_theirs() {
        let model = model();
        let even = images(|image, row, column| 7 * image + 3 * row + [1, 2, 2, 1][column]);
        assert_eq!(states(&model, &even, 2, 1), states(&model, &even, 1, 1));
        let uneven = images(|image, row, column| 7 * image + 3 * row + column * column);
        let options = SampleOptions { device: DeviceChoice::Cpu, ..SampleOptions::default() };
        let stop = StopFlag::new();
        let mut processor = Processor::new(&model, &uneven, &options, 1, &stop).unwrap();
        for views in [2, 3, MOST] {
            let mut mean = vec![0.0_f64; 150 * 3];
            for number in 0..views {
                processor.view = Some(view(number));
                let of_view = one(&mut processor, &model, None, 150, None).unwrap().states;
                mean.iter_mut().zip(of_view).for_each(|(mean, value)| *mean += f64::from(value) / views as f64);
            }
            let (found, after_last) = states(&model, &uneven, views, 2);
            assert_eq!(found, after_last);
            for (found, mean) in found.iter().zip(mean) {
                assert!((f64::from(*found) - mean).abs() < 1e-6, "{views}: {found} {mean}");
            }
            assert_eq!(states(&model, &uneven, views, 1).0, found);
            assert_ne!(states(&model, &uneven, 1, 1).0, found);
        }
    }

    #[test]
    fn views_that_cannot_be_are_refused() {
        let (model, options) = (model(), SampleOptions::default());
        for views in [0, MOST + 1] {
            assert!(views_of(&model, SampleOptions { views: Some(views), ..options.clone() }).is_err());
        }
        let two = SampleOptions { views: Some(2), ..options };
        assert_eq!(views_of(&model, two.clone()).unwrap(), 2);
        let sure = SampleOptions { confidence: Some(0.9), ..two.clone() };
        assert!(views_of(&model, sure).unwrap_err().what.contains("does not go with option confidence"));
        let cuda = SampleOptions { device: DeviceChoice::AllCuda, ..two.clone() };
        assert_eq!(views_of(&model, cuda).unwrap_err().code, Code::Device);
        let json = r#"{"input":[4],"classes":[0,1,2],"net":{"type":"mlp","hidden":[8]}}"#;
        let vectors = Model::new(from_json(json).unwrap()).unwrap();
        assert_eq!(views_of(&vectors, two).unwrap_err().what, "option views needs images");
    }

    fn views_of(model: &Model, options: SampleOptions) -> Result<usize> {
        views(model, &options)
    }
}
