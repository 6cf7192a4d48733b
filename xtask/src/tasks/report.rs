//! `cargo xtask report`: makes reports from records, the part of the README that shows one, and the records' JSON schemas.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use harness::gate::calibration::Calibration;
use harness::gate::gate_run::GateRun;
use harness::record::{Record, Study, samples};
use harness::report::{CalibrationReport, Report, StudyReport};
use harness::schema;

use crate::cli::{display_path, print, repository, require_record};

/// Make the report of a record again, or the README's excerpt of it
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask report results/2026-11-27-debian --readme")]
pub(crate) struct Arguments {
    /// A directory below results/
    #[arg(required_unless_present_any = ["check", "schemas"])]
    record: Option<PathBuf>,
    /// Also put the excerpt into the README
    #[arg(long)]
    readme: bool,
    /// Change nothing: exit with 1 if a report or the README's excerpt differs from its record, or a schema from its type
    #[arg(long, conflicts_with_all = ["record", "readme"])]
    check: bool,
    /// Instead: write the JSON schemas of the records to results/schema
    #[arg(long, conflicts_with_all = ["record", "readme", "check"])]
    schemas: bool,
}

const BEGIN: &str = "<!-- bench:begin ";
const END: &str = "<!-- bench:end -->";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.schemas {
        return write_schemas();
    }
    let Some(directory) = &arguments.record else { return check() };
    require_record(directory, &["run.json", "study.json", "calibration.json", "gate.json"])?;
    if is_of_gates(directory) {
        let run = GateRun::read(directory)?;
        run.lines().iter().try_for_each(print)?;
        print(run.verdict())?;
        return Ok(ExitCode::SUCCESS);
    }
    write(directory, directory)?;
    print(format!("Report: {}", display_path(&directory.join("report.html"))))?;
    if arguments.readme {
        let record = Record::read(directory)?;
        let directory = directory.canonicalize()?;
        let directory =
            directory.strip_prefix(repository().canonicalize()?).context("the record is not in this repository")?;
        let readme = readme()?;
        let (before, _, after) = parts(&readme)?;
        let name = directory.display().to_string();
        let text = format!("{before}{BEGIN}{name} -->\n{}{END}{after}", Report::excerpt(&record, &name)?);
        fs::write(repository().join("README.md"), text).context("cannot write README.md")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the report of the records in one directory in another one, or in the same.
fn write(records: &Path, to: &Path) -> Result<()> {
    if records.join("study.json").is_file() {
        StudyReport::new(&Study::read(records)?).write(to)?;
    } else if records.join("calibration.json").is_file() {
        CalibrationReport::new(&Calibration::read(records)?, &samples(records)?).write(to)?;
    } else {
        Report::new(&Record::read(records)?).write(to)?;
    }
    Ok(())
}

/// Whether a record is of the gates, whose report is a few lines and no page.
fn is_of_gates(directory: &Path) -> bool {
    directory.join("gate.json").is_file()
}

fn readme() -> Result<String> {
    fs::read_to_string(repository().join("README.md")).context("cannot read README.md")
}

/// The parts of the README: before the generated part, in it (from the record's name on), and behind it.
fn parts(readme: &str) -> Result<(&str, &str, &str)> {
    let marks = || readme.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (block, after)) = marks().context("README.md has no part for a run")?;
    Ok((before, block, after))
}

fn check() -> Result<ExitCode> {
    let readme = readme()?;
    let (_, block, _) = parts(&readme)?;
    let (name, text) = block.split_once(" -->\n").context("README.md does not name its run")?;
    let record = Record::read(&repository().join(name))?;
    if Report::excerpt(&record, name)? != text {
        bail!("README.md does not show what {name} says: run `cargo xtask report {name} --readme`");
    }
    let results = repository().join("results");
    for entry in fs::read_dir(&results).context("cannot read results/")? {
        let directory = entry?.path();
        if !directory.join("samples.jsonl").is_file() {
            continue;
        }
        // The lines of a gate run are not committed: only readability is checked.
        if is_of_gates(&directory) {
            GateRun::read(&directory)?;
            samples(&directory)?;
        } else {
            check_report(&directory)?;
        }
    }
    for (name, text) in schema::all() {
        let path = schemas().join(name);
        if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            bail!("{} is not what the records' types make: run `cargo xtask report --schemas`", display_path(&path));
        }
    }
    print("The README and all reports are what their records make, and the schemas what their types make.")?;
    Ok(ExitCode::SUCCESS)
}

fn schemas() -> PathBuf {
    repository().join("results/schema")
}

fn write_schemas() -> Result<ExitCode> {
    fs::create_dir_all(schemas()).context("cannot create results/schema")?;
    for (name, text) in schema::all() {
        let path = schemas().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        print(display_path(&path))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check_report(directory: &Path) -> Result<()> {
    let made = tempfile::tempdir()?;
    write(directory, made.path())?;
    for entry in fs::read_dir(made.path())? {
        let file = entry?.file_name();
        if fs::read(made.path().join(&file)).ok() != fs::read(directory.join(&file)).ok() {
            bail!("{} is not what its record makes", display_path(&directory.join(&file)));
        }
    }
    Ok(())
}
