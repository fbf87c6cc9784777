//! The pages of the documentation that are made from the code.

use clap::{Command, CommandFactory};
use longshore::{Code, ErrorKind};

use crate::cli::Cli;

/// How wide help is in the page, whatever the terminal that makes it.
const WIDTH: usize = 100;

/// Returns the table of error codes.
pub(crate) fn error_codes() -> String {
    let mut page = "# Error codes\n\n\
        Made from the code by `cargo xtask docs`; do not edit.\n\n\
        Every error answer of the HTTP API carries one of these codes; a code never changes its meaning. The kind \
        says what the caller must do.\n\n\
        | code | kind | title | when |\n|---|---|---|---|\n"
        .to_owned();
    for code in Code::ALL {
        let when = code.description().trim().replace('|', "\\|");
        page.push_str(&format!("| `{code}` | {:?} | {} | {when} |\n", code.kind(), code.title()));
    }
    page.push_str("\n## Kinds\n\n| kind | what the caller must do |\n|---|---|\n");
    for (kind, advice) in KINDS {
        page.push_str(&format!("| {kind:?} | {advice} |\n"));
    }
    page
}

const KINDS: [(ErrorKind, &str); 10] = [
    (ErrorKind::NotFound, "The thing named does not exist or cannot be seen: name another."),
    (ErrorKind::Conflict, "The state of the workspace forbids it: look, then decide anew."),
    (ErrorKind::Precondition, "A stated premise is stale: read again, then try with the new premise."),
    (ErrorKind::Invalid, "The request itself is wrong: mend it; sending it again is of no use."),
    (ErrorKind::Denied, "The caller may not do this: ask somebody who may grant it."),
    (ErrorKind::Unauthenticated, "The caller is unknown: bring a valid key."),
    (ErrorKind::TooLarge, "Too many bytes: send less, or have the limit raised."),
    (ErrorKind::RateLimited, "Too many requests: wait as told, then send the same again."),
    (ErrorKind::Unavailable, "Not possible just now, and nothing happened: wait, then send the same again."),
    (ErrorKind::Internal, "A fault of Longshore or its machine: report it with the request id."),
];

/// Returns the help of every verb.
pub(crate) fn cli() -> String {
    let mut command = Cli::command().term_width(WIDTH);
    command.build();
    let mut page = "# The command line\n\n\
        Made from the code by `cargo xtask docs`; do not edit.\n\n\
        Every verb also takes the global options, which are shown once here.\n\n"
        .to_owned();
    page.push_str(&format!("```text\n{}\n```\n", render(&mut command)));
    add(&mut page, &command, "longshore");
    page
}

fn add(page: &mut String, command: &Command, path: &str) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let path = format!("{path} {}", verb.get_name());
        let mut shown = verb.clone().term_width(WIDTH).mut_args(|argument| {
            let repeated =
                argument.is_global_set() || matches!(argument.get_id().as_str(), "help" | "version");
            argument.hide(repeated)
        });
        page.push_str(&format!("\n## {path}\n\n```text\n{}\n```\n", render(&mut shown)));
        add(page, verb, &path);
    }
}

fn render(command: &mut Command) -> String {
    let help = command.render_long_help().to_string();
    help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kind_of_a_code_is_explained() {
        for code in longshore::Code::ALL {
            assert!(super::KINDS.iter().any(|(kind, _)| *kind == code.kind()));
        }
    }
}
