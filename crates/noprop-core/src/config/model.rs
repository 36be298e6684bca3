//! What a model is.

use super::encoder::{self, EncoderConfig};
use super::out_of_range;
use super::targets::{Asked, TargetsConfig};
use crate::NetConfig;
use crate::data::medoids::medoids;
use crate::data::{Classes, Dataset, InputShape, Preprocessing};
use crate::diffusion::{ClassVectors, EmbeddingConfig, MAX_BLOCKS, Schedule, ScheduleConfig};
use crate::error::{Code, Error, Result};
use crate::method::{HEAD_TENSORS, Head, HeadConfig, Method, MethodConfig, Partition, Parts, Readout};
use crate::net::{Graph, Layer, Layout};
use crate::tensor::Slot;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Greatest number of classes.
const MAX_CLASSES: usize = 1 << 16;
/// Greatest integer that JavaScript holds exactly, and so the greatest seed.
pub(super) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A model: everything that inference needs besides the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "ModelConfigJson", into = "ModelConfigJson")]
pub struct ModelConfig {
    /// Training method.
    pub method: MethodConfig,
    /// T, the number of blocks, 1 to 9,999. Default: [`MethodConfig::default_blocks`].
    pub blocks: usize,
    /// Shape of one sample.
    pub input: InputShape,
    /// The labels, sorted, without repetition; or names in any order.
    pub classes: Classes,
    /// Numbers to predict instead of classes, which then are the positions of these numbers.
    pub targets: Option<TargetsConfig>,
    /// The net that sees each sample once, and whose features the blocks' nets see in its place. Default: none.
    pub encoder: Option<EncoderConfig>,
    /// The blocks' net. Default: [`NetConfig::for_input`], or with an encoder a small mlp.
    pub net: NetConfig,
    /// Noise schedule of methods that have one. Default cosine (paper).
    pub schedule: ScheduleConfig,
    /// Class embeddings. Default one-hot.
    pub embedding: EmbeddingConfig,
    /// How probabilities are read off the last state. Default none, which is by the nearest embedding.
    #[serde(skip_serializing_if = "HeadConfig::is_none")]
    pub head: HeadConfig,
    /// Seed of every random number in initialisation and training. Default 0.
    pub seed: u64,
    /// How raw data become samples. Default: not stated; the samples are what callers hand over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
}

/// A [`ModelConfig`] as JSON has it: which net is the default depends on the shape of a sample, and some options on the method.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ModelConfigJson {
    #[serde(default)]
    method: MethodConfig,
    #[serde(default, deserialize_with = "given")]
    blocks: Option<usize>,
    input: InputShape,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    classes: Option<Classes>,
    #[serde(default, deserialize_with = "asked", skip_serializing_if = "Option::is_none")]
    targets: Option<TargetsConfig>,
    /// Asks for an encoder with all of its defaults.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    features: Option<Features>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    encoder: Option<encoder::Asked>,
    net: Option<NetConfig>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleConfig>,
    #[serde(default)]
    embedding: EmbeddingConfig,
    #[serde(default, skip_serializing_if = "HeadConfig::is_none")]
    head: HeadConfig,
    #[serde(default)]
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preprocessing: Option<Preprocessing>,
}

/// What the nets of blocks see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Features {
    /// The features of one encoder.
    Shared,
}

/// A value that may be left out, and is none of null.
fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A number of targets, or an object with it.
fn asked<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<TargetsConfig>, D::Error> {
    Asked::deserialize(from).map(|asked| Some(asked.into()))
}

impl TryFrom<ModelConfigJson> for ModelConfig {
    type Error = Error;
    fn try_from(json: ModelConfigJson) -> Result<Self> {
        let ModelConfigJson {
            method,
            blocks,
            input,
            classes,
            targets,
            features,
            encoder,
            net,
            schedule,
            embedding,
            head,
            seed,
            preprocessing,
        } = json;
        let classes = match (classes, &targets) {
            (Some(classes), None) => classes,
            (None, Some(targets)) => targets.outputs(),
            (Some(classes), Some(targets)) if classes.len() == 0 => targets.outputs(),
            (None, None) => {
                return Err(Error::new(Code::Option, "option classes is missing")
                    .expected("classes, or targets for numbers")
                    .received("neither"));
            }
            (Some(_), Some(_)) => {
                return Err(Error::new(Code::Option, "options classes and targets are both given")
                    .expected("classes to tell apart, or the number of targets to predict")
                    .received("both"));
            }
        };
        let encoder = encoder.or_else(|| features.map(|Features::Shared| encoder::Asked::default()));
        let own = targets.is_none().then(|| classes.len());
        let encoder = encoder.map(|asked| asked.for_model(input, own)).transpose()?;
        let net = net.unwrap_or_else(|| match encoder {
            Some(_) => encoder::default_net(classes.len()),
            None => method.default_net(input),
        });
        let blocks = blocks.unwrap_or(method.default_blocks());
        let schedule = schedule.unwrap_or_default();
        Ok(Self {
            method,
            blocks,
            input,
            classes,
            targets,
            encoder,
            net,
            schedule,
            embedding,
            head,
            seed,
            preprocessing,
        })
    }
}

impl From<ModelConfig> for ModelConfigJson {
    fn from(config: ModelConfig) -> Self {
        let ModelConfig {
            method,
            blocks,
            input,
            classes,
            targets,
            encoder,
            net,
            schedule,
            embedding,
            head,
            seed,
            preprocessing,
        } = config;
        let schedule = method.has_schedule().then_some(schedule);
        // What tells a reader that there are none.
        let classes = Some(if targets.is_none() { classes } else { Vec::new().into() });
        let (blocks, net, features, encoder) = (Some(blocks), Some(net), None, encoder.map(Into::into));
        Self {
            method,
            blocks,
            input,
            classes,
            targets,
            features,
            encoder,
            net,
            schedule,
            embedding,
            head,
            seed,
            preprocessing,
        }
    }
}

/// A checked [`ModelConfig`] with what follows from it.
#[derive(Debug, Clone)]
pub struct CheckedConfig {
    /// The configuration.
    pub config: ModelConfig,
    /// ᾱ_0..ᾱ_T of methods that have a schedule.
    pub schedule: Schedule,
    /// The embeddings of the classes, or how they begin.
    pub vectors: ClassVectors,
    /// Whether the embeddings are among the weights.
    pub learned: bool,
    /// The tensors of one job: those of a block where every block is a job.
    pub layout: Layout,
    /// How it is trained.
    pub method: Arc<dyn Method>,
    /// Where the method's own tensors lie.
    pub(crate) own: Vec<Slot>,
    /// What the last job trains, where that is a head.
    pub(crate) head: Option<Arc<JobParts>>,
    /// The encoder, where blocks share features. All else is then that of the model of features.
    pub encoder: Option<Arc<EncoderParts>>,
}

/// What jobs of one kind train.
#[derive(Debug)]
pub struct JobParts {
    /// How.
    pub method: Arc<dyn Method>,
    /// Their tensors.
    pub layout: Layout,
    /// Where their own tensors lie.
    pub(crate) own: Vec<Slot>,
}

/// A checked encoder, and the model that the blocks are by themselves.
#[derive(Debug)]
pub struct EncoderParts {
    /// The net, which ends with the features.
    pub(crate) graph: Graph,
    /// Its tensors.
    pub layout: Layout,
    /// The model of features, without an encoder.
    pub blocks: CheckedConfig,
}

impl EncoderParts {
    /// Checks what a model says of its encoder, and of its blocks.
    fn new(config: &ModelConfig, encoder: &EncoderConfig) -> Result<Self> {
        if config.method == (MethodConfig::Classifier {}) {
            return Err(Error::new(Code::Option, "method classifier has no blocks that could share features")
                .expected("no encoder, or another method")
                .received("classifier")
                .hint("train the classifier by itself; another model can then take its encoder"));
        }
        let graph = encoder.graph(config.input)?;
        let input = InputShape::Vector { len: graph.estimate_width() };
        let blocks = ModelConfig { input, preprocessing: None, encoder: None, ..config.clone() }.check()?;
        Ok(Self { layout: graph.layout(), graph, blocks })
    }

    /// The same with other blocks: those of a training, which has fitted them to the data.
    fn with_blocks(&self, blocks: CheckedConfig) -> Self {
        Self { graph: self.graph.clone(), layout: self.layout.clone(), blocks }
    }

    /// Its layers in the order of their computation.
    pub fn layers(&self) -> Vec<Layer> {
        self.graph.layers()
    }

    /// Values of a sample's features.
    pub fn width(&self) -> usize {
        self.graph.estimate_width()
    }
}

impl CheckedConfig {
    /// Jobs, each trained alone, whose weights are kept one after the other: the blocks, or one job of all of them, and the head, where it
    /// is a job of its own.
    pub fn jobs(&self) -> usize {
        self.method.jobs() + usize::from(self.head.is_some())
    }

    /// The head, if that is what a job (from 1) trains.
    pub(crate) fn head_of(&self, job: usize) -> Option<&JobParts> {
        self.head.as_deref().filter(|_| job > self.method.jobs())
    }

    /// The tensors of a job (from 1).
    pub fn layout_of(&self, job: usize) -> &Layout {
        self.head_of(job).map_or(&self.layout, |head| &head.layout)
    }

    /// Values that the weights of each job consist of.
    pub fn weights_of_jobs(&self) -> Vec<usize> {
        (1..=self.jobs()).map(|job| self.layout_of(job).weights()).collect()
    }

    /// Whether learned embeddings are tensors of the method's own, beside those of its nets. Inference then runs another model, in which they
    /// are fixed.
    pub(crate) fn is_folded(&self) -> bool {
        self.learned && !self.own.is_empty()
    }

    /// Whether the blocks are one job, which moves all of them together.
    pub fn is_coupled(&self) -> bool {
        self.is_folded() && !self.config.method.is_one_net()
    }

    /// The same with the prototypes of these training samples, where embeddings are prototypes; `classes` has a place for each sample.
    ///
    /// # Errors
    /// [`Code::Label`] for a class without a sample, [`Code::Io`].
    pub(crate) fn with_prototypes(self, data: &Dataset, classes: &[u32]) -> Result<Self> {
        if !self.config.embedding.is_prototype() {
            return Ok(self);
        }
        let (names, width) = (&self.config.classes, self.config.input.len());
        let mut vectors = vec![0.0; names.len() * width];
        let found = medoids(data, classes, names.len())?;
        for (class, (medoid, vector)) in found.into_iter().zip(vectors.chunks_exact_mut(width)).enumerate() {
            let Some(medoid) = medoid else {
                return Err(Error::new(Code::Label, format!("class {} has no prototype", names.text(class)))
                    .expected("at least one training sample of every class")
                    .received("none of this one")
                    .hint("add samples of it, leave the class out of the model, or use another embedding"));
            };
            data.value(medoid, vector)?;
        }
        let learned = self.config.embedding.is_learned();
        ModelConfig { embedding: EmbeddingConfig::Prototype { vectors, learned }, ..self.config }.check()
    }

    /// What the method is built for.
    pub(crate) fn parts(&self) -> Parts {
        self.config.parts(&self.schedule, &self.vectors, self.learned)
    }

    /// What a training of the blocks trains: the model of features, where there is an encoder.
    pub fn blocks(&self) -> &Self {
        self.encoder.as_ref().map_or(self, |parts| &parts.blocks)
    }

    /// The same with other [`blocks`](Self::blocks): those of a training, which has fitted them to the data.
    pub(crate) fn with_blocks(self, blocks: Self) -> Self {
        let Some(parts) = self.encoder else { return blocks };
        let ModelConfig { input, preprocessing, encoder, .. } = self.config;
        let config = ModelConfig { input, preprocessing, encoder, ..blocks.config.clone() };
        Self { config, encoder: Some(Arc::new(parts.with_blocks(blocks.clone()))), ..blocks }
    }

    /// The net of a job in training, or the first of several.
    ///
    /// # Errors
    /// None: it was made before.
    pub fn graph(&self) -> Result<Graph> {
        Ok(self.method.graphs()?.swap_remove(0))
    }
}

impl ModelConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Code::Option`], [`Code::Label`] or [`Code::Shape`] naming the value, its range and what came.
    pub fn check(self) -> Result<CheckedConfig> {
        if !(1..=MAX_BLOCKS).contains(&self.blocks) {
            return Err(out_of_range("blocks", format!("1 to {MAX_BLOCKS}"), self.blocks));
        }
        if self.seed > MAX_SAFE_INTEGER {
            return Err(out_of_range("seed", format!("an integer from 0 to {MAX_SAFE_INTEGER}"), self.seed));
        }
        self.targets.iter().try_for_each(TargetsConfig::check)?;
        if self.targets.is_none() && !(2..=MAX_CLASSES).contains(&self.classes.len()) {
            return Err(Error::new(Code::Label, "the number of classes is out of range")
                .expected(format!("2 to {MAX_CLASSES} different labels"))
                .received(format!("{} ({})", self.classes.len(), self.classes))
                .hint("check the labels of the training data"));
        }
        self.classes.check()?;
        self.input.check()?;
        self.preprocessing.iter().try_for_each(|preprocessing| preprocessing.check(self.input))?;
        if let Some(encoder) = &self.encoder {
            let parts = EncoderParts::new(&self, encoder)?;
            let blocks = parts.blocks.clone();
            return Ok(CheckedConfig { config: self, encoder: Some(Arc::new(parts)), ..blocks });
        }
        self.check_method()?;
        let schedule = self.schedule.build(self.blocks)?;
        let vectors = self.embedding.build(self.classes.len(), self.input.len(), self.seed)?;
        let learned = self.embedding.is_learned();
        self.checked(schedule, vectors, learned)
    }

    /// The same with embeddings that have been learned, which are fixed then: a model of blocks and a head.
    pub(crate) fn with_vectors(self, vectors: ClassVectors) -> Result<CheckedConfig> {
        let schedule = self.schedule.build(self.blocks)?;
        self.checked(schedule, vectors, false)
    }

    fn checked(self, schedule: Schedule, vectors: ClassVectors, learned: bool) -> Result<CheckedConfig> {
        let parts = self.parts(&schedule, &vectors, learned);
        let method = self.method.build(parts.clone())?;
        let (layout, own) = Graph::layout_of(&method.graphs()?, &method.own_tensors());
        // A head that was learned with the embeddings is one of its own once these are fixed.
        let asked =
            if self.embedding.is_learned() && !learned && !method.has_head() { HeadConfig::Softmax } else { self.head };
        let head = self.head(asked, &*method, parts)?;
        Ok(CheckedConfig { schedule, vectors, learned, layout, method, own, head, encoder: None, config: self })
    }

    /// What a method is built for.
    fn parts(&self, schedule: &Schedule, vectors: &ClassVectors, learned: bool) -> Parts {
        Parts {
            net: self.net.clone(),
            input: self.input,
            classes: self.classes.len(),
            vectors: vectors.clone(),
            learned,
            prototypes: self.embedding.is_prototype().then_some(self.input),
            numbers: self.targets.is_some(),
            blocks: self.blocks,
            schedule: schedule.clone(),
        }
    }

    /// The head that is asked for.
    fn head(&self, asked: HeadConfig, method: &dyn Method, parts: Parts) -> Result<Option<Arc<JobParts>>> {
        if asked.is_none() {
            return Ok(None);
        }
        let name = self.method.name();
        let refused = || {
            Err(Error::new(Code::Option, format!("option head does not apply to method {name}"))
                .expected("no head, or none: the method trains a head of its own with its net")
                .received(asked.name()))
        };
        if method.has_head() {
            return refused();
        }
        let Readout::Nearest { alpha_bar, .. } = method.readout(method.jobs(), &[]) else { return refused() };
        let Some(head) = Head::new(asked, parts, alpha_bar) else { return Ok(None) };
        let (layout, _) = head.graph(true)?.layout_with(&[]);
        let own = HEAD_TENSORS.map(|name| layout.slot(name)).to_vec();
        Ok(Some(Arc::new(JobParts { method: Arc::new(head), layout, own })))
    }

    /// Whether the method has what else is asked for.
    fn check_method(&self) -> Result<()> {
        let name = self.method.name();
        if self.targets.is_some() {
            TargetsConfig::check_method(&self.method, &self.embedding)?;
        }
        if self.method.is_one_net() && self.blocks != 1 {
            return Err(Error::new(Code::Option, format!("method {name} has one net instead of blocks"))
                .expected("no option blocks, or 1")
                .received(self.blocks.to_string())
                .hint(match self.method {
                    MethodConfig::Classifier {} => "methods dt, diffusion-blocks and backprop have blocks",
                    MethodConfig::ForwardForward { .. } => {
                        "net.hidden says how many layers it has; methods dt, diffusion-blocks and backprop have blocks"
                    }
                    MethodConfig::Adjoint { .. } => {
                        "method.steps says how many steps training takes, and steps of an evaluation or a prediction how \
                         many inference does"
                    }
                    _ => "steps, an option of evaluation and prediction, says how many steps inference takes",
                }));
        }
        if !self.method.has_embeddings() && self.embedding != EmbeddingConfig::default() {
            return Err(Error::new(Code::Option, format!("option embedding does not apply to method {name}"))
                .expected("no embedding, or one-hot")
                .received(serde_json::to_string(&self.embedding).unwrap_or_default()));
        }
        if self.embedding.is_learned() && !self.method.learns_embeddings() {
            let method = self.method.described();
            return Err(Error::new(Code::Option, format!("method {method} does not learn embeddings"))
                .expected(match self.method {
                    MethodConfig::Dt { .. } => "method.loss 'mse', or embedding one-hot or orthogonal",
                    _ => "embedding one-hot or orthogonal, or method dt (with loss mse), ct, fm or backprop",
                })
                .received(self.embedding.described())
                .hint("fixed random embeddings of any dimension: embedding {\"type\": \"orthogonal\", \"dim\": 20}"));
        }
        let partition = match self.method {
            MethodConfig::DiffusionBlocks { partition, .. } => partition,
            _ => Partition::default(),
        };
        if self.embedding.is_prototype() && partition == Partition::EqualInformation {
            return Err(Error::new(
                Code::Option,
                "option method.partition 'equal-information' does not apply to prototypes",
            )
            .expected("method.partition 'edm': the other is about vectors as far from each other as one-hot ones are")
            .received("equal-information"));
        }
        if !self.method.has_schedule() && self.schedule != ScheduleConfig::default() {
            return Err(Error::new(Code::Option, format!("option schedule does not apply to method {name}"))
                .expected("no schedule: the method has its own noise")
                .received(serde_json::to_string(&self.schedule).unwrap_or_default()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

    fn config(json: &str) -> Result<CheckedConfig> {
        from_json::<ModelConfig>(json)?.check()
    }

    #[test]
    fn defaults_are_the_papers() {
        let checked = config(r#"{"input":[28,28],"classes":[0,1,2,3,4,5,6,7,8,9]}"#).unwrap();
        assert_eq!(checked.config.blocks, 10);
        // Section 6 of the paper's appendix: 0.92 M parameters a block on MNIST.
        assert_eq!((checked.layout.parameters() as f64 / 1e4).round(), 92.0);
        let cifar = config(r#"{"input":[32,32,3],"classes":[0,1,2,3,4,5,6,7,8,9]}"#).unwrap();
        assert_eq!((cifar.layout.parameters() as f64 / 1e4).round(), 122.0);
        assert_eq!(config(&serde_json::to_string(&checked.config).unwrap()).unwrap().config, checked.config);
    }

    #[test]
    fn the_default_net_follows_the_shape_of_a_sample() {
        let mlp = NetConfig::Mlp { hidden: vec![512; 3], dropout: 0.0 };
        for (input, expected) in [
            ("[28,28]", NetConfig::default()),
            ("[14,14,3]", NetConfig::default()),
            ("[13,14]", mlp.clone()),
            ("[8,8]", mlp.clone()),
            ("[30]", mlp),
        ] {
            let checked = config(&format!(r#"{{"input":{input},"classes":[0,1]}}"#)).unwrap();
            assert_eq!(checked.config.net, expected, "{input}");
        }
    }

    #[test]
    fn what_a_method_does_not_have_is_told_with_what_it_has() {
        let told = |options: &str| config(&format!(r#"{{"input":[4],"classes":[0,1],{options}}}"#)).unwrap_err();
        let hints = [("adjoint", "method.steps"), ("forward-forward", "net.hidden"), ("ct", "steps, an option")];
        for (method, hint) in hints {
            let error = told(&format!(r#""method":"{method}","blocks":3"#));
            assert!(error.hint.contains(hint), "{error}");
            assert_eq!(error.hint.contains("inference"), method != "forward-forward", "{error}");
        }
        let error = told(r#""method":{"type":"dt","loss":"ce"},"embedding":{"type":"learned","dim":4}"#);
        assert_eq!(error.what, "method dt with loss ce does not learn embeddings");
        assert!(error.expected.starts_with("method.loss 'mse'"), "{error}");
        let error = told(r#""method":{"type":"ct","gamma0":5}"#);
        assert_eq!(error.received, "method.gamma0 5 and method.gamma1 4");
        let error = told(r#""method":{"type":"diffusion-blocks","sigmaMin":90}"#);
        assert_eq!(error.received, "method.sigmaMin 90 and method.sigmaMax 80");
    }

    #[test]
    fn bad_values_are_named() {
        let cases = [
            (r#"{"input":[28,28],"classes":[0,1],"blocks":0}"#, Code::Option, "blocks"),
            (r#"{"input":[28,28],"classes":[0,1],"block":3}"#, Code::Option, "block"),
            (r#"{"input":[28,28],"classes":[0,1],"blocks":-3}"#, Code::Option, "-3"),
            (r#"{"input":[28,28],"classes":[0]}"#, Code::Label, "classes"),
            (r#"{"input":[28,28],"classes":[1,1]}"#, Code::Label, "order"),
            (r#"{"input":[8,8],"classes":[0,1],"net":{"type":"cnn"}}"#, Code::Shape, "14x14"),
            (r#"{"input":[30],"classes":[0,1],"net":{"type":"cnn"}}"#, Code::Shape, "mlp"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"cnn","widths":[0,1,2]}}"#, Code::Option, "widths"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"cnn","widths":[1,2]}}"#, Code::Option, "length"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"mlp","hidden":[]}}"#, Code::Option, "hidden"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"cnn","dropout":1}}"#, Code::Option, "dropout"),
            (r#"{"input":[28,28],"classes":[0,1],"seed":9007199254740993}"#, Code::Option, "seed"),
        ];
        for (json, code, text) in cases {
            let error = config(json).unwrap_err();
            assert_eq!(error.code, code, "{json}");
            assert!(error.to_string().contains(text), "{json}: {error}");
        }
    }
}
