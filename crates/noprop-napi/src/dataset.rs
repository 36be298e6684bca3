//! Data sets.

use crate::error::{IntoJs, json};
use crate::external_memory::ExternalMemory;
use crate::tasks::promise;
use napi::bindgen_prelude::{
    Either, Env, Float32Array, Int32Array, Object, ObjectFinalize, ToNapiValue, TypeName, Uint8Array, ValueType,
};
use napi::sys;
use napi_derive::napi;
use noprop_core::data::{Dataset, InputShape, Pixels, Split, hold_out, load, load_sound_images, load_unlabelled};
use noprop_core::tensor::StopFlag;
use noprop_core::train::progress::Failure;
use noprop_core::{Code, Error};
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

/// Samples of one shape, with or without labels; native memory that never changes, until it is disposed of.
#[napi(custom_finalize)]
pub struct NativeDataset {
    inner: RefCell<Option<Arc<Dataset>>>,
    memory: ExternalMemory,
}

impl NativeDataset {
    /// On the JavaScript thread, which is told how much memory the object keeps.
    fn new(env: &Env, dataset: Dataset) -> Self {
        let memory = ExternalMemory::new();
        memory.tell(env, dataset.bytes());
        Self { inner: RefCell::new(Some(Arc::new(dataset))), memory }
    }

    /// The data set, which whoever uses it keeps as long as it needs it.
    pub(crate) fn get(&self) -> napi::Result<Arc<Dataset>> {
        let error = || {
            Error::new(Code::Disposed, "the data set was disposed of")
                .expected("a data set that is in use")
                .hint("dispose of it after its last use")
        };
        self.inner.borrow().clone().ok_or_else(error).into_js()
    }
}

impl ObjectFinalize for NativeDataset {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.memory.release(&env);
        Ok(())
    }
}

/// A data set that another thread has made, on its way to JavaScript, where it becomes a [`NativeDataset`].
pub struct Loaded(Dataset);

impl TypeName for Loaded {
    fn type_name() -> &'static str {
        "NativeDataset"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Loaded {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        let dataset = NativeDataset::new(&Env::from_raw(env), value.0);
        // SAFETY: `env` is the one that this was called with, on its own thread.
        unsafe { NativeDataset::to_napi_value(env, dataset) }
    }
}

/// What was read of a list of pictures.
#[napi(object, object_from_js = false)]
pub struct NativePictures {
    /// The samples of those that could be read, if there are any.
    #[napi(ts_type = "NativeDataset | null")]
    pub dataset: Option<Loaded>,
    /// The others as JSON: `[[index, error], …]`.
    pub failures: String,
}

/// A data set in two parts.
#[napi(object, object_from_js = false)]
pub struct NativeHeldOut {
    /// What is left.
    #[napi(ts_type = "NativeDataset")]
    pub left: Loaded,
    /// What is held out.
    #[napi(ts_type = "NativeDataset")]
    pub held: Loaded,
}

#[napi]
impl NativeDataset {
    /// Copies arrays, so that JavaScript may change them afterwards. `shape` is that of one sample.
    #[napi(ts_args_type = "images: Uint8Array | Float32Array, shape: Array<number>, labels: Int32Array | null")]
    pub fn from_arrays(
        env: Env,
        images: Either<Uint8Array, Float32Array>,
        shape: Vec<f64>,
        labels: Option<Int32Array>,
    ) -> napi::Result<Self> {
        let pixels = match images {
            Either::A(bytes) => Pixels::U8(copy(&bytes)?),
            Either::B(floats) => Pixels::F32(copy(&floats)?),
        };
        let labels = labels.map(|labels| copy(&labels)).transpose()?;
        Dataset::from_arrays(pixels, input_shape(&shape)?, labels).map(|dataset| Self::new(&env, dataset)).into_js()
    }

    /// Reads a directory of IDX or CIFAR files; `split` is `train` or `test`, `limit` the number of first samples or null.
    /// Without `labels` no file of labels is needed.
    #[napi(
        ts_args_type = "directory: string, split: string, limit: number | null, labels: boolean",
        ts_return_type = "Promise<NativeDataset>"
    )]
    pub fn load<'env>(
        env: &'env Env,
        directory: String,
        split: String,
        limit: Option<f64>,
        labels: bool,
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
        let load = if labels { load } else { load_unlabelled };
        promise(env, StopFlag::new(), move || load(&PathBuf::from(directory), split, limit).map(Loaded))
    }

    /// Reads PNG files of one shape, without labels. Those that cannot be read are left out and told.
    #[napi(ts_return_type = "Promise<NativePictures>")]
    pub fn from_pngs<'env>(env: &'env Env, paths: Vec<String>, shape: Vec<f64>) -> napi::Result<Object<'env>> {
        let shape = input_shape(&shape)?;
        promise(env, StopFlag::new(), move || {
            let (dataset, failures) = load_sound_images(&paths, &shape)?;
            let failures: Vec<_> = failures.into_iter().map(|(index, error)| (index, Failure(error))).collect();
            Ok(NativePictures { dataset: dataset.map(Loaded), failures: json(&failures)? })
        })
    }

    /// Two data sets: what is left, and the share of each class that is held out.
    #[napi(ts_return_type = "Promise<NativeHeldOut>")]
    pub fn hold_out<'env>(&self, env: &'env Env, share: f64, seed: f64) -> napi::Result<Object<'env>> {
        let (data, seed) = (self.get()?, whole("seed", seed)? as u64);
        promise(env, StopFlag::new(), move || {
            let (left, held) = hold_out(&data, share, seed)?;
            Ok(NativeHeldOut { left: Loaded(left), held: Loaded(held) })
        })
    }

    /// Number of samples.
    #[napi(getter)]
    pub fn samples(&self) -> napi::Result<u32> {
        Ok(self.get()?.samples() as u32)
    }

    /// Shape of one sample.
    #[napi(getter)]
    pub fn shape(&self) -> napi::Result<Vec<u32>> {
        Ok(self.get()?.shape().sizes().into_iter().map(|size| size as u32).collect())
    }

    /// The different labels, sorted; empty without labels.
    #[napi(getter)]
    pub fn classes(&self) -> napi::Result<Vec<i32>> {
        Ok(self.get()?.classes().to_vec())
    }

    /// SHA-256 of shape, values and labels, in hexadecimal.
    #[napi(getter)]
    pub fn fingerprint(&self) -> napi::Result<String> {
        Ok(self.get()?.fingerprint().to_owned())
    }

    /// A copy of the labels.
    #[napi(ts_return_type = "Int32Array | null")]
    pub fn labels(&self) -> napi::Result<Option<Int32Array>> {
        Ok(self.get()?.labels().map(|labels| Int32Array::new(labels.to_vec())))
    }

    /// One sample's values as the net sees them: bytes scaled to 0..1, floats as they are.
    #[napi]
    pub fn sample(&self, index: f64) -> napi::Result<Float32Array> {
        let sample = whole("index", index)?;
        self.get()?.sample(sample).map(Float32Array::new).into_js()
    }

    /// Frees the memory, or lets those free it who still use it. May be called again.
    #[napi]
    pub fn dispose(&self, env: Env) {
        self.inner.take();
        self.memory.release(&env);
    }

    /// Whether it was disposed of.
    #[napi(getter)]
    pub fn disposed(&self) -> bool {
        self.inner.borrow().is_none()
    }
}

/// A copy of an array, or an error where there is no memory for it.
fn copy<T: Copy>(values: &[T]) -> napi::Result<Vec<T>> {
    let mut copied = Vec::new();
    let room = copied.try_reserve_exact(values.len()).map_err(|_| {
        Error::new(Code::Memory, "there is not enough memory for a copy of the arrays")
            .expected(format!("{} bytes of free memory", size_of_val(values)))
            .hint("hand over fewer samples at a time, or bytes (Uint8Array) instead of floats")
    });
    room.into_js()?;
    copied.extend_from_slice(values);
    Ok(copied)
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
