//! The noised label that a block is trained on: the plain definition.

use crate::rng::Stream;

/// Draws z ~ q(z | y) = N(√`alpha_bar` · u_y, (1 − `alpha_bar`) I) for the one-hot embedding u_y of `class`.
///
/// `out` has one value per class; `class` is its position, below `out.len()`. Element k takes the normal deviate of
/// `stream` at index k. Block t is trained on z_{t−1}, so it passes the **cumulative** alpha_bar_{t−1}
/// of the schedule, never the factor alpha of one block: the sampler produces states with the cumulative share, and a block that trained on another share meets inputs it never saw.
pub fn noised_label(alpha_bar: f64, class: usize, stream: &Stream, out: &mut [f32]) {
    let (signal, noise) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
    for (pair, values) in out.chunks_mut(2).enumerate() {
        let normal = stream.normal_pair(pair as u32);
        for (at, (value, normal)) in values.iter_mut().zip(normal).enumerate() {
            let mean = if 2 * pair + at == class { signal } else { 0.0 };
            *value = (mean + noise * normal) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn stream(sample: usize) -> Stream {
        Stream::new(11, Purpose::LabelNoise, 1, 0, sample)
    }

    #[test]
    fn a_share_of_one_is_the_clean_label() {
        let mut z = [9.0; 4];
        noised_label(1.0, 2, &stream(0), &mut z);
        assert_eq!(z, [0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_share_of_zero_is_the_stream_itself() {
        let mut z = [0.0; 5];
        noised_label(0.0, 2, &stream(3), &mut z);
        for (k, value) in z.iter().enumerate() {
            assert_eq!(*value, stream(3).normal(k as u32) as f32);
        }
    }

    #[test]
    fn mean_is_the_root_of_the_share_and_variance_its_complement() {
        let (alpha_bar, n) = (0.36, 40_000);
        let (mut sum, mut square) = ([0.0; 3], [0.0; 3]);
        let mut z = [0.0; 3];
        for sample in 0..n {
            noised_label(alpha_bar, 1, &stream(sample), &mut z);
            for k in 0..3 {
                sum[k] += f64::from(z[k]);
                square[k] += f64::from(z[k]).powi(2);
            }
        }
        for k in 0..3 {
            let mean = sum[k] / n as f64;
            let variance = square[k] / n as f64 - mean * mean;
            // Five standard errors: 5 · 0.8 / √40000 = 0.02.
            assert!((mean - if k == 1 { 0.6 } else { 0.0 }).abs() < 0.02, "mean {mean} of {k}");
            assert!((variance - 0.64).abs() < 0.025, "variance {variance} of {k}");
        }
    }
}
