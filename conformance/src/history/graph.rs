//! Who came before whom, and cycles in that.

use std::collections::{BTreeMap, VecDeque};

use super::lists::{Orders, foreign_reads};
use super::{Anomaly, Kind, Transaction};

/// Why a transaction comes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    /// The other appended behind its value.
    Ww,
    /// The other read its value.
    Wr,
    /// It read a list before the other appended to it.
    Rw,
}

impl Edge {
    fn name(self) -> &'static str {
        match self {
            Self::Ww => "ww",
            Self::Wr => "wr",
            Self::Rw => "rw",
        }
    }
}

/// Edges by the transaction that they leave.
#[derive(Debug)]
pub(super) struct Graph {
    edges: Vec<BTreeMap<usize, Vec<Edge>>>,
}

/// A place of a walk through the graph: a transaction, and whether the walk came to it
/// over an `rw` edge.
type Place = (usize, bool);

impl Graph {
    /// The graph of a history whose lists have these orders.
    pub(super) fn of(history: &[Transaction], orders: &Orders) -> Self {
        let mut graph = Self {
            edges: vec![BTreeMap::new(); history.len()],
        };
        for (key, list) in &orders.lists {
            for at in 1..list.len() {
                let (before, after) = (orders.writer(*key, at - 1), orders.writer(*key, at));
                graph.add(before, after, Edge::Ww, orders);
            }
        }
        for (number, transaction) in history.iter().enumerate() {
            for (key, list) in foreign_reads(transaction) {
                let reader = Some(number);
                if let Some(last) = list.len().checked_sub(1) {
                    graph.add(orders.writer(key, last), reader, Edge::Wr, orders);
                }
                graph.add(reader, orders.writer(key, list.len()), Edge::Rw, orders);
            }
        }
        graph
    }

    fn add(&mut self, from: Option<usize>, to: Option<usize>, edge: Edge, orders: &Orders) {
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        let is_there = |n: usize| orders.committed.get(n).copied().unwrap_or(false);
        if from == to || !is_there(from) || !is_there(to) {
            return;
        }
        if let Some(edges) = self.edges.get_mut(from) {
            let kinds = edges.entry(to).or_default();
            if !kinds.contains(&edge) {
                kinds.push(edge);
            }
        }
    }

    /// Adds one cycle of each kind that there is.
    pub(super) fn cycles(&self, history: &[Transaction], found: &mut Vec<Anomaly>) {
        let mut add = |kind, cycle: Option<Vec<(usize, Edge)>>| {
            if let Some(cycle) = cycle {
                found.push(Anomaly {
                    kind,
                    story: story(&cycle, history),
                });
                return true;
            }
            false
        };
        let writes = |edge| edge == Edge::Ww;
        add(Kind::G0, self.cycle_through(writes, writes));
        let no_rw = |edge| edge != Edge::Rw;
        add(Kind::G1c, self.cycle_through(|e| e == Edge::Wr, no_rw));
        let single = self.cycle_through(|e| e == Edge::Rw, no_rw);
        if add(Kind::GSingle, single) {
            return;
        }
        if add(Kind::GNonadjacent, self.nonadjacent()) {
            return;
        }
        add(
            Kind::G2Item,
            self.cycle_through(|e| e == Edge::Rw, |_| true),
        );
    }

    /// A shortest cycle that has an edge of one kind, and others of another.
    fn cycle_through(
        &self,
        first: impl Fn(Edge) -> bool,
        rest: impl Fn(Edge) -> bool,
    ) -> Option<Vec<(usize, Edge)>> {
        let components = Components::of(self, |e| first(e) || rest(e));
        // Along the edges of the way back the numbers of these never grow.
        let ranks = Components::of(self, &rest);
        let mut best: Option<Vec<(usize, Edge)>> = None;
        for (from, edges) in self.edges.iter().enumerate() {
            for (to, kinds) in edges {
                let Some(edge) = kinds.iter().copied().find(|e| first(*e)) else {
                    continue;
                };
                // Only within a component there is a way back.
                if !components.same(from, *to) {
                    continue;
                }
                let step = |_: bool, e: Edge| rest(e).then_some(false);
                let may = |node| ranks.rank(node) >= ranks.rank(from);
                if !may(*to) {
                    continue;
                }
                let Some(back) = self.path((*to, false), (from, false), step, may) else {
                    continue;
                };
                let mut cycle = vec![(from, edge)];
                cycle.extend(back);
                if best.as_ref().is_none_or(|b| cycle.len() < b.len()) {
                    best = Some(cycle);
                }
                if best.as_ref().is_some_and(|b| b.len() == 2) {
                    return best;
                }
            }
        }
        best
    }

    /// A cycle with `rw` edges of which no two follow each other.
    fn nonadjacent(&self) -> Option<Vec<(usize, Edge)>> {
        let components = Components::of(self, |_| true);
        for (from, edges) in self.edges.iter().enumerate() {
            for (to, kinds) in edges {
                if !kinds.contains(&Edge::Rw) || !components.same(from, *to) {
                    continue;
                }
                let step = |after_rw: bool, edge: Edge| match (after_rw, edge) {
                    (true, Edge::Rw) => None,
                    (_, Edge::Rw) => Some(true),
                    (..) => Some(false),
                };
                // The way back must not end with an `rw` edge: one follows.
                if let Some(back) = self.path((*to, true), (from, false), step, |_| true) {
                    let mut cycle = vec![(from, Edge::Rw)];
                    cycle.extend(back);
                    return Some(cycle);
                }
            }
        }
        None
    }

    /// A shortest way from a place to another; `step` says whether an edge may be
    /// taken after an `rw` edge or another, and what it is to the next step; `may`
    /// says which transactions may lie on it.
    fn path(
        &self,
        start: Place,
        goal: Place,
        step: impl Fn(bool, Edge) -> Option<bool>,
        may: impl Fn(usize) -> bool,
    ) -> Option<Vec<(usize, Edge)>> {
        let mut came: BTreeMap<Place, (Place, Edge)> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(place) = queue.pop_front() {
            let next = self.edges.get(place.0)?;
            for (to, kinds) in next {
                for edge in kinds {
                    let Some(flag) = step(place.1, *edge) else {
                        continue;
                    };
                    let reached = (*to, flag);
                    if reached == start || !may(*to) || came.contains_key(&reached) {
                        continue;
                    }
                    came.insert(reached, (place, *edge));
                    if reached == goal {
                        return Some(trace(start, goal, &came));
                    }
                    queue.push_back(reached);
                }
            }
        }
        None
    }
}

/// The steps that led from a place to another: where each began, and its edge.
fn trace(start: Place, goal: Place, came: &BTreeMap<Place, (Place, Edge)>) -> Vec<(usize, Edge)> {
    let mut steps = Vec::new();
    let mut place = goal;
    while place != start {
        let Some((before, edge)) = came.get(&place) else {
            break;
        };
        steps.push((before.0, *edge));
        place = *before;
    }
    steps.reverse();
    steps
}

fn story(cycle: &[(usize, Edge)], history: &[Transaction]) -> String {
    let mut out = String::new();
    for (number, edge) in cycle {
        out.push_str(&format!("T{number} -{}-> ", edge.name()));
    }
    if let Some((first, _)) = cycle.first() {
        out.push_str(&format!("T{first}"));
    }
    for (number, _) in cycle {
        if let Some(transaction) = history.get(*number) {
            out.push_str(&format!("\n    T{number}: {:?}", transaction.ops));
        }
    }
    out
}

/// Strongly connected components (Tarjan's, without recursion).
struct Components {
    of: Vec<usize>,
}

impl Components {
    fn of(graph: &Graph, takes: impl Fn(Edge) -> bool) -> Self {
        let count = graph.edges.len();
        let next: Vec<Vec<usize>> = graph
            .edges
            .iter()
            .map(|edges| {
                let taken = edges
                    .iter()
                    .filter(|(_, kinds)| kinds.iter().any(|e| takes(*e)));
                taken.map(|(to, _)| *to).collect()
            })
            .collect();
        let mut search = Search {
            next,
            index: vec![usize::MAX; count],
            low: vec![0; count],
            on_stack: vec![false; count],
            stack: Vec::new(),
            counter: 0,
            of: vec![usize::MAX; count],
            components: 0,
        };
        for node in 0..count {
            search.visit(node);
        }
        Self { of: search.of }
    }

    /// The number of a transaction's component; edges lead to equal or smaller ones.
    fn rank(&self, node: usize) -> usize {
        self.of.get(node).copied().unwrap_or_default()
    }

    fn same(&self, a: usize, b: usize) -> bool {
        self.of.get(a).is_some() && self.of.get(a) == self.of.get(b)
    }
}

struct Search {
    next: Vec<Vec<usize>>,
    index: Vec<usize>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    counter: usize,
    of: Vec<usize>,
    components: usize,
}

#[allow(
    clippy::indexing_slicing,
    reason = "all indexes are numbers of transactions"
)]
impl Search {
    fn enter(&mut self, node: usize) {
        self.index[node] = self.counter;
        self.low[node] = self.counter;
        self.counter += 1;
        self.stack.push(node);
        self.on_stack[node] = true;
    }

    fn visit(&mut self, root: usize) {
        if self.index[root] != usize::MAX {
            return;
        }
        self.enter(root);
        let mut work = vec![(root, 0)];
        while let Some((node, at)) = work.pop() {
            if let Some(to) = self.next[node].get(at).copied() {
                work.push((node, at + 1));
                if self.index[to] == usize::MAX {
                    self.enter(to);
                    work.push((to, 0));
                } else if self.on_stack[to] {
                    self.low[node] = self.low[node].min(self.index[to]);
                }
                continue;
            }
            if let Some((parent, _)) = work.last() {
                self.low[*parent] = self.low[*parent].min(self.low[node]);
            }
            if self.low[node] == self.index[node] {
                while let Some(member) = self.stack.pop() {
                    self.on_stack[member] = false;
                    self.of[member] = self.components;
                    if member == node {
                        break;
                    }
                }
                self.components += 1;
            }
        }
    }
}
