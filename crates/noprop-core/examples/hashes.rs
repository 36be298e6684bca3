//! temporary
use noprop_core::config::from_json;
use noprop_core::data::{Dataset, Pixels};
use noprop_core::train::{Plan, Training};
use noprop_core::{FitOptions, Model, ModelConfig};
use std::sync::Arc;
fn main() {
    let nets = [
        ("cnn28", r#""input":[28,28,1],"net":{"type":"cnn"}"#),
        ("cnn32x3", r#""input":[32,32,3],"net":{"type":"cnn","widths":[16,24,40],"hidden":50,"dropout":0.1}"#),
        ("cnnodd", r#""input":[19,22,2],"net":{"type":"cnn","widths":[3,5,7],"hidden":9,"dropout":0.0}"#),
        ("mlp", r#""input":[13],"net":{"type":"mlp","hidden":[64,32],"dropout":0.25}"#),
        ("mlp1", r#""input":[28,28,1],"net":{"type":"mlp","hidden":[40]}"#),
    ];
    let devices = std::env::args().nth(1).unwrap_or("cpu".into());
    for (name, net) in nets {
        for precision in ["f32", "bf16"] {
            for in_flight in [1, 3] {
                let json = format!(r#"{{"classes":[0,1,2,3,4,5,6,7,8,9],"blocks":3,"seed":7,{net}}}"#);
                let config: ModelConfig = from_json(&json).unwrap();
                let len = config.input.len();
                let samples = if devices == "cpu" { 300 } else { 40 };
                let pixels: Vec<u8> = (0..samples * len).map(|i| ((i * 2654435761_usize) >> 7) as u8).collect();
                let labels = (0..samples as i32).map(|i| i * 7 % 10).collect();
                let data = Dataset::from_arrays(Pixels::U8(pixels), config.input, Some(labels)).unwrap();
                let model = Model::new(config).unwrap();
                let options: FitOptions = from_json(&format!(r#"{{"epochs":2,"batch":{},"precision":"{precision}","device":"{devices}","inFlight":{in_flight}}}"#, if devices == "cpu" {64} else {12})).unwrap();
                let plan = match Plan::new(model.checked.clone(), options, Arc::new(data)) { Ok(p) => p, Err(e) => { println!("{name} {precision} {}", e); continue } };
                let training = Training::start(plan, Box::new(|_| ())).unwrap();
                (1..=3).try_for_each(|b| training.start_block(b)).unwrap();
                let weights = training.finish().unwrap();
                let hash = weights.sha256().unwrap();
                println!("{name} {precision} {devices} {in_flight} {hash}");
            }
        }
    }
}
