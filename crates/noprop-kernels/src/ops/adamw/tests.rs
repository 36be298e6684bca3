use super::{AdamW, Rule};
use crate::ops::testing::{assert_close, normal, tensor, values};

#[test]
fn fast_path_equals_reference_over_steps_and_leaves_statistics_alone() {
    for (n, rule) in [1, 15, 33, 1000].into_iter().flat_map(|n| [(n, Rule::AdamW), (n, Rule::Adam)]) {
        let initial = [normal(1, n), vec![7.0, 8.0], vec![0.0; 2 * n]].concat();
        let (fast, reference) = (tensor::<f32>(&initial), tensor::<f64>(&initial));
        for step in 1..=5 {
            let gradients: Vec<f64> = normal(1 + step as usize, n).iter().map(|g| g * 1e-2).collect();
            let op = AdamW { rule, ..AdamW::new(1e-2, 1e-1, step, n, 2) };
            op.step(&fast, &tensor::<f32>(&gradients)).unwrap();
            op.step(&reference, &tensor::<f64>(&gradients)).unwrap();
        }
        let (fast, reference) = (values(&fast), values(&reference));
        assert_eq!(fast[n..n + 2], [7.0, 8.0]);
        assert_close("state", &fast, &reference, 1e-6);
    }
}

#[test]
fn first_step_moves_by_the_learning_rate_against_the_gradient() {
    let state = tensor::<f64>(&[1.0, -1.0, 0.0, 0.0, 0.0, 0.0]);
    AdamW::new(0.1, 0.0, 1, 2, 0).step(&state, &tensor::<f64>(&[3.0, -0.5])).unwrap();
    assert_close("parameters", &values(&state)[..2], &[0.9, -0.9], 1e-6);
}

#[test]
fn decay_shrinks_parameters_without_gradients() {
    let state = tensor::<f64>(&[2.0, 0.0, 0.0]);
    AdamW::new(0.1, 0.5, 1, 1, 0).step(&state, &tensor::<f64>(&[0.0])).unwrap();
    assert_close("parameter", &values(&state)[..1], &[1.9], 1e-12);
}

/// By hand: two steps with momentum 0.9, weight decay 0.1 and rate 0.5; a pace of 2 doubles both.
#[test]
fn momentum_gathers_gradients_and_decay_is_part_of_them() {
    let state = tensor::<f64>(&[2.0, 7.0, 0.0, 0.0]);
    let op = AdamW { rule: Rule::Sgd { momentum: 0.9, nesterov: false }, ..AdamW::new(0.5, 0.1, 1, 1, 1) };
    op.step(&state, &tensor::<f64>(&[1.0])).unwrap();
    // m = 1 + 0.1 · 2 = 1.2, θ = 2 − 0.5 · 1.2 = 1.4; the statistic and the second moment stay.
    assert_close("first step", &values(&state), &[1.4, 7.0, 1.2, 0.0], 1e-12);
    op.step(&state, &tensor::<f64>(&[-1.0])).unwrap();
    // m = 0.9 · 1.2 − 1 + 0.14 = 0.22, θ = 1.4 − 0.11 = 1.29.
    assert_close("second step", &values(&state), &[1.29, 7.0, 0.22, 0.0], 1e-12);
    let paced = tensor::<f64>(&[2.0, 0.0, 0.0]);
    AdamW { statistics: 0, ..op.paced(2.0) }.step(&paced, &tensor::<f64>(&[1.0])).unwrap();
    assert_close("paced", &values(&paced)[..1], &[2.0 - (1.0 + 0.2 * 2.0)], 1e-12);
}

/// Three steps of PyTorch in f64:
///
/// ```python
/// p = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64, requires_grad=True)
/// sgd = torch.optim.SGD([p], lr=0.1, momentum=0.85, nesterov=True, weight_decay=0.3)
/// for step in range(1, 4):
///     p.grad = torch.tensor([0.4 * step, -0.2, 0.1 / step], dtype=torch.float64)
///     sgd.step()
/// ```
#[test]
fn nesterov_momentum_is_that_of_pytorch() {
    let state = tensor::<f64>(&[1.0, -0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for step in 1..=3 {
        let gradients = [0.4 * step as f64, -0.2, 0.1 / step as f64];
        let rule = Rule::Sgd { momentum: 0.85, nesterov: true };
        AdamW { rule, ..AdamW::new(0.1, 0.3, step, 3, 0) }.step(&state, &tensor::<f64>(&gradients)).unwrap();
    }
    let expected = [0.2473449326249999, -0.24706896631250003, 0.14821694148958336];
    assert_close("parameters", &values(&state)[..3], &expected, 1e-12);
}

/// Three steps of PyTorch in f64:
///
/// ```python
/// p = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64, requires_grad=True)
/// adam = torch.optim.Adam([p], lr=0.1, weight_decay=0.3)
/// for step in range(1, 4):
///     p.grad = torch.tensor([0.4 * step, -0.2, 0.1 / step], dtype=torch.float64)
///     adam.step()
/// ```
#[test]
fn coupled_decay_is_that_of_adam_in_pytorch() {
    let state = tensor::<f64>(&[1.0, -0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for step in 1..=3 {
        let gradients = [0.4 * step as f64, -0.2, 0.1 / step as f64];
        let op = AdamW { rule: Rule::Adam, ..AdamW::new(0.1, 0.3, step, 3, 0) };
        op.step(&state, &tensor::<f64>(&gradients)).unwrap();
    }
    let expected = [0.7025005449759484, -0.20127201354676857, -0.03073981215385861];
    // PyTorch divides by roots in another order.
    assert_close("parameters", &values(&state)[..3], &expected, 1e-12);
}
