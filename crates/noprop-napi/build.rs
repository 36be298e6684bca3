//! Compiles the binding again where its TypeScript types are to be written.

fn main() {
    for name in ["NAPI_TYPE_DEF_TMP_FOLDER", "NAPI_FORCE_BUILD_NOPROP_NAPI"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
}
