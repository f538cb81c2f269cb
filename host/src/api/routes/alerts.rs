//! Alerts, silences and receivers.

use crate::api::operation::{Answered, Ask, Does, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::reply::Reply;
use crate::model::{AlertBoard, Scope};
use crate::store::Reader;

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    method: "GET",
    path: "/api/v1/alerts",
    scope: Some(Scope::Read),
    summary: "Alerts (firing ones first, then pending, then resolved), silences, and how the receivers do",
    params: &[],
    body: None,
    answer: Answered::Json(schema_of::<AlertBoard>),
    does: Does::Read(board),
}];

/// Everything that there is to show of alerts.
pub(super) fn read(reader: &Reader) -> Result<AlertBoard, Problem> {
    let documents = reader.documents()?;
    Ok(AlertBoard::from_documents(
        documents.iter().map(|document| (document.namespace.as_str(), document.key.as_str(), &document.document)),
    ))
}

fn board(_: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    Reply::json(&read(reader)?)
}
