//! The compiled program of every preset as text, so that a change of calls, fusions or buffers shows. `NOPROP_UPDATE=1` writes them.

use crate::NetConfig;
use crate::data::InputShape;
use crate::net::program::Target;

fn image(side: usize, channels: usize) -> InputShape {
    InputShape::Image { height: side, width: side, channels }
}

fn net(json: &str) -> NetConfig {
    serde_json::from_str(json).unwrap()
}

#[test]
fn every_presets_program_is_as_it_was() {
    let presets = [
        ("cnn", net(r#"{"type":"cnn"}"#), image(28, 1)),
        ("mlp", net(r#"{"type":"mlp","dropout":0.1}"#), InputShape::Vector { len: 30 }),
        ("resnet", net(r#"{"type":"resnet"}"#), image(32, 3)),
        ("vit", net(r#"{"type":"vit","depth":2,"dropout":0.1}"#), image(32, 3)),
    ];
    for (name, net, input) in presets {
        for (target, training, launched) in [("", true, false), ("_device", true, true), ("_inference", false, false)] {
            let program = net.program(input, 10, Target { training, launched, fused: true }).unwrap().to_string();
            let path = format!("{}/src/net/tests/programs/{name}{target}.txt", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("NOPROP_UPDATE").is_some() {
                std::fs::write(&path, &program).unwrap();
            }
            let before = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(program == before, "{path} is another now; NOPROP_UPDATE=1 writes it:\n{program}");
        }
    }
}

#[test]
fn buffers_are_shared_by_values_that_do_not_meet() {
    let target = Target { training: true, launched: false, fused: true };
    let program = net(r#"{"type":"mlp","hidden":[16,16,16,16]}"#).program(image(4, 1), 4, target).unwrap();
    // Four outputs, the estimate, and one gradient: the next ones lie where outputs were that nobody reads any more.
    assert_eq!(program.buffers().len(), 4 + 1 + 1, "{program}");
}
