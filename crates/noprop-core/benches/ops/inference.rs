//! Prediction through ten blocks of the paper on one core: one image, and a batch of a thousand.

use crate::support::{Bench, Work, configuration, images};
use noprop_core::config::Precision;
use noprop_core::data::InputShape;
use noprop_core::inference::predict;
use noprop_core::storage::WeightStore;
use noprop_core::tensor::StopFlag;
use noprop_core::{Model, NetConfig, SampleOptions};
use serde_json::Value;

const SHAPE: [usize; 3] = [28, 28, 1];
const BLOCKS: usize = 10;

pub fn run() {
    let mut bench = Bench::new("inference");
    let model = Model::new(configuration(SHAPE, BLOCKS, NetConfig::default())).expect("a model");
    let layout = &model.checked.layout;
    let store = WeightStore::temporary(BLOCKS, layout.weights()).expect("a store");
    for block in 1..=BLOCKS {
        store.write(block, &layout.initial_weights(0, block)).expect("weights");
    }
    let model = model.with_weights(store, Value::Null);
    let (flops, _) = NetConfig::default().flops(InputShape::new(&SHAPE).expect("a shape"), 10).expect("a count");
    let options = SampleOptions { threads: Some(1), ..SampleOptions::default() };
    for samples in [1, 1000] {
        let (data, stop) = (images(SHAPE, samples), StopFlag::new());
        let work = Work::Flops(flops * BLOCKS * samples, Precision::F32);
        bench.run_slow("10 blocks", &format!("{samples}x28x28x1"), work, || {
            predict(&model, &data, options.clone(), &stop).expect("a prediction")
        });
    }
    bench.finish();
}
