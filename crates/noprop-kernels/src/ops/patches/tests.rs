use super::Patches;
use crate::ops::testing::{assert_gradient, inner, normal, poisoned, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

fn forward<T: Real + WithDType>(op: Patches, x: &[f64]) -> Vec<f64> {
    let y = poisoned::<T>(x.len() + 1);
    op.forward(&y, &tensor::<T>(x)).unwrap();
    without_last(values(&y))
}

fn backward<T: Real + WithDType>(op: Patches, dy: &[f64]) -> Vec<f64> {
    let dx = poisoned::<T>(dy.len() + 1);
    op.backward(&dx, &tensor::<T>(dy)).unwrap();
    without_last(values(&dx))
}

fn without_last(mut values: Vec<f64>) -> Vec<f64> {
    assert!(values.pop().unwrap().is_nan(), "wrote past the last value");
    values
}

fn count(len: usize) -> Vec<f64> {
    (0..len).map(|i| i as f64).collect()
}

#[test]
fn tokens_and_pixels_follow_row_by_row_and_channels_stay_together() {
    let op = Patches { samples: 1, height: 2, width: 4, channels: 1, patch: 2 };
    assert_eq!((op.tokens(), op.token_len()), (2, 4));
    assert_eq!(forward::<f32>(op, &count(8)), [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
    let op = Patches { samples: 2, height: 2, width: 2, channels: 2, patch: 1 };
    assert_eq!(forward::<f32>(op, &count(16)), count(16));
}

#[test]
fn every_value_has_its_place_and_comes_back() {
    for (samples, height, width, channels, patch) in [(1, 6, 9, 3, 3), (3, 4, 8, 5, 2), (2, 5, 5, 2, 5)] {
        let op = Patches { samples, height, width, channels, patch };
        let x = count(op.len());
        let y = forward::<f32>(op, &x);
        let mut expected = Vec::new();
        for sample in 0..samples {
            for token in 0..op.tokens() {
                let (row, column) = (token / (width / patch) * patch, token % (width / patch) * patch);
                for place in 0..op.token_len() {
                    let (pixel, channel) = (place / channels, place % channels);
                    let (row, column) = (row + pixel / patch, column + pixel % patch);
                    expected.push(x[((sample * height + row) * width + column) * channels + channel]);
                }
            }
        }
        assert_eq!(y, expected, "{op:?}");
        assert_eq!(forward::<f64>(op, &x), y);
        assert_eq!(backward::<f32>(op, &y), x);
        assert_eq!(backward::<f64>(op, &y), x);
    }
}

#[test]
fn gradient_equals_finite_differences() {
    let op = Patches { samples: 2, height: 4, width: 2, channels: 2, patch: 2 };
    let (x, dy) = (normal(1, op.len()), normal(2, op.len()));
    assert_gradient("dx", &x, &backward::<f64>(op, &dy), |x| inner(&dy, &forward::<f64>(op, x)));
}

#[test]
fn an_image_in_parts_of_patches_is_refused() {
    let op = Patches { samples: 1, height: 3, width: 4, channels: 1, patch: 2 };
    assert!(op.forward(&poisoned::<f32>(12), &tensor::<f32>(&count(12))).is_err());
}
