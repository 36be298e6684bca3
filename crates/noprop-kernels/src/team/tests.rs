use super::{Bell, Cost, Shared, Team, part_of, parts, share, share_rows, stress};
use crate::error::{Code, Error};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Runs `work` as the leader of a team with so many helpers.
fn with_helpers<R>(helpers: usize, work: impl FnOnce() -> R) -> R {
    super::with_helpers(helpers, work)
}

const MUCH: Cost = Cost { multiply_adds: 1 << 30, bytes: 0 };

#[test]
fn every_part_runs_once_whoever_takes_it() {
    for helpers in [0, 1, 2, 7] {
        let counts: Vec<AtomicUsize> = (0..50).map(|_| AtomicUsize::new(0)).collect();
        with_helpers(helpers, || {
            for _ in 0..200 {
                share(counts.len(), |part| {
                    counts[part].fetch_add(1, Ordering::Relaxed);
                    Ok(())
                })
                .unwrap();
            }
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 200));
    }
}

#[test]
fn helpers_really_help() {
    // Two parts that wait for each other need two threads.
    let met = AtomicUsize::new(0);
    with_helpers(1, || {
        share(2, |_| {
            met.fetch_add(1, Ordering::SeqCst);
            while met.load(Ordering::SeqCst) < 2 {
                thread::yield_now();
            }
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn a_part_s_own_operations_are_not_cut_again() {
    with_helpers(2, || {
        let count = AtomicUsize::new(0);
        share(4, |_| {
            assert_eq!(parts(MUCH, 100), 1);
            share(3, |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(count.into_inner(), 12);
        assert!(parts(MUCH, 100) > 1);
    });
    assert_eq!(parts(MUCH, 100), 1);
}

#[test]
fn an_error_or_a_panic_of_a_part_ends_the_operation_and_the_next_one_works() {
    with_helpers(3, || {
        for fails in 0..8 {
            let error = share(8, |part| match part == fails {
                true => Err(Error::new(Code::Cancelled, "as asked")),
                false => Ok(()),
            });
            assert_eq!(error.unwrap_err().code, Code::Cancelled);
            let panic = std::panic::catch_unwind(|| {
                share(8, |part| {
                    if part == fails {
                        std::panic::resume_unwind(Box::new("as asked"));
                    }
                    Ok(())
                })
            });
            assert_eq!(*panic.unwrap_err().downcast_ref::<&str>().unwrap(), "as asked");
            let sum = AtomicUsize::new(0);
            share(8, |part| {
                sum.fetch_add(part, Ordering::Relaxed);
                Ok(())
            })
            .unwrap();
            assert_eq!(sum.into_inner(), 28);
        }
    });
}

#[test]
fn a_helper_leaves_when_it_is_asked_to_and_when_nobody_leads() {
    let bell = Arc::new(Bell::default());
    let team = Arc::new(Team::new(bell.clone()));
    // Nobody leads yet.
    team.seat().help(|| false);
    let leave = AtomicBool::new(false);
    let left = AtomicBool::new(false);
    team.lead(|| {
        thread::scope(|scope| {
            scope.spawn(|| {
                team.seat().help(|| leave.load(Ordering::SeqCst));
                left.store(true, Ordering::SeqCst);
            });
            // Long enough for the helper to sleep, if it is to; correct either way.
            thread::sleep(std::time::Duration::from_millis(20));
            leave.store(true, Ordering::SeqCst);
            bell.ring();
        });
    });
    assert!(left.into_inner() && team.helpers() == 0 && !team.is_led());
}

#[test]
fn small_operations_stay_whole_and_great_ones_are_cut_for_every_thread() {
    with_helpers(1, || {
        // By their cost alone, which a test beside this one may have put out of force.
        assert_eq!(Cost { multiply_adds: 1000, bytes: 1000 }.by_cost(4, 100), 1);
        assert_eq!(Cost { multiply_adds: 1_000_000, bytes: 0 }.by_cost(16, 100), 7);
        assert_eq!(parts(MUCH, 1), 1);
        assert_eq!(parts(MUCH, 3), 3);
        assert_eq!(parts(MUCH, 100), 4);
    });
}

proptest! {
    #[test]
    fn parts_cover_every_row_once(len in 0usize..300, step in 1usize..40, count in 1usize..20) {
        let mut end = 0;
        for part in 0..count {
            let range = part_of(len, step, (part, count));
            prop_assert_eq!(range.start, end);
            prop_assert!(range.start.is_multiple_of(step) || range.start == len);
            end = range.end;
        }
        prop_assert_eq!(end, len);
    }
}

#[test]
fn rows_go_to_the_parts_that_they_belong_to() {
    let _stress = stress::begin(1);
    for rows in [1, 2, 5, 64] {
        with_helpers(2, || {
            let (mut a, mut b) = (vec![0; rows * 3], vec![0; rows]);
            share_rows([&mut a, &mut b], [3, 1], (rows, 1, MUCH), |range, [a, b]| {
                for (at, row) in range.enumerate() {
                    a[3 * at..3 * at + 3].fill(row);
                    b[at] = row;
                }
                Ok(())
            })
            .unwrap();
            assert!((0..rows).all(|row| b[row] == row && a[3 * row..3 * row + 3] == [row; 3]));
        });
    }
}

#[test]
#[should_panic(expected = "range.end <= self.len")]
fn shared_values_end_where_they_end() {
    let mut values = [0.0_f32; 4];
    // SAFETY: nobody else uses the values.
    let _ = unsafe { Shared::new(&mut values).part(2..5) };
}
