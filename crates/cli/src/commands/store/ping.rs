//! `longshore store ping`: does a store answer, and what can it do?

use std::time::Instant;

use clap::Args;
use longshore_store::{Capability, Store};
use serde::Serialize;

use super::{Make, Options, Place};
use crate::failure::Exit;
use crate::output::Output;

/// Tell whether a store answers, how fast, what it can do, and what it does not promise
///
/// With --json: {"url", "store", "milliseconds", "capabilities": [...], "lacks": [{"capability", "meaning"}]}.
#[derive(Args)]
pub(crate) struct Ping {
    /// The store
    url: String,
    #[command(flatten)]
    options: Options,
}

#[derive(Serialize)]
struct Answer {
    url: String,
    store: &'static str,
    milliseconds: f64,
    capabilities: Vec<String>,
    lacks: Vec<Lack>,
}

#[derive(Serialize)]
struct Lack {
    capability: String,
    meaning: &'static str,
}

impl Ping {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let place = Place::parse(&self.url, &self.options.options)?;
        let store = place.open(Make::Nothing)?;
        let start = Instant::now();
        store.ping().await?;
        let took = start.elapsed();
        let answer = Answer {
            url: place.shown,
            milliseconds: (took.as_secs_f64() * 1e6).round() / 1e3,
            ..Answer::of(&store)
        };
        output.object(&answer, Answer::text)?;
        store.close().await?;
        Ok(Exit::Ok)
    }
}

impl Answer {
    fn of(store: &Store) -> Self {
        let lacks = Capability::ALL.iter().filter(|capability| !store.supports(**capability));
        Self {
            url: String::new(),
            store: store.name(),
            milliseconds: 0.0,
            capabilities: store.capabilities().iter().map(name).collect(),
            lacks: lacks.map(|lack| Lack { capability: name(*lack), meaning: meaning(*lack) }).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} answers in {:.1} ms\nstore  {}\ncan    {}",
            self.url,
            self.milliseconds,
            self.store,
            self.capabilities.join(", ")
        );
        for lack in &self.lacks {
            text.push_str(&format!("\nlacks  {}: {}", lack.capability, lack.meaning));
        }
        text
    }
}

/// Returns a capability's name with hyphens: `atomic-create`.
fn name(capability: Capability) -> String {
    let mut name = String::new();
    for char in format!("{capability:?}").chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}

/// Says what it means that a store lacks a capability.
const fn meaning(lack: Capability) -> &'static str {
    match lack {
        Capability::Read => "files cannot be read",
        Capability::Write => "files cannot be written",
        Capability::Delete => "files cannot be deleted",
        Capability::List => "folders cannot be listed",
        Capability::Move => "files cannot be moved",
        Capability::Copy => "files cannot be copied by the storage itself",
        Capability::AtomicWrite => "a file may be seen half-written",
        Capability::AtomicCreate => {
            "two writers that both create a file may both succeed: one replaces the other"
        }
        Capability::AtomicMove => "a file that is moved may be seen at both places",
        Capability::ConditionalRead => "a read cannot be tied to one content of a file",
        Capability::SnapshotRead => "a reader may fail when the file is replaced meanwhile",
        Capability::Hierarchy => "a file and a folder may have the same path",
        Capability::Metadata => "no metadata is kept with a file",
        Capability::MediaType => "no media type is kept with a file",
        Capability::Durable => {
            "nothing says that what was acknowledged survives a loss of the storage's power"
        }
        _ => "see the documentation of the library",
    }
}
