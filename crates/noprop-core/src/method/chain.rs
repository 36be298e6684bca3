//! The chain of inference: z_0 ~ N(0, I), then moves from one state to the next, each by one or two estimates of a job's net.

use crate::diffusion::{Coefficients, Sampler};
use crate::error::{Code, Error, Result};

/// What a net is asked: û = skip · z + out · net(scale · z, x, time).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query {
    /// What the net sees as the time.
    pub time: f64,
    /// Factor of the state on its way into the net.
    pub scale: f64,
    /// Factor of the state in the estimate.
    pub skip: f64,
    /// Factor of the net's output in it.
    pub out: f64,
}

impl Default for Query {
    fn default() -> Self {
        Self { time: 0.0, scale: 1.0, skip: 0.0, out: 1.0 }
    }
}

/// A slope dz/dt = estimate · û + state · z.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Factor of the estimate.
    pub estimate: f64,
    /// Factor of the state.
    pub state: f64,
}

impl Slope {
    /// Its value.
    pub fn at(self, estimate: f64, state: f64) -> f64 {
        self.estimate * estimate + self.state * state
    }
}

/// What leads from one state to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// z ← a û + b z + c ε.
    Step {
        /// What the net is asked.
        query: Query,
        /// a, b and c.
        coefficients: Coefficients,
    },
    /// Heun's rule: a step of Euler's to z̃, then z ← z + step/2 · (slope at z + slope at z̃).
    Heun {
        /// Question and slope at the beginning.
        from: (Query, Slope),
        /// Question and slope at the end.
        to: (Query, Slope),
        /// Length of the step.
        step: f64,
    },
}

/// Rules from state to state; which of them a method has, it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerChoice {
    /// See [`Sampler::Posterior`].
    Posterior,
    /// See [`Sampler::Resample`].
    Resample,
    /// See [`Sampler::Ddim`].
    Ddim,
    /// Euler's rule on the method's differential equation.
    Euler,
    /// Heun's rule on it: two estimates a step, of second order.
    Heun,
}

impl SamplerChoice {
    /// As options name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Posterior => "posterior",
            Self::Resample => "resample",
            Self::Ddim => "ddim",
            Self::Euler => "euler",
            Self::Heun => "heun",
        }
    }
}

/// How a chain is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sampling {
    /// The rule; the method's default without.
    pub sampler: Option<SamplerChoice>,
    /// Whether moves add noise, where the rule has some.
    pub stochastic: bool,
    /// Steps of a method that chooses them at inference; its default without.
    pub steps: Option<usize>,
    /// Steps within each block, of a method whose blocks own ranges; 1 without.
    pub steps_per_block: Option<usize>,
}

/// Most steps, each of which has a stream of noise of its own.
const MOST_STEPS: usize = 50_000;
/// Steps where nothing says how many.
pub(super) const DEFAULT_STEPS: usize = 20;

impl Sampling {
    /// # Errors
    /// [`Code::Option`] where a number of steps is given to a method that has one step a block.
    pub(super) fn refuse_steps(&self, method: &str) -> Result<()> {
        let Some(steps) = self.steps else { return Ok(()) };
        Err(Error::new(Code::Option, format!("option steps does not apply to method {method}"))
            .expected(match method {
                "diffusion-blocks" => "no steps: stepsPerBlock says how many each block takes",
                _ => "no steps: every block is one",
            })
            .received(steps.to_string()))
    }

    /// # Errors
    /// [`Code::Option`] where anything is asked of a method whose inference is one pass.
    pub(super) fn refuse_all(&self, method: &str) -> Result<()> {
        self.refuse_steps(method)?;
        self.refuse_steps_per_block(method)?;
        let Some(sampler) = self.sampler else { return Ok(()) };
        Err(Self::refused(method, "no sampler: inference is one pass through the blocks", sampler))
    }

    /// # Errors
    /// [`Code::Option`] where steps within blocks are asked of a method that has none.
    pub(super) fn refuse_steps_per_block(&self, method: &str) -> Result<()> {
        let Some(steps) = self.steps_per_block else { return Ok(()) };
        Err(Error::new(Code::Option, format!("option stepsPerBlock does not apply to method {method}"))
            .expected("no stepsPerBlock: it is for method diffusion-blocks")
            .received(steps.to_string()))
    }

    /// Steps within each of so many blocks.
    ///
    /// # Errors
    /// [`Code::Option`] out of the range.
    pub(super) fn steps_per_block(&self, blocks: usize) -> Result<usize> {
        let (steps, most) = (self.steps_per_block.unwrap_or(1), (MOST_STEPS / blocks).max(1));
        if (1..=most).contains(&steps) {
            return Ok(steps);
        }
        Err(Error::new(Code::Option, "option stepsPerBlock is out of range")
            .expected(format!("1 to {most}"))
            .received(steps.to_string()))
    }

    /// # Errors
    /// [`Code::Option`] out of the range.
    pub(super) fn steps(&self, default: usize) -> Result<usize> {
        match self.steps.unwrap_or(default) {
            steps @ 1..=MOST_STEPS => Ok(steps),
            steps => Err(Error::new(Code::Option, "option steps is out of range")
                .expected(format!("1 to {MOST_STEPS}"))
                .received(steps.to_string())),
        }
    }

    fn refused(method: &str, has: &str, sampler: SamplerChoice) -> Error {
        Error::new(Code::Option, format!("method {method} has no sampler {}", sampler.as_str()))
            .expected(has)
            .received(sampler.as_str())
    }

    /// The rule of a chain over given shares of signal.
    pub(super) fn discrete(&self, method: &str) -> Result<Sampler> {
        match self.sampler.unwrap_or(SamplerChoice::Posterior) {
            SamplerChoice::Posterior => Ok(Sampler::Posterior),
            SamplerChoice::Resample => Ok(Sampler::Resample),
            SamplerChoice::Ddim => Ok(Sampler::Ddim),
            other => Err(Self::refused(method, "posterior, resample or ddim", other)),
        }
    }

    /// Moves along a differential equation from time 0 to 1 in so many equal steps, if nothing says how many; `at` is what to ask at a time, and the slope there.
    pub(super) fn integrate(
        &self,
        method: &str,
        steps: usize,
        at: impl Fn(f64) -> (Query, Slope),
    ) -> Result<Vec<Move>> {
        let is_heun = match self.sampler.unwrap_or(SamplerChoice::Euler) {
            SamplerChoice::Euler => false,
            SamplerChoice::Heun => true,
            other => return Err(Self::refused(method, "euler or heun", other)),
        };
        if self.stochastic {
            return Err(Error::new(Code::Option, format!("option stochastic does not apply to method {method}"))
                .expected("no noise: the chain follows a differential equation")
                .received("true"));
        }
        self.refuse_steps_per_block(method)?;
        Ok(self.moves(self.steps(steps)?, is_heun, at))
    }

    /// The same in so many steps by this rule.
    pub(super) fn moves(&self, steps: usize, is_heun: bool, at: impl Fn(f64) -> (Query, Slope)) -> Vec<Move> {
        let time = |step: usize| step as f64 / steps as f64;
        (0..steps)
            .map(|index| {
                let (from, step) = (at(time(index)), time(index + 1) - time(index));
                if is_heun {
                    return Move::Heun { from, to: at(time(index + 1)), step };
                }
                let (query, Slope { estimate, state }) = from;
                let coefficients = Coefficients { estimate: step * estimate, state: 1.0 + step * state, noise: 0.0 };
                Move::Step { query, coefficients }
            })
            .collect()
    }
}
