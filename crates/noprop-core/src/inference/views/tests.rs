//! Views alone, and the chain that takes the mean of several.

use super::super::chain::one;
use super::super::device::DeviceCache;
use super::super::processor::Processor;
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
