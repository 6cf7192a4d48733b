//! The finding of a gate: a verdict and its figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// G0: one image, whatever makes it, and the tree's entries in it.
    Sameness,
    /// G1: how much disk a pack holds at most.
    Space,
    /// G2: how much one stream writes.
    Written,
    /// G3: how much one stream reads.
    Read,
    /// G4: how large images are.
    Sizes,
    /// G5: how much memory a pack holds at most.
    Memory,
}

impl Gate {
    /// All exact gates, in the order of the output.
    pub const ALL: [Gate; 6] = [Gate::Sameness, Gate::Space, Gate::Written, Gate::Read, Gate::Sizes, Gate::Memory];

    /// `G0 same bytes`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Gate::Sameness => "G0 same bytes",
            Gate::Space => "G1 disk space",
            Gate::Written => "G2 bytes written",
            Gate::Read => "G3 bytes read",
            Gate::Sizes => "G4 image sizes",
            Gate::Memory => "G5 memory",
        }
    }
}

/// The verdict of an exact gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateVerdict {
    /// It holds.
    Passed,
    /// It holds as far as could be seen; why no further.
    Reduced(String),
    /// It does not hold.
    Broken {
        /// The expectation.
        expected: String,
        /// The finding.
        found: String,
    },
    /// Nothing is known; why.
    NotMeasured(String),
}

impl GateVerdict {
    pub(crate) fn broken(expected: impl ToString, found: impl ToString) -> Self {
        GateVerdict::Broken { expected: expected.to_string(), found: found.to_string() }
    }

    /// Passed or reduced.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self, GateVerdict::Passed | GateVerdict::Reduced(_))
    }

    /// For the line of a gate.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            GateVerdict::Passed => "passed",
            GateVerdict::Reduced(_) => "reduced",
            GateVerdict::Broken { .. } => "BROKEN",
            GateVerdict::NotMeasured(_) => "not measured",
        }
    }
}

/// A gate, its verdict, and its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which gate.
    pub gate: Gate,
    /// The verdict.
    pub verdict: GateVerdict,
    /// The figures.
    pub figures: String,
}

impl Finding {
    /// Combines the findings about the parts of a gate: the worst verdict wins.
    pub(crate) fn gather(gate: Gate, found: impl IntoIterator<Item = (GateVerdict, String)>) -> Self {
        let (verdicts, figures): (Vec<GateVerdict>, Vec<String>) = found.into_iter().unzip();
        let broken = verdicts.iter().filter_map(|verdict| match verdict {
            GateVerdict::Broken { expected, found } => Some((expected.clone(), found.clone())),
            _ => None,
        });
        let (expected, broken): (Vec<String>, Vec<String>) = broken.unzip();
        let missing = verdicts.iter().filter_map(|verdict| match verdict {
            GateVerdict::NotMeasured(why) => Some(why.clone()),
            _ => None,
        });
        let reduced = verdicts.iter().filter_map(|verdict| match verdict {
            GateVerdict::Reduced(why) => Some(why.clone()),
            _ => None,
        });
        let (missing, reduced) = (told(missing), told(reduced));
        let verdict = if !broken.is_empty() {
            GateVerdict::Broken { expected: told(expected), found: told(broken) }
        } else if !missing.is_empty() || verdicts.is_empty() {
            GateVerdict::NotMeasured(if missing.is_empty() { "there was nothing to look at".into() } else { missing })
        } else if !reduced.is_empty() {
            GateVerdict::Reduced(reduced)
        } else {
            GateVerdict::Passed
        };
        Finding { gate, verdict, figures: told(figures) }
    }

    /// Together with another finding of the same gate.
    #[must_use]
    pub fn and(self, other: Finding) -> Self {
        Finding::gather(self.gate, [self, other].map(|finding| (finding.verdict, finding.figures)))
    }

    /// A gate that could not be judged at all.
    pub(crate) fn missing(gate: Gate, why: impl ToString) -> Self {
        Finding::gather(gate, [(GateVerdict::NotMeasured(why.to_string()), String::new())])
    }

    /// The finding in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let why = match &self.verdict {
            GateVerdict::Passed => self.figures.clone(),
            GateVerdict::Reduced(why) => format!("{why}; {}", self.figures),
            GateVerdict::Broken { expected, found } => format!("expected: {expected}; found: {found}"),
            GateVerdict::NotMeasured(why) => why.clone(),
        };
        format!("{:<17} {:<13} {why}", self.gate.name(), self.verdict.word())
    }
}

/// All of them, each once, in one line.
fn told(texts: impl IntoIterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !text.is_empty() && !all.contains(&text) {
            all.push(text);
        }
    }
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_what_a_gate_says() {
        let of = |verdicts: &[GateVerdict]| {
            Finding::gather(Gate::Read, verdicts.iter().map(|verdict| (verdict.clone(), "1.0".into()))).verdict
        };
        let (reduced, missing) =
            (GateVerdict::Reduced("no namespace".into()), GateVerdict::NotMeasured("no memory".into()));
        let broken = GateVerdict::broken("at most 1", "2");
        assert_eq!(of(&[GateVerdict::Passed, GateVerdict::Passed]), GateVerdict::Passed);
        assert_eq!(of(&[GateVerdict::Passed, reduced.clone(), reduced.clone()]), reduced);
        assert_eq!(of(&[reduced.clone(), missing.clone(), GateVerdict::Passed]), missing);
        assert_eq!(of(&[missing, broken.clone(), reduced]), broken);
        assert_eq!(of(&[broken, GateVerdict::broken("at most 1", "3")]), GateVerdict::broken("at most 1", "2; 3"));
        assert!(matches!(of(&[]), GateVerdict::NotMeasured(_)), "what looks at nothing does not pass");
    }
}
