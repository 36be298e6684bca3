//! The kernels against what they are said to do. All comparisons are exact: values are copied.

use crate::cuda::parity::Parity;
use crate::cuda::{AllFinite, EpochTensors, StepTensors, StepValues};
use crate::error::Result;
use candle_core::Tensor;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    steps(parity)?;
    finite(parity)
}

/// 700 samples in batches of 300, from the second step on: the last batch is short, and threads go round more than once.
fn steps(parity: &mut Parity) -> Result<()> {
    const BATCH: usize = 300;
    const BLOCKS: usize = 3;
    let device = &parity.device().clone();
    let (class_of_sample, order): (Vec<u32>, Vec<u32>) = (0..700).map(|i| (i * 3 % 11, (i * 347 + 5) % 700)).unzip();
    let rates: Vec<[f32; 3]> = (1..=3).map(|step| [0.5, 0.25, 0.125].map(|rate| rate / step as f32)).collect();
    let epoch = EpochTensors::new(device, &class_of_sample, BATCH, BLOCKS)?;
    epoch.start(9, 1, &order, &rates)?;

    // One entry more than a batch, which stays as it is.
    let (mut samples, mut classes) = (vec![u32::MAX; BATCH + 1], vec![u32::MAX; BATCH + 1]);
    let entries = [&samples[..], &classes, &[1, 2, 3]];
    let step = StepTensors::new(device, StepValues::default(), entries, &[0.5; BLOCKS], &[1.0; BLOCKS])?;
    let mut losses = [[0.0; 3]; BLOCKS];
    let mut values = StepValues::default();
    for place in 1..=3 {
        epoch.begin_step(&step)?;
        let batch = order.chunks(BATCH).nth(place).unwrap_or_default();
        values.samples = batch.len() as u32;
        if let Some([keep, step_size, inverse_root_correction]) = rates.get(place).copied() {
            let step = place as u32;
            values = StepValues { epoch: 9, step, keep, step_size, inverse_root_correction, ..values };
        }
        for (i, sample) in batch.iter().enumerate() {
            (samples[i], classes[i]) = (*sample, class_of_sample[*sample as usize]);
        }
        let name = format!("begin step {place} of 3");
        parity.expect(format!("{name}, values"), 0.0, &step.values, &wide(&values.words()))?;
        parity.expect(format!("{name}, samples"), 0.0, &step.samples, &wide(&samples))?;
        parity.expect(format!("{name}, classes"), 0.0, &step.classes, &wide(&classes))?;

        let loss: [f32; BLOCKS] = [1.5, 2.5, -3.0].map(|loss| loss * place as f32);
        epoch.store_loss(&step, &Tensor::new(&loss, device)?.reshape((BLOCKS, 1))?)?;
        let column = values.step as usize;
        (0..BLOCKS).for_each(|k| losses[k][column] = f64::from(loss[k]));
        parity.expect(format!("store loss, step {place} of 3"), 0.0, &epoch.losses, losses.as_flattened())?;
    }
    Ok(())
}

fn wide(words: &[u32]) -> Vec<f64> {
    words.iter().map(|word| f64::from(*word)).collect()
}

/// A stray value at the first, the last and another place of a row; the greatest finite value is none.
fn finite(parity: &mut Parity) -> Result<()> {
    let device = &parity.device().clone();
    for len in [1, 257, 40_000] {
        let strays = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
        let places = [0, len - 1, len / 3, 0, len - 1];
        let mut rows = vec![vec![1.0_f32; len]; strays.len()];
        for ((row, stray), place) in rows.iter_mut().zip(strays).zip(places) {
            row[place] = stray;
        }
        let check = AllFinite::new(device, rows.len())?;
        check.launch(&Tensor::new(rows.concat(), device)?.reshape((rows.len(), len))?)?;
        let found: Vec<f64> = check.read()?.into_iter().map(|finite| f64::from(u8::from(finite))).collect();
        parity.expect(
            format!("all finite [5, {len}]"),
            0.0,
            &Tensor::new(found, device)?,
            &[0.0, 0.0, 0.0, 1.0, 1.0],
        )?;
    }
    Ok(())
}
