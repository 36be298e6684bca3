//! Nets that know a time: gradients of their parameters and of z against central differences in f64; the numbers of the paper.

use super::rows;
use crate::NetConfig;
use crate::data::InputShape;
use crate::diffusion::ClassVectors;
use crate::method::WeightedSquares;
use crate::net::graph::Output;
use crate::net::shape::Shape;
use crate::net::{Activation, Block, Buffers, Draw, Form, Graph, Mode, Step};
use crate::ops::multiply::Precision;
use crate::ops::testing::{normal, poisoned, tensor, values};
use crate::tensor::{Buffer, Slot, StopFlag};
use crate::train::values::PutSlots;
use candle_core::{DType, Device};

const SAMPLES: usize = 3;
const CLASSES: usize = 3;

/// A net with a batch, and all that its loss depends on.
struct Rig {
    block: Block,
    x: Buffer,
    times: Vec<f64>,
    gradients: Buffer,
    gradient: Buffer,
    parameters: usize,
    weights: usize,
}

fn buffer(values: &[f64]) -> Buffer {
    rows(&tensor::<f64>(values), 1)
}

impl Rig {
    fn new(graph: &Graph) -> (Self, Vec<f64>) {
        let (layout, input) = (graph.layout(), graph.nodes()[Graph::X].shape);
        let buffers = Buffers {
            stacked: 1,
            capacity: SAMPLES,
            dtype: DType::F64,
            device: Device::Cpu,
            training: true,
            launched: false,
        };
        let weights = layout.initial_weights(1, 1).into_iter().map(f64::from).collect();
        let rig = Self {
            block: Block::of_graph(graph, &layout, &buffers).unwrap(),
            x: buffer(&normal(1, SAMPLES * input.len())),
            times: vec![0.1, 0.42, 0.9],
            gradients: rows(&poisoned::<f64>(layout.parameters()), 1),
            gradient: rows(&poisoned::<f64>(SAMPLES * CLASSES), 1),
            parameters: layout.parameters(),
            weights: layout.weights(),
        };
        (rig, weights)
    }

    /// The weighted loss at these weights and z; leaves all gradients behind.
    fn loss(&mut self, weights: &[f64], z: &[f64]) -> f64 {
        let mut state = weights.to_vec();
        state.resize(self.weights + 2 * self.parameters, 0.0);
        let (state, z, stop) = (buffer(&state), buffer(z), StopFlag::new());
        let pass = Step {
            state: &state,
            gradients: &self.gradients,
            optimiser: None,
            stop: &stop,
            samples: SAMPLES,
            precision: Precision::F32,
        };
        let mode = Mode::Training(Draw { seed: 5, blocks: &[1], epoch: 0, samples: &[3, 8, 5] });
        if let Some(time) = self.block.time() {
            let (slots, values) = ([Slot { offset: 0, len: SAMPLES }], &self.times);
            crate::ops::apply(&PutSlots { slots: &slots, values }, time, []).unwrap();
        }
        self.block.forward(pass, mode, &self.x, &z).unwrap();
        let targets = [0.3, -0.2, 1.0, 0.7, 0.0, 0.1, -0.5, 0.5, 0.25_f32];
        let weights = [1.0, 4.0, 0.5];
        let op =
            WeightedSquares { targets: &targets, weights: &weights, weight: 1.0, samples: SAMPLES, width: CLASSES };
        op.run(&self.gradient, self.block.estimate()).unwrap();
        let estimate = values(self.block.estimate());
        let errors = estimate.chunks_exact(CLASSES).zip(targets.chunks_exact(CLASSES)).zip(weights);
        let each = errors.map(|((row, target), weight)| {
            weight * row.iter().zip(target).map(|(value, target)| (value - f64::from(*target)).powi(2)).sum::<f64>()
        });
        let loss = each.sum::<f64>() / SAMPLES as f64;
        self.block.backward(pass, mode, &self.gradient, &self.x, &z).unwrap();
        loss
    }
}

fn check(net: &NetConfig, input: InputShape, output: Output) {
    let form = Form { timed: true, output, z_gradient: true, z: None };
    check_graph(&net.formed(input, CLASSES, form).unwrap());
}

fn check_graph(graph: &Graph) {
    let (mut rig, weights) = Rig::new(graph);
    let z = normal(2, SAMPLES * graph.nodes()[Graph::Z].shape.len());
    rig.loss(&weights, &z);
    let (gradients, z_gradient) = (values(&rig.gradients), rig.block.z_gradient().map(values));
    let greatest = gradients.iter().fold(0.0, |most: f64, gradient| most.max(gradient.abs()));
    let mut compare = |name: &str, index: usize, gradient: f64| {
        let mut at = |by: f64| {
            let (mut weights, mut z) = (weights.clone(), z.clone());
            if name == "z" {
                z[index] += by;
            } else {
                weights[index] += by;
            }
            rig.loss(&weights, &z)
        };
        let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
        // As in `gradients.rs`.
        assert!(
            (gradient - numeric).abs() <= 2e-9 + 1e-6 * greatest.max(gradient.abs()),
            "{:?} {name}[{index}]: {gradient:e} is not {numeric:e}",
            graph.nodes().last().unwrap()
        );
    };
    if let Some(z_gradient) = z_gradient {
        z_gradient.iter().enumerate().for_each(|(index, gradient)| compare("z", index, *gradient));
        assert!(z_gradient.iter().any(|gradient| gradient.abs() > 1e-4));
    }
    gradients.iter().enumerate().step_by(3).for_each(|(index, gradient)| compare("parameter", index, *gradient));
}

#[test]
fn gradients_of_nets_with_a_time_equal_finite_differences() {
    let image = InputShape::Image { height: 14, width: 14, channels: 1 };
    let small = InputShape::Image { height: 4, width: 4, channels: 2 };
    check(&NetConfig::Mlp { hidden: vec![5, 4], dropout: 0.1 }, InputShape::Vector { len: 4 }, Output::Declared);
    check(&NetConfig::Cnn { widths: [2, 2, 3], hidden: 4, dropout: 0.2 }, image, Output::Logits);
    check(&NetConfig::Cnn { widths: [2, 2, 3], hidden: 4, dropout: 0.0 }, image, Output::Probabilities);
    let vit = NetConfig::Vit { patch: 2, width: 4, depth: 1, heads: 2, mlp_ratio: 1, dropout: 0.1 };
    check(&vit, small, Output::Probabilities);
    let resnet = NetConfig::Resnet {
        widths: vec![2, 3],
        depth: 1,
        hidden: 4,
        activation: Activation::Gelu,
        whitening: 0,
        identity: false,
    };
    check(&resnet, small, Output::Logits);
}

/// A net whose output is made a vector of the label's kind: gradients go through the product with the embeddings.
#[test]
fn gradients_through_embeddings_equal_finite_differences() {
    let (input, vectors) = (InputShape::Vector { len: 4 }, ClassVectors::orthogonal(CLASSES, 3, 1));
    for output in [Output::Logits, Output::Probabilities] {
        let form = Form { timed: true, output, z_gradient: true, z: Some(Shape::Vector(3)) };
        let net = NetConfig::Mlp { hidden: vec![5], dropout: 0.0 };
        let graph = net.formed(input, CLASSES, form).unwrap().embedded(&vectors, false).unwrap();
        assert_eq!(graph.nodes().last().unwrap().op.name(), "embed");
        check_graph(&graph);
    }
    let block = NetConfig::Mlp { hidden: vec![4], dropout: 0.0 };
    let block = block.graph(input, CLASSES).unwrap().embedded(&vectors, false).unwrap();
    check_graph(&Graph::chained(&block, 2, Form { z_gradient: true, ..Form::default() }, &vectors).unwrap());
}

/// All blocks of a chain use the same trained embeddings, whose gradient is the sum of what each contributes.
#[test]
fn gradients_of_embeddings_that_blocks_share_equal_finite_differences() {
    let net = NetConfig::Mlp { hidden: vec![4], dropout: 0.0 };
    for (vectors, width) in [(ClassVectors::orthogonal(CLASSES, 5, 1), 5), (ClassVectors::one_hot(CLASSES), CLASSES)] {
        let form = Form { z: Some(Shape::Vector(width)), output: Output::Probabilities, ..Form::default() };
        let block = net.formed(InputShape::Vector { len: 4 }, CLASSES, form).unwrap();
        let fixed = Graph::chained(&block.clone().embedded(&vectors, false).unwrap(), 3, form, &vectors).unwrap();
        let block = block.embedded(&vectors, true).unwrap();
        let chain = Graph::chained(&block, 3, Form { z_gradient: true, ..form }, &vectors).unwrap();
        let [fixed, trained] = [&fixed, &chain].map(|graph| graph.layout().parameters());
        assert_eq!(trained, fixed + CLASSES * width);
        let layers = chain.layers();
        let own: Vec<_> =
            layers.iter().filter(|layer| layer.op.starts_with("embed")).map(|layer| layer.parameters).collect();
        assert_eq!(own, [CLASSES * width, 0, 0]);
        check_graph(&chain);
    }
}

/// Labels that are images, which a net convolves as it does the image; estimates are images too, and so is what a chain mixes.
#[test]
fn gradients_of_images_as_labels_equal_finite_differences() {
    let input = InputShape::Image { height: 14, width: 14, channels: 1 };
    let z = Some(Shape::from(input));
    let vectors = ClassVectors::orthogonal(CLASSES, input.len(), 1);
    let net = NetConfig::Cnn { widths: [2, 2, 3], hidden: 4, dropout: 0.2 };
    let form = Form { timed: true, output: Output::Probabilities, z_gradient: true, z };
    let graph = net.formed(input, CLASSES, form).unwrap();
    let names = ["conv1", "conv2", "conv3", "label_conv1", "label_conv2", "label_conv3"];
    assert!(names.iter().all(|name| graph.find(name).is_some()));
    check_graph(&graph);
    let block = net.formed(input, CLASSES, Form { z, ..Form::default() }).unwrap().embedded(&vectors, false).unwrap();
    assert_eq!(block.nodes().last().unwrap().shape, input.into());
    check_graph(&Graph::chained(&block, 2, Form { z, z_gradient: true, ..Form::default() }, &vectors).unwrap());
}

/// The paper's table: 0.87, 1.16 and 1.20 million parameters of one block with a time.
#[test]
fn the_papers_block_with_a_time_has_its_number_of_parameters() {
    let count = |side, channels, classes| {
        let input = InputShape::Image { height: side, width: side, channels };
        let form = Form { timed: true, output: Output::Probabilities, ..Form::default() };
        let graph = NetConfig::default().formed(input, classes, form).unwrap();
        (graph.layout().parameters() as f64 / 1e4).round()
    };
    assert_eq!([count(28, 1, 10), count(32, 3, 10), count(32, 3, 100)], [87.0, 116.0, 120.0]);
}

/// A net ends as its method asks for, whatever it declares; the tensors stay the same.
#[test]
fn the_end_of_a_net_follows_the_method() {
    let (input, net) = (InputShape::Vector { len: 4 }, NetConfig::Mlp { hidden: vec![5], dropout: 0.0 });
    let ends = |net: &NetConfig, output| {
        let graph = net.formed(input, CLASSES, Form { timed: true, output, ..Form::default() }).unwrap();
        (graph.nodes().last().unwrap().op.name(), graph.layout())
    };
    let [declared, logits, probabilities] =
        [Output::Declared, Output::Logits, Output::Probabilities].map(|output| ends(&net, output));
    assert_eq!((declared.0, logits.0, probabilities.0), ("linear", "linear", "softmax"));
    assert!(declared.1 == logits.1 && logits.1 == probabilities.1);
    let own: NetConfig = serde_json::from_str(
        r#"{"type":"graph","nodes":[{"op":"linear","units":"classes","from":["x","z","time"]},{"op":"softmax"}]}"#,
    )
    .unwrap();
    assert_eq!((ends(&own, Output::Logits).0, ends(&own, Output::Probabilities).0), ("linear", "softmax"));
}

/// Blocks one after the other: gradients go through every state to every block, and to the shares by which states are mixed.
#[test]
fn gradients_through_a_chain_of_blocks_equal_finite_differences() {
    let net = NetConfig::Mlp { hidden: vec![4], dropout: 0.1 };
    let (block, one_hot) = (net.graph(InputShape::Vector { len: 3 }, CLASSES).unwrap(), ClassVectors::one_hot(CLASSES));
    for output in [Output::Logits, Output::Probabilities] {
        check_graph(
            &Graph::chained(&block, 3, Form { output, z_gradient: true, ..Form::default() }, &one_hot).unwrap(),
        );
    }
    let net = NetConfig::Cnn { widths: [2, 2, 3], hidden: 4, dropout: 0.0 };
    let block = net.graph(InputShape::Image { height: 14, width: 14, channels: 1 }, CLASSES).unwrap();
    let chain = Graph::chained(&block, 2, Form::default(), &one_hot).unwrap();
    // Two blocks, a share each, and the head.
    assert_eq!(chain.layout().parameters(), 2 * (block.layout().parameters() + 1) + CLASSES * (CLASSES + 1));
    check_graph(&chain);
}
