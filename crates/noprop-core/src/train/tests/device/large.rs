//! Batches of more samples than a grid has places in its second direction.

use super::*;
use crate::bench::{BenchOptions, bench};
use crate::config::from_json;

const SAMPLES: usize = 65_536;

#[test]
fn a_batch_of_more_than_65535_samples_trains() {
    let config = model(1, InputShape::Vector { len: 1 }, NetConfig::Mlp { hidden: vec![2], dropout: 0.0 });
    let pixels = Pixels::U8((0..SAMPLES).map(|sample| (sample % 251) as u8).collect());
    let labels = (0..SAMPLES).map(|sample| CLASSES[sample % 3]).collect();
    let data = Arc::new(Dataset::from_arrays(pixels, config.input, Some(labels)).unwrap());
    let options = FitOptions { epochs: 1, ..options(SAMPLES) };
    let loss = |options: FitOptions| {
        let run = Run::start(plan(config.clone(), options, &data));
        let events = run.drive(&[1], 1, |_| false);
        run.finish();
        let Some(Event::Block { loss, .. }) = events.last() else { panic!("{events:?}") };
        *loss
    };
    let (found, expected) = (loss(on("emulated", options.clone())), loss(options));
    // The mean over 65,544 samples, summed in another order.
    assert!((found / expected - 1.0).abs() < 1e-4, "{found} and {expected}");
}

#[test]
fn a_batch_of_more_than_65535_samples_is_measured() {
    let json = format!(
        r#"{{"input":[1],"classes":3,"net":{{"type":"mlp","hidden":[2]}},"blocks":1,"batch":{SAMPLES},"seconds":0.01,"device":"emulated"}}"#
    );
    let options: BenchOptions = from_json(&json).unwrap();
    assert!(bench(&options, &StopFlag::new()).unwrap().samples_per_second > 0.0);
}
