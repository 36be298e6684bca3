//! Filters that whiten 3 × 3 patches of the training images: a frozen first layer whose outputs are uncorrelated and of one size
//! (the first layer of Keller Jordan's CIFAR-10 airbench, arXiv 2404.00498, there with 2 × 2).
//!
//! Filter 2i is the i-th principal direction of the patches over the square root of its variance, filter 2i + 1 its negative, so that
//! a ReLU behind them loses nothing. A pure function of the data, the same for every block.

use super::layout::{Init, Layout};
use crate::data::{Dataset, InputShape};
use crate::error::Result;
use crate::tensor::StopFlag;

/// Images whose patches are looked at, the first ones.
const IMAGES: usize = 2000;
/// Added to a variance, so that directions without any stay finite.
const LEAST_VARIANCE: f64 = 5e-4;
/// Sweeps of Jacobi's method; its error falls faster than by squares, some ten do.
const SWEEPS: usize = 30;

impl Layout {
    /// Writes the weights that are made from data, if there are any: `[3, 3, channels, filters]` each.
    ///
    /// # Errors
    /// [`crate::Code::Cancelled`] when stopped.
    pub(crate) fn write_data_weights(&self, data: &Dataset, stop: &StopFlag, weights: &mut [f32]) -> Result<()> {
        for entry in self.entries().iter().filter(|entry| *entry.init() == Init::Whitening) {
            let InputShape::Image { height, width, channels } = data.shape() else { continue };
            let (variances, directions) = principal(covariance(data, [height, width, channels], stop)?);
            let filters = entry.shape[3];
            let weights = entry.slot.of_mut(weights);
            for filter in 0..filters {
                let sign = if filter % 2 == 0 { 1.0 } else { -1.0 };
                let scale = sign / (variances[filter / 2] + LEAST_VARIANCE).sqrt();
                for (value, direction) in directions[filter / 2].iter().enumerate() {
                    weights[value * filters + filter] = (scale * direction) as f32;
                }
            }
        }
        Ok(())
    }
}

/// The covariance of all 3 × 3 patches of the first images, `[n, n]` with n = 9 · channels.
fn covariance(data: &Dataset, [height, width, channels]: [usize; 3], stop: &StopFlag) -> Result<Vec<Vec<f64>>> {
    let n = 9 * channels;
    let (mut mean, mut products) = (vec![0.0; n], vec![vec![0.0; n]; n]);
    let mut image = vec![0.0; data.shape().len()];
    let mut patch = vec![0.0_f64; n];
    let images = data.samples().min(IMAGES);
    for sample in 0..images {
        stop.check()?;
        data.value(sample, &mut image);
        for top in 0..=height - 3 {
            for left in 0..=width - 3 {
                for row in 0..3 {
                    let from = ((top + row) * width + left) * channels;
                    let to = &mut patch[row * 3 * channels..][..3 * channels];
                    to.iter_mut().zip(&image[from..]).for_each(|(to, from)| *to = f64::from(*from));
                }
                for (i, value) in patch.iter().enumerate() {
                    mean[i] += value;
                    products[i].iter_mut().zip(&patch[..=i]).for_each(|(sum, other)| *sum += value * other);
                }
            }
        }
    }
    let count = (images * (height - 2) * (width - 2)) as f64;
    mean.iter_mut().for_each(|mean| *mean /= count);
    for i in 0..n {
        for j in 0..=i {
            let value = products[i][j] / count - mean[i] * mean[j];
            (products[i][j], products[j][i]) = (value, value);
        }
    }
    Ok(products)
}

/// Eigenvalues of a symmetric matrix, greatest first, and the eigenvector of each: Jacobi's method.
fn principal(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                // The rotation that makes a[p][q] 0.
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                for row in &mut a {
                    let (low, high) = row.split_at_mut(q);
                    turn(&mut low[p], &mut high[0]);
                }
                for rows in [&mut a, &mut vectors] {
                    let (low, high) = rows.split_at_mut(q);
                    low[p].iter_mut().zip(&mut high[0]).for_each(|(x, y)| turn(x, y));
                }
                (a[p][q], a[q][p]) = (0.0, 0.0);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    // Stable, so that equal ones keep their order.
    order.sort_by(|i, j| a[*j][*j].total_cmp(&a[*i][*i]));
    (order.iter().map(|i| a[*i][*i].max(0.0)).collect(), order.iter().map(|i| vectors[*i].clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Pixels;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn a_matrix_is_made_of_its_principal_directions() {
        let stream = Stream::new(3, Purpose::Init, 0, 0, 0);
        let n = 9;
        let root: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| stream.normal((i * n + j) as u32)).collect()).collect();
        let at = |i: usize, j: usize| (0..n).map(|k| root[i][k] * root[j][k]).sum::<f64>();
        let matrix: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| at(i, j)).collect()).collect();
        let (values, vectors) = principal(matrix.clone());
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
        for i in 0..n {
            for j in 0..n {
                let made: f64 = (0..n).map(|k| values[k] * vectors[k][i] * vectors[k][j]).sum();
                assert!((made - matrix[i][j]).abs() < 1e-10, "[{i}, {j}]: {made} is not {}", matrix[i][j]);
            }
        }
    }

    #[test]
    fn whitened_patches_are_uncorrelated_and_of_variance_one() {
        let stream = Stream::new(4, Purpose::Init, 0, 0, 0);
        let shape = InputShape::Image { height: 8, width: 8, channels: 1 };
        // Neighbours that look alike, as those of images do.
        let mut pixels = vec![0.0_f32; 200 * 64];
        for i in 1..pixels.len() {
            pixels[i] = 0.8 * pixels[i - 1] + stream.normal(i as u32) as f32;
        }
        let data = Dataset::from_arrays(Pixels::F32(pixels), shape, Some((0..200).map(|i| i % 2).collect())).unwrap();
        let covariance = covariance(&data, [8, 8, 1], &StopFlag::new()).unwrap();
        let (values, vectors) = principal(covariance.clone());
        for i in 0..9 {
            for j in 0..9 {
                let between: f64 =
                    (0..81).map(|at| vectors[i][at / 9] * covariance[at / 9][at % 9] * vectors[j][at % 9]).sum();
                let whitened = between / (values[i] * values[j]).sqrt();
                assert!((whitened - f64::from(u8::from(i == j))).abs() < 1e-9, "{i}, {j}: {whitened}");
            }
        }
    }
}
