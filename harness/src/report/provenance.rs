//! The provenance of figures: machine, tools, command.

use super::page::Block;
use crate::format::{bytes, three};
use crate::record::{Check, Sample};
use crate::run::{Build, CgroupLimits, Environment, KernelSettings, ProcessorDetails};

/// Where everything is.
pub(super) const SOURCES: &str =
    "Every sample is in `samples.jsonl`, everything else in the `.json` beside it; this page was made from those two.";

/// The command that made the record, if that knows it.
pub(super) fn asked(command: &str) -> Vec<Block> {
    let told = || Block::Text(format!("This record: `{command}`, at the revision above."));
    if command.is_empty() { Vec::new() } else { vec![told()] }
}

/// What was verified.
pub(super) fn checked(checks: &[Check]) -> Block {
    let holds = |check: &Check| {
        format!("{}: {}. {}", if check.holds { "Holds" } else { "DOES NOT HOLD" }, check.law, check.detail)
    };
    Block::List(checks.iter().map(holds).collect())
}

/// The warning on a record that nobody can repeat.
pub(super) fn banner(environment: &Environment) -> Option<String> {
    let warning = "This record was made from a tree with changes that no commit has. Nobody can repeat it.";
    environment.is_dirty().then(|| warning.to_owned())
}

/// The machine and the tools. `runs` describes the runs.
pub(super) fn facts(environment: &Environment, samples: &[Sample], runs: String) -> Vec<(String, String)> {
    let mut facts = machine(environment);
    facts.push(("onepass".into(), environment.revision.clone()));
    facts.extend(environment.build.iter().map(|build| ("build".into(), told_build(build))));
    facts.push(("compiler".into(), environment.rustc.clone()));
    facts.push(("runs".into(), runs));
    let encoders = samples.iter().filter_map(|sample| sample.pack.as_ref()).flat_map(|pack| &pack.encoders);
    let mut encoders: Vec<String> = encoders.map(|encoder| format!("{} ({})", encoder.version, encoder.name)).collect();
    encoders.sort();
    encoders.dedup();
    facts.push(("encoders".into(), encoders.join("; ")));
    facts.extend(environment.tools.iter().map(|(tool, version)| (tool.clone(), version.clone())));
    facts
}

/// The machine. Older records know less of it.
fn machine(environment: &Environment) -> Vec<(String, String)> {
    let processor = [environment.processor.clone(), format!("{} cores", environment.cores)].into_iter();
    let details = environment.processor_details.iter().flat_map(told_processor);
    let mut facts = vec![
        ("processor".to_owned(), processor.chain(details).collect::<Vec<_>>().join(", ")),
        ("memory".into(), bytes(environment.memory)),
    ];
    facts.extend(environment.limits.iter().map(|limits| ("limits of the control group".into(), told_limits(limits))));
    facts.push(("system".into(), environment.system.clone()));
    facts.extend(environment.kernel.iter().map(|kernel| ("kernel".into(), told_kernel(kernel))));
    facts.push(("filesystem of the images".into(), environment.filesystem.clone()));
    if let Some(mounts) = &environment.mounts {
        facts.push(("mount of the images".into(), mounts.scratch.join(", ")));
        facts.push(("mount of the tree".into(), mounts.tree.join(", ")));
    }
    facts
}

fn told_processor(details: &ProcessorDetails) -> Vec<String> {
    let design = details.design.as_ref().map(ToString::to_string);
    let cache = details.l3_cache.map(|size| format!("third-level cache of {}", bytes(size)));
    let smt = details.smt.map(|smt| if smt { "SMT" } else { "no SMT" }.to_owned());
    let governor = details.governor.as_ref().map(|governor| format!("frequency governor {governor}"));
    let boost = details.boost.map(|boost| if boost { "boost" } else { "no boost" }.to_owned());
    [design, cache, smt, governor, boost].into_iter().flatten().collect()
}

fn told_limits(limits: &CgroupLimits) -> String {
    let cpu = limits.cpu.map(|cpu| format!("{} processors", three(cpu.quota_ns as f64 / cpu.period_ns as f64)));
    let memory = limits.memory.map(|memory| format!("{} of memory", bytes(memory)));
    let told: Vec<String> = cpu.into_iter().chain(memory).collect();
    if told.is_empty() { "none".into() } else { told.join(", ") }
}

fn told_kernel(kernel: &KernelSettings) -> String {
    let page = format!("pages of {} bytes", kernel.page_size);
    let write_back = kernel.write_back.map(|set| {
        let limit = |ratio: u64, size: u64| if size > 0 { bytes(size) } else { format!("{ratio} %") };
        format!(
            "write-back begins at {}, holds writers up at {}, takes what is {} s old",
            limit(set.dirty_background_ratio, set.dirty_background_bytes),
            limit(set.dirty_ratio, set.dirty_bytes),
            set.dirty_expire_centisecs as f64 / 100.0
        )
    });
    [page].into_iter().chain(write_back).collect::<Vec<_>>().join("; ")
}

fn told_build(build: &Build) -> String {
    let mut told = vec![format!("sha256 `{}`", build.sha256)];
    if let Some(flags) = &build.flags {
        told.push(format!("opt-level {}", flags.opt_level));
        told.extend(flags.debug_assertions.then(|| "debug assertions".to_owned()));
        told.extend(flags.profile.iter().map(|(name, value)| format!("{name} = {value}")));
        told.push(format!("features {}", flags.features.join(", ")));
        told.extend(flags.cc.iter().map(|compiler| format!("C compiler {compiler}")));
        told.extend((!flags.cflags.is_empty()).then(|| format!("CFLAGS `{}`", flags.cflags.join(" "))));
        told.extend((!flags.rustflags.is_empty()).then(|| format!("RUSTFLAGS `{}`", flags.rustflags.join(" "))));
    }
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{BuildFlags, CpuQuota, Mounts, ProcessorDesign, WriteBack};

    #[test]
    fn what_a_record_knows_of_the_machine_is_told_and_nothing_else() {
        let named = |facts: &[(String, String)], name: &str| {
            facts.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let older = Environment { processor: "a name".into(), cores: 2, ..Environment::default() };
        let facts = super::facts(&older, &[], String::new());
        assert_eq!(named(&facts, "processor").unwrap(), "a name, 2 cores");
        let later = ["limits of the control group", "kernel", "mount of the images", "mount of the tree", "build"];
        assert!(later.iter().all(|name| named(&facts, name).is_none()), "{facts:?}");
        let design = Some(ProcessorDesign::X86 { family: 6, model: 143, stepping: 8 });
        let cpu = Some(CpuQuota { quota_ns: 150_000_000, period_ns: 100_000_000 });
        let write_back = WriteBack { dirty_bytes: 2_000_000, dirty_background_ratio: 10, ..WriteBack::default() };
        let flags = BuildFlags { opt_level: "1".into(), features: vec!["cli".into()], ..BuildFlags::default() };
        let mount = |kind: &str| vec![kind.to_owned(), "rw".into()];
        let environment = Environment {
            processor_details: Some(ProcessorDetails {
                design,
                l3_cache: Some(32_000_000),
                smt: Some(false),
                boost: Some(true),
                ..ProcessorDetails::default()
            }),
            limits: Some(CgroupLimits { cpu, memory: None }),
            kernel: Some(KernelSettings { page_size: 4096, write_back: Some(write_back) }),
            mounts: Some(Mounts { scratch: mount("ext4"), tree: mount("xfs") }),
            build: Some(Build { sha256: "ab".into(), flags: Some(flags) }),
            ..older
        };
        let facts = super::facts(&environment, &[], String::new());
        for (name, told) in [
            (
                "processor",
                "a name, 2 cores, family 6, model 143, stepping 8, third-level cache of 32.0 MB, no SMT, boost",
            ),
            ("limits of the control group", "1.50 processors"),
            (
                "kernel",
                "pages of 4096 bytes; write-back begins at 10 %, holds writers up at 2.00 MB, takes what is 0 s old",
            ),
            ("mount of the images", "ext4, rw"),
            ("mount of the tree", "xfs, rw"),
            ("build", "sha256 `ab`; opt-level 1; features cli"),
        ] {
            assert_eq!(named(&facts, name).as_deref(), Some(told));
        }
    }
}
