//! Where a run computes: on the processor, or on GPUs.

use crate::error::{Code, Error, Result};
use crate::ops::multiply::Precision;
use candle_core::Device;
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
pub enum Place {
    /// On the processor.
    Cpu,
    /// On these GPUs, by number; at least one.
    Gpus(Vec<usize>),
    /// On so many emulations of a GPU.
    #[cfg(feature = "emulation")]
    Emulated(usize),
}

/// One device that runs kernels.
#[cfg(device)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// The GPU of this number.
    #[cfg(feature = "cuda")]
    Gpu(usize),
    /// An emulation of one.
    #[cfg(feature = "emulation")]
    Emulated,
}

impl Place {
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
    #[cfg(device)]
    pub fn spots(&self) -> Vec<Spot> {
        match self {
            #[cfg(feature = "cuda")]
            Self::Gpus(gpus) => gpus.iter().map(|gpu| Spot::Gpu(*gpu)).collect(),
            #[cfg(feature = "emulation")]
            Self::Emulated(count) => vec![Spot::Emulated; *count],
            _ => Vec::new(),
        }
    }
}

impl DeviceChoice {
    /// Looks for what was asked for. `auto` never fails.
    ///
    /// # Errors
    /// [`Code::Device`] for GPUs that are not there or cannot be used, and in a build without the feature `cuda`;
    /// [`Code::CudaDriver`] and [`Code::CudaDriverOld`] when there can be none.
    pub fn place(&self) -> Result<Place> {
        self.place_or_why().map(|(place, _)| place)
    }

    /// [`place`](Self::place), and where `auto` takes the processor, why, in one line.
    pub fn place_or_why(&self) -> Result<(Place, Option<String>)> {
        let place = match self {
            Self::Cpu => Place::Cpu,
            Self::Auto => match first_usable(cards()) {
                Ok(gpu) => Place::Gpus(vec![gpu]),
                Err(why) => return Ok((Place::Cpu, Some(why))),
            },
            Self::Cuda(gpus) => self.gpus(Some(gpus))?,
            Self::AllCuda => self.gpus(None)?,
            #[cfg(feature = "emulation")]
            Self::Emulated(count) => Place::Emulated(*count),
        };
        Ok((place, None))
    }

    fn gpus(&self, asked: Option<&[usize]>) -> Result<Place> {
        let cards = cards()?;
        let gpus = asked.map_or_else(|| (0..cards.len()).collect(), <[usize]>::to_vec);
        gpus.iter().try_for_each(|gpu| usable(&cards, *gpu))?;
        one_kind(&cards, &gpus)?;
        Ok(Place::Gpus(gpus))
    }
}

/// A block's result would depend on which card trains it: two models round differently.
///
/// # Errors
/// [`Code::Device`] for cards of several models.
fn one_kind(cards: &[Card], gpus: &[usize]) -> Result<()> {
    let Some(first) = gpus.first() else { return Err(no_such(0, 0)) };
    let (first, device) = (&cards[*first].name, &cards[*first].device);
    match gpus.iter().find(|gpu| cards[**gpu].name != *first) {
        None => Ok(()),
        Some(other) => {
            Err(Error::new(Code::Device, "the GPUs are of several models, and results would differ between them")
                .expected(format!("GPUs like {device}, {first}"))
                .received(format!("{}, {}", cards[*other].device, cards[*other].name))
                .hint("name GPUs of one model, such as cuda:0,1; `noprop doctor` lists them"))
        }
    }
}

impl Place {
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

impl fmt::Display for Place {
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

/// A GPU that the driver shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// `cuda:0`.
    pub device: String,
    /// As its maker calls it.
    pub name: String,
    /// Compute capability, `9.0`.
    pub capability: String,
    /// Memory in bytes.
    pub memory: usize,
    /// Whether the kernels run on it.
    pub usable: bool,
    /// Why not; empty for a usable one.
    pub reason: String,
}

/// Every GPU that the driver shows, by number.
///
/// # Errors
/// [`Code::Device`] without a GPU, and in a build without the feature `cuda`; [`Code::CudaDriver`] without a driver that
/// runs, [`Code::CudaDriverOld`].
pub fn cards() -> Result<Vec<Card>> {
    #[cfg(feature = "cuda")]
    return crate::cuda::gpu::cards();
    #[cfg(not(feature = "cuda"))]
    Err(Error::new(Code::Device, "no GPU can be used")
        .received("this build of noprop has no CUDA code")
        .hint("build it with the feature `cuda`"))
}

/// [`cards`], each of them tried: memory is taken, a kernel is launched, recorded and replayed, and its result compared.
///
/// # Errors
/// As [`cards`].
pub fn tried_cards() -> Result<Vec<Card>> {
    #[cfg_attr(not(feature = "cuda"), allow(unused_mut))]
    let mut cards = cards()?;
    #[cfg(feature = "cuda")]
    for (ordinal, card) in cards.iter_mut().enumerate().filter(|(_, card)| card.usable) {
        if let Err(error) = crate::cuda::gpu::try_out(ordinal) {
            (card.usable, card.reason) = (false, error.to_string());
        }
    }
    Ok(cards)
}

/// The number of the first card that can be used, or why there is none, in one line.
fn first_usable(cards: Result<Vec<Card>>) -> std::result::Result<usize, String> {
    let cards = cards.map_err(|error| in_one_line(&error))?;
    cards.iter().position(|card| card.usable).ok_or_else(|| {
        let reasons: Vec<_> =
            cards.iter().map(|card| format!("{} ({}): {}", card.device, card.name, card.reason)).collect();
        let told = if reasons.is_empty() { "the driver shows no GPU".to_owned() } else { reasons.join("; ") };
        told.replace('\n', " ")
    })
}

/// What an error says, without its cure: why `auto` went on without a GPU.
pub fn in_one_line(error: &Error) -> String {
    let Error { what, received, .. } = error;
    let told = if received.is_empty() { what.clone() } else { format!("{what} ({received})") };
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the card of that number can be used.
///
/// # Errors
/// [`Code::Device`] for a card that is not among them, or with the reason why it cannot be used.
pub fn usable(cards: &[Card], ordinal: usize) -> Result<()> {
    let Some(card) = cards.get(ordinal) else { return Err(no_such(ordinal, cards.len())) };
    if card.usable {
        return Ok(());
    }
    Err(Error::new(Code::Device, format!("device {} cannot be used", card.device))
        .received(format!("{}: {}", card.name, card.reason))
        .hint("`noprop doctor` lists every device"))
}

fn no_such(ordinal: usize, count: usize) -> Error {
    let expected = match count {
        0 => "no GPU at all".to_owned(),
        1 => "cuda:0, the only GPU".to_owned(),
        _ => format!("cuda:0 to cuda:{}", count - 1),
    };
    Error::new(Code::Device, format!("there is no device cuda:{ordinal}"))
        .expected(expected)
        .received(format!("cuda:{ordinal}"))
        .hint("`noprop doctor` lists every device; CUDA_VISIBLE_DEVICES hides and renumbers them")
}

/// The outcome of taking `bytes` of a device's memory. Where there is too little it says how much was asked for, and how much
/// there is.
pub fn allocated<T>(device: &Device, bytes: usize, outcome: candle_core::Result<T>) -> Result<T> {
    outcome.map_err(|error| {
        let error = Error::from(error);
        if error.code == Code::DeviceMemory { out_of_memory(bytes, memory(device)) } else { error }
    })
}

/// Free and total memory of a GPU in bytes.
fn memory(device: &Device) -> Option<(usize, usize)> {
    #[cfg(feature = "cuda")]
    return crate::cuda::gpu::Gpu::on(device).and_then(|gpu| gpu.memory()).ok();
    #[cfg(not(feature = "cuda"))]
    {
        let _ = device;
        None
    }
}

fn out_of_memory(asked: usize, memory: Option<(usize, usize)>) -> Error {
    let mib = |bytes: usize| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let error = Error::new(Code::DeviceMemory, "the GPU does not have enough free memory")
        .expected(format!("{} more", mib(asked)))
        .hint("train with fewer blocks in flight (inFlight), a smaller batch, or nothing else on the GPU");
    match memory {
        Some((free, total)) => error.received(format!("{} free of {}", mib(free), mib(total))),
        None => error,
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
        assert_eq!(Place::Gpus(vec![0, 1]).to_string(), "cuda:0,1");
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

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn without_cuda_code_only_the_processor_serves() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu] {
            assert_eq!(choice.place().unwrap(), Place::Cpu);
        }
        for choice in [DeviceChoice::Cuda(vec![0]), DeviceChoice::AllCuda] {
            let error = choice.place().unwrap_err();
            assert_eq!(error.code, Code::Device);
        }
        assert!(cards().unwrap_err().received.contains("no CUDA code"));
    }

    #[test]
    fn too_little_memory_is_told_in_numbers() {
        let error = out_of_memory(3 << 29, Some((1 << 20, 80 << 30)));
        assert_eq!((error.code, error.expected.as_str()), (Code::DeviceMemory, "1536.0 MiB more"));
        assert_eq!(error.received, "1.0 MiB free of 81920.0 MiB");
        assert!(error.hint.contains("fewer blocks in flight"));
        // Any other failure stays what it was.
        let failed = allocated::<()>(&Device::Cpu, 8, Err(candle_core::Error::Msg("other".to_owned())));
        assert_eq!(failed.unwrap_err().code, Code::Internal);
    }

    #[test]
    fn auto_says_why_it_takes_no_card() {
        let card = |reason: &str| Card {
            device: "cuda:0".to_owned(),
            name: "A card".to_owned(),
            capability: "7.5".to_owned(),
            memory: 1 << 30,
            usable: reason.is_empty(),
            reason: reason.to_owned(),
        };
        assert_eq!(first_usable(Ok(vec![card("it is too old"), card("")])), Ok(1));
        let why = |cards| first_usable(cards).unwrap_err();
        assert_eq!(
            why(Ok(vec![card("it is\ntoo old"), card("x")])),
            "cuda:0 (A card): it is too old; cuda:0 (A card): x"
        );
        assert_eq!(why(Ok(Vec::new())), "the driver shows no GPU");
        let error = Error::new(Code::CudaDriver, "no GPU can be used").received("no\ndriver").hint("install it");
        assert_eq!(why(Err(error)), "no GPU can be used (no driver)");
        #[cfg(not(feature = "cuda"))]
        {
            let (place, why) = DeviceChoice::Auto.place_or_why().unwrap();
            assert_eq!((place, why.unwrap().contains("no CUDA code")), (Place::Cpu, true));
            assert_eq!(DeviceChoice::Cpu.place_or_why().unwrap(), (Place::Cpu, None));
        }
    }

    #[test]
    fn a_card_is_usable_when_it_is_there_and_has_no_reason_against_it() {
        let card = |ordinal: usize, reason: &str| Card {
            device: format!("cuda:{ordinal}"),
            name: "A card".to_owned(),
            capability: "7.5".to_owned(),
            memory: 1 << 30,
            usable: reason.is_empty(),
            reason: reason.to_owned(),
        };
        let cards = [card(0, ""), card(1, "it is too old")];
        usable(&cards, 0).unwrap();
        let error = usable(&cards, 1).unwrap_err();
        assert_eq!((error.code, error.received.as_str()), (Code::Device, "A card: it is too old"));
        let error = usable(&cards, 2).unwrap_err();
        assert_eq!((error.code, error.expected.as_str()), (Code::Device, "cuda:0 to cuda:1"));
        assert_eq!(usable(&cards[..1], 1).unwrap_err().expected, "cuda:0, the only GPU");
        let other = Card { name: "Another card".to_owned(), ..card(2, "") };
        let cards = [card(0, ""), card(1, ""), other];
        one_kind(&cards, &[1, 0]).unwrap();
        assert!(one_kind(&cards, &[0, 2]).unwrap_err().received.contains("Another card"));
    }
}
