//! Checks: what a client had to do, and how that ended.

use std::fmt;

use harness::programs::installed;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client did what it should.
    Passed,
    /// This program is not installed, or cannot run here.
    Missing(String),
    /// The client cannot do this with any such image, whoever made it.
    Beyond(&'static str),
    /// What was wrong.
    Failed(String),
}

/// A check that was made.
#[derive(Clone, Debug)]
pub struct Check {
    /// The client.
    pub client: &'static str,
    /// What it had to do, with which image.
    pub what: String,
    /// How that ended.
    pub verdict: Verdict,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { client, what, verdict } = self;
        match verdict {
            Verdict::Passed => write!(f, "ok       {client}: {what}"),
            Verdict::Missing(tool) => write!(f, "MISSING  {client}: {what}: {tool}"),
            Verdict::Beyond(limit) => write!(f, "limit    {client}: {what}: {limit}"),
            Verdict::Failed(why) => write!(f, "FAILED   {client}: {what}: {why}"),
        }
    }
}

/// Takes checks as they are made.
pub(crate) struct Checks<'a> {
    pub(crate) tell: &'a mut dyn FnMut(&Check),
    pub(crate) made: Vec<Check>,
    /// What the tree is called.
    pub(crate) name: &'a str,
}

impl Checks<'_> {
    pub(crate) fn add(&mut self, client: &'static str, what: impl fmt::Display, verdict: Verdict) {
        let check = Check { client, what: format!("{what} of {}", self.name), verdict };
        (self.tell)(&check);
        self.made.push(check);
    }

    pub(crate) fn outcome(
        &mut self,
        client: &'static str,
        what: impl fmt::Display,
        outcome: std::result::Result<(), String>,
    ) {
        self.add(client, what, outcome.map_or_else(Verdict::Failed, |()| Verdict::Passed));
    }

    /// Whether the tools of a client are there; if not, that is its check.
    pub(crate) fn has(&mut self, client: &'static str, what: impl fmt::Display, tools: &[&str]) -> bool {
        match tools.iter().find(|tool| !installed(tool)) {
            Some(missing) => {
                self.add(client, what, Verdict::Missing(format!("{missing} is not installed")));
                false
            }
            None => true,
        }
    }
}
