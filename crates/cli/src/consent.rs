//! What is asked before something that cannot be taken back, or is much at once.

use std::io::{BufRead, IsTerminal};

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::output::Output;

// No doc comment: clap would take it for the verb's own.
#[derive(Args, Clone, Copy)]
pub(crate) struct Consent {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

impl Consent {
    /// Asks whether it is meant; where nobody can be asked, `--yes` says so.
    pub(crate) fn is_given(self, question: &str, output: Output) -> Result<bool, Failure> {
        self.is_given_to("", question, output)
    }

    /// The same, with lines of what it is about before the question.
    pub(crate) fn is_given_to(self, what: &str, question: &str, output: Output) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            let message = format!("nobody is there to be asked: {question}");
            return Err(Failure::new(Exit::Usage, "local_unconfirmed", message).hint("say --yes"));
        }
        let mut answer = String::new();
        output
            .ask(&format!("{what}{question} [y/N] "))
            .and_then(|()| std::io::stdin().lock().read_line(&mut answer))
            .map_err(|error| Failure::local("cannot ask", &error))?;
        let is_given = ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes));
        if !is_given {
            output.note("note: nothing was done");
        }
        Ok(is_given)
    }
}
