//! Schedules and posterior coefficients against 50-digit arithmetic (`golden/make_schedules.py`).

use noprop_core::diffusion::{Coefficients, Sampler, Schedule, ScheduleConfig};
use serde::Deserialize;

/// One row of `golden/schedules.json`. `a`, `b` and `c` start at t = 1; an SNR of null is infinite.
#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(rename = "T")]
    blocks: usize,
    alpha_bar: Vec<f64>,
    snr: Option<Vec<Option<f64>>>,
    a: Option<Vec<f64>>,
    b: Option<Vec<f64>>,
    c: Option<Vec<f64>>,
    clamp: Option<[f64; 2]>,
    start: Option<f64>,
    end: Option<f64>,
}

fn rows() -> Vec<Row> {
    let rows: Vec<Row> = serde_json::from_str(include_str!("golden/schedules.json")).unwrap();
    assert_eq!(rows.len(), 8);
    rows
}

fn build(row: &Row) -> Schedule {
    let config = match row.name.as_str() {
        "cosine" => {
            let [min, max] = row.clamp.unwrap();
            ScheduleConfig::Cosine { min, max }
        }
        "linear" => ScheduleConfig::Linear { start: row.start.unwrap(), end: row.end.unwrap() },
        other => panic!("no schedule is called {other}"),
    };
    config.build(row.blocks).unwrap()
}

/// Equal to 1e-12 relative: f64 rounding (1e-16) times the cancellation in 1 − alpha_bar and in differences of neighbours,
/// at most a few thousandfold in these rows. Zero must be zero.
#[track_caller]
fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-12 * want.abs(), "{what}: got {got:e}, want {want:e}");
}

#[test]
fn alpha_bar_matches() {
    for row in rows() {
        let schedule = build(&row);
        assert_eq!(schedule.blocks(), row.blocks);
        assert_eq!(row.alpha_bar.len(), row.blocks + 1);
        for (t, want) in row.alpha_bar.iter().enumerate() {
            close(schedule.alpha_bar(t), *want, &format!("alpha_bar {} T={} t={t}", row.name, row.blocks));
        }
    }
}

#[test]
fn snr_matches() {
    let mut infinite = 0;
    for row in rows() {
        let schedule = build(&row);
        for (t, want) in row.snr.iter().flatten().enumerate() {
            match want {
                Some(want) => close(schedule.snr(t), *want, &format!("snr {} T={} t={t}", row.name, row.blocks)),
                None => {
                    infinite += 1;
                    assert_eq!(schedule.snr(t), f64::INFINITY);
                }
            }
        }
    }
    assert_eq!(infinite, 3, "the rows of the linear schedule end at a clean label");
}

#[test]
fn posterior_coefficients_match() {
    let mut compared = 0;
    for row in rows() {
        let schedule = build(&row);
        let (Some(a), Some(b), Some(c)) = (&row.a, &row.b, &row.c) else { continue };
        for t in 1..=row.blocks {
            let Coefficients { estimate, state, noise } = Sampler::Posterior.coefficients(&schedule, t, true);
            let place = format!("{} T={} t={t}", row.name, row.blocks);
            close(estimate, a[t - 1], &format!("a {place}"));
            close(state, b[t - 1], &format!("b {place}"));
            close(noise * noise, c[t - 1], &format!("c {place}"));
            compared += 1;
        }
    }
    assert_eq!(compared, 1 + 2 + 10 + 100 + 2 + 10 + 50);
}
