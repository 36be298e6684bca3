//! Random nets: what is fused computes what is not, gradients are the differences of the loss.

use super::gradients::check_unless;
use super::{Batch, Rig};
use crate::NetConfig;
use crate::data::InputShape;
use crate::net::program::Target;
use crate::ops::testing::assert_close;
use crate::team::{stress, with_helpers};
use proptest::prelude::*;
use serde_json::{Value, json};

const CLASSES: usize = 3;

/// A net from random numbers: each makes a node of an operation that fits one of the last nodes.
fn graph(input: InputShape, choices: &[(u8, u8, u8)]) -> NetConfig {
    let mut nodes: Vec<Value> = Vec::new();
    let fits = |nodes: &[Value]| {
        let mut all = nodes.to_vec();
        // Every node that nothing reads goes to the estimate.
        let read =
            |name: &str, all: &[Value]| all.iter().any(|node| node["from"].as_array().unwrap().contains(&json!(name)));
        let names: Vec<String> = nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect();
        let ends: Vec<&String> = names.iter().filter(|name| !read(name, &all)).collect();
        let flat: Vec<Value> =
            ends.iter().map(|end| json!({"op": "flatten", "name": format!("{end}_flat"), "from": [end]})).collect();
        let mut from: Vec<Value> = flat.iter().map(|node| node["name"].clone()).collect();
        from.extend([json!("x_flat"), json!("z")]);
        all.push(json!({"op": "flatten", "name": "x_flat", "from": ["x"]}));
        all.extend(flat);
        all.push(json!({"op": "linear", "name": "last", "units": "classes", "from": from}));
        all.push(json!({"op": "softmax", "name": "estimate", "from": ["last"]}));
        let net = NetConfig::Graph { nodes: all };
        net.graph(input, CLASSES).ok().map(|_| net)
    };
    for (index, (op, from, size)) in choices.iter().enumerate() {
        let name = format!("n{index}");
        let pick = |choice: u8| match usize::from(choice) % (nodes.len() + 2) {
            0 => json!("x"),
            1 => json!("z"),
            node => nodes[node - 2]["name"].clone(),
        };
        let (first, second) = (pick(*from), pick(from / 7));
        let units = usize::from(size % 5) + 1;
        let node = match op % 20 {
            0 => json!({"op": "linear", "units": units}),
            1 => json!({"op": "linear", "units": units, "from": [first, second]}),
            2 | 3 => json!({"op": "conv", "channels": units}),
            4 => json!({"op": "conv", "channels": units, "kernel": 1 + size % 2 * 2, "stride": 1 + size / 2 % 2,
                "padding": if size % 3 == 0 { "same" } else { "valid" }, "bias": size % 5 == 0}),
            5 => json!({"op": "batch-norm"}),
            6 => json!({"op": "layer-norm"}),
            7 | 8 => json!({"op": "relu"}),
            9 => json!({"op": "gelu"}),
            10 => json!({"op": "silu"}),
            11 => json!({"op": "max-pool"}),
            12 => json!({"op": if size % 2 == 0 { "mean-pool" } else { "global-pool" }}),
            13 => json!({"op": "dropout", "rate": 0.25}),
            14 => json!({"op": "add", "from": [first, second]}),
            15 => json!({"op": "multiply", "from": [first, second]}),
            16 => json!({"op": "concatenate", "from": [first, second]}),
            17 => json!({"op": "patches", "size": 1 + size % 2}),
            18 => json!({"op": if size % 2 == 0 { "positions" } else { "first-token" }}),
            _ => json!({"op": "join-tokens", "from": [first, second]}),
        };
        let mut node = node;
        node["name"] = json!(name);
        if node.get("from").is_none() {
            node["from"] = json!([first]);
        }
        nodes.push(node);
        // Attention wants thrice a width.
        if op % 20 == 19 && size % 2 == 0 {
            nodes.push(json!({"op": "linear", "name": format!("q{index}"), "units": 6, "from": [name]}));
            nodes.push(
                json!({"op": "attention", "name": format!("a{index}"), "heads": 2, "from": [format!("q{index}")]}),
            );
        }
        while fits(&nodes).is_none() {
            nodes.pop();
        }
    }
    fits(&nodes).expect("what does not fit is left out")
}

fn inputs() -> impl Strategy<Value = InputShape> {
    prop_oneof![
        (4..9_usize, 4..9_usize, 1..4_usize).prop_map(|(height, width, channels)| InputShape::Image {
            height,
            width,
            channels
        }),
        (1..9_usize).prop_map(|len| InputShape::Vector { len }),
    ]
}

fn choices() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..14)
}

fn check_fused(input: InputShape, choices: &[(u8, u8, u8)]) {
    let net = graph(input, choices);
    let batch = Batch::new(input, CLASSES, 5);
    let mut rigs = [true, false].map(|fused| {
        let target = Target { training: true, launched: false, fused };
        Rig::<f64>::compiled(&net, target, input, CLASSES, 5, &[2])
    });
    let [fused, plain] = rigs.each_mut().map(|rig| {
        let estimate = rig.train(&batch).0;
        (estimate, rig.backward(&batch, 1.0), rig.weights(), rig.evaluate(&batch))
    });
    assert_close("estimate", &fused.0, &plain.0, 1e-9);
    assert_close("gradients", &fused.1, &plain.1, 1e-7);
    assert_close("weights", &fused.2, &plain.2, 1e-9);
    assert_close("evaluation", &fused.3, &plain.3, 1e-9);
}

/// A graph that was found at random: what a layer normalises as a vector is read by tokens.
#[test]
fn a_norm_may_be_read_in_another_shape() {
    let choices = [
        (19, 20, 56),
        (13, 0, 0),
        (5, 0, 0),
        (5, 0, 0),
        (138, 66, 0),
        (25, 0, 0),
        (105, 0, 0),
        (20, 13, 0),
        (85, 83, 0),
    ];
    check_fused(InputShape::Vector { len: 1 }, &choices);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_fused_computes_what_is_not(input in inputs(), choices in choices()) {
        check_fused(input, &choices);
    }

    #[test]
    fn no_bit_depends_on_a_team(input in inputs(), choices in choices(), helpers in 1..8_usize) {
        let net = graph(input, &choices);
        let batch = Batch::new(input, CLASSES, 5);
        let target = Target { training: true, launched: false, fused: true };
        let steps = || {
            let mut rig = Rig::<f32>::compiled(&net, target, input, CLASSES, 5, &[2]);
            let estimate = rig.train(&batch).0;
            let gradients = rig.backward(&batch, 1.0);
            rig.update(1e-2, 1e-3, 1);
            [estimate, gradients, rig.weights(), rig.evaluate(&batch)].concat()
        };
        let alone = steps();
        let _stress = stress::begin(helpers as u64);
        let shared = with_helpers(helpers, steps);
        prop_assert!(alone.iter().zip(&shared).all(|(a, b)| a.to_bits() == b.to_bits()) && alone.len() == shared.len());
    }

    #[test]
    fn what_infers_computes_what_trains(input in inputs(), choices in choices()) {
        let net = graph(input, &choices);
        let batch = Batch::new(input, CLASSES, 4);
        let mut rigs = [true, false].map(|training| {
            let target = Target { training, launched: false, fused: true };
            Rig::<f32>::compiled(&net, target, input, CLASSES, 4, &[1])
        });
        let [trains, infers] = rigs.each_mut().map(|rig| rig.evaluate(&batch));
        prop_assert_eq!(trains, infers);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gradients_are_the_differences_of_the_loss(choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..7)) {
        // ReLU and maxima have corners, at which a difference says nothing.
        let smooth: Vec<_> = choices.into_iter().map(|(op, from, size)| {
            (if matches!(op % 20, 7 | 8 | 11) { 9 } else { op }, from, size)
        }).collect();
        let input = InputShape::Image { height: 4, width: 4, channels: 2 };
        check_unless(&graph(input, &smooth), input, CLASSES, 4, |_| true);
    }
}
