//! The way between a block's values as files and the processor have them and as they lie on a device, with room between
//! tensors and inside of them.

use super::Layout;

/// Where the values of a packed layout lie in another one with the same tensors, of which a tensor may be larger in one of its
/// dimensions. What is beside them on the device is 0, and stays 0 in training: its gradients are 0.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    runs: Vec<Run>,
    packed: Sizes,
    device: Sizes,
}

/// Values that are neighbours in both layouts: from where to where, and how many.
#[derive(Debug, Clone, Copy)]
struct Run {
    packed: usize,
    device: usize,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    parameters: usize,
    statistics: usize,
}

impl Sizes {
    fn of(layout: &Layout) -> Self {
        Self { parameters: layout.parameters(), statistics: layout.statistics() }
    }

    fn weights(&self) -> usize {
        self.parameters + self.statistics
    }

    fn state(&self) -> usize {
        3 * self.parameters + self.statistics
    }

    /// Where the three parts of a state begin that hold a value for each parameter.
    fn begins(&self) -> [usize; 3] {
        [0, self.weights(), self.weights() + self.parameters]
    }
}

impl Placement {
    /// Between two layouts of the same tensors.
    pub(crate) fn new(packed: &Layout, device: &Layout) -> Self {
        let mut runs = Vec::new();
        for (from, to) in packed.entries().iter().zip(device.entries()) {
            assert_eq!(from.name, to.name, "layouts of other tensors");
            // All that lies behind the dimension that differs is a run.
            let differs = from.shape.iter().zip(&to.shape).position(|(from, to)| from != to).unwrap_or(0);
            let [len, stride] = [from, to].map(|entry| entry.shape[differs..].iter().product::<usize>());
            for index in 0..from.shape[..differs].iter().product() {
                let (packed, device) = (from.slot.offset + index * len, to.slot.offset + index * stride);
                runs.push(Run { packed, device, len });
            }
        }
        Self { runs, packed: Sizes::of(packed), device: Sizes::of(device) }
    }

    /// Parameters on the device, with the gaps.
    pub(crate) fn parameters(&self) -> usize {
        self.device.parameters
    }

    /// Statistics on the device, with the gaps.
    pub(crate) fn statistics(&self) -> usize {
        self.device.statistics
    }

    /// `[parameters | statistics]` as they lie on the device.
    pub(crate) fn weights(&self, packed: &[f32]) -> Vec<f32> {
        assert_eq!(packed.len(), self.packed.weights(), "values of a block");
        let mut row = vec![0.0; self.device.weights()];
        for run in &self.runs {
            row[run.device..][..run.len].copy_from_slice(&packed[run.packed..][..run.len]);
        }
        row
    }

    /// `[parameters | statistics | first moments | second moments]` as they lie on the device.
    pub(crate) fn state(&self, packed: &[f32]) -> Vec<f32> {
        assert_eq!(packed.len(), self.packed.state(), "values of a packed state");
        let mut row = vec![0.0; self.device.state()];
        for (from, to) in self.packed.begins().into_iter().zip(self.device.begins()) {
            let part = &packed[from..];
            for run in self.runs_of(from > 0) {
                row[to + run.device..][..run.len].copy_from_slice(&part[run.packed..][..run.len]);
            }
        }
        row
    }

    /// The packed state of a row on the device.
    pub(crate) fn packed_state(&self, row: &[f32]) -> Vec<f32> {
        assert_eq!(row.len(), self.device.state(), "values of a state on a device");
        let mut packed = vec![0.0; self.packed.state()];
        for (to, from) in self.packed.begins().into_iter().zip(self.device.begins()) {
            let part = &row[from..];
            for run in self.runs_of(from > 0) {
                packed[to + run.packed..][..run.len].copy_from_slice(&part[run.device..][..run.len]);
            }
        }
        packed
    }

    /// Those of all weights, or of the parameters alone.
    fn runs_of(&self, moments: bool) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().copied().filter(move |run| !moments || run.packed < self.packed.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::layout::{Init, LayoutBuilder};

    fn layout(channels: usize) -> Layout {
        let mut builder = LayoutBuilder::default();
        builder.parameter("conv", "weight", &[2, channels, 2], Init::Constant(0.0));
        builder.parameter("conv", "bias", &[3], Init::Constant(0.0));
        builder.statistic("bn", "mean", &[2], Init::Constant(0.0));
        builder.build()
    }

    #[test]
    fn values_go_there_and_back_and_what_is_beside_them_is_0() {
        let (packed, device) = (layout(1), layout(2).aligned());
        let placement = Placement::new(&packed, &device);
        assert_eq!((placement.parameters(), placement.statistics()), (12, 4));
        // bias, weight, mean; first moments; second moments.
        let state: Vec<f32> = (1..=9 + 7 + 7).map(|value| value as f32).collect();
        let row = placement.state(&state);
        let of = |from: f32| {
            [from, from + 1.0, from + 2.0, 0.0, from + 3.0, from + 4.0, 0.0, 0.0, from + 5.0, from + 6.0, 0.0, 0.0]
        };
        assert_eq!(row, [&of(1.0)[..], &[8.0, 9.0, 0.0, 0.0], &of(10.0), &of(17.0)].concat());
        assert_eq!(placement.packed_state(&row), state);
        assert_eq!(placement.weights(&state[..9]), row[..16]);
    }
}
