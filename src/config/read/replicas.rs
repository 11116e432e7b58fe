//! The lists of replicas of `[cluster]` and `[standby]`.

use crate::config::cluster::{REPLICA_ID_MAX, Replica, STANDBYS_MAX, VOTERS_MAX};
use crate::config::document::Document;
use crate::config::host::{self, HostPort};
use crate::config::items::Item;
use crate::config::problem::Problem;
use crate::config::schema;

/// How many replicas share the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// There is no `[cluster]`.
    OneNode,
    /// A cluster of one replica.
    Alone,
    /// A cluster of more.
    Several,
}

/// The replicas of both lists.
pub(super) struct Members {
    /// How many the lists have, right or wrong.
    pub(super) size: Size,
    /// Those that vote and the standbys; `None`: a problem was recorded.
    pub(super) lists: Option<(Vec<Replica>, Vec<Replica>)>,
}

/// Reads both lists.
pub(super) fn read(doc: &mut Document<'_>) -> Members {
    let has_cluster = doc.section("cluster").is_some();
    if let (false, Some(line)) = (has_cluster, doc.section("standby")) {
        let message = "[standby] has no effect without [cluster]: a standby follows its replicas";
        doc.problems.push(Problem::at(line, message));
    }
    let voters = list(doc, "cluster", count_voters);
    let standbys = list(doc, "standby", count_standbys);
    let listed = [&voters, &standbys].into_iter().flatten().map(Vec::len);
    let size = match listed.sum() {
        _ if !has_cluster => Size::OneNode,
        0 | 1 => Size::Alone,
        _ => Size::Several,
    };
    let lists = voters.zip(standbys);
    let lists = lists.and_then(|(voters, standbys)| replicas(doc, voters, standbys));
    Members { size, lists }
}

/// The tables of one list; none where the section is not there.
fn list<'t>(
    doc: &mut Document<'t>,
    section: &'static str,
    refuse_count: fn(usize) -> Option<String>,
) -> Option<Vec<Item<'t>>> {
    if doc.section(section).is_none() {
        return Some(Vec::new());
    }
    if doc.line(section, "replicas").is_none() {
        let why = "is missing: list every one as { id = 0, address = \"host:port\" }";
        doc.refuse(section, "replicas", why);
    }
    let items = doc.items(section, "replicas", schema::REPLICA)?;
    if let Some(why) = refuse_count(items.len()) {
        doc.refuse(section, "replicas", &why);
    }
    Some(items)
}

fn count_voters(count: usize) -> Option<String> {
    if count == 0 {
        return Some("is empty; a cluster has at least one replica".to_owned());
    }
    if count > VOTERS_MAX {
        return Some(format!(
            "has {count}, and at most {VOTERS_MAX} can vote; others may follow as [standby]"
        ));
    }
    count.is_multiple_of(2).then(|| {
        format!(
            "has {count}, and an even number survives no more failures than one less; add a \
             replica or take one away (a [standby] does not count)"
        )
    })
}

fn count_standbys(count: usize) -> Option<String> {
    (count > STANDBYS_MAX).then(|| format!("has {count}, and at most {STANDBYS_MAX} can follow"))
}

/// A replica of which some may be wrong.
struct Draft<'t> {
    item: Item<'t>,
    id: Option<u32>,
    address: Option<HostPort>,
    name: Option<String>,
}

fn replicas<'t>(
    doc: &mut Document<'t>,
    voters: Vec<Item<'t>>,
    standbys: Vec<Item<'t>>,
) -> Option<(Vec<Replica>, Vec<Replica>)> {
    // Each is compared with each; longer lists are refused already.
    if voters.len() > VOTERS_MAX || standbys.len() > STANDBYS_MAX {
        return None;
    }
    let count = voters.len();
    let items = voters.into_iter().chain(standbys);
    let mut drafts: Vec<Draft<'_>> = items.map(|item| draft(doc, item)).collect();
    for (at, later) in drafts.iter().enumerate() {
        refuse_duplicates(doc, drafts.iter().take(at), later);
    }
    let standbys = drafts.split_off(count);
    let finish = |drafts: Vec<Draft<'_>>| drafts.into_iter().map(finished).collect();
    Option::zip(finish(drafts), finish(standbys))
}

fn draft<'t>(doc: &mut Document<'t>, item: Item<'t>) -> Draft<'t> {
    let id = id(doc, &item);
    let text = item.string(doc, "address");
    let address = text.and_then(|text| {
        host::host_port(&text)
            .map_err(|why| item.refuse(doc, "address", &format!("`{text}` {why}")))
            .ok()
    });
    let name = if item.has("name") {
        let text = item.string(doc, "name");
        text.and_then(|text| {
            host::host_name(&text)
                .map_err(|why| item.refuse(doc, "name", &format!("`{text}` {why}")))
                .ok()
        })
    } else {
        address.as_ref().map(|address| address.host.clone())
    };
    Draft {
        item,
        id,
        address,
        name,
    }
}

fn id(doc: &mut Document<'_>, item: &Item<'_>) -> Option<u32> {
    let number = item.number(doc, "id")?;
    let id = u32::try_from(number)
        .ok()
        .filter(|id| *id <= REPLICA_ID_MAX);
    if id.is_none() {
        let why = format!("must be between 0 and {REPLICA_ID_MAX}");
        item.refuse(doc, "id", &why);
    }
    id
}

fn refuse_duplicates<'a, 't: 'a>(
    doc: &mut Document<'_>,
    earlier: impl Iterator<Item = &'a Draft<'t>> + Clone,
    later: &Draft<'_>,
) {
    let same = |same: fn(&Draft<'_>, &Draft<'_>) -> bool| {
        earlier.clone().find(|earlier| same(earlier, later))
    };
    if let Some(other) = same(|a, b| a.id.is_some() && a.id == b.id) {
        let id = later.id.unwrap_or_default();
        let why = format!("{id} is the id of the replica in line {}", other.item.line);
        later.item.refuse(doc, "id", &why);
    }
    if let Some(other) = same(|a, b| a.address.is_some() && a.address == b.address) {
        let line = other.item.line;
        let why = format!("is that of the replica in line {line}");
        later.item.refuse(doc, "address", &why);
    } else if let Some(other) = same(|a, b| a.name.is_some() && a.name == b.name) {
        let name = later.name.as_deref().unwrap_or_default();
        let why = format!(
            "`{name}` is the name of the replica in line {} too, and a certificate could not tell \
             them apart; give each a `name`",
            other.item.line
        );
        later.item.refuse(doc, "name", &why);
    }
}

fn finished(draft: Draft<'_>) -> Option<Replica> {
    Some(Replica {
        id: draft.id?,
        address: draft.address?.text,
        name: draft.name?,
    })
}
