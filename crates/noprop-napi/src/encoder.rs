//! The encoders of models whose blocks share features.

use crate::dataset::{Loaded, NativeDataset};
use crate::error::{IntoJs, json};
use crate::model::{NativeModel, plan};
use crate::stop::StopSignal;
use crate::tasks::promise;
use napi::bindgen_prelude::{ClassInstance, Env, Object};
use napi_derive::napi;
use noprop_core::Model;
use noprop_core::inference::{encode, encode_kept, stand_in};
use noprop_core::tensor::StopFlag;
use std::path::{Path, PathBuf};

/// Bytes of features that are kept in memory.
const MOST: u64 = 1 << 30;

#[napi]
impl NativeModel {
    /// The untrained classifier that the model's encoder is to be cut from; null where it has one, or is to have none.
    #[napi(ts_return_type = "NativeModel | null")]
    pub fn classifier(&self) -> napi::Result<Option<NativeModel>> {
        Ok(self.model()?.classifier().into_js()?.map(Self::from))
    }

    /// What the encoder is that another model would take from this one, as JSON.
    #[napi]
    pub fn as_encoder(&self) -> napi::Result<String> {
        self.model()?.as_encoder().and_then(|encoder| json(&encoder)).into_js()
    }

    /// Takes the trained encoder of another model, which is a classifier or has one. Blocks that were trained are untrained then.
    #[napi]
    pub fn take_encoder(&self, other: &NativeModel) -> napi::Result<()> {
        let other = other.model()?;
        self.inner.replace(|model| model.with_encoder_of(&other)).into_js()
    }

    /// Writes the encoder to a file of its own; resolves with the SHA-256 of its weights, or with null, and no file, without one.
    #[napi(ts_return_type = "Promise<string | null>")]
    pub fn save_encoder<'env>(&self, env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        let model = self.model()?;
        promise(env, StopFlag::new(), move || model.save_encoder(&PathBuf::from(path)))
    }

    /// The model of which `saveEncoder` wrote the encoder, its blocks untrained. Rejects if the weights have another SHA-256.
    #[napi(ts_return_type = "Promise<NativeModel>")]
    pub fn load_encoder<'env>(env: &'env Env, path: String, sha256: String) -> napi::Result<Object<'env>> {
        promise(env, StopFlag::new(), move || Model::load_encoder(&PathBuf::from(path), &sha256).map(Self::from))
    }

    /// The samples of `data` as the encoder sees them, with their labels. More than a gigabyte of them is kept in a file in `cache`.
    #[napi(
        ts_args_type = "data: NativeDataset, threads: number | null, cache: string | null, stop: StopSignal",
        ts_return_type = "Promise<NativeDataset>"
    )]
    pub fn encode<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        threads: Option<u32>,
        cache: Option<String>,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (model, data, flag) = (self.model()?, data.get()?, stop.flag());
        let threads = threads.map(|threads| threads as usize);
        promise(env, stop.flag(), move || {
            let features = match cache {
                Some(cache) => encode_kept(&model, &data, threads, (Path::new(&cache), MOST), &flag),
                None => encode(&model, &data, threads, &flag),
            };
            features.map(Loaded)
        })
    }

    /// Checks what a training of the blocks would check, before there are features.
    #[napi(
        ts_args_type = "data: NativeDataset, options: string, validation: NativeDataset | null, stop: StopSignal",
        ts_return_type = "Promise<void>"
    )]
    pub fn check_blocks<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        validation: Option<ClassInstance<'_, NativeDataset>>,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (model, data) = (self.model()?, data.get()?);
        let validation = validation.map(|validation| validation.get()).transpose()?;
        promise(env, stop.flag(), move || {
            let validation = validation.map(|validation| stand_in(&model, validation)).transpose()?;
            let (plan, _) = plan(model.clone(), stand_in(&model, data)?, &options, validation)?;
            plan.check_validation()
        })
    }

    /// The configuration of the blocks by themselves, as JSON: with an encoder, that of a model of features.
    #[napi(getter)]
    pub fn blocks_config(&self) -> napi::Result<String> {
        json(&self.model()?.checked.blocks().config).into_js()
    }

    /// The layers of the encoder as those of a block, or null.
    #[napi(ts_return_type = "string | null")]
    pub fn encoder_layers(&self) -> napi::Result<Option<String>> {
        let model = self.model()?;
        model.checked.encoder.as_ref().map(|parts| json(&parts.layers())).transpose().into_js()
    }
}
