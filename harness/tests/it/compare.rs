//! Two records side by side.

use harness::record::Record;
use harness::report::{Agreement, RunComparison};
use tempfile::TempDir;

use super::{Fault, bench};

fn record() -> Record {
    bench(Fault::None, &TempDir::new().unwrap()).0.unwrap()
}

fn compared(change: impl FnOnce(&mut Record)) -> (String, Vec<String>) {
    let (first, mut second) = (record(), record());
    change(&mut second);
    let RunComparison { remarks, table } = RunComparison::new(&first, &second);
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

/// What two runs come to, by row, and whether they agree; the peer was run as often as in the full suite.
fn concluded(change: impl FnOnce(&mut Record)) -> (String, Vec<String>, bool) {
    let often = |mut record: Record| {
        let of_peers = |sample: &&harness::record::Sample| sample.arm == "peer" || sample.beside.is_some();
        let peers: Vec<_> = record.samples.iter().filter(of_peers).cloned().collect();
        for further in [3, 6] {
            let mut again = peers.clone();
            again.iter_mut().for_each(|sample| sample.pair += further);
            record.samples.extend(again);
        }
        record
    };
    let (first, mut second) = (often(record()), often(record()));
    change(&mut second);
    let found = Agreement::new(&first, &second);
    let agree = found.agree();
    assert_eq!(found.verdicts.len(), found.table.rows.len());
    (found.table.text(), found.remarks, agree)
}

/// All times of an arm of a case, or of all cases, take so many times as long.
fn slower(record: &mut Record, case: &str, arm: &str, times: u64) {
    let of_arm = |sample: &&mut harness::record::Sample| sample.arm == arm && sample.case.starts_with(case);
    record.samples.iter_mut().filter(of_arm).for_each(|sample| sample.wall_ns *= times);
}

#[test]
fn a_tree_leads_to_the_same_conclusions_as_itself() {
    let (table, remarks, agree) = concluded(|_| {});
    // Time, disk and size of each of three cases, and one peer; without compression both strategies are the same pass.
    assert_eq!(table.lines().filter(|row| row.ends_with("  same")).count(), 9, "{table}");
    assert_eq!(table.lines().filter(|row| row.ends_with("cannot be told")).count(), 1, "{table}");
    assert!(agree && remarks.is_empty() && table.lines().count() == 11, "{table}{remarks:?}");
}

#[test]
fn a_larger_and_slower_tree_leads_to_the_same_conclusions() {
    let (table, remarks, agree) = concluded(|second| {
        for sample in &mut second.samples {
            sample.wall_ns *= 3;
            sample.image_size *= 3;
            if let Some(pack) = &mut sample.pack {
                pack.scratch_peak *= 3;
            }
        }
        second.run.subject.tar_size *= 3;
        second.run.subject.diff_id = "other".into();
    });
    assert!(agree && remarks.is_empty() && !table.contains("DIFFERS"), "{table}{remarks:?}");
}

#[test]
fn each_conclusion_that_differs_is_told() {
    let check = |what: &str, change: fn(&mut Record)| {
        let (table, _, agree) = concluded(change);
        let differs: Vec<&str> = table.lines().filter(|row| row.ends_with("DIFFERS")).collect();
        assert!(!agree && differs.len() == 1 && differs[0].starts_with(what), "{what}: {table}");
    };
    check("gzip:5 1 thread: time ÷ that of two passes", |second| slower(second, "gzip:5 1", "single-stream", 2));
    check("gzip:5 2 threads: time ÷ that of pipe-gzip", |second| {
        slower(second, "gzip:5 2", "single-stream", 4);
        slower(second, "gzip:5 2", "two-pass", 4);
    });
    check("gzip:5 1 thread: image ÷ tar", |second| {
        let of_case = |sample: &&mut harness::record::Sample| sample.case == "gzip:5 1 thread";
        second.samples.iter_mut().filter(of_case).for_each(|sample| sample.image_size += sample.image_size / 10);
    });
    check("gzip:5 1 thread: scratch peak ÷ that of two passes", |second| {
        let of_arm =
            |sample: &&mut harness::record::Sample| sample.case == "gzip:5 1 thread" && sample.arm == "single-stream";
        for sample in second.samples.iter_mut().filter(of_arm) {
            sample.pack.as_mut().unwrap().scratch_peak *= 2;
        }
    });
    // Faster still is no other conclusion.
    let (table, _, agree) = concluded(|second| slower(second, "gzip:5 1", "two-pass", 2));
    assert!(agree && table.contains("same, by another amount"), "{table}");
}

#[test]
fn what_only_one_run_has_concludes_nothing() {
    let (_, remarks, agree) = concluded(|second| {
        second.run.cases.clear();
        second.run.environment.revision = "other".into();
    });
    for words in ["The revisions differ", "none 2 threads was measured in the first run only"] {
        assert!(remarks.iter().any(|remark| remark.contains(words)), "{words}: {remarks:?}");
    }
    assert!(!agree, "nothing is no agreement");
}
