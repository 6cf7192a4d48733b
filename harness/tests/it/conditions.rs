//! What could have spoiled a run, as its report tells it.

use std::fs;

use harness::record::{Record, Role};
use harness::report::Report;
use harness::run::Io;
use tempfile::TempDir;

use super::{Fault, bench};

/// What older records do not know is not shown of them, and nothing is said of it.
#[test]
fn memory_of_others_a_cold_cache_and_accounts_that_differ_are_told() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let mut record = record.unwrap();
    let page = |record: &Record| {
        Report::new(record).write(&directory).unwrap();
        fs::read_to_string(directory.join("report.md")).unwrap()
    };
    let text = page(&record);
    for words in ["memory, together |", "largest process |", "not always warm", "MORE than a hundredth"] {
        assert!(!text.contains(words), "{words}: {text}");
    }
    for sample in record.samples.iter_mut().filter(|sample| sample.role == Role::Measure) {
        let usage = sample.usage.get_or_insert_default();
        usage.io = Some(Io { fetched: 1_000_000, ..Io::default() });
        sample.memory = (sample.arm == "peer").then_some(7_000_000);
        sample.memory_together = (sample.arm == "peer").then_some(9_000_000);
    }
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure).count();
    let text = page(&record);
    assert!(text.contains("memory, together | largest process |") && text.contains("| 9.00 MB | 7.00 MB |"), "{text}");
    assert!(text.contains(&format!("The page cache was warm: none of {timed} timed runs")), "{text}");
    let last = record.samples.last_mut().unwrap();
    last.usage.as_mut().unwrap().io = Some(Io { fetched: 1_000_001, ..Io::default() });
    let packed =
        record.samples.iter_mut().rfind(|sample| sample.pack.is_some() && sample.role == Role::Measure).unwrap();
    packed.scratch.as_mut().unwrap().peak = packed.pack.as_ref().unwrap().scratch_peak + (4 << 20);
    let text = page(&record);
    assert!(text.contains(&format!("not always warm: 1 of {timed} timed runs")), "{text}");
    assert!(text.contains("4.19 MB apart at most") && text.contains("in 1 of them by MORE"), "{text}");
}

/// Two cores, of which the hypervisor takes 40 ms in every run: the shortest takes 4 s.
#[test]
fn what_took_the_machine_away_is_told() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let mut record = record.unwrap();
    record.run.environment.cores = 2;
    let page = |record: &Record| {
        Report::new(record).write(&directory).unwrap();
        fs::read_to_string(directory.join("report.md")).unwrap()
    };
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure).count();
    let text = page(&record);
    assert!(text.contains(&format!("suspended during none of {timed} timed runs. In one run")), "{text}");
    assert!(text.contains("at most 0.5 % of the processors' time"), "{text}");
    record.samples.last_mut().unwrap().conditions.as_mut().unwrap().suspended_ns = 1_000_000;
    let text = page(&record);
    assert!(text.contains(&format!("SUSPENDED during 1 of {timed} timed runs")), "{text}");
    record.samples.iter_mut().for_each(|sample| sample.conditions = None);
    assert!(!page(&record).to_lowercase().contains("suspended"), "older records were not watched");
}
