use super::{Chunk, Coefficients, initial_state, step};
use crate::ops::testing::values;
use crate::rng::{Purpose, Stream};
use crate::tensor::Buffer;
use candle_core::{DType, Device, Tensor};

#[test]
fn chunks_take_the_same_steps_as_single_samples() {
    let keys = [7, 1 << 40 | 9, u64::MAX];
    let chunk = Chunk { seed: 5, keys: &keys, on_device: 0, classes: 4 };
    let estimate = Tensor::arange(0.0_f32, 12.0, &Device::Cpu).unwrap().reshape((1, 12)).unwrap();
    // Room for one sample more, which stays.
    let z = Buffer::new(Tensor::full(9.0_f32, (1, 16), &Device::Cpu).unwrap()).unwrap();
    let coefficients = Coefficients { estimate: 0.5, state: 0.25, noise: 2.0 };
    chunk.start(&z).unwrap();
    chunk.advance(&z, &estimate, 3, coefficients).unwrap();
    for sample in 0..3 {
        let mut expected = [0.0; 4];
        initial_state(&Stream::of_content(5, Purpose::InitialState, 0, keys[sample]), &mut expected);
        let noise = Stream::of_content(5, Purpose::SamplerNoise, 3, keys[sample]);
        let estimate: [f32; 4] = std::array::from_fn(|k| (4 * sample + k) as f32);
        step(&coefficients, &estimate, &mut expected, Some(&noise)).unwrap();
        assert_eq!(values(&z)[4 * sample..4 * sample + 4], expected.map(f64::from));
    }
    assert_eq!(values(&z)[12..], [9.0; 4]);
    assert_eq!(z.dtype(), DType::F32);
}
