//! Every kernel of a device against the plain reference in double precision, for whoever has a card: `npm run gpu:check`.

use crate::config::Precision;
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
    /// `multiply`) and `{"compared":{…}}`, a comparison of the report; before an operation's cases
    /// `{"operation":{"operation":…,"multiply":…}}`. So a crash or a hang loses none. Default: no file.
    pub log: Option<PathBuf>,
    /// What products multiply. Default: one precision after the other.
    pub multiply: Option<Precision>,
    /// Leaves out the operations up to this one, behind which another process goes on: the fault of a kernel lasts until its
    /// process ends. Default: none is left out.
    pub after: Option<String>,
}

/// Runs every operation's cases with f32, TF32 and bf16 factors. The report as JSON: `comparisons` (each with `case`,
/// `multiply`, `error`, `tolerance`, `passed`; an error that is no number is `null`), `leftOut`, `failures`, operations that an
/// error ended (each with `operation`, `multiply` and `error`), and where the device answered no more the operation at which it
/// `ended`.
///
/// # Errors
/// Those of [`DeviceChoice::resolve`]; [`Code::Device`] for the processor; [`Code::Option`] for an operation `after` that there
/// is not; [`Code::Cancelled`] when stopped.
pub fn device_parity(options: &ParityOptions, stop: &StopFlag) -> Result<Value> {
    let devices = options.device.resolve()?;
    if let Some(device) = device::open(&devices)? {
        return device::compare(device, options, stop);
    }
    stop.check()?;
    Err(Error::new(Code::Device, "there are no kernels of a GPU to compare")
        .expected("a GPU, such as cuda:0")
        .received(devices.to_string())
        .hint("`npm run build:cuda` builds the addon with CUDA code"))
}

mod device {
    use super::ParityOptions;
    use crate::cuda::Multiply;
    use crate::cuda::parity::{Failed, Found, Parity};
    use crate::device::Devices;
    use crate::error::Result;
    use crate::tensor::StopFlag;
    use crate::train::batch;
    use crate::train::progress::Failure;
    use candle_core::Device;
    use noprop_kernels::parity::every_operation;
    use serde_json::{Value, json};

    /// Where the kernels' tensors lie; `None` for the processor's own code.
    pub(super) fn open(devices: &Devices) -> Result<Option<Device>> {
        match devices {
            #[cfg(feature = "cuda")]
            Devices::Gpus(gpus) => crate::cuda::gpu::open(gpus[0]).map(Some),
            // Tensors of the processor, on which the emulated kernels work.
            #[cfg(feature = "emulation")]
            Devices::Emulated(_) => Ok(Some(Device::Cpu)),
            _ => Ok(None),
        }
    }

    pub(super) fn compare(device: Device, options: &ParityOptions, stop: &StopFlag) -> Result<Value> {
        let parity = Parity::new(device, Multiply::F32).up_to(options.most);
        let mut parity = parity.logged(options.log.as_deref())?;
        let all = [Multiply::F32, Multiply::Tf32, Multiply::Bf16];
        let asked = options.multiply.map(Multiply::from);
        for multiply in all.into_iter().filter(|multiply| asked.is_none_or(|asked| asked == *multiply)) {
            parity.multiply = multiply;
            every_operation(&mut parity, &[("gather", batch::parity)], options.after.as_deref(), stop)?;
            if parity.has_ended() {
                break;
            }
        }
        let Found { comparisons, left_out, failed, ended } = parity.into_found();
        let failures: Vec<_> = failed
            .into_iter()
            .map(|Failed { operation, multiply, error }| {
                json!({ "operation": operation, "multiply": multiply, "error": Failure(error) })
            })
            .collect();
        let mut report = json!({ "comparisons": comparisons, "leftOut": left_out, "failures": failures });
        if let Some(ended) = ended {
            report["ended"] = ended.into();
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(device: &str) -> ParityOptions {
        ParityOptions { device: device.parse().unwrap(), most: Some(400), log: None, multiply: None, after: None }
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
        let begun = of("operation");
        assert_eq!(begun.iter().filter(|line| line["operation"] == "linear").count(), 3);
        assert_eq!(begun.iter().filter(|line| line["operation"] == "add").count(), 1);
        assert!(report.get("ended").is_none());
        // One precision alone, behind an operation.
        let part = ParityOptions {
            multiply: Some(Precision::Bf16),
            after: Some("dense_backward".to_owned()),
            ..options("emulated")
        };
        let part = device_parity(&part, &StopFlag::new()).unwrap();
        let of_part = part["comparisons"].as_array().unwrap();
        let expected = |one: &&Value| one["multiply"] == "bf16" && one["case"].as_str().unwrap().starts_with("linear");
        assert_eq!(of_part.iter().collect::<Vec<_>>(), comparisons.iter().filter(expected).collect::<Vec<_>>());
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
