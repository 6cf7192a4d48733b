//! `cargo xtask bench --curve` and `--scaling`: the studies.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use fixtures::{Fixture, Profile};
use harness::environment::Environment;
use harness::lease::Lease;
use harness::record::{Journal, Subject};
use harness::report::StudyReport;
use harness::runner::Processes;
use harness::study::{self, Kind, SCHEMA, Study};

use crate::bench::{Arguments, Line, build, results, shown, taken};
use crate::{asked, repository, say, today};

/// Trees of 0.1 to 4 GB, and of 10,000 to 1,000,000 entries.
const SCALING: [(Profile, &str); 8] = [
    (Profile::DebianBase, "0.82"),
    (Profile::DebianBase, "4.1"),
    (Profile::DebianBase, "8.2"),
    (Profile::DebianBase, "16.4"),
    (Profile::DebianBase, "32.8"),
    (Profile::Tiny50k, "0.19"),
    (Profile::Tiny50k, "1.9"),
    (Profile::Tiny50k, "19"),
];

/// Rounds of every point.
const ROUNDS: usize = 3;

pub(crate) fn run(arguments: &Arguments, kind: Kind) -> Result<ExitCode> {
    let onepass = build()?;
    let scratch = Lease::take(&arguments.scratch.clone().unwrap_or_else(std::env::temp_dir))?;
    let processes = |rootfs: &Path| -> Result<Processes> {
        let helper = std::env::current_exe().context("cannot find this program")?;
        Ok(Processes {
            onepass: onepass.clone(),
            rootfs: rootfs.to_owned(),
            scratch: scratch.path().to_owned(),
            helper: Some(helper),
            ..Processes::default()
        })
    };
    let environment = Environment::look(scratch.path(), repository());
    let subject = |name: &str| Subject { name: name.into(), entries: 0, tar_size: 0, diff_id: String::new() };
    let (topic, subjects, points, mut runners) = match kind {
        Kind::Curve => {
            let (rootfs, subject) = taken(arguments, scratch.path())?;
            ("curve", vec![subject], study::curve(environment.cores, &arguments.codecs), vec![processes(&rootfs)?])
        }
        Kind::Scaling => {
            let fixtures: Vec<Fixture> = SCALING
                .iter()
                .map(|(profile, scale)| Ok(Fixture::new(*profile).scale(scale.parse()?)))
                .collect::<Result<_>>()?;
            let mut runners = Vec::new();
            for (number, fixture) in fixtures.iter().enumerate() {
                announce(&format!("making {fixture}"));
                let rootfs = scratch.path().join(format!("rootfs-{number}"));
                fixture.create(&rootfs)?;
                runners.push(processes(&rootfs)?);
            }
            let names: Vec<String> = fixtures.iter().map(ToString::to_string).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let subjects = names.iter().map(|name| subject(name)).collect();
            ("scaling", subjects, study::scaling(&names, environment.cores), runners)
        }
    };
    let mut study = Study {
        schema: SCHEMA,
        kind,
        date: today()?,
        topic: arguments.topic.clone().unwrap_or_else(|| topic.into()),
        command: asked(),
        rounds: arguments.rounds.unwrap_or(ROUNDS),
        seed: arguments.seed,
        environment,
        subjects,
        points,
        complete: false,
        samples: Vec::new(),
    };
    let mut journal = Journal::create(&results(arguments), &study.date, &study.topic)?;
    study.run(&mut runners, &mut journal, &mut Line::new())?;
    let report = StudyReport::new(&study);
    report.write(journal.directory())?;
    for sentence in &report.verdict {
        say(format!("* {sentence}"))?;
    }
    say(format!("\n{}", report.points.text()))?;
    say(format!("Report: {}", shown(&journal.directory().join("report.html"))))?;
    Ok(ExitCode::SUCCESS)
}

/// Says what is going on before the progress line can.
fn announce(line: &str) {
    // Nobody is lost if this line cannot be written.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
}
