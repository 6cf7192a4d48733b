//! The processor: which one it is beyond its name, its last cache, whether its cores run two threads, and what sets its frequency.
//!
//! Hypervisors hide the name of the model: one name covers five generations.

use std::fmt;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessorDetails {
    /// The design; `None` where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design: Option<ProcessorDesign>,
    /// The size of the third-level cache in bytes; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l3_cache: Option<u64>,
    /// Whether two threads share a core here; `None` where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smt: Option<bool>,
    /// What chooses the frequency, such as `performance`; `None` where the kernel does not, as in most virtual machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// Whether cores may run above their nominal frequency; `None` where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boost: Option<bool>,
}

/// The numbers that name a design of a processor, as `/proc/cpuinfo` has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ProcessorDesign {
    /// Of x86.
    X86 {
        /// The family.
        family: u32,
        /// The model in it.
        model: u32,
        /// The revision of the model.
        stepping: u32,
    },
    /// Of Arm, in hexadecimal.
    Arm {
        /// Who designed it.
        implementer: String,
        /// The core.
        part: String,
        /// The revision of the core.
        variant: String,
    },
}

impl fmt::Display for ProcessorDesign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessorDesign::X86 { family, model, stepping } => {
                write!(f, "family {family}, model {model}, stepping {stepping}")
            }
            ProcessorDesign::Arm { implementer, part, variant } => {
                write!(f, "implementer {implementer}, part {part}, variant {variant}")
            }
        }
    }
}

impl ProcessorDetails {
    /// Looks at the first processor.
    pub(super) fn detect() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let setting = |name: &str| {
            let text = fs::read_to_string(Path::new("/sys/devices/system/cpu").join(name)).ok()?;
            Some(text.trim().to_owned())
        };
        let is_on = |name: &str| setting(name).map(|value| value == "1");
        ProcessorDetails {
            design: ProcessorDesign::parse(&cpuinfo),
            l3_cache: l3_cache(),
            smt: is_on("smt/active"),
            governor: setting("cpu0/cpufreq/scaling_governor"),
            boost: is_on("cpufreq/boost").or_else(|| is_on("intel_pstate/no_turbo").map(|off| !off)),
        }
    }
}

impl ProcessorDesign {
    fn parse(cpuinfo: &str) -> Option<Self> {
        let field = |name: &str| {
            cpuinfo.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then(|| value.trim())
            })
        };
        let number = |name| field(name)?.parse().ok();
        let text = |name| field(name).map(str::to_owned);
        let x86 = || {
            let (family, model, stepping) = (number("cpu family")?, number("model")?, number("stepping")?);
            Some(ProcessorDesign::X86 { family, model, stepping })
        };
        let arm = || {
            let (implementer, part) = (text("CPU implementer")?, text("CPU part")?);
            Some(ProcessorDesign::Arm { implementer, part, variant: text("CPU variant")? })
        };
        x86().or_else(arm)
    }
}

/// The size of the first processor's third-level cache.
fn l3_cache() -> Option<u64> {
    let caches = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let field = |cache: &fs::DirEntry, name: &str| {
        fs::read_to_string(cache.path().join(name)).ok().map(|text| text.trim().to_owned())
    };
    let third = caches.flatten().find(|cache| field(cache, "level").as_deref() == Some("3"))?;
    // The kernel has one form only: KiB and a `K`.
    field(&third, "size")?.strip_suffix('K')?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_design_has_the_numbers_of_its_kind() {
        let x86 = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 167\nmodel name\t: Intel(R) Xeon(R)\nstepping\t: 1\n\nstepping\t: 2\n";
        let arm = "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\n";
        for (cpuinfo, told) in [
            (x86, Some("family 6, model 167, stepping 1")),
            (arm, Some("implementer 0x41, part 0xd0c, variant 0x3")),
            ("processor\t: 0\nhart\t: 0\n", None),
            ("cpu family\t: 6\nmodel\t: unknown\nstepping\t: 1\n", None),
        ] {
            let design = ProcessorDesign::parse(cpuinfo);
            assert_eq!(design.as_ref().map(ToString::to_string).as_deref(), told);
            // Which kind it is stands in no field of its own.
            let json = serde_json::to_string(&design).unwrap();
            assert_eq!(serde_json::from_str::<Option<ProcessorDesign>>(&json).unwrap(), design, "{json}");
        }
    }
}
