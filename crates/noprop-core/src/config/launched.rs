//! The jobs of a model as kernels see them: images that are convolved have channels by fours, and tensors begin where four values are read at
//! once. What is beside the values of the processor is 0.

use super::CheckedConfig;
use crate::data::InputShape;
use crate::diffusion::ClassVectors;
use crate::error::Result;
use crate::method::Parts;
use crate::net::program::{Program, Target};
use crate::net::{Graph, Layout, Placement};
use crate::tensor::Slot;

/// What a job consists of on a device.
#[derive(Debug, Clone)]
pub(crate) struct Launched {
    /// Its nets.
    pub graphs: Vec<Graph>,
    /// Their tensors, and the method's own.
    pub layout: Layout,
    /// The way between a state there and on the processor.
    pub placement: Placement,
    /// Where the method's own tensors lie.
    pub own: Vec<Slot>,
    /// The shape of a sample.
    pub seen_as: InputShape,
    shape: InputShape,
    /// How states and estimates are widened.
    pub z: Channels,
    /// See [`z`](Self::z).
    pub estimate: Channels,
}

/// Values of which each pixel has some channels, and more on a device. Others are as many on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channels {
    /// Values of a row.
    pub width: usize,
    /// Values of a row on the device.
    pub launched: usize,
    channels: usize,
    seen_channels: usize,
}

impl Channels {
    fn of(width: usize, launched: usize, [shape, seen_as]: [InputShape; 2]) -> Self {
        let [channels, seen_channels] =
            if width == launched { [1, 1] } else { [shape, seen_as].map(InputShape::channels) };
        Self { width, launched, channels, seen_channels }
    }

    /// Writes rows as the device has them.
    pub fn widen(&self, rows: &[f32], to: &mut [f32]) {
        for (to, from) in to.chunks_exact_mut(self.seen_channels).zip(rows.chunks_exact(self.channels)) {
            to[..self.channels].copy_from_slice(from);
            to[self.channels..].fill(0.0);
        }
    }

    /// Rows as the device has them.
    pub fn widened(&self, rows: &[f32]) -> Vec<f32> {
        let mut to = vec![0.0; rows.len() / self.channels * self.seen_channels];
        self.widen(rows, &mut to);
        to
    }

    /// The rows as the processor has them.
    pub fn narrow(&self, rows: &[f32]) -> Vec<f32> {
        rows.chunks_exact(self.seen_channels).flat_map(|pixel| &pixel[..self.channels]).copied().collect()
    }
}

impl Launched {
    /// How samples are widened.
    pub fn x(&self) -> Channels {
        Channels::of(self.shape.len(), self.seen_as.len(), [self.shape, self.seen_as])
    }

    /// Values of the buffers of one job in batches of `batch` samples.
    pub fn values(&self, batch: usize) -> Result<usize> {
        let target = Target { training: true, launched: true, fused: true };
        let times = if self.graphs[0].form().timed { batch } else { 0 };
        Ok(times + Program::new(&self.graphs[0], &self.layout, target)?.values(batch))
    }
}

impl CheckedConfig {
    /// Whether jobs are trained and chains run on GPUs too: the method must be one for which there are kernels, and where states have the shape of
    /// a sample, the net must convolve both or neither, unless channels come by fours.
    pub(crate) fn runs_on_gpus(&self) -> bool {
        let fits = |graph: Graph| {
            self.config.input == self.config.input.by_fours() || graph.convolves(Graph::X) == graph.convolves(Graph::Z)
        };
        self.method.runs_on_gpus() && (!self.config.embedding.is_prototype() || self.graph().is_ok_and(fits))
    }

    /// The nets of a job, or of a head, for training or for inference.
    ///
    /// # Errors
    /// None: they were made before.
    pub(crate) fn launched(&self, is_head: bool, training: bool) -> Result<Launched> {
        let shape = self.config.input;
        if let (true, Some(head)) = (is_head, &self.head) {
            let graph = head.method.graph(training)?;
            let (layout, width) = (head.layout.clone().aligned(), self.vectors.width());
            let [z, estimate] = [width, graph.estimate_width()].map(|width| Channels::of(width, width, [shape; 2]));
            let placement = Placement::new(&head.layout, &layout);
            return Ok(Launched {
                graphs: vec![graph],
                layout,
                placement,
                own: Vec::new(),
                seen_as: shape,
                shape,
                z,
                estimate,
            });
        }
        let here = if training { self.method.graphs()? } else { vec![self.method.graph(false)?] };
        let seen_as = if here[0].convolves(Graph::X) { shape.by_fours() } else { shape };
        let mut parts = Parts { input: seen_as, ..self.parts() };
        if let (true, Some(rows)) = (parts.prototypes, parts.vectors.rows()) {
            let prototypes = Channels::of(shape.len(), seen_as.len(), [shape, seen_as]);
            parts.vectors = ClassVectors::of_rows(parts.classes, prototypes.widened(rows).into());
        }
        let width = parts.vectors.width();
        let method = self.config.method.build(parts)?;
        let graphs = if training { method.graphs()? } else { vec![method.graph(false)?] };
        let own_tensors = self.method.own_tensors();
        let layout = Graph::layout_of(&method.graphs()?, &own_tensors).0.aligned();
        let own = own_tensors.iter().map(|own| layout.slot(&format!("params.{}.{}", own.layer, own.name))).collect();
        let of = |width, launched| Channels::of(width, launched, [shape, seen_as]);
        Ok(Launched {
            placement: Placement::new(&self.layout, &layout),
            own,
            seen_as,
            shape,
            z: of(self.vectors.width(), width),
            estimate: of(here[0].estimate_width(), graphs[0].estimate_width()),
            graphs,
            layout,
        })
    }
}
