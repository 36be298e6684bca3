//! The methods as users name them.

use super::adjoint::Adjoint;
use super::backprop::Backprop;
use super::classifier::Classifier;
use super::ct::Ct;
use super::ct_learned::CtLearned;
use super::diffusion_blocks::{self, DiffusionBlocks};
use super::dt::Dt;
use super::dt_learned::DtLearned;
use super::fm::Fm;
use super::fm_learned::FmLearned;
use super::forward_forward::ForwardForward;
use super::noise_levels::{NoiseLevels, Partition};
use super::{BlockLoss, Method, Parts};
use crate::data::InputShape;
use crate::error::{Code, Error, Result};
use crate::net::NetConfig;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The training method. JSON has its name, or an object with `type` and its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum MethodConfig {
    /// NoProp-DT: T separate blocks, discrete time (paper, section 3).
    Dt {
        /// Loss. Default mse (paper).
        #[serde(default = "default_loss")]
        loss: BlockLoss,
    },
    /// NoProp-CT: one net, continuous time, a learned noise schedule (paper, section 3.2).
    Ct {
        /// η, the weight of the denoising loss beside the head's. Default 1 (paper).
        #[serde(default = "one")]
        eta: f64,
        /// Units of the net that γ is learned by, 1 to 1,024. Default 32.
        #[serde(default = "default_units")]
        units: usize,
        /// γ at the end, before training. Default −1: ᾱ is 0.73 there, and a label still clear.
        #[serde(default = "default_low")]
        gamma0: f64,
        /// γ at the beginning, before training; more than `gamma0`. Default 4: ᾱ is 0.018 there.
        #[serde(default = "default_high")]
        gamma1: f64,
    },
    /// NoProp-FM: one net, flow matching (paper, section 3.3).
    Fm {
        /// σ of the noise around the way from noise to label, from 0. Default 0.
        #[serde(default)]
        noise: f64,
    },
    /// DiffusionBlocks: T separate blocks that own ranges of noise levels (arXiv 2506.14202).
    DiffusionBlocks {
        /// How noise levels are shared out. Default edm (paper).
        #[serde(default)]
        partition: Partition,
        /// Exponent by which each range is widened on both sides, 0 to 1. Default 0.05 (paper).
        #[serde(default = "default_overlap")]
        overlap: f64,
        /// Loss. Default ce (paper).
        #[serde(default = "default_cross_entropy")]
        loss: BlockLoss,
        /// Whether input and output are scaled by the noise level. Default false.
        #[serde(default)]
        preconditioning: bool,
        /// Least noise level. Default 0.002.
        #[serde(default = "default_sigma_min")]
        sigma_min: f64,
        /// Greatest noise level. Default 80.
        #[serde(default = "default_sigma_max")]
        sigma_max: f64,
    },
    /// Baseline: the same T blocks end to end by back-propagation (paper, section 4).
    Backprop {},
    /// Baseline: layers that each learn by a loss of their own (Hinton 2022).
    ForwardForward {
        /// Weight of the peer normalisation, from 0. Default 0.03.
        #[serde(default = "default_peer")]
        peer: f64,
        /// Momentum of the descent, 0 to below 1. Default 0.9.
        #[serde(default = "default_momentum")]
        momentum: f64,
    },
    /// Baseline: one plain net by cross-entropy, which sees no label. An encoder is cut from it.
    Classifier {},
    /// Baseline: a neural differential equation, trained by the adjoint equation (paper, section 4).
    Adjoint {
        /// Steps from noise to class, 1 to 10,000. Default 10; the paper takes 1,000.
        #[serde(default = "default_steps")]
        steps: usize,
    },
}

fn default_peer() -> f64 {
    0.03
}
fn default_momentum() -> f64 {
    0.9
}
fn default_steps() -> usize {
    10
}
fn one() -> f64 {
    1.0
}
fn default_loss() -> BlockLoss {
    BlockLoss::Mse
}
fn default_cross_entropy() -> BlockLoss {
    BlockLoss::Ce
}
fn default_overlap() -> f64 {
    0.05
}
fn default_sigma_min() -> f64 {
    0.002
}
fn default_sigma_max() -> f64 {
    80.0
}
fn default_units() -> usize {
    32
}
fn default_low() -> f64 {
    -1.0
}
fn default_high() -> f64 {
    4.0
}

impl Default for MethodConfig {
    fn default() -> Self {
        Self::Dt { loss: default_loss() }
    }
}

impl MethodConfig {
    /// T where nothing says how many: 10 (paper), 3 for `diffusion-blocks` (its paper), and 1 for methods of one net.
    pub fn default_blocks(&self) -> usize {
        match self {
            Self::Dt { .. } | Self::Backprop {} => 10,
            Self::DiffusionBlocks { .. } => 3,
            Self::Ct { .. } | Self::Fm { .. } | Self::ForwardForward { .. } => 1,
            Self::Classifier {} | Self::Adjoint { .. } => 1,
        }
    }

    /// The net where nothing says which: the layers of forward-forward's recipe, else that of the samples' shape.
    pub fn default_net(&self, input: InputShape) -> NetConfig {
        match self {
            Self::ForwardForward { .. } => NetConfig::Mlp { hidden: vec![1000; 3], dropout: 0.0 },
            _ => NetConfig::for_input(input),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dt { .. } => "dt",
            Self::Ct { .. } => "ct",
            Self::Fm { .. } => "fm",
            Self::DiffusionBlocks { .. } => "diffusion-blocks",
            Self::Backprop {} => "backprop",
            Self::ForwardForward { .. } => "forward-forward",
            Self::Classifier {} => "classifier",
            Self::Adjoint { .. } => "adjoint",
        }
    }

    /// Its name, and the loss where that is not what the method is known by.
    pub fn described(&self) -> String {
        match self {
            Self::Dt { loss: BlockLoss::Ce } => "dt with loss ce".to_owned(),
            _ => self.name().to_owned(),
        }
    }

    /// Whether it is one net instead of T blocks.
    pub fn is_one_net(&self) -> bool {
        match self {
            Self::Ct { .. } | Self::Fm { .. } | Self::ForwardForward { .. } => true,
            Self::Classifier {} | Self::Adjoint { .. } => true,
            Self::Dt { .. } | Self::DiffusionBlocks { .. } | Self::Backprop {} => false,
        }
    }

    /// Whether its states are made of embeddings of the classes, which options choose.
    pub fn has_embeddings(&self) -> bool {
        !matches!(self, Self::ForwardForward { .. } | Self::Classifier {} | Self::Adjoint { .. })
    }

    /// Whether embeddings may be learned with its nets.
    pub fn learns_embeddings(&self) -> bool {
        matches!(self, Self::Dt { loss: BlockLoss::Mse } | Self::Ct { .. } | Self::Fm { .. } | Self::Backprop {})
    }

    /// Whether the model's schedule is its noise.
    pub fn has_schedule(&self) -> bool {
        matches!(self, Self::Dt { .. })
    }

    /// The method of a model of these parts.
    ///
    /// # Errors
    /// [`Code::Option`] for an option out of its range.
    pub fn build(&self, parts: Parts) -> Result<Arc<dyn Method>> {
        Ok(match self {
            Self::Dt { .. } if parts.learned => Arc::new(DtLearned(parts)),
            Self::Dt { loss } => Arc::new(Dt { parts, loss: *loss }),
            Self::Backprop {} => Arc::new(Backprop(parts)),
            Self::Classifier {} => Arc::new(Classifier(parts)),
            Self::ForwardForward { peer, momentum } => {
                if !(0.0..=1e6).contains(peer) {
                    return Err(out_of_range("peer", "0 to 1000000", peer));
                }
                if !(0.0..1.0).contains(momentum) {
                    return Err(out_of_range("momentum", "0 to below 1", momentum));
                }
                Arc::new(ForwardForward::new(parts, *peer, *momentum)?)
            }
            Self::Adjoint { steps } => {
                if !(1..=10_000).contains(steps) {
                    return Err(out_of_range("steps", "1 to 10000", steps));
                }
                Arc::new(Adjoint { parts, steps: *steps })
            }
            Self::Ct { eta, units, gamma0, gamma1 } => {
                if !(1e-6..=1e6).contains(eta) {
                    return Err(out_of_range("eta", "0.000001 to 1000000", eta));
                }
                if !(1..=1024).contains(units) {
                    return Err(out_of_range("units", "1 to 1024", units));
                }
                if !(-20.0..=20.0).contains(gamma0) {
                    return Err(out_of_range("gamma0", "-20 to 20", gamma0));
                }
                if *gamma1 > 40.0 {
                    return Err(out_of_range("gamma1", "at most 40", gamma1));
                }
                if !(*gamma0 + 0.01..).contains(gamma1) {
                    return Err(not_above(("gamma1", *gamma1), ("gamma0", *gamma0), "0.01 more"));
                }
                let learned = parts.learned;
                let ct = Ct { parts, eta: *eta, units: *units, ends: [*gamma0, *gamma1] };
                if learned { Arc::new(CtLearned(ct)) } else { Arc::new(ct) }
            }
            Self::Fm { noise } => {
                if !(0.0..=10.0).contains(noise) {
                    return Err(out_of_range("noise", "0 to 10", noise));
                }
                let (learned, fm) = (parts.learned, Fm { parts, noise: *noise });
                if learned { Arc::new(FmLearned(fm)) } else { Arc::new(fm) }
            }
            Self::DiffusionBlocks { partition, overlap, loss, preconditioning, sigma_min, sigma_max } => {
                if !(0.0..=1.0).contains(overlap) {
                    return Err(out_of_range("overlap", "0 to 1", overlap));
                }
                if !(1e-4..=1e3).contains(sigma_min) {
                    return Err(out_of_range("sigmaMin", "0.0001 to 1000", sigma_min));
                }
                if *sigma_max > 1e4 {
                    return Err(out_of_range("sigmaMax", "at most 10000", sigma_max));
                }
                if !(sigma_min * 1.01..).contains(sigma_max) {
                    return Err(not_above(("sigmaMax", *sigma_max), ("sigmaMin", *sigma_min), "1 % more"));
                }
                diffusion_blocks::check(*loss, *preconditioning)?;
                let levels = NoiseLevels::new(*partition, [*sigma_min, *sigma_max], parts.classes);
                let (overlap, loss, preconditioning) = (*overlap, *loss, *preconditioning);
                Arc::new(DiffusionBlocks { parts, levels, overlap, loss, preconditioning })
            }
        })
    }
}

fn out_of_range(name: &str, expected: &str, received: impl ToString) -> Error {
    Error::new(Code::Option, format!("option method.{name} is out of range"))
        .expected(expected)
        .received(received.to_string())
}

/// One of the two may be a default that nobody has typed.
fn not_above((high, above): (&str, f64), (low, below): (&str, f64), least: &str) -> Error {
    Error::new(Code::Option, format!("option method.{high} is not above method.{low}"))
        .expected(format!("method.{high} of at least {least} than method.{low}"))
        .received(format!("method.{low} {below} and method.{high} {above}"))
}

impl Serialize for MethodConfig {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            // As model files and checkpoints have it that know no other method.
            Self::Dt { loss: BlockLoss::Mse } => to.serialize_str(self.name()),
            _ => Self::serialize(self, to),
        }
    }
}

impl<'de> Deserialize<'de> for MethodConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct NameOrObject;
        impl<'de> Visitor<'de> for NameOrObject {
            type Value = MethodConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a method, or an object with its type")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> std::result::Result<MethodConfig, E> {
                MethodConfig::deserialize(MapDeserializer::new(std::iter::once(("type", name))))
            }
            fn visit_map<M: MapAccess<'de>>(self, map: M) -> std::result::Result<MethodConfig, M::Error> {
                MethodConfig::deserialize(MapAccessDeserializer::new(map))
            }
        }
        from.deserialize_any(NameOrObject)
    }
}
