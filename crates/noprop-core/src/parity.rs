//! Every kernel of a device against the plain reference in double precision, for whoever has a card: `npm run gpu:check`.

use crate::device::DeviceChoice;
use crate::error::{Code, Error, Result};
use crate::tensor::StopFlag;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

/// What to compare.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParityOptions {
    /// The GPU, `cuda:0`; of several the first. In a build with the emulation of kernels also `emulated`.
    pub device: DeviceChoice,
    /// Leaves out cases of more values than this, for tools that slow kernels down. Default: none is left out.
    pub most: Option<usize>,
    /// A file for what is found, a line of JSON as soon as it is known: `{"begun":{…}}`, `{"leftOut":{…}}` (each with `case` and
    /// `multiply`) and `{"compared":{…}}`, a comparison of the report. So a crash or a hang loses none. Default: no file.
    pub log: Option<PathBuf>,
}

/// Runs every operation's cases with f32, TF32 and bf16 factors. The report as JSON: `comparisons` (each with `case`,
/// `multiply`, `error`, `tolerance`, `passed`; an error that is no number is `null`), `leftOut`, and `failures`, what ended
/// the cases of a precision early (each with `multiply` and `error`).
///
/// # Errors
/// Those of [`DeviceChoice::place`]; [`Code::Device`] for the processor; [`Code::Cancelled`] when stopped.
pub fn device_parity(options: &ParityOptions, stop: &StopFlag) -> Result<Value> {
    let place = options.device.place()?;
    #[cfg(device)]
    if let Some(device) = device::open(&place)? {
        return device::compare(device, options, stop);
    }
    stop.check()?;
    Err(Error::new(Code::Device, "there are no kernels of a GPU to compare")
        .expected("a GPU, such as cuda:0")
        .received(place.to_string())
        .hint("`npm run build:cuda` builds the addon with CUDA code"))
}

#[cfg(device)]
mod device {
    use super::ParityOptions;
    use crate::cuda::Multiply;
    use crate::cuda::parity::Parity;
    use crate::device::Place;
    use crate::error::Result;
    use crate::tensor::StopFlag;
    use crate::train::batch;
    use crate::train::progress::Failure;
    use candle_core::Device;
    use noprop_kernels::parity::every_operation;
    use serde_json::{Value, json};

    /// Where the kernels' tensors lie; `None` for the processor's own code.
    pub(super) fn open(place: &Place) -> Result<Option<Device>> {
        match place {
            #[cfg(feature = "cuda")]
            Place::Gpus(gpus) => crate::cuda::gpu::open(gpus[0]).map(Some),
            // Tensors of the processor, on which the emulated kernels work.
            #[cfg(feature = "emulation")]
            Place::Emulated(_) => Ok(Some(Device::Cpu)),
            _ => Ok(None),
        }
    }

    pub(super) fn compare(device: Device, options: &ParityOptions, stop: &StopFlag) -> Result<Value> {
        let parity = Parity::new(device, Multiply::F32).up_to(options.most);
        let mut parity = parity.logged(options.log.as_deref())?;
        let mut failures = Vec::new();
        for multiply in [Multiply::F32, Multiply::Tf32, Multiply::Bf16] {
            stop.check()?;
            parity.multiply = multiply;
            // What the other precisions have to say is worth knowing too.
            let mut compared = every_operation(&mut parity);
            if multiply == Multiply::F32 && compared.is_ok() {
                compared = batch::parity(&mut parity);
            }
            if let Err(error) = compared {
                failures.push(json!({ "multiply": multiply.suffix(), "error": Failure(error) }));
            }
        }
        let (comparisons, left_out) = parity.into_found();
        Ok(json!({ "comparisons": comparisons, "leftOut": left_out, "failures": failures }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(device: &str) -> ParityOptions {
        ParityOptions { device: device.parse().unwrap(), most: Some(400), log: None }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn without_cuda_code_a_gpu_is_refused() {
        let error = device_parity(&options("cuda"), &StopFlag::new()).unwrap_err();
        assert_eq!(error.code, Code::Device);
    }

    #[test]
    fn the_processor_is_refused() {
        let error = device_parity(&options("cpu"), &StopFlag::new()).unwrap_err();
        assert_eq!((error.code, error.received.as_str()), (Code::Device, "cpu"));
        assert!(error.hint.contains("build:cuda"));
    }

    #[test]
    #[cfg(feature = "emulation")]
    fn the_emulation_is_compared_in_every_precision() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log.jsonl");
        let with_log = ParityOptions { log: Some(log.clone()), ..options("emulated") };
        let report = device_parity(&with_log, &StopFlag::new()).unwrap();
        let comparisons = report["comparisons"].as_array().unwrap();
        for multiply in ["f32", "tf32", "bf16"] {
            assert!(comparisons.iter().any(|one| one["multiply"] == multiply), "{multiply}");
        }
        assert!(comparisons.iter().all(|one| one["passed"] == true && one["error"].is_f64()), "{report:#}");
        assert!(report["leftOut"].as_u64().unwrap() > 0 && report["failures"].as_array().unwrap().is_empty());
        // All of it is in the log too, in order.
        let lines = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |kind: &str| lines.iter().filter_map(|line| line.get(kind)).cloned().collect::<Vec<_>>();
        assert_eq!(&of("compared"), comparisons);
        assert_eq!(report["leftOut"], of("leftOut").len());
        assert!(lines.iter().zip(&lines[1..]).all(|(line, next)| {
            // A case that was begun is the next that is compared.
            line.get("begun").is_none_or(|begun| next["compared"]["case"] == begun["case"])
        }));
        let nowhere = ParityOptions { log: Some(directory.path().join("no/log")), ..options("emulated") };
        assert_eq!(device_parity(&nowhere, &StopFlag::new()).unwrap_err().code, Code::FileNotFound);
        let stopped = StopFlag::new();
        stopped.stop();
        assert_eq!(device_parity(&options("emulated"), &stopped).unwrap_err().code, Code::Cancelled);
    }
}
