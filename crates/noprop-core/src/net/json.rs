//! A user's own net: a list of nodes, each `{ "op": "linear", "from": ["x", "z"], "name": "first", "units": 64 }`.
//!
//! `from` names one node or several; without it a node reads the one before, and the first reads x. x and z are the inputs, and time for methods that have one.

use super::graph::{Graph, MAX_NODES, NodeId};
use super::op::Op;
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};

/// Longest name of a node.
const MAX_NAME: usize = 64;

/// The net that these nodes declare, after the inputs in `graph`.
///
/// # Errors
/// [`Code::Option`] or [`Code::Shape`] naming the node (`net.nodes[3]`), what it needs and what it got.
pub(super) fn graph(nodes: &[Value], mut graph: Graph) -> Result<Graph> {
    if nodes.is_empty() || nodes.len() > MAX_NODES {
        return Err(Error::new(Code::Option, "option net.nodes is out of range")
            .expected(format!("1 to {MAX_NODES} nodes"))
            .received(format!("{} nodes", nodes.len())));
    }
    for (index, node) in nodes.iter().enumerate() {
        let place = format!("net.nodes[{index}]");
        let Value::Object(fields) = node else {
            return Err(Error::new(Code::Option, format!("option {place} has a bad value"))
                .expected("an object such as {\"op\": \"relu\"}")
                .received(shortened(node)));
        };
        let mut fields = fields.clone();
        let name = name(&mut fields, &place)?;
        let inputs = inputs(&mut fields, &place, &graph)?;
        let op = Op::from_fields(fields, &place)?;
        let name = name.unwrap_or_else(|| op.name_at(graph.nodes().len()));
        graph.push(name, op, inputs).map_err(|misfit| misfit.of_node(&place))?;
    }
    graph.check().map(|()| graph)
}

fn name(fields: &mut Map<String, Value>, place: &str) -> Result<Option<String>> {
    let Some(value) = fields.remove("name") else { return Ok(None) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match value {
        Value::String(name) if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(allowed) => Ok(Some(name)),
        other => Err(Error::new(Code::Option, format!("option {place}.name has a bad value"))
            .expected(format!("1 to {MAX_NAME} letters, digits, - and _"))
            .received(shortened(&other))),
    }
}

fn inputs(fields: &mut Map<String, Value>, place: &str, graph: &Graph) -> Result<Vec<NodeId>> {
    let bad = |value: &Value| {
        Error::new(Code::Option, format!("option {place}.from has a bad value"))
            .expected(format!("the name of a node before it, or a list of up to {MAX_NODES}"))
            .received(shortened(value))
    };
    let find = |value: &Value| {
        let name = value.as_str().ok_or_else(|| bad(value))?;
        graph.find(name).ok_or_else(|| {
            let names: Vec<_> = graph.nodes().iter().rev().take(8).map(|node| node.name.as_str()).collect();
            Error::new(Code::Option, format!("option {place}.from names no node before it"))
                .expected(format!("one of {}", names.join(", ")))
                .received(shortened(value))
                .hint("give the node that is meant a \"name\", and list it before this one")
        })
    };
    match fields.remove("from") {
        None if graph.nodes().len() == graph.inputs() => Ok(vec![Graph::X]),
        None => Ok(vec![graph.nodes().len() - 1]),
        Some(Value::Array(names)) if (1..=MAX_NODES).contains(&names.len()) => names.iter().map(find).collect(),
        Some(Value::Array(names)) => Err(bad(&Value::Array(names))),
        Some(name) => Ok(vec![find(&name)?]),
    }
}

/// A value as text, of a length that fits into a message.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 { text } else { text.chars().take(77).chain("...".chars()).collect() }
}
