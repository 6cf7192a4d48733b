//! The part of the README that is made from a record.

use std::fs;

use harness::record::Record;
use harness::report::Report;
use tempfile::TempDir;

use super::{Fault, bench};

/// The README shows one chart of a record, where it was measured, three claims, and how many times as fast as others ours is.
#[test]
fn the_readme_has_a_chart_and_three_claims() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let record = record.unwrap();
    let text = Report::excerpt(&record, "results/run").unwrap();
    assert!(text.starts_with("![") && text.contains("(results/run/pipelines.svg)"), "{text}");
    let claims: Vec<&str> = text.lines().filter(|line| line.starts_with("* ")).collect();
    let [same, disk, time] = claims[..] else { panic!("{text}") };
    assert!(same.starts_with("* **The same bytes.**") && same.contains("with 1 and 2 threads"), "{same}");
    assert!(disk.starts_with("* **Disk.**") && disk.contains("140 MB instead of 40.0 MB"), "{disk}");
    let row = text.lines().find(|line| line.starts_with("| `tar \\| gzip")).unwrap();
    assert!(row.matches("× [2.2").count() == 2 && row.matches("(75 %)").count() == 2, "{row}");
    assert!(text.contains(" cores | with one thread on both sides |"), "{text}");
    assert!(time.contains(" % with gzip:5 2 threads [−20.") && !time.contains("undecided"), "{time}");
    Report::new(&record).write(&directory).unwrap();
    let chart = fs::read_to_string(directory.join("pipelines.svg")).unwrap();
    for words in ["onepass gzip:5", "tar | gzip | tee | openssl", "9.05 s   2.25×", "40.0 MB", "41.0 MB"] {
        assert!(chart.contains(&format!(">{words}<")), "{words}: {chart}");
    }
    let broken = bench(Fault::OtherImage, &results).0.unwrap();
    assert!(Report::excerpt(&broken, "results/run").unwrap().starts_with("* FAILED"));
}

/// Nobody can repeat a record of a tree with changes that no commit has.
#[test]
fn a_record_of_a_dirty_tree_says_so_first_and_is_not_for_the_readme() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let mut record = record.unwrap();
    let pages = |record: &Record| {
        Report::new(record).write(&directory).unwrap();
        ["report.md", "report.html"].map(|name| fs::read_to_string(directory.join(name)).unwrap())
    };
    assert!(pages(&record).iter().all(|page| !page.contains("no commit has")));
    record.run.environment.dirty = true;
    for page in pages(&record) {
        let banner = page.find("made from a tree with changes that no commit has").unwrap();
        assert!(banner < page.find("A root filesystem is packed").unwrap(), "{page}");
    }
    let refusal = Report::excerpt(&record, "results/run").unwrap_err().to_string();
    assert!(refusal.starts_with("`results/run` was made from a tree with changes"), "{refusal}");
}
