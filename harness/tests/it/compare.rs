//! Two records side by side.

use harness::record::Record;
use harness::report::Compared;
use tempfile::TempDir;

use super::{Fault, bench};

fn record() -> Record {
    bench(Fault::None, &TempDir::new().unwrap()).0.unwrap()
}

fn compared(change: impl FnOnce(&mut Record)) -> (String, Vec<String>) {
    let (first, mut second) = (record(), record());
    change(&mut second);
    let Compared { remarks, table } = Compared::new(&first, &second);
    (table.text(), remarks)
}

#[test]
fn a_run_is_like_itself() {
    let (table, remarks) = compared(|_| {});
    assert_eq!(remarks, Vec::<String>::new());
    // A ratio and two times of each of three cases, and no size that differs.
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), 9, "{table}");
    assert!(rows.iter().all(|row| row.ends_with("no difference seen")), "{table}");
}

#[test]
fn what_changed_is_told() {
    let (table, _) = compared(|second| {
        for sample in second.samples.iter_mut().filter(|sample| sample.case == "gzip:5 2 threads") {
            if sample.arm == "single-stream" {
                sample.wall_ns += sample.wall_ns / 5;
                sample.image_size += 1;
            }
        }
    });
    let row = |what: &str| table.lines().find(|row| row.starts_with(what)).unwrap_or_else(|| panic!("{what}: {table}"));
    assert!(row("gzip:5 2 threads: single-stream  ").ends_with("more"), "{table}");
    assert!(row("gzip:5 2 threads: time ÷ that of two passes").ends_with("more"), "{table}");
    assert!(row("gzip:5 2 threads: two-pass").ends_with("no difference seen"), "{table}");
    assert!(row("gzip:5 2 threads: single-stream, image").ends_with("another one"), "{table}");
    assert!(row("gzip:5 1 thread: single-stream").ends_with("no difference seen"), "{table}");
}

#[test]
fn what_cannot_be_compared_is_left_out_and_told() {
    let (table, remarks) = compared(|second| {
        second.run.subject.diff_id = "other".into();
        second.run.environment.cores += 1;
        second.run.complete = false;
        second.run.cases.remove(0);
    });
    assert_eq!(table.lines().count(), 1 + 2, "only ratios: {table}");
    for words in
        ["did not come to its end", "The trees differ", "The machines differ", "none 2 threads was measured in"]
    {
        assert!(remarks.iter().any(|remark| remark.contains(words)), "{words}: {remarks:?}");
    }
    let (table, remarks) = compared(|second| second.run.environment.cores += 1);
    assert!(!table.contains("single-stream") && remarks.len() == 1, "{table}{remarks:?}");
}
