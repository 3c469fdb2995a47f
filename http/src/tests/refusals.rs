//! What a board's refusals become.

use callboard_tasks::{Error, InvalidMove, InvalidTask, JobId, Move, Phase, StoreError, Timestamp, WorkerId};

use crate::problem::{Kind, Problem};

#[test]
fn every_refusal_has_its_kind_and_tells_nothing_of_the_inside() {
    let id = JobId::new(Timestamp::UNIX_EPOCH);
    let invalid = InvalidMove { from: Phase::Running, step: Move::RunAgain };
    let alias = || "default".to_owned();
    let unavailable = || StoreError::Unavailable("postgres://user:secret@10.0.0.1".into());
    for (error, kind) in [
        (InvalidTask::new("t", "#/args/a", "is wrong").into(), Kind::ValidationFailed),
        (InvalidTask::new("t", "#/queue", "is wrong").into(), Kind::QueueNotAllowed),
        (Error::UnknownTask { name: "t".into(), near: vec![] }, Kind::UnknownTask),
        (Error::UnknownBackend { alias: alias(), known: vec![] }, Kind::UnknownBackend),
        (Error::NotFound(id), Kind::NotFound),
        (Error::Pruned(id), Kind::Pruned),
        (Error::Mismatch { id, expected: "a".into(), actual: "secret".into() }, Kind::Internal),
        (Error::InvalidMove(invalid), Kind::InvalidTransition),
        (Error::Unsupported { alias: alias(), what: "listing" }, Kind::ValidationFailed),
        (Error::Full { alias: alias() }, Kind::QueueFull),
        (Error::Draining, Kind::Draining),
        (Error::NoAnswer { alias: alias() }, Kind::StoreUnavailable),
        (StoreError::NotFound(id).into(), Kind::NotFound),
        (StoreError::Pruned(id).into(), Kind::Pruned),
        (StoreError::InvalidMove(invalid).into(), Kind::InvalidTransition),
        (StoreError::VersionMismatch { id, expected: 1, actual: 2 }.into(), Kind::PreconditionFailed),
        (StoreError::DuplicateId(id).into(), Kind::Internal),
        (StoreError::Gone(WorkerId::new(Timestamp::UNIX_EPOCH)).into(), Kind::Internal),
        (StoreError::Busy("secret.db is locked".into()).into(), Kind::StoreBusy),
        (unavailable().into(), Kind::StoreUnavailable),
    ] {
        let shown = format!("{error:?}");
        let problem = Problem::from(error);
        assert_eq!(problem.kind(), kind, "{shown}");
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
}
