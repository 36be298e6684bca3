//! The paper's block (its Figure 6), for discrete time and for methods with a time.
//!
//! ```text
//! image: conv 3×3 – ReLU – pool 2 – dropout – conv 3×3 – ReLU – dropout – conv 3×3 – ReLU – pool 2 – dropout – FC – BN ─┐
//! label: FC – BN – ReLU ─┬─────────────────────────────┐                                                                 │
//!                        └─ FC – BN – ReLU – FC – BN ──(+)─────────────────────────────────────────────────────────────┤
//! fuse:  concatenate – FC – BN – ReLU – FC – BN – ReLU – FC – softmax = û                       ◄────────────────────────┘
//! ```
//!
//! A noised label that is an image goes through convolutions of its own first, like those of the image.
//!
//! With a time there is no batch norm: image, label and the time's features each end in FC – ReLU, and the fuse has ReLU alone.

use super::builder::{Builder, Value};
use super::graph::Graph;
use crate::error::Result;

/// The net behind the inputs of `graph`.
pub(super) fn cnn(graph: Graph, widths: [usize; 3], hidden: usize, dropout: f64) -> Result<Graph> {
    let classes = graph.classes();
    let net = Builder::new(graph);
    let y = convolved(net.x(), ["conv1", "conv2", "conv3"], widths, dropout);
    let z = match net.z().is_image() {
        true => convolved(net.z(), ["label_conv1", "label_conv2", "label_conv3"], widths, dropout),
        false => net.z(),
    };
    if let Some(features) = net.time_features() {
        let image = y.linear("image_fc", hidden).relu();
        let label = z.linear("label_fc", hidden).relu();
        let time = features.linear("time_fc", hidden).relu();
        let y = net.linear("fuse_fc1", [image, label, time], hidden).relu();
        y.linear("fuse_fc2", hidden / 2).relu().linear("fuse_fc3", classes).softmax();
        return net.finish();
    }
    let image = y.linear("image_fc", hidden).batch_norm("image_bn");

    let first = z.linear("label_fc1", hidden).batch_norm("label_bn1").relu();
    let label = first.linear("label_fc2", hidden).batch_norm("label_bn2").relu();
    let label = label.linear("label_fc3", hidden).batch_norm("label_bn3").add(first);

    let y = net.linear("fuse_fc1", [image, label], hidden).batch_norm("fuse_bn1").relu();
    let y = y.linear("fuse_fc2", hidden / 2).batch_norm("fuse_bn2").relu();
    y.linear("fuse_fc3", classes).softmax();
    net.finish()
}

/// The convolutions, by their names.
fn convolved<'n>(image: Value<'n>, names: [&str; 3], widths: [usize; 3], dropout: f64) -> Value<'n> {
    let y = image.conv3x3(names[0], widths[0]).relu().max_pool().dropout(dropout);
    let y = y.conv3x3(names[1], widths[1]).relu().dropout(dropout);
    y.conv3x3(names[2], widths[2]).relu().max_pool().dropout(dropout)
}
