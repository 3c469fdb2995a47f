use std::collections::BTreeSet;
use std::fmt::Write;

use crate::{InvalidMove, Move, Phase, Status};

const MOVES: [Move; 20] = [
    Move::Promote,
    Move::Claim,
    Move::HandBack,
    Move::Succeed,
    Move::Fail,
    Move::Retry,
    Move::Cancel,
    Move::EndCancelled,
    Move::Overrun,
    Move::EndOverrun,
    Move::Expire,
    Move::Park,
    Move::Unpark,
    Move::Lose,
    Move::Quarantine,
    Move::RunAgain,
    Move::RunNow,
    Move::Reschedule,
    Move::Postpone,
    Move::Delete,
];

fn reachable_from(start: impl IntoIterator<Item = Phase>) -> BTreeSet<Phase> {
    let mut reached: BTreeSet<Phase> = start.into_iter().collect();
    loop {
        let next: BTreeSet<Phase> =
            reached.iter().flat_map(|phase| MOVES.into_iter().filter_map(|step| phase.after(step).ok())).collect();
        if next.is_subset(&reached) {
            return reached;
        }
        reached.extend(next);
    }
}

/// Every move from every phase. A dot is a move that is refused.
#[test]
fn the_table_of_moves_is_this_one() {
    let short = |phase: Phase| match phase {
        Phase::Scheduled => "sched",
        Phase::Parked => "park",
        Phase::Running => "run",
        Phase::Cancelling => "c-ing",
        Phase::RetryWait => "retry",
        Phase::Successful => "ok",
        Phase::Failed => "fail",
        Phase::Cancelled => "c-ed",
        Phase::Expired => "exp",
        Phase::Quarantined => "quar",
        Phase::Ready => "ready",
    };
    let mut table = format!("{:<13}", "");
    Phase::ALL.iter().for_each(|&from| write!(table, "{:<6}", short(from)).unwrap());
    for step in MOVES {
        write!(table, "\n{:<13}", format!("{step:?}")).unwrap();
        Phase::ALL.iter().for_each(|from| write!(table, "{:<6}", from.after(step).map_or(".", short)).unwrap());
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    let expected = "
             sched ready park  run   c-ing retry ok    fail  c-ed  exp   quar
Promote      ready .     .     .     .     ready .     .     .     .     .
Claim        run   run   .     .     .     run   .     .     .     .     .
HandBack     .     .     .     ready c-ed  .     .     .     .     .     .
Succeed      .     .     .     ok    ok    .     .     .     .     .     .
Fail         .     .     .     fail  c-ed  .     .     .     .     .     .
Retry        .     .     .     retry c-ed  .     .     .     .     .     .
Cancel       c-ed  c-ed  c-ed  c-ing c-ing c-ed  .     .     .     .     .
EndCancelled .     .     .     c-ed  c-ed  .     .     .     .     .     .
Overrun      .     .     .     c-ing .     .     .     .     .     .     .
EndOverrun   .     .     .     .     run   .     .     .     .     .     .
Expire       exp   exp   exp   .     .     exp   .     .     .     .     .
Park         park  park  .     .     .     park  .     .     .     .     .
Unpark       .     .     ready .     .     .     .     .     .     .     .
Lose         .     .     .     ready c-ed  .     .     .     .     .     .
Quarantine   .     .     .     quar  .     .     .     .     .     .     .
RunAgain     .     .     .     .     .     .     ready ready ready ready ready
RunNow       ready .     .     .     .     ready .     .     .     .     .
Reschedule   sched ready park  .     .     retry .     .     .     .     .
Postpone     sched sched sched .     .     sched .     .     .     .     .
Delete       sched ready park  .     .     retry ok    fail  c-ed  exp   quar
";
    assert_eq!(table, expected.trim_matches('\n').lines().collect::<Vec<_>>(), "\n{}", table.join("\n"));
}

#[test]
fn every_phase_can_be_reached_by_a_new_job() {
    assert_eq!(reachable_from([Phase::Scheduled]), Phase::ALL.into());
    assert_eq!(reachable_from([Phase::Ready]), Phase::ALL.into());
}

#[test]
fn a_finished_job_stays_as_it_is_until_somebody_runs_it_again() {
    for phase in Phase::ALL.into_iter().filter(|phase| phase.is_finished()) {
        for step in MOVES {
            let expected = match step {
                Move::RunAgain => Ok(Phase::Ready),
                Move::Delete => Ok(phase),
                _ => Err(InvalidMove { from: phase, step }),
            };
            assert_eq!(phase.after(step), expected);
        }
    }
}

#[test]
fn every_job_can_come_to_each_of_its_ends() {
    let ends = [Phase::Successful, Phase::Failed, Phase::Cancelled, Phase::Expired, Phase::Quarantined];
    for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_finished() && *phase != Phase::Cancelling) {
        assert!(reachable_from([phase]).is_superset(&ends.into()), "{phase}");
    }
}

#[test]
fn a_running_job_cannot_be_claimed_again() {
    for phase in [Phase::Running, Phase::Cancelling] {
        assert_eq!(phase.after(Move::Claim), Err(InvalidMove { from: phase, step: Move::Claim }));
    }
}

#[test]
fn a_job_that_was_asked_to_stop_never_runs_again_by_itself() {
    // `EndOverrun` is only for a job that nobody has asked to stop.
    for step in MOVES.into_iter().filter(|step| *step != Move::EndOverrun) {
        if let Ok(after) = Phase::Cancelling.after(step) {
            assert!(matches!(after, Phase::Cancelling | Phase::Cancelled | Phase::Successful), "{step:?} → {after}");
        }
    }
}

#[test]
fn each_phase_is_a_detail_of_one_of_django_s_four_states() {
    let of = |status| Phase::ALL.into_iter().filter(|phase| phase.status() == status).collect::<Vec<_>>();
    assert_eq!(of(Status::Ready), [Phase::Scheduled, Phase::Ready, Phase::Parked, Phase::RetryWait]);
    assert_eq!(of(Status::Running), [Phase::Running, Phase::Cancelling]);
    assert_eq!(of(Status::Successful), [Phase::Successful]);
    assert_eq!(of(Status::Failed), [Phase::Failed, Phase::Cancelled, Phase::Expired, Phase::Quarantined]);
}

/// Django: ready to running to an end, and back to ready for another attempt.
#[test]
fn only_these_changes_of_status_happen() {
    use Status as S;
    let moves = Phase::ALL.into_iter().flat_map(|from| MOVES.into_iter().map(move |step| (from, from.after(step))));
    let changes: BTreeSet<(Status, Status)> = moves
        .filter_map(|(from, to)| Some((from.status(), to.ok()?.status())))
        .filter(|(from, to)| from != to)
        .collect();
    let expected = [
        (S::Ready, S::Running),
        (S::Ready, S::Failed),
        (S::Running, S::Ready),
        (S::Running, S::Successful),
        (S::Running, S::Failed),
        (S::Successful, S::Ready),
        (S::Failed, S::Ready),
    ];
    assert_eq!(changes, expected.into());
}

#[test]
fn names_of_phases_are_read_as_they_are_written() {
    for phase in Phase::ALL {
        assert_eq!(Phase::parse(phase.as_str()), Some(phase));
        assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        assert_eq!(serde_json::from_value::<Phase>(phase.as_str().into()).unwrap(), phase);
        assert_eq!(phase.to_string(), phase.as_str());
    }
    assert_eq!(Phase::parse("READY"), None);
    assert_eq!(Phase::parse(""), None);
}

#[test]
fn names_of_statuses_are_django_s() {
    assert_eq!(Status::ALL.map(Status::as_str), ["READY", "RUNNING", "SUCCESSFUL", "FAILED"]);
    for status in Status::ALL {
        assert_eq!(Status::parse(status.as_str()), Some(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        assert_eq!(status.to_string(), status.as_str());
    }
    assert_eq!(Status::parse("ready"), None);
}

#[test]
fn a_refused_move_says_what_the_job_is_and_what_was_asked() {
    let refused = |from: Phase, step| from.after(step).unwrap_err().to_string();
    assert_eq!(refused(Phase::Successful, Move::Cancel), "a job that is successful cannot be cancelled");
    assert_eq!(refused(Phase::Running, Move::RunAgain), "a job that is running cannot be retried");
    assert_eq!(refused(Phase::Ready, Move::RunNow), "a job that is ready cannot be run now");
    assert_eq!(refused(Phase::Ready, Move::Retry), "a job that is ready cannot wait for a retry");
    let texts: BTreeSet<String> = MOVES.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), MOVES.len());
}
