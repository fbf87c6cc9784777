//! Rows of the audit log.
//!
//! On SQLite one transaction writes at a time, and a row's place is its number. On PostgreSQL a row that got the lower number
//! may commit later, and who has read past that number would never see it. There a place is the writing transaction's number and
//! then the row's, and no row is told of a transaction that is not older than all that are still running.

use std::sync::LazyLock;

use longshore_core::wire::{AuditEntry, AuditOutcome};
use longshore_core::{Code, PrincipalId, Timestamp, WorkspaceId};

use super::{Row, Tx, Value};
use crate::actor::Credential;
use crate::audit::Entry;
use crate::error::{Error, Result};

/// A transaction's number, as a number.
macro_rules! number {
    ($of:literal) => {
        concat!("CAST(CAST(", $of, " AS TEXT) AS BIGINT)")
    };
}

/// What is added to it.
macro_rules! base {
    () => {
        "(SELECT audit_base FROM instance)"
    };
}

/// The columns that a writer fills in.
const COLUMNS: usize = 11;

/// How many rows one statement writes: as many as are left, by the largest that fits.
const SIZES: [usize; 3] = [64, 8, 1];

/// How two engines differ.
pub(super) struct Statements {
    inserts: [String; SIZES.len()],
    list: String,
    nth: String,
    head: String,
    ends: String,
    probe: String,
    prune: String,
    /// Whether the first part of a place is a transaction's.
    has_transactions: bool,
}

pub(super) static SQLITE: LazyLock<Statements> = LazyLock::new(|| Statements {
    inserts: SIZES.map(|rows| insert_sql(rows, None)),
    head: "SELECT 0, COALESCE(MAX(seq), 0) FROM audit".to_owned(),
    ends: "SELECT MIN(seq), MAX(seq) FROM audit".to_owned(),
    probe: "SELECT seq, at FROM audit WHERE seq >= $1 ORDER BY seq LIMIT 1".to_owned(),
    // The newest row stays: its number is not to be given again.
    prune: "DELETE FROM audit WHERE seq IN (
                SELECT seq FROM (SELECT seq, at FROM audit ORDER BY seq LIMIT $2) WHERE at < $1)
              AND seq < (SELECT MAX(seq) FROM audit)"
        .to_owned(),
    list: list_sql("0, seq", "seq > $2 AND seq <= $4", "seq"),
    nth: nth_sql("0, seq", "seq > $2 AND seq <= $4", "seq"),
    has_transactions: false,
});

pub(super) static POSTGRES: LazyLock<Statements> = LazyLock::new(|| {
    Statements {
    inserts: SIZES.map(|rows| insert_sql(rows, Some(concat!(base!(), " + ", number!("pg_current_xact_id()"))))),
    head: concat!(
        "SELECT ",
        base!(),
        " + ",
        number!("pg_snapshot_xmin(pg_current_snapshot())"),
        ", CAST(0 AS BIGINT)"
    )
    .to_owned(),
    ends: "SELECT MIN(tid), MAX(tid) FROM audit".to_owned(),
    probe: "SELECT tid, at FROM audit WHERE tid >= $1 ORDER BY tid, seq LIMIT 1".to_owned(),
    prune: "DELETE FROM audit WHERE (tid, seq) IN (
                SELECT tid, seq FROM (SELECT tid, seq, at FROM audit ORDER BY tid, seq LIMIT $2) oldest WHERE at < $1)"
        .to_owned(),
    list: list_sql("tid, seq", "(tid, seq) > ($1, $2) AND (tid, seq) <= ($3, $4)", "tid, seq"),
    nth: nth_sql("tid, seq", "(tid, seq) > ($1, $2) AND (tid, seq) <= ($3, $4)", "tid, seq"),
    has_transactions: true,
}
});

/// Has places go on where they ended, in a database whose transactions' numbers begin anew: a dump that was restored. What is
/// visible is compared with the end of the very snapshot that sees it, so that nobody who writes meanwhile is taken for such.
const REBASE: &str = concat!(
    "UPDATE instance SET audit_base = (SELECT MAX(tid) FROM audit) + 1
     WHERE (SELECT MAX(tid) FROM audit) >= audit_base + ",
    number!("pg_snapshot_xmax(pg_current_snapshot())")
);

fn insert_sql(rows: usize, tid: Option<&str>) -> String {
    let values = |row: usize| {
        let places = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column));
        let all: Vec<_> = tid.map(str::to_owned).into_iter().chain(places).collect();
        format!("({})", all.join(", "))
    };
    let first = if tid.is_some() { "tid, " } else { "" };
    let values: Vec<_> = (0..rows).map(values).collect();
    format!(
        "INSERT INTO audit ({first}at, kind, code, workspace_id, principal_id, credential, address, request_id, route,
                            object, facts) VALUES {}",
        values.join(", ")
    )
}

fn list_sql(place: &str, between: &str, order: &str) -> String {
    format!(
        "SELECT {place}, at, kind, code, workspace_id, principal_id, credential, address, request_id, route, object, facts
         FROM audit WHERE {between}
           AND (CAST($6 AS TEXT) IS NULL OR workspace_id = $6)
           AND (CAST($7 AS TEXT) IS NULL OR principal_id = $7)
           AND (CAST($8 AS BIGINT) IS NULL OR CASE WHEN code IS NULL THEN 0 ELSE 1 END = $8)
           AND (CAST($9 AS BIGINT) IS NULL OR at >= $9)
           AND (CAST($10 AS BIGINT) IS NULL OR at < $10)
           AND (CAST($11 AS TEXT) IS NULL
                OR EXISTS (SELECT 1 FROM members m WHERE m.principal_id = $11
                           AND m.workspace_id = audit.workspace_id AND m.role IN ('admin', 'owner')))
         ORDER BY {order} LIMIT $5"
    )
}

fn nth_sql(place: &str, between: &str, order: &str) -> String {
    format!("SELECT {place} FROM audit WHERE {between} ORDER BY {order} LIMIT 1 OFFSET $5")
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    tid: u64,
    seq: u64,
}

impl Place {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { tid: row.count(0)?, seq: row.count(1)? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.tid, self.seq)
    }
}

impl std::str::FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new(Code::InvalidQuery, "`after` is the place of an entry, or `now`");
        let digits = |part: &str| {
            // No sign, no zero in front: one place has one text.
            let number = part.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
            number.filter(|number| number.to_string() == part)
        };
        let (tid, seq) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Self { tid: digits(tid).ok_or_else(wrong)?, seq: digits(seq).ok_or_else(wrong)? })
    }
}

/// Makes places go on after a dump was restored: part of opening the database.
pub(super) async fn rebase(tx: &mut Tx) -> Result<()> {
    if tx.session.audit().has_transactions {
        tx.execute(REBASE, &[]).await?;
    }
    Ok(())
}

/// Writes entries in their order, many with one statement.
pub(super) async fn insert_all(tx: &mut Tx, mut entries: &[Entry]) -> Result<()> {
    let statements = tx.session.audit();
    while !entries.is_empty() {
        for (size, sql) in SIZES.into_iter().zip(&statements.inserts) {
            if let Some((now, rest)) = entries.split_at_checked(size) {
                let values: Vec<Value> = now.iter().flat_map(values).collect();
                tx.execute(sql, &values).await?;
                entries = rest;
                break;
            }
        }
    }
    Ok(())
}

fn values(entry: &Entry) -> [Value; COLUMNS] {
    let origin = entry.origin.as_deref();
    let credential = entry.credential.and_then(|credential| match credential {
        Credential::Key(key) => Some(key.to_string()),
        Credential::Session(session) => Some(session.to_string()),
        Credential::Share(share) => Some(share.to_string()),
        Credential::Longshore => None,
    });
    [
        entry.at.into(),
        entry.kind.into(),
        entry.code.map(Code::as_str).into(),
        entry.workspace.into(),
        entry.principal.into(),
        credential.into(),
        origin.and_then(|origin| origin.address).map(|address| address.to_string()).into(),
        origin.and_then(|origin| origin.request_id.as_deref()).into(),
        origin.and_then(|origin| origin.route.as_deref()).into(),
        entry.object.clone().into(),
        entry.told_facts().map(|facts| facts.to_string()).into(),
    ]
}

/// Returns the place up to which all is told that there is now.
pub(crate) async fn head(tx: &mut Tx) -> Result<Place> {
    let row = tx.query_opt(&tx.session.audit().head, &[]).await?;
    Place::read(&row.ok_or_else(|| Error::corrupt("an audit log without an end"))?)
}

/// Returns the place of the `n`th entry between two places, or the later of them where there are fewer.
pub(crate) async fn nth(tx: &mut Tx, after: Place, through: Place, n: u32) -> Result<Place> {
    let values = [
        after.tid.into(),
        after.seq.into(),
        through.tid.into(),
        through.seq.into(),
        n.saturating_sub(1).into(),
    ];
    let row = tx.query_opt(&tx.session.audit().nth, &values).await?;
    row.map_or(Ok(through), |row| Place::read(&row))
}

/// Returns a place that no entry of this time or later is before, but for those that came out of order.
///
/// Times rise with places, near enough, so it is looked for by halves: an index of times would cost each entry.
pub(crate) async fn place_at(tx: &mut Tx, at: Timestamp) -> Result<Place> {
    let statements = tx.session.audit();
    let Some(row) = tx.query_opt(&statements.ends, &[]).await? else { return Ok(Place::default()) };
    let (Some(mut low), Some(high)) = (row.opt_count(0)?, row.opt_count(1)?) else {
        return Ok(Place::default());
    };
    let mut high = high + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let row = tx.query_opt(&statements.probe, &[middle.into()]).await?;
        match row {
            Some(row) if row.time(1)? < at => low = row.count(0)? + 1,
            _ => high = middle,
        }
    }
    Ok(match statements.has_transactions {
        true => Place { tid: low, seq: 0 },
        false => Place { tid: 0, seq: low.saturating_sub(1) },
    })
}

/// Which entries are wanted; what is left out lets all pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) outcome: Option<AuditOutcome>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// Only entries of workspaces that this principal is an admin of.
    pub(crate) admin: Option<PrincipalId>,
}

/// Lists the entries between two places that a filter lets pass. The filter costs no more than the rows between them, and
/// those the caller bounds.
pub(crate) async fn list(
    tx: &mut Tx,
    after: Place,
    through: Place,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<(Place, AuditEntry)>> {
    let values = [
        after.tid.into(),
        after.seq.into(),
        through.tid.into(),
        through.seq.into(),
        limit.into(),
        filter.workspace.into(),
        filter.principal.into(),
        filter.outcome.map(|outcome| i64::from(outcome == AuditOutcome::Refused)).into(),
        filter.since.into(),
        filter.until.into(),
        filter.admin.into(),
    ];
    let rows = tx.query(&tx.session.audit().list, &values).await?;
    rows.iter().map(|row| Ok((Place::read(row)?, read(row)?))).collect()
}

fn read(row: &Row) -> Result<AuditEntry> {
    let code = row.opt_text(4)?.map(str::to_owned);
    let credential = row.opt_text(7)?;
    Ok(AuditEntry {
        place: Place::read(row)?.to_string(),
        at: row.time(2)?,
        kind: row.text(3)?.to_owned(),
        outcome: if code.is_some() { AuditOutcome::Refused } else { AuditOutcome::Done },
        workspace_id: row.opt_parse(5)?,
        principal_id: row.opt_parse(6)?,
        // The prefix of the id says whose it is.
        key_id: credential.and_then(|text| text.parse().ok()),
        session_id: credential.and_then(|text| text.parse().ok()),
        share_id: credential.and_then(|text| text.parse().ok()),
        address: row.opt_text(8)?.map(str::to_owned),
        request_id: row.opt_text(9)?.map(str::to_owned),
        route: row.opt_text(10)?.map(str::to_owned),
        object: row.opt_text(11)?.map(str::to_owned),
        facts: match row.opt_text(12)? {
            Some(facts) => serde_json::from_str(facts).map_err(Error::corrupt)?,
            None => serde_json::json!({}),
        },
        code,
    })
}

/// Removes some of the oldest entries where they are older than `before`; returns how many.
pub(crate) async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    tx.execute(&tx.session.audit().prune, &[before.into(), limit.into()]).await
}
