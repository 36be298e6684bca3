//! Data sets.

use crate::error::IntoJs;
use crate::tasks::promise;
use napi::bindgen_prelude::{Either, Env, Float32Array, Int32Array, Object, Uint8Array};
use napi_derive::napi;
use noprop_core::data::{Dataset, InputShape, Pixels, Split, load, load_images};
use noprop_core::tensor::StopFlag;
use noprop_core::{Code, Error};
use std::path::PathBuf;
use std::sync::Arc;

/// Samples of one shape, with or without labels; immutable native memory.
#[napi]
pub struct NativeDataset {
    pub(crate) inner: Arc<Dataset>,
}

impl From<Dataset> for NativeDataset {
    fn from(dataset: Dataset) -> Self {
        Self { inner: Arc::new(dataset) }
    }
}

#[napi]
impl NativeDataset {
    /// Copies arrays, so that JavaScript may change them afterwards. `shape` is that of one sample.
    #[napi(ts_args_type = "images: Uint8Array | Float32Array, shape: Array<number>, labels: Int32Array | null")]
    pub fn from_arrays(
        images: Either<Uint8Array, Float32Array>,
        shape: Vec<f64>,
        labels: Option<Int32Array>,
    ) -> napi::Result<Self> {
        let pixels = match images {
            Either::A(bytes) => Pixels::U8(bytes.to_vec()),
            Either::B(floats) => Pixels::F32(floats.to_vec()),
        };
        let labels = labels.map(|labels| labels.to_vec());
        Dataset::from_arrays(pixels, input_shape(&shape)?, labels).map(Self::from).into_js()
    }

    /// Reads a directory of IDX or CIFAR files; `split` is `train` or `test`, `limit` the number of first samples or null.
    #[napi(
        ts_args_type = "directory: string, split: string, limit: number | null",
        ts_return_type = "Promise<NativeDataset>"
    )]
    pub fn load<'env>(
        env: &'env Env,
        directory: String,
        split: String,
        limit: Option<f64>,
    ) -> napi::Result<Object<'env>> {
        let split = match split.as_str() {
            "train" => Split::Train,
            "test" => Split::Test,
            other => {
                return Err(Error::new(Code::Option, "unknown split").expected("train or test").received(other))
                    .into_js();
            }
        };
        let limit = limit.map(|limit| whole("limit", limit)).transpose()?;
        promise(env, StopFlag::new(), move || load(&PathBuf::from(directory), split, limit).map(Self::from))
    }

    /// Reads PNG files of one shape, without labels.
    #[napi(ts_return_type = "Promise<NativeDataset>")]
    pub fn from_pngs<'env>(env: &'env Env, paths: Vec<String>, shape: Vec<f64>) -> napi::Result<Object<'env>> {
        let shape = input_shape(&shape)?;
        promise(env, StopFlag::new(), move || load_images(&paths, &shape).map(Self::from))
    }

    /// Number of samples.
    #[napi(getter)]
    pub fn samples(&self) -> u32 {
        self.inner.samples() as u32
    }

    /// Shape of one sample.
    #[napi(getter)]
    pub fn shape(&self) -> Vec<u32> {
        self.inner.shape().sizes().into_iter().map(|size| size as u32).collect()
    }

    /// The different labels, sorted; empty without labels.
    #[napi(getter)]
    pub fn classes(&self) -> Vec<i32> {
        self.inner.classes().to_vec()
    }

    /// SHA-256 of shape, values and labels, in hexadecimal.
    #[napi(getter)]
    pub fn fingerprint(&self) -> String {
        self.inner.fingerprint().to_owned()
    }

    /// A copy of the labels.
    #[napi(ts_return_type = "Int32Array | null")]
    pub fn labels(&self) -> Option<Int32Array> {
        self.inner.labels().map(|labels| Int32Array::new(labels.to_vec()))
    }

    /// One sample's values as the net sees them: bytes scaled to 0..1, floats as they are.
    #[napi]
    pub fn sample(&self, index: f64) -> napi::Result<Float32Array> {
        let sample = whole("index", index)?;
        self.inner.sample(sample).map(Float32Array::new).into_js()
    }
}

fn input_shape(shape: &[f64]) -> napi::Result<InputShape> {
    let sizes = shape.iter().map(|size| whole("shape", *size)).collect::<napi::Result<Vec<_>>>()?;
    InputShape::new(&sizes).into_js()
}

/// A JavaScript number as a count.
fn whole(name: &str, value: f64) -> napi::Result<usize> {
    if (0.0..=9_007_199_254_740_991.0).contains(&value) && value.fract() == 0.0 {
        return Ok(value as usize);
    }
    Err(Error::new(Code::Option, format!("option {name} is not a whole number"))
        .expected("a whole number of at least 0")
        .received(value.to_string()))
    .into_js()
}
