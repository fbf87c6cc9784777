//! The verbs, a file each.

use std::time::Duration;

use clap::Subcommand;

use crate::cli::Cli;
use crate::failure::Exit;
use crate::output::Output;
use crate::session::Session;

mod audit;
mod cat;
mod completions;
mod cp;
mod docs;
mod down;
mod enrich;
mod events;
mod fetch;
mod hooks;
mod identities;
mod init;
mod invite;
mod jobs;
mod keys;
mod label;
mod link;
mod lock;
mod locks;
mod ls;
mod man;
mod members;
mod meta;
mod mkdir;
mod mv;
mod notes;
mod openapi;
mod password;
mod principals;
mod recover;
mod restore;
mod rm;
mod run;
mod serve;
mod sessions;
mod share;
mod stat;
mod status;
mod store;
mod supervise;
mod sync;
mod transfer;
mod trash;
mod undo;
mod unlock;
mod up;
mod versions;
mod visit;
mod worker;
mod workspaces;
mod zip;

#[derive(Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Worker(worker::Worker),
    Init(init::Init),
    Recover(recover::Recover),
    Up(up::Up),
    Down(down::Down),
    Fetch(fetch::Fetch),
    Enrich(enrich::Enrich),
    Sync(sync::Sync),
    Ls(ls::Ls),
    Zip(zip::Zip),
    Cat(cat::Cat),
    Link(link::Link),
    #[command(subcommand)]
    Share(share::Share),
    #[command(subcommand)]
    Visit(visit::Visit),
    Stat(stat::Stat),
    Mkdir(mkdir::Mkdir),
    Mv(mv::Mv),
    Cp(cp::Cp),
    Rm(rm::Rm),
    Trash(trash::Trash),
    Restore(restore::Restore),
    #[command(subcommand)]
    Versions(versions::Versions),
    Undo(undo::Undo),
    Events(events::Events),
    Audit(audit::Audit),
    Lock(lock::Lock),
    Unlock(unlock::Unlock),
    Locks(locks::Locks),
    Run(run::Run),
    #[command(subcommand)]
    Meta(meta::Meta),
    Label(label::Label),
    #[command(subcommand)]
    Notes(notes::Notes),
    #[command(subcommand)]
    Workspaces(workspaces::Workspaces),
    #[command(subcommand)]
    Members(members::Members),
    #[command(subcommand)]
    Invite(invite::Invite),
    #[command(subcommand)]
    Transfer(transfer::Transfer),
    #[command(subcommand)]
    Keys(keys::Keys),
    #[command(subcommand)]
    Principals(principals::Principals),
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    #[command(subcommand)]
    Identities(identities::Identities),
    #[command(subcommand)]
    Password(password::Password),
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    #[command(subcommand)]
    Hooks(hooks::Hooks),
    #[command(subcommand)]
    Store(store::Store),
    Status(status::Status),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    Supervise(supervise::Supervise),
    #[command(hide = true)]
    Openapi(openapi::Openapi),
    #[command(hide = true)]
    Docs(docs::Docs),
}

/// How long an ended verb waits for its threads; a disk that hangs is not waited out.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Runs the verb that was asked for.
pub(crate) fn run(cli: &Cli, output: &Output) -> anyhow::Result<Exit> {
    let output = *output;
    let global = &cli.global;
    match &cli.command {
        Command::Serve(verb) => return verb.run(global, output),
        Command::Worker(verb) => return verb.run(global, output),
        Command::Init(verb) => return verb.run(output),
        Command::Recover(verb) => return verb.run(global, output),
        Command::Completions(verb) => return verb.run(output),
        Command::Man(verb) => return verb.run(output),
        Command::Supervise(verb) => return verb.run(output),
        Command::Openapi(verb) => return verb.run(output),
        Command::Docs(verb) => return verb.run(output),
        _ => {}
    }
    if let Command::Store(verb) = &cli.command {
        return verb.run(runtime()?, output);
    }
    // These speak to servers that are not ours: no session, no key.
    if let Command::Fetch(verb) = &cli.command {
        return ended(runtime()?, verb.run(output));
    }
    if let Command::Enrich(verb) = &cli.command {
        return ended(runtime()?, verb.run(output));
    }
    // And this one to whatever server a link names, without a key.
    if let Command::Visit(verb) = &cli.command {
        return ended(runtime()?, verb.run(output));
    }
    let session = Session::open(global)?;
    ended(runtime()?, async {
        match &cli.command {
            Command::Up(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Down(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Sync(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Ls(verb) => verb.run(&session, output).await,
            Command::Zip(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Link(verb) => verb.run(&session, output).await,
            Command::Share(verb) => verb.run(&session, output).await,
            Command::Cat(verb) => verb.run(&session, output).await,
            Command::Stat(verb) => verb.run(&session, output).await,
            Command::Mkdir(verb) => verb.run(&session, output).await,
            Command::Mv(verb) => verb.run(&session, output).await,
            Command::Cp(verb) => verb.run(&session, output).await,
            Command::Rm(verb) => verb.run(&session, output).await,
            Command::Trash(verb) => verb.run(&session, output).await,
            Command::Restore(verb) => verb.run(&session, output).await,
            Command::Versions(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Undo(verb) => verb.run(&session, output).await,
            Command::Events(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Audit(verb) => Box::pin(verb.run(&session, global, output)).await,
            Command::Lock(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Unlock(verb) => verb.run(&session, output).await,
            Command::Locks(verb) => verb.run(&session, output).await,
            Command::Run(verb) => Box::pin(verb.run(&session, global, output)).await,
            Command::Meta(verb) => verb.run(&session, output).await,
            Command::Label(verb) => verb.run(&session, output).await,
            Command::Notes(verb) => verb.run(&session, output).await,
            Command::Workspaces(verb) => verb.run(&session, output).await,
            Command::Members(verb) => verb.run(&session, output).await,
            Command::Transfer(verb) => verb.run(&session, output).await,
            Command::Invite(verb) => verb.run(&session, output).await,
            Command::Sessions(verb) => verb.run(&session, output).await,
            Command::Identities(verb) => verb.run(&session, output).await,
            Command::Password(verb) => verb.run(&session, output).await,
            Command::Keys(verb) => verb.run(&session, output).await,
            Command::Principals(verb) => verb.run(&session, output).await,
            Command::Jobs(verb) => verb.run(&session, output).await,
            Command::Hooks(verb) => Box::pin(verb.run(&session, output)).await,
            Command::Status(verb) => verb.run(&session, output).await,
            // Handled above, where no session is needed.
            _ => Ok(Exit::Unexpected),
        }
    })
}

/// Runs a verb to its end.
fn ended(
    runtime: tokio::runtime::Runtime,
    verb: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let exit = runtime.block_on(verb);
    // Threads that were writing files see that nobody wants those any more, and remove what is not whole.
    runtime.shutdown_timeout(CLEAN_UP);
    exit
}

/// Makes the clients' runtime: one thread for the connections beside the one that hands out work. More were not
/// faster, measured on two cores with the server on the same machine.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
