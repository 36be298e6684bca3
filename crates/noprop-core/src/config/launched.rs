//! The jobs of a model as kernels see them: samples that are convolved have channels by fours, and tensors begin where four values are read at
//! once. What is beside the values of the processor is 0.

use super::CheckedConfig;
use crate::data::InputShape;
use crate::error::Result;
use crate::method::{Method, Parts};
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
    /// That which it has on the processor.
    shape: InputShape,
    /// Values of a state.
    pub width: usize,
}

impl Launched {
    /// Values of an estimate.
    pub fn estimate_width(&self) -> usize {
        self.graphs[0].estimate_width()
    }

    /// Samples as the device has them.
    pub fn widened(&self, samples: &[f32]) -> Vec<f32> {
        let [channels, seen] = match self.shape == self.seen_as {
            true => [1; 2],
            false => [self.shape, self.seen_as].map(InputShape::channels),
        };
        let mut to = vec![0.0; samples.len() / channels * seen];
        for (to, from) in to.chunks_exact_mut(seen).zip(samples.chunks_exact(channels)) {
            to[..channels].copy_from_slice(from);
        }
        to
    }

    /// Values of the buffers of one job in batches of `batch` samples.
    pub fn values(&self, batch: usize) -> Result<usize> {
        let target = Target { training: true, launched: true, fused: true };
        let times = if self.graphs[0].form().timed { batch } else { 0 };
        Ok(times + Program::new(&self.graphs[0], &self.layout, target)?.values(batch))
    }
}

impl CheckedConfig {
    /// The nets of a job, or of a head, for training or for inference.
    ///
    /// # Errors
    /// None: they were made before.
    pub(crate) fn launched(&self, is_head: bool, training: bool) -> Result<Launched> {
        let (shape, width) = (self.config.input, self.vectors.width());
        if let (true, Some(head)) = (is_head, &self.head) {
            let layout = head.layout.clone().aligned();
            let (placement, graphs) = (Placement::new(&head.layout, &layout), vec![head.method.graph(training)?]);
            return Ok(Launched { graphs, layout, placement, own: Vec::new(), seen_as: shape, shape, width });
        }
        let nets = |method: &dyn Method| if training { method.graphs() } else { Ok(vec![method.graph(false)?]) };
        let seen_as = if nets(&*self.method)?[0].convolves() { shape.by_fours() } else { shape };
        let method = self.config.method.build(Parts { input: seen_as, ..self.parts() })?;
        let own_tensors = self.method.own_tensors();
        let layout = Graph::layout_of(&method.graphs()?, &own_tensors).0.aligned();
        let own = own_tensors.iter().map(|own| layout.slot(&format!("params.{}.{}", own.layer, own.name))).collect();
        let (placement, graphs) = (Placement::new(&self.layout, &layout), nets(&*method)?);
        Ok(Launched { graphs, layout, placement, own, seen_as, shape, width })
    }
}
