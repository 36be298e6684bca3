//! What teams would do on more cores than this machine has, from what two of its cores do:
//!
//! ```sh
//! cargo run --release --example team_estimate
//! ```
//!
//! It measures a step of each net by a team of two, and by one thread while the other trains another block; what handing out an operation costs, and what a processor pays for
//! a word of memory that another has just written. With R operations that are cut in a step, a team of n takes
//!
//! ```text
//! t(n) = u + (t(1) − u) / n + R h(n)        u: what is not cut, from t(2)
//! h(n) = h(2) + (n − 2) · 3 w               each further helper enters, takes parts and leaves: three writes to one line
//! ```
//!
//! Memory that all cores share is not in it.

use candle_core::Device;
use noprop_core::config::from_json;
use noprop_core::data::{Dataset, InputShape, Pixels};
use noprop_core::team::{Team, share};
use noprop_core::tensor::StopFlag;
use noprop_core::train::{BlockJob, Plan, Trainer};
use noprop_core::{Error, FitOptions, Model, Result};
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const BATCH: usize = 128;
const CORES: [usize; 5] = [2, 8, 16, 32, 64];
/// T where each block has a team of its own.
const BLOCKS: usize = 10;

fn main() -> Result<()> {
    let handing = handing_out();
    let write = contended_write();
    println!(
        "Handing an operation to one helper: {:.2} µs; a write to a line that both write: {:.0} ns.\n",
        1e6 * handing,
        1e9 * write
    );
    let head = |of: &str| CORES.map(|cores| format!("{of}, {cores}")).join(" | ");
    println!("| net | operations cut | not cut | {} | {} |", head("T = 1"), head(&format!("T = {BLOCKS}")));
    println!("|---|---|---|{}", "---|".repeat(2 * CORES.len()));
    for net in ["cnn", "resnet", "vit", "mlp"] {
        let (steps, cut) = measure(net)?;
        let [one, two] = steps;
        let rounds = cut as f64;
        let whole = (2.0 * (two - rounds * handing) - one).max(0.0);
        let team = |threads: f64| match threads {
            ..=1.0 => one / threads,
            _ => whole + (one - whole) / threads + rounds * (handing + (threads - 2.0).max(0.0) * 3.0 * write),
        };
        // A share of a team helps one block for some steps, then another: speeds add up.
        let row = |blocks: usize| {
            CORES.map(|cores| {
                let threads = cores as f64 / blocks as f64;
                format!("{:.1} ×", one / team(threads) * blocks as f64)
            })
        };
        let alone = CORES.map(|cores| format!("{:.1} ×", one / team(cores as f64)));
        println!(
            "| `{net}` | {cut} | {:.1} % | {} | {} |",
            100.0 * whole / one,
            alone.join(" | "),
            row(BLOCKS).join(" | ")
        );
    }
    Ok(())
}

/// Seconds that an operation of two empty parts takes, with a helper.
fn handing_out() -> f64 {
    with_helper(|_| {
        median(|| {
            let begin = Instant::now();
            for _ in 0..10_000 {
                share(2, |part| {
                    black_box(part);
                    Ok(())
                })
                .expect("parts do not fail");
            }
            begin.elapsed().as_secs_f64() / 10_000.0
        })
    })
}

/// Seconds that adding to a word takes while another thread does the same.
fn contended_write() -> f64 {
    let (word, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                word.fetch_add(1, Ordering::AcqRel);
            }
        });
        while word.load(Ordering::Relaxed) == 0 {
            spin_loop();
        }
        let time = median(|| {
            let (begin, from) = (Instant::now(), word.load(Ordering::Relaxed));
            for _ in 0..100_000 {
                word.fetch_add(1, Ordering::AcqRel);
            }
            begin.elapsed().as_secs_f64() / (word.load(Ordering::Relaxed) - from) as f64
        });
        done.store(true, Ordering::Relaxed);
        time
    })
}

/// Seconds of a step of one block: by one thread while another trains a block of its own, as two cores share clocks and memory; and by
/// a team of both. In turns. Then the operations of a step that are cut.
fn measure(net: &str) -> Result<([f64; 2], usize)> {
    let plan = plan(net)?;
    let (mut first, mut second) = (Steps::new(&plan, 1)?, Steps::new(&plan, 2)?);
    first.take(3)?;
    let count = (0.4 / first.take(3)?).ceil() as usize;
    let (mut one, mut two, mut cut) = (Vec::new(), Vec::new(), 0);
    for _ in 0..7 {
        one.push(beside(&mut second, || first.take(count))?);
        let (time, operations) = with_helper(|team| {
            first.take(1)?;
            let before = team.cut_operations();
            let time = first.take(count)?;
            Ok::<_, Error>((time, (team.cut_operations() - before) / count))
        })?;
        two.push(time);
        cut = operations;
    }
    Ok(([middle(one), middle(two)], cut))
}

fn plan(net: &str) -> Result<Arc<Plan>> {
    let input = InputShape::new(&[28, 28, 1])?;
    let pixels = (0..BATCH * input.len()).map(|index| (index * 7919 % 251) as u8).collect();
    let labels = (0..BATCH as i32).map(|sample| sample % 10).collect();
    let data = Dataset::from_arrays(Pixels::U8(pixels), input, Some(labels))?;
    let config = format!(r#"{{"input":[28,28,1],"classes":[0,1,2,3,4,5,6,7,8,9],"net":{{"type":"{net}"}}}}"#);
    let options = FitOptions { epochs: 1_000_000, batch: Some(BATCH), threads: Some(1), ..FitOptions::default() };
    Ok(Arc::new(Plan::new(Model::new(from_json(&config)?)?.checked, options, Arc::new(data))?))
}

/// A block in training.
struct Steps {
    plan: Arc<Plan>,
    trainer: Trainer,
    job: BlockJob,
}

impl Steps {
    fn new(plan: &Arc<Plan>, block: usize) -> Result<Self> {
        let (trainer, job) = (Trainer::new(plan, &Device::Cpu)?, BlockJob::start(plan, block, &Device::Cpu)?);
        Ok(Self { plan: plan.clone(), trainer, job })
    }

    /// Seconds of each of `count` steps.
    fn take(&mut self, count: usize) -> Result<f64> {
        let begin = Instant::now();
        for _ in 0..count {
            self.job.step(&self.plan, &mut self.trainer, &StopFlag::new())?;
        }
        Ok(begin.elapsed().as_secs_f64() / count as f64)
    }
}

/// Runs `work` while another thread takes steps of its own.
fn beside<R>(steps: &mut Steps, work: impl FnOnce() -> Result<R>) -> Result<R> {
    let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (begun, done) = (&begun, &done);
        let other = scope.spawn(move || -> Result<()> {
            while !done.load(Ordering::Relaxed) {
                let outcome = steps.take(1);
                begun.store(true, Ordering::Relaxed);
                outcome?;
            }
            Ok(())
        });
        while !begun.load(Ordering::Relaxed) {
            spin_loop();
        }
        let result = work();
        done.store(true, Ordering::Relaxed);
        other.join().expect("steps do not panic")?;
        result
    })
}

/// Runs `work` as the leader of a team with one helper.
fn with_helper<R>(work: impl FnOnce(&Team) -> R) -> R {
    let team = Arc::new(Team::new(Arc::default()));
    std::thread::scope(|scope| {
        let seat = team.seat();
        team.lead(|| {
            scope.spawn(move || seat.help(|| false));
            work(&team)
        })
    })
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    measure();
    middle((0..7).map(|_| measure()).collect())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
