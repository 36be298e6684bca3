//! Compiles the CUDA kernels: with the feature `cuda` into a fat binary, with `emulation` for the processor. Without either
//! it does nothing, and no compiler but Rust's is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags of nvcc for every capability that the fat binary has code for, and PTX for newer cards. The newest two are compiled from the
/// same PTX: from one of their own the compiler no longer knows which memory some pointers are to.
const CAPABILITIES: [&str; 6] = [
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_89,code=sm_89",
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_90,code=sm_100",
    "-gencode=arch=compute_90,code=sm_120",
    "-gencode=arch=compute_90,code=compute_90",
];

fn main() {
    println!("cargo:rustc-check-cfg=cfg(device)");
    println!("cargo:rerun-if-changed=build.rs");
    let has = |feature: &str| std::env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    let (cuda, emulation) = (has("CUDA"), has("EMULATION"));
    if !cuda && !emulation {
        return;
    }
    // Code that launches kernels, on a card or on its emulation.
    println!("cargo:rustc-cfg=device");
    for room in ["cuda", "ops"] {
        println!("cargo:rerun-if-changed=src/{room}");
    }
    let source = Path::new("src/cuda/all.cu");
    #[cfg(feature = "emulation")]
    emulate(source);
    if cuda {
        compile(source);
    }
}

#[cfg(feature = "emulation")]
fn emulate(source: &Path) {
    println!("cargo:rerun-if-env-changed=NOPROP_EMULATION_FLAGS");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").file(source).opt_level(1).flag("-xc++").flag("-fno-strict-aliasing");
    // For the sanitizers, see scripts/cuda/check-emulation.mjs: `-fsanitize=thread -DNOPROP_EMULATION_THREADS`, say.
    for flag in std::env::var("NOPROP_EMULATION_FLAGS").unwrap_or_default().split_whitespace() {
        build.flag(flag);
        for sanitizer in flag.strip_prefix("-fsanitize=").into_iter().flat_map(|names| names.split(',')) {
            let library = match sanitizer {
                "address" => "asan",
                "thread" => "tsan",
                "undefined" => "ubsan",
                other => panic!("NOPROP_EMULATION_FLAGS: no library is known for -fsanitize={other}"),
            };
            println!("cargo:rustc-link-arg=-l{library}");
        }
    }
    build.compile("noprop_emulation");
}

fn compile(source: &Path) {
    for name in ["CUDA_HOME", "CUDA_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let nvcc = ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(|name| std::env::var_os(name).map(|home| PathBuf::from(home).join("bin/nvcc")))
        .find(|nvcc| nvcc.exists())
        .unwrap_or_else(|| PathBuf::from("nvcc"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut command = Command::new(&nvcc);
    // Code of several capabilities is alike: packed for size it takes less than a third of the room.
    command
        .args(["-O3", "-std=c++17", "-fatbin", "-compress-mode=size", "--threads=2", "-Xptxas=-v"])
        .args(CAPABILITIES);
    command.arg("-o").arg(out.join("kernels.fatbin")).arg(source);
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "the feature `cuda` needs nvcc; {} cannot be run ({error}): `npm run build:cuda` fetches it",
            nvcc.display()
        )
    });
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nvcc failed:\n{report}");
    // Registers and shared memory of every kernel, for `npm run check:cuda`.
    std::fs::write(out.join("kernels.ptxas.txt"), report.as_bytes()).expect("OUT_DIR is writable");
}
