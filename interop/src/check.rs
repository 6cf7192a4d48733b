//! Checks: one task of one client, and its result.

use std::fmt;

use harness::programs::installed;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientResult {
    /// The client passed.
    Passed,
    /// This program is not installed, or cannot run here.
    Missing(String),
    /// The client cannot do this with any such image.
    Unsupported(&'static str),
    /// The failure.
    Failed(String),
}

/// A check that was made.
#[derive(Clone, Debug)]
pub struct ClientCheck {
    /// The client.
    pub client: &'static str,
    /// The task, and the image.
    pub what: String,
    /// How that ended.
    pub result: ClientResult,
}

impl fmt::Display for ClientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClientCheck { client, what, result } = self;
        match result {
            ClientResult::Passed => write!(f, "ok       {client}: {what}"),
            ClientResult::Missing(tool) => write!(f, "MISSING  {client}: {what}: {tool}"),
            ClientResult::Unsupported(limit) => write!(f, "limit    {client}: {what}: {limit}"),
            ClientResult::Failed(why) => write!(f, "FAILED   {client}: {what}: {why}"),
        }
    }
}

/// Takes checks as they are made.
pub(crate) struct CheckLog<'a> {
    pub(crate) tell: &'a mut dyn FnMut(&ClientCheck),
    pub(crate) made: Vec<ClientCheck>,
    /// The name of the tree.
    pub(crate) name: &'a str,
}

impl CheckLog<'_> {
    pub(crate) fn add(&mut self, client: &'static str, what: impl fmt::Display, result: ClientResult) {
        let check = ClientCheck { client, what: format!("{what} of {}", self.name), result };
        (self.tell)(&check);
        self.made.push(check);
    }

    pub(crate) fn outcome(
        &mut self,
        client: &'static str,
        what: impl fmt::Display,
        outcome: std::result::Result<(), String>,
    ) {
        self.add(client, what, outcome.map_or_else(ClientResult::Failed, |()| ClientResult::Passed));
    }

    /// Whether the tools of a client are there; if not, that is its check.
    pub(crate) fn has_tools(&mut self, client: &'static str, what: impl fmt::Display, tools: &[&str]) -> bool {
        match tools.iter().find(|tool| !installed(tool)) {
            Some(missing) => {
                self.add(client, what, ClientResult::Missing(format!("{missing} is not installed")));
                false
            }
            None => true,
        }
    }
}
