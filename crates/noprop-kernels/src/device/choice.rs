//! What a user asks for, and the devices that were found for it.

use crate::error::{Code, Error, Result};
use crate::ops::multiply::Precision;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Greatest number of a GPU that can be asked for.
const MAX_ORDINAL: usize = 255;

/// What a user asks for: `auto`, `cpu`, `cuda`, `cuda:1`, `cuda:0,1` or `cuda:all`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU that can be used, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// These GPUs and nothing else, by number, each once. `cuda` alone is the first.
    Cuda(Vec<usize>),
    /// Every GPU.
    AllCuda,
    /// So many emulations of a GPU on the processor, for tests: `emulated`, `emulated:2`.
    #[cfg(feature = "emulation")]
    Emulated(usize),
}

/// Where a run computes, once it is known what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// On the processor.
    Cpu,
    /// On these GPUs, by number; at least one.
    Gpus(Vec<usize>),
    /// On so many emulations of a GPU.
    #[cfg(feature = "emulation")]
    Emulated(usize),
}

/// One device that runs kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceId {
    /// The GPU of this number.
    #[cfg(feature = "cuda")]
    Gpu(usize),
    /// An emulation of one.
    #[cfg(feature = "emulation")]
    Emulated,
}

impl DeviceId {
    /// Whether this build knows any: what runs on devices alone is left out of one that does not.
    pub const BUILT: bool = cfg!(any(feature = "cuda", feature = "emulation"));
}

impl Devices {
    /// Whether the processor's own code computes.
    pub fn is_cpu(&self) -> bool {
        *self == Self::Cpu
    }

    /// How many devices there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Cpu => 1,
            Self::Gpus(gpus) => gpus.len(),
            #[cfg(feature = "emulation")]
            Self::Emulated(count) => *count,
        }
    }

    /// The devices whose kernels compute; none for the processor.
    pub fn ids(&self) -> Vec<DeviceId> {
        match self {
            #[cfg(feature = "cuda")]
            Self::Gpus(gpus) => gpus.iter().map(|gpu| DeviceId::Gpu(*gpu)).collect(),
            #[cfg(feature = "emulation")]
            Self::Emulated(count) => vec![DeviceId::Emulated; *count],
            _ => Vec::new(),
        }
    }
}

impl Devices {
    /// Whether it can calculate with a precision. This alone decides it.
    ///
    /// # Errors
    /// [`Code::Device`] naming what is missing.
    pub fn check_precision(&self, precision: Precision) -> Result<()> {
        match (self, precision) {
            (Self::Cpu, _) => precision.check_processor(),
            // Every GPU that the kernels run on has tensor cores.
            _ => Ok(()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(gpus) => write!(f, "cuda:{}", list(gpus)),
            Self::AllCuda => f.write_str("cuda:all"),
            #[cfg(feature = "emulation")]
            Self::Emulated(count) => write!(f, "emulated:{count}"),
        }
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpus(gpus) => write!(f, "cuda:{}", list(gpus)),
            #[cfg(feature = "emulation")]
            Self::Emulated(count) => write!(f, "emulated:{count}"),
        }
    }
}

/// `0,1`.
fn list(gpus: &[usize]) -> String {
    gpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

impl FromStr for DeviceChoice {
    type Err = Error;

    /// # Errors
    /// [`Code::Option`] naming what there is.
    fn from_str(text: &str) -> Result<Self> {
        let bad = |received: String| {
            Error::new(Code::Option, "option device is out of range")
                .expected("auto, cpu, cuda, cuda:N, cuda:N,N,… (each GPU once) or cuda:all")
                .received(received)
        };
        match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "cuda" => return Ok(Self::Cuda(vec![0])),
            "cuda:all" => return Ok(Self::AllCuda),
            _ => {}
        }
        #[cfg(feature = "emulation")]
        if let Some(count) = emulated(text) {
            return Ok(Self::Emulated(count));
        }
        let numbers = text.strip_prefix("cuda:").ok_or_else(|| bad(text.to_owned()))?;
        let mut gpus = Vec::new();
        for number in numbers.split(',') {
            // `parse` alone would also take "+1".
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let gpu = number.parse().ok().filter(|gpu| digits && *gpu <= MAX_ORDINAL && !gpus.contains(gpu));
            gpus.push(gpu.ok_or_else(|| bad(text.to_owned()))?);
        }
        Ok(Self::Cuda(gpus))
    }
}

/// `emulated` is one, `emulated:2` are two.
#[cfg(feature = "emulation")]
fn emulated(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("emulated")?;
    if rest.is_empty() { Some(1) } else { rest.strip_prefix(':')?.parse().ok().filter(|count| *count > 0) }
}

impl Serialize for DeviceChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| {
            de::Error::custom(format_args!("unknown variant `{}`, expected {}", error.received, error.expected))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DeviceChoice> {
        text.parse()
    }

    #[test]
    fn every_form_is_read_and_written() {
        let forms = [
            ("auto", DeviceChoice::Auto, "auto"),
            ("cpu", DeviceChoice::Cpu, "cpu"),
            ("cuda", DeviceChoice::Cuda(vec![0]), "cuda:0"),
            ("cuda:1", DeviceChoice::Cuda(vec![1]), "cuda:1"),
            ("cuda:2,0", DeviceChoice::Cuda(vec![2, 0]), "cuda:2,0"),
            ("cuda:all", DeviceChoice::AllCuda, "cuda:all"),
        ];
        for (text, choice, written) in forms {
            assert_eq!(parse(text).unwrap(), choice);
            assert_eq!(choice.to_string(), written);
            assert_eq!(parse(written).unwrap(), choice);
        }
        assert_eq!(Devices::Gpus(vec![0, 1]).to_string(), "cuda:0,1");
    }

    #[test]
    fn anything_else_is_refused_with_what_there_is() {
        let bad = [
            "", "tpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:1.5", "cuda:256", "cuda:0,0", "cuda:0,",
            "cuda0",
        ];
        for text in bad {
            let error = parse(text).unwrap_err();
            assert_eq!((error.code, error.received.as_str()), (Code::Option, text));
            assert!(error.expected.contains("cuda:all"), "{error}");
        }
    }

    #[test]
    fn the_emulation_is_there_in_builds_for_tests_alone() {
        assert_eq!(parse("emulated:2").is_ok(), cfg!(feature = "emulation"));
        assert!(parse("emulated:0").is_err() && parse("emulated2").is_err());
    }
}
