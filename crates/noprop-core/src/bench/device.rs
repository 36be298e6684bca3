//! Training steps of all blocks together on a device.

use super::{DeviceFigures, Rate};
use crate::cuda::Engine;
use crate::error::Result;
use crate::tensor::StopFlag;
use crate::train::{BlockJob, DeviceData, Plan, Stack, floor};
use candle_core::{DType, Device, Tensor};
use std::time::Instant;

/// Values that are copied to measure the memory: far beyond every cache.
const COPIED: usize = 1 << 27;

/// Steps as many blocks as may be in flight. The steps that count are put into the device's queue one after the other and
/// waited for once, at their end.
pub(super) fn train(plan: &Plan, seconds: f64, stop: &StopFlag) -> Result<Rate> {
    let engine = &plan.engines[0];
    let peak_gigabytes = copy_gigabytes(engine)?;
    let free = || Ok::<_, crate::Error>(engine.memory()?.map(|(free, _)| free));
    let before = free()?;
    let data = DeviceData::upload(engine, &plan.data)?;
    let blocks: Vec<usize> = (1..=plan.options.in_flight.unwrap_or(1)).collect();
    let mut stack = Stack::new(plan, engine, blocks.len(), false)?;
    let states =
        blocks.iter().map(|block| BlockJob::start(plan, *block, &Device::Cpu)?.state()).collect::<Result<Vec<_>>>()?;
    stack.load(plan, engine, &blocks, &states)?;

    let mut step = 0;
    let mut run = |count: u64| {
        let started = Instant::now();
        for _ in 0..count {
            stop.check()?;
            if step % plan.steps_per_epoch() == 0 {
                stack.begin_epoch(plan, (step / plan.steps_per_epoch()) as usize, 0)?;
            }
            stack.step(plan, engine, &data, step, stop)?;
            step += 1;
        }
        engine.synchronize()?;
        Ok::<_, crate::Error>(started.elapsed().as_secs_f64())
    };
    // Each warm-up is twice as long as the one before; the last one tells how long a step takes.
    let (mut count, mut took, warm_up) = (1, run(1)?, Instant::now());
    while warm_up.elapsed().as_secs_f64() < seconds / 5.0 {
        count *= 2;
        took = run(count)?;
    }
    let count = ((seconds * count as f64 / took) as u64).max(1);
    let step_seconds = run(count)? / count as f64;
    let memory_mib = before.zip(free()?).map(|(before, after)| before.saturating_sub(after) as f64 / 1048576.0);

    let share = blocks.len() as f64 / plan.model.config.blocks as f64;
    let floor_gigabytes = floor(&plan.model, &plan.options)? as f64 * plan.model.config.blocks as f64 / 1e9;
    let floor_share = peak_gigabytes.map(|peak| floor_gigabytes * share / peak / step_seconds);
    let on_device = Some(DeviceFigures { memory_mib, peak_gigabytes, floor_share, floor_gigabytes });
    Ok(Rate { steps_per_second: share / step_seconds, latency_ms: None, on_device, jobs: Some(blocks.len()) })
}

/// Bytes read and written per second when a card copies, 10⁹: the best of five tries.
fn copy_gigabytes(engine: &Engine) -> Result<Option<f64>> {
    const TIMES: usize = 10;
    if engine.memory()?.is_none() {
        return Ok(None);
    }
    let make = || Tensor::zeros(COPIED, DType::F32, &engine.device);
    let (from, to) = (make()?, make()?);
    let mut best = 0.0_f64;
    for _ in 0..5 {
        engine.synchronize()?;
        let started = Instant::now();
        (0..TIMES).try_for_each(|_| engine.copy(&to, &from))?;
        engine.synchronize()?;
        best = best.max((2 * 4 * COPIED * TIMES) as f64 / started.elapsed().as_secs_f64() / 1e9);
    }
    Ok(Some(best))
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use crate::bench::{BenchOptions, bench};
    use crate::config::from_json;
    use crate::error::Code;
    use crate::tensor::StopFlag;

    fn options(device: &str, mode: &str) -> BenchOptions {
        let json = r#"{"input":[6],"classes":3,"net":{"type":"mlp","hidden":[5]},"blocks":4,"batch":8,"seconds":0.05}"#;
        let mut options: BenchOptions = from_json(json).unwrap();
        (options.device, options.mode) = (device.parse().unwrap(), from_json(&format!("{mode:?}")).unwrap());
        options
    }

    #[test]
    fn a_device_is_measured_in_training_and_in_inference() {
        let found = bench(&options("emulated", "train"), &StopFlag::new()).unwrap();
        let json = serde_json::to_value(&found).unwrap();
        assert!(found.samples_per_second > 0.0 && json["device"] == "emulated:1", "{json}");
        // Of each of 4 blocks: 68 parameters 10 times, and 19 values of each of 8 samples twice, 4 bytes each.
        assert_eq!(json["floorGigabytes"], 4.0 * 4.0 * f64::from(10 * 68 + 2 * 8 * 19) / 1e9);
        assert!(json.get("peakGflops").is_none() && json.get("floorShare").is_none(), "{json}");
        let found = bench(&options("emulated", "inference"), &StopFlag::new()).unwrap();
        assert!(found.latency_ms.unwrap() > 0.0 && found.on_device.is_none());
    }

    #[test]
    fn one_device_is_measured() {
        let error = bench(&options("emulated:2", "train"), &StopFlag::new()).unwrap_err();
        assert_eq!(error.code, Code::Option);
    }
}
