//! Cases: the same work by both strategies.

use packer::{Compression, Program, Strategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schedule::Side;

/// One comparison: a compression at a number of threads, by two strategies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// As `--compression` takes it.
    pub compression: String,
    /// As `--threads` takes it.
    pub threads: usize,
}

impl Case {
    /// The name in records and tables.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {} thread{}", self.compression, self.threads, if self.threads == 1 { "" } else { "s" })
    }

    /// Each compression with one thread and with all cores. Duplicates are dropped: samples are identified by name.
    #[must_use]
    pub fn all(compressions: &[Compression], cores: usize) -> Vec<Case> {
        let case = |compression: &Compression| {
            let threads = match compression {
                // A program of its own does the work; the threads only feed it.
                Compression::External { .. } => vec![cores],
                _ if cores > 1 => vec![1, cores],
                _ => vec![1],
            };
            let compression = compression.to_string();
            threads.into_iter().map(move |threads| Case { compression: compression.clone(), threads })
        };
        let mut cases: Vec<Case> = Vec::new();
        for case in compressions.iter().flat_map(case) {
            if !cases.contains(&case) {
                cases.push(case);
            }
        }
        cases
    }
}

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// That everything works: a small tree, two pairs.
    Smoke,
    /// The main job: in less than five minutes on two cores.
    Quick,
    /// External compressors as well, and more rounds of the peers.
    Full,
}

impl Suite {
    /// All of them.
    pub const ALL: [Suite; 3] = [Suite::Smoke, Suite::Quick, Suite::Full];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Suite::Smoke => "smoke",
            Suite::Quick => "quick",
            Suite::Full => "full",
        }
    }

    /// The pairs of runs that each case gets.
    #[must_use]
    pub fn pairs(self) -> usize {
        match self {
            Suite::Smoke => 2,
            Suite::Quick | Suite::Full => 12,
        }
    }

    /// The rounds that each peer gets.
    #[must_use]
    pub fn peer_rounds(self) -> usize {
        match self {
            Suite::Smoke => 1,
            Suite::Quick => 3,
            Suite::Full => 7,
        }
    }

    /// The scale of the fixture that is packed if no tree is given.
    #[must_use]
    pub fn scale(self) -> &'static str {
        match self {
            Suite::Smoke => "0.1",
            Suite::Quick => "1",
            Suite::Full => "4",
        }
    }

    /// The comparisons, each with one thread and with all cores.
    #[must_use]
    pub fn cases(self, cores: usize) -> Vec<Case> {
        let mut compressions = vec![Compression::None, Compression::GZIP, Compression::ZSTD];
        if self == Suite::Full {
            compressions.extend("gzip:6".parse::<Compression>());
            let programs = [Program::Gzip, Program::Pigz, Program::Zstd];
            compressions.extend(programs.map(Compression::external));
        }
        Case::all(&compressions, cores)
    }
}

impl std::str::FromStr for Suite {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Suite::ALL.into_iter().find(|suite| suite.name() == name);
        found.ok_or_else(|| format!("`{}` is not a suite: they are smoke, quick and full", name.escape_debug()))
    }
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The arms of every case, by the names that records have for them.
pub const ARMS: [Strategy; 2] = [Strategy::TwoPass, Strategy::SingleStream];

impl Side {
    /// The strategy that stands on this side of a pair.
    #[must_use]
    pub fn strategy(self) -> Strategy {
        match self {
            Side::Candidate => Strategy::SingleStream,
            Side::Reference => Strategy::TwoPass,
        }
    }
}
