//! Data sets.

use crate::error::{IntoJs, json};
use crate::external_memory::ExternalMemory;
use crate::stop::StopSignal;
use crate::tasks::promise;
use napi::bindgen_prelude::{
    Either, Env, Float32Array, Int32Array, Object, ObjectFinalize, ToNapiValue, TypeName, Uint8Array, ValueType,
};
use napi::sys;
use napi_derive::napi;
use noprop_core::config::from_json;
use noprop_core::data::{
    Classes, Dataset, Encoded, Fit, FolderOptions, InputShape, Pixels, Split, TableOptions, TableSource, Targets, load,
    load_encoded, load_folder, load_sound_images, load_table, load_unlabelled, parts, pictures, statistics, stored,
};
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
pub struct Loaded(pub(crate) Dataset);

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

/// Data sets for training and test.
#[napi(object, object_from_js = false)]
pub struct NativeSplits {
    /// The samples to train on.
    #[napi(ts_type = "NativeDataset")]
    pub train: Loaded,
    /// The samples for the test, if there are any.
    #[napi(ts_type = "NativeDataset | null")]
    pub test: Option<Loaded>,
    /// What users should know of the reading, in sentences without a full stop.
    pub notes: Vec<String>,
    /// Files that could not be read and were left out, as JSON: `[[path, error], …]`.
    pub failures: String,
    /// What the columns of a table hold, as JSON: `[{ name, kind, categories?, missing }, …]`.
    pub columns: String,
}

impl TryFrom<pictures::LoadedFolder> for NativeSplits {
    type Error = Error;

    fn try_from(loaded: pictures::LoadedFolder) -> Result<Self, Error> {
        let failures = loaded.failures.into_iter();
        let failures: Vec<_> =
            failures.map(|(path, error)| (path.to_string_lossy().into_owned(), Failure(error))).collect();
        Ok(Self {
            train: Loaded(loaded.train),
            test: loaded.test.map(Loaded),
            notes: loaded.notes,
            failures: json(&failures)?,
            columns: "[]".to_owned(),
        })
    }
}

/// Pictures that lie in another file.
#[napi(object, object_to_js = false)]
pub struct NativeEncoded {
    /// That file.
    pub place: String,
    /// What each picture is called.
    pub names: Vec<String>,
    /// What picture files would hold.
    pub pictures: Vec<Uint8Array>,
    /// A label each; with `classes`, its position in them.
    pub labels: Int32Array,
    /// The names of the classes, if they have any.
    pub classes: Option<Vec<String>>,
}

impl NativeEncoded {
    /// A copy, since JavaScript may change its arrays.
    fn copied(self) -> napi::Result<Encoded> {
        let Self { place, names, pictures, labels, classes } = self;
        let pictures = names.into_iter().zip(&pictures);
        let pictures = pictures.map(|(name, bytes)| Ok((name, copy(bytes)?))).collect::<napi::Result<_>>()?;
        Ok(Encoded { place, pictures, labels: copy(&labels)?, names: classes })
    }
}

/// Where a table is; one of the two.
#[napi(object, object_to_js = false)]
pub struct NativeTable {
    /// Path of a file.
    pub path: Option<String>,
    /// A JSON list of rows, which are objects.
    pub rows: Option<String>,
}

impl From<NativeTable> for TableSource {
    fn from(table: NativeTable) -> Self {
        match table.path {
            Some(path) => Self::File(PathBuf::from(path)),
            None => Self::Rows(table.rows.unwrap_or_default()),
        }
    }
}

#[napi]
impl NativeDataset {
    /// Copies arrays, so that JavaScript may change them afterwards. `shape` is that of one sample. With `names`, labels are
    /// positions in them.
    #[napi(
        ts_args_type = "images: Uint8Array | Float32Array, shape: Array<number>, labels: Int32Array | null, names: Array<string> | null"
    )]
    pub fn from_arrays(
        env: Env,
        images: Either<Uint8Array, Float32Array>,
        shape: Vec<f64>,
        labels: Option<Int32Array>,
        names: Option<Vec<String>>,
    ) -> napi::Result<Self> {
        let pixels = pixels(images)?;
        let labels = labels.map(|labels| copy(&labels)).transpose()?;
        let shape = input_shape(&shape)?;
        let dataset = match names {
            Some(names) => Dataset::with_names(pixels, shape, &labels.unwrap_or_default(), &names),
            None => Dataset::from_arrays(pixels, shape, labels),
        };
        dataset.map(|dataset| Self::new(&env, dataset)).into_js()
    }

    /// The same with numbers to predict instead of labels, so many a sample.
    #[napi(
        ts_args_type = "images: Uint8Array | Float32Array, shape: Array<number>, targets: Float32Array, width: number"
    )]
    pub fn with_targets(
        env: Env,
        images: Either<Uint8Array, Float32Array>,
        shape: Vec<f64>,
        targets: Float32Array,
        width: f64,
    ) -> napi::Result<Self> {
        let targets = Targets { width: whole("targets", width)?, values: copy(&targets)? };
        let pixels = pixels(images)?;
        let dataset = Dataset::with_targets(pixels, input_shape(&shape)?, targets);
        dataset.map(|dataset| Self::new(&env, dataset)).into_js()
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

    /// Writes the data set to one file, atomically, for another machine.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        let data = self.get()?;
        promise(env, StopFlag::new(), move || stored::save(&data, &PathBuf::from(path)))
    }

    /// Reads what `save` wrote. Of a large file the samples stay there.
    #[napi(ts_return_type = "Promise<NativeDataset>")]
    pub fn read<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        promise(env, StopFlag::new(), move || stored::read(&PathBuf::from(path)).map(Loaded))
    }

    /// Which parts a directory of IDX or CIFAR files has: `train`, `test`, both or none.
    #[napi]
    pub fn parts(directory: String) -> napi::Result<Vec<String>> {
        parts(&PathBuf::from(directory)).map(|parts| parts.iter().map(Split::to_string).collect()).into_js()
    }

    /// Reads pictures as samples of a shape, without labels. `fit` is `cover`, `contain` or `stretch`, or null where pictures of
    /// other sizes are refused. Those that cannot be read are left out and told.
    #[napi(
        ts_args_type = "paths: Array<string>, shape: Array<number>, fit: string | null, stop: StopSignal",
        ts_return_type = "Promise<NativePictures>"
    )]
    pub fn from_images<'env>(
        env: &'env Env,
        paths: Vec<String>,
        shape: Vec<f64>,
        fit: Option<String>,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (shape, flag) = (input_shape(&shape)?, stop.flag());
        let fit = fit.map(|fit| from_json::<FolderOptions>(&serde_json::json!({ "fit": fit }).to_string())).transpose();
        let fit: Option<Fit> = fit.into_js()?.and_then(|options| options.fit);
        promise(env, flag.clone(), move || {
            let (dataset, failures) = load_sound_images(&paths, &shape, fit, &flag)?;
            let failures: Vec<_> = failures.into_iter().map(|(index, error)| (index, Failure(error))).collect();
            Ok(NativePictures { dataset: dataset.map(Loaded), failures: json(&failures)? })
        })
    }

    /// Reads a folder of pictures, and that of the test if there is one; options are JSON.
    #[napi(
        ts_args_type = "folder: string, test: string | null, options: string, stop: StopSignal",
        ts_return_type = "Promise<NativeSplits>"
    )]
    pub fn from_folder<'env>(
        env: &'env Env,
        folder: String,
        test: Option<String>,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (test, flag) = (test.map(PathBuf::from), stop.flag());
        promise(env, flag.clone(), move || {
            let options = from_json::<FolderOptions>(&options)?;
            NativeSplits::try_from(load_folder(&PathBuf::from(folder), test.as_deref(), &options, &flag)?)
        })
    }

    /// Reads pictures that lie in another file, and those of the test if there are any; options are JSON as those of `fromFolder`.
    #[napi(
        ts_args_type = "train: NativeEncoded, test: NativeEncoded | null, options: string, stop: StopSignal",
        ts_return_type = "Promise<NativeSplits>"
    )]
    pub fn from_encoded<'env>(
        env: &'env Env,
        train: NativeEncoded,
        test: Option<NativeEncoded>,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (train, test) = (train.copied()?, test.map(NativeEncoded::copied).transpose()?);
        let flag = stop.flag();
        promise(env, flag.clone(), move || {
            NativeSplits::try_from(load_encoded(train, test, &from_json::<FolderOptions>(&options)?, &flag)?)
        })
    }

    /// Reads a table, and that of the test if there is one; options are JSON.
    #[napi(
        ts_args_type = "source: NativeTable, test: NativeTable | null, options: string",
        ts_return_type = "Promise<NativeSplits>"
    )]
    pub fn from_table<'env>(
        env: &'env Env,
        source: NativeTable,
        test: Option<NativeTable>,
        options: String,
    ) -> napi::Result<Object<'env>> {
        let (source, test) = (source.into(), test.map(TableSource::from));
        promise(env, StopFlag::new(), move || {
            let loaded = load_table(&source, test.as_ref(), &from_json::<TableOptions>(&options)?)?;
            let (train, test) = (Loaded(loaded.train), loaded.test.map(Loaded));
            let columns = json(&loaded.columns)?;
            Ok(NativeSplits { train, test, notes: loaded.notes, failures: "[]".to_owned(), columns })
        })
    }

    /// The samples to train on, and those held out: a share of each class. Errors name `option`.
    #[napi(ts_return_type = "Promise<NativeSplits>")]
    pub fn split<'env>(&self, env: &'env Env, option: String, share: f64, seed: f64) -> napi::Result<Object<'env>> {
        let (data, seed) = (self.get()?, whole("seed", seed)? as u64);
        promise(env, StopFlag::new(), move || {
            let (train, test) = data.split_by(&option, share, seed)?;
            let (train, test) = (Loaded(train), Some(Loaded(test)));
            Ok(NativeSplits { train, test, notes: Vec::new(), failures: "[]".to_owned(), columns: "[]".to_owned() })
        })
    }

    /// What is worth knowing of the samples, as JSON; with `test` also which of its samples are here as well.
    #[napi(ts_args_type = "test: NativeDataset | null", ts_return_type = "Promise<string>")]
    pub fn statistics<'env>(&self, env: &'env Env, test: Option<&NativeDataset>) -> napi::Result<Object<'env>> {
        let (data, test) = (self.get()?, test.map(Self::get).transpose()?);
        promise(env, StopFlag::new(), move || {
            let shared = test.map(|test| statistics::shared(&data, &test)).transpose()?;
            json(&serde_json::json!({ "statistics": statistics::statistics(&data)?, "shared": shared }))
        })
    }

    /// How large the pictures of this data set and of the test are in their files, as JSON, or null where that is not known.
    #[napi(ts_args_type = "test: NativeDataset | null, stop: StopSignal", ts_return_type = "Promise<string>")]
    pub fn picture_sizes<'env>(
        &self,
        env: &'env Env,
        test: Option<&NativeDataset>,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (data, test, flag) = (self.get()?, test.map(Self::get).transpose()?, stop.flag());
        promise(env, flag.clone(), move || {
            let data: Vec<&Dataset> = [&data].into_iter().chain(&test).map(|data| &**data).collect();
            json(&pictures::sizes(&data, &flag)?)
        })
    }

    /// What was done to raw data to get the samples, as JSON, or null.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn preprocessing(&self) -> napi::Result<Option<String>> {
        self.get()?.preprocessing().map(json).transpose().into_js()
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

    /// The different labels, sorted, all numbers or all names; empty without labels.
    #[napi(getter, ts_return_type = "Array<number> | Array<string>")]
    pub fn classes(&self) -> napi::Result<Either<Vec<i32>, Vec<String>>> {
        Ok(match self.get()?.classes() {
            Classes::Values(values) => Either::A(values.clone()),
            Classes::Names(names) => Either::B(names.clone()),
        })
    }

    /// SHA-256 of shape, values and labels, in hexadecimal.
    #[napi(getter)]
    pub fn fingerprint(&self) -> napi::Result<String> {
        Ok(self.get()?.fingerprint().to_owned())
    }

    /// A copy of the labels; where classes have names, their positions among the classes.
    #[napi(ts_return_type = "Int32Array | null")]
    pub fn labels(&self) -> napi::Result<Option<Int32Array>> {
        Ok(self.get()?.labels().map(|labels| Int32Array::new(labels.to_vec())))
    }

    /// A copy of the numbers to predict, `[samples, targets]`, or null.
    #[napi(ts_return_type = "Float32Array | null")]
    pub fn targets(&self) -> napi::Result<Option<Float32Array>> {
        Ok(self.get()?.targets().map(|targets| Float32Array::new(targets.values.clone())))
    }

    /// Numbers to predict of each sample; 0 without.
    #[napi(getter)]
    pub fn target_count(&self) -> napi::Result<u32> {
        Ok(self.get()?.targets().map_or(0, |targets| targets.width as u32))
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

fn pixels(images: Either<Uint8Array, Float32Array>) -> napi::Result<Pixels> {
    Ok(match images {
        Either::A(bytes) => Pixels::U8(copy(&bytes)?),
        Either::B(floats) => Pixels::F32(copy(&floats)?),
    })
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
