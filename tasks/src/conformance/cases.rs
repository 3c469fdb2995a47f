//! The list of all cases, as a macro that makes a test of each.

/// Makes a module `$name` with one `#[test]` of each case of the suite, run on stores that `$open` opens: an
/// `async fn(Setup) -> Arc<dyn Store>`. See the module [`conformance`](crate::conformance).
#[macro_export]
macro_rules! store_conformance {
    ($name:ident, $open:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "what opens the store may be named from here or by its path")]
            use super::*;

            $crate::store_conformance! { @cases $open;
                enqueue {
                    a_new_job_is_found_as_it_was_given,
                    a_job_without_run_after_is_ready,
                    a_job_with_a_time_to_come_is_scheduled,
                    a_job_whose_run_after_has_passed_is_ready,
                    the_answers_stand_in_the_order_of_the_units,
                    a_taken_id_is_refused_and_the_first_job_stays,
                    the_id_of_a_finished_job_is_taken,
                    an_id_twice_in_a_unit_refuses_the_unit,
                    a_refused_unit_leaves_nothing_behind,
                    a_refused_unit_can_be_enqueued_without_its_fault,
                    a_large_unit_is_kept_whole,
                    a_unit_without_jobs_is_kept,
                    a_handed_off_job_is_as_if_claimed,
                    a_handed_off_job_is_given_to_nobody,
                    a_handed_off_job_ends_under_run_one,
                    a_unit_is_handed_off_whole,
                    a_hand_off_to_an_unknown_worker_waits_instead,
                    a_hand_off_under_an_ended_lease_is_claimed,
                    a_hand_off_of_a_job_that_is_not_due_waits_instead,
                    a_refused_hand_off_claims_nothing,
                }
                claim {
                    a_claimed_job_runs,
                    a_claimed_job_comes_with_its_spec,
                    a_job_is_given_once,
                    an_unregistered_worker_is_told_that_it_is_gone,
                    an_ended_lease_that_nobody_took_still_claims,
                    nothing_due_gives_nothing,
                    the_limit_holds,
                    a_limit_of_zero_claims_nothing,
                    a_higher_priority_comes_first,
                    the_limit_leaves_the_lowest_priority,
                    an_earlier_time_comes_first,
                    among_jobs_of_one_moment_the_smaller_id_comes_first,
                    a_scheduled_job_stands_in_line_as_of_its_time,
                    a_scheduled_job_is_given_at_its_time_and_not_before,
                    a_short_claim_says_when_the_next_job_is_due,
                    an_expired_job_is_ended_and_not_given,
                    a_job_is_given_until_it_expires,
                    a_job_may_expire_before_its_time,
                    a_job_that_has_started_does_not_expire,
                    a_paused_queue_gives_nothing,
                    a_paused_queue_does_not_stop_the_others,
                    a_resumed_queue_gives_again,
                    jobs_of_tasks_that_the_worker_lacks_are_not_given,
                    jobs_of_foreign_tasks_do_not_hide_those_behind_them,
                }
                overrun {
                    an_overrun_job_is_cancelling,
                    an_overrun_job_is_tried_again,
                    the_next_run_of_an_overrun_job_is_running,
                    an_overrun_job_can_be_cancelled,
                    an_overrun_job_is_no_cancellation_for_the_beat,
                    an_overrun_of_an_earlier_run_changes_nothing,
                    an_overrun_of_a_cancelled_job_changes_nothing,
                }
                fairness {
                    each_ready_queue_gets_its_share,
                    what_a_short_queue_leaves_others_get,
                    the_rest_goes_to_the_best_of_all_queues,
                    the_turn_starts_behind_the_queue_that_was_served_last,
                    the_turn_may_start_behind_a_queue_that_is_not_there,
                    the_turn_comes_back_to_the_queue_that_was_served_last,
                    a_claim_without_jobs_keeps_the_turn,
                    many_queues_do_not_break_the_limit,
                    only_the_asked_queues_are_served,
                    the_most_of_a_queue_holds,
                    no_queues_give_nothing,
                    the_other_queues_can_be_asked_for_without_their_names,
                    within_a_queue_a_claim_is_best_first,
                }
                finish {
                    a_success_keeps_its_value,
                    a_failure_keeps_its_error,
                    an_accepted_outcome_answers_with_the_job_as_it_is_now,
                    the_fates_stand_in_the_order_of_the_outcomes,
                    no_outcomes_have_no_fates,
                    a_second_outcome_of_a_run_is_stale,
                    of_two_outcomes_of_a_run_in_one_batch_the_first_counts,
                    an_outcome_of_an_earlier_run_is_stale,
                    an_outcome_of_a_run_to_come_is_stale,
                    an_outcome_of_a_waiting_job_is_stale,
                    an_outcome_of_an_unknown_job_is_stale,
                    a_stale_outcome_does_not_harm_the_others,
                    the_start_is_what_the_outcome_says,
                    a_finished_job_is_not_given_again,
                    an_outcome_is_accepted_after_the_end_of_a_lease_that_nobody_took,
                    a_worker_may_end_a_job_as_cancelled_before_it_was_asked,
                }
                retry {
                    a_retry_waits_for_its_time,
                    a_running_retry_waits_for_nothing,
                    a_retry_without_a_pause_is_given_at_once,
                    each_attempt_is_kept,
                    a_later_outcome_does_not_move_the_first_start,
                    a_retry_stands_in_line_as_of_its_time,
                    a_snooze_spends_no_attempt,
                    a_snoozed_job_is_given_at_its_time,
                    a_snooze_keeps_earlier_attempts,
                    a_hand_back_spends_no_attempt,
                    a_handed_back_job_is_given_at_once,
                    a_handed_back_job_stands_where_it_stood,
                    what_is_kept_of_attempts_is_bounded,
                    a_new_run_starts_without_progress,
                }
                cancel {
                    a_waiting_job_is_cancelled_at_once,
                    every_waiting_job_can_be_cancelled,
                    a_cancelled_job_is_never_given,
                    a_running_job_is_asked_to_stop,
                    the_beat_tells_of_a_cancellation_until_the_end,
                    the_beat_tells_nobody_else_of_a_cancellation,
                    a_job_that_succeeds_though_asked_to_stop_is_successful,
                    a_job_asked_to_stop_ends_cancelled_whatever_else_comes_back,
                    cancelling_twice_changes_nothing_more,
                    a_finished_job_cannot_be_cancelled,
                    an_unknown_job_cannot_be_changed,
                }
                lease {
                    a_beat_of_an_unregistered_worker_is_gone,
                    a_lease_that_holds_cannot_be_taken,
                    an_ended_lease_can_be_taken,
                    a_beat_renews_the_lease,
                    an_ended_lease_that_nobody_took_is_renewed,
                    a_lease_is_taken_once,
                    there_is_nothing_to_rescue_of_an_unknown_worker,
                    a_worker_whose_lease_was_taken_is_gone,
                    an_outcome_after_the_rescue_is_stale,
                    a_rescue_touches_no_other_job,
                    a_rescue_frees_handed_off_jobs,
                    the_beat_tells_of_peers_earliest_end_first,
                    the_beat_tells_of_at_most_sixteen_peers,
                    the_beat_tells_when_the_next_job_is_due,
                    the_beat_tells_what_is_paused,
                    the_beat_tells_the_time,
                    the_beat_tells_whether_a_job_is_due,
                    a_worker_that_leaves_gives_its_jobs_back,
                    a_worker_that_has_left_is_gone,
                    a_job_asked_to_stop_is_cancelled_when_its_worker_leaves,
                    leaving_twice_is_no_error,
                    a_lease_of_years_holds,
                }
                losses {
                    a_lost_job_is_ready_again_with_a_loss,
                    a_loss_keeps_earlier_attempts,
                    a_lost_job_runs_again_under_its_next_run,
                    a_lost_job_stands_where_it_stood,
                    a_lost_job_counts_as_ready,
                    a_job_that_is_lost_three_times_is_quarantined,
                    only_losses_lead_to_quarantine,
                    a_lost_job_that_was_asked_to_stop_is_cancelled,
                    a_worker_gets_one_suspect_at_a_time,
                    a_worker_gets_one_suspect_of_all_queues,
                    a_worker_gets_one_suspect_behind_other_jobs,
                    a_suspect_that_ended_makes_room_for_the_next,
                    two_workers_get_a_suspect_each,
                    suspects_do_not_hold_up_other_jobs,
                    a_retried_quarantined_job_is_a_suspect_with_one_loss,
                }
                change {
                    a_retried_job_is_ready_with_its_past,
                    a_retried_job_runs_under_its_next_run,
                    a_retried_success_has_no_value,
                    a_retried_job_stands_in_line_as_of_now,
                    a_retried_job_does_not_wait_for_its_old_time,
                    a_retried_job_does_not_expire_again,
                    a_job_that_has_not_ended_cannot_be_retried,
                    a_scheduled_job_can_run_now,
                    a_job_that_waits_for_its_retry_can_run_now,
                    a_job_called_early_stays_called,
                    a_job_that_waits_for_no_time_cannot_run_now,
                    a_waiting_job_can_be_deleted,
                    a_finished_job_can_be_deleted,
                    a_running_job_cannot_be_deleted,
                    several_jobs_are_changed_each_by_itself,
                    several_jobs_are_deleted,
                    a_job_that_is_named_twice_is_changed_twice,
                    no_jobs_are_changed_by_nothing,
                    a_thousand_jobs_run_again,
                    progress_is_kept,
                    progress_stays_after_the_end,
                    progress_of_another_run_changes_nothing,
                }
                reschedule {
                    a_reschedule_of_one_thing_leaves_the_others,
                    a_new_priority_moves_a_job_in_its_line,
                    a_new_queue_takes_a_job_along,
                    a_later_time_makes_a_job_wait,
                    no_time_makes_a_scheduled_job_ready,
                    a_retry_can_be_put_off,
                    a_job_that_does_not_wait_cannot_be_rescheduled,
                    a_reschedule_of_an_old_version_is_refused,
                    a_reschedule_of_the_present_version_is_done,
                }
                list {
                    look_ups_stand_in_the_order_of_the_ids,
                    an_id_that_never_was_is_unknown,
                    a_list_is_newest_first,
                    an_empty_store_has_an_empty_list,
                    pages_cover_the_list_once,
                    a_full_last_page_has_no_next,
                    a_new_job_does_not_disturb_the_pages,
                    a_page_may_start_at_an_id_of_no_job,
                    a_filter_looks_past_what_does_not_fit,
                    a_list_can_be_of_a_status_or_a_phase,
                    a_list_can_be_of_a_task_a_queue_or_a_tag,
                    a_list_can_be_of_a_time,
                    a_listed_job_is_as_it_is_now,
                    the_numbers_follow_the_jobs,
                    the_numbers_tell_since_when_a_job_is_ready,
                    the_numbers_tell_of_the_workers,
                }
                control {
                    a_published_task_is_found,
                    a_task_published_again_is_replaced,
                    a_published_task_outlives_its_workers,
                    a_pause_is_seen_in_the_numbers,
                    a_pause_outlives_the_jobs_of_its_queue,
                    a_pause_does_not_touch_what_runs,
                    resuming_what_is_not_paused_is_no_error,
                }
                park {
                    a_job_that_nobody_can_run_is_parked,
                    a_job_that_somebody_can_run_is_not_parked,
                    a_parked_job_is_put_back_when_its_task_comes,
                    a_parked_job_stands_where_it_stood,
                    a_task_whose_only_worker_has_no_lease_that_holds_is_parked,
                    a_beat_after_the_end_of_a_lease_puts_its_jobs_back,
                    only_waiting_jobs_are_parked,
                    a_scheduled_job_comes_out_of_the_park_no_earlier,
                    a_large_park_does_not_stand_in_the_way,
                }
                prune {
                    a_successful_job_is_kept_for_its_time,
                    a_failed_job_is_kept_for_its_own_time,
                    what_did_not_succeed_is_kept_like_a_failure,
                    an_unfinished_job_is_never_pruned,
                    a_retried_job_is_not_pruned,
                    a_prune_takes_at_most_its_limit,
                    a_pruned_job_is_not_counted,
                    a_pruned_job_cannot_be_changed,
                    what_could_be_pruned_is_counted,
                    a_job_that_runs_again_is_not_counted,
                }
                hostile {
                    an_escaped_nul_comes_back,
                    text_of_all_scripts_comes_back,
                    text_that_looks_like_code_comes_back,
                    empty_values_come_back,
                    the_order_of_members_is_kept,
                    numbers_come_back_to_the_digit,
                    large_arguments_come_back,
                    deep_arguments_come_back,
                    names_at_the_limit_come_back,
                    names_are_compared_exactly,
                    times_at_the_limit_come_back,
                    numbers_of_a_job_at_the_limit_come_back,
                    attempts_do_not_overflow,
                    the_longest_errors_come_back,
                    strange_data_does_not_harm_the_rest_of_its_batch,
                }
                concurrency {
                    many_claimers_share_the_jobs,
                    many_callers_enqueue_at_once,
                    one_of_many_gets_an_id,
                    one_of_many_outcomes_of_a_run_is_accepted,
                    one_of_many_rescuers_frees_the_jobs,
                    an_outcome_and_a_rescue_do_not_both_win,
                    a_cancellation_and_a_claim_do_not_both_win,
                }
                invariants {
                    a_store_does_what_the_model_says,
                }
            }
        }
    };
    (@cases $open:expr; $($topic:ident { $($case:ident,)* })*) => {
        $(
            mod $topic {
                #[allow(unused_imports, reason = "what opens the store may be named from here or by its path")]
                use super::*;

                $crate::store_conformance! { @tests $open; $topic { $($case,)* } }
            }
        )*
    };
    (@tests $open:expr; $topic:ident { $($case:ident,)* }) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::run($open, $crate::conformance::$topic::$case);
            }
        )*
    };
}

/// As [`store_conformance!`], the cases of what a store keeps beside plain jobs: unique and idempotency keys, limits,
/// schedules, logs, the order of ends, and the facts of why a job waits.
#[macro_export]
macro_rules! store_feature_conformance {
    ($name:ident, $open:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "what opens the store may be named from here or by its path")]
            use super::*;

            $crate::store_conformance! { @cases $open;
                unique {
                    who_comes_second_gets_the_first,
                    other_keys_do_not_matter,
                    jobs_without_a_key_are_not_compared,
                    a_rejected_job_is_not_made,
                    a_key_comes_back_with_its_job,
                    a_running_job_holds_its_key,
                    a_job_that_waits_to_retry_holds_its_key,
                    every_end_frees_the_key,
                    a_job_that_ends_while_it_waits_frees_its_key,
                    an_expired_job_frees_its_key,
                    a_quarantined_job_frees_its_key_and_a_lost_one_holds_it,
                    a_key_until_the_start_is_free_once_the_job_runs,
                    a_key_is_held_no_longer_than_its_window,
                    an_end_within_the_window_frees_the_key,
                    the_end_of_one_that_held_a_key_before_frees_nothing,
                    a_waiting_job_is_replaced,
                    a_scheduled_job_is_replaced_by_one_that_is_due,
                    a_running_job_is_not_replaced,
                    a_key_twice_in_a_unit_is_one_job,
                    a_rejected_job_refuses_its_unit,
                    a_refused_unit_replaces_nothing,
                    a_conflict_does_not_harm_the_other_units,
                    a_job_with_a_key_is_not_handed_off,
                    a_retried_job_takes_its_key_again,
                    a_job_whose_key_is_held_cannot_be_retried,
                    a_retried_job_that_was_unique_until_its_start_needs_no_key,
                    a_pruned_job_leaves_no_key,
                    of_several_jobs_that_run_again_the_first_takes_the_key,
                    strange_keys_are_compared_exactly,
                    one_of_many_callers_makes_the_job,
                }
                idempotency {
                    a_request_that_comes_twice_makes_its_jobs_once,
                    another_key_is_another_request,
                    a_key_with_another_request_is_refused,
                    a_request_is_remembered_for_its_time,
                    a_refused_request_is_not_remembered,
                    a_request_that_found_a_job_finds_it_again,
                    a_request_of_several_jobs_finds_all_of_them_again,
                    a_request_of_which_one_job_is_refused_keeps_none,
                    a_request_whose_answer_is_lost_makes_its_jobs_once,
                    a_unique_job_whose_answer_is_lost_is_made_once,
                    a_request_with_a_key_is_not_handed_off,
                    one_of_many_requests_makes_the_job,
                }
                limits {
                    no_more_run_at_once_than_may,
                    the_limit_is_one_for_all_processes,
                    each_end_of_a_run_makes_room,
                    a_lost_lease_makes_room,
                    a_job_that_was_asked_to_stop_holds_its_room,
                    other_queues_are_not_limited,
                    a_limit_is_changed_live,
                    limits_are_told,
                    the_order_holds_under_a_limit,
                    a_job_of_a_limited_queue_is_not_handed_off,
                    a_key_is_limited_by_itself,
                    a_key_counts_in_its_queue,
                    a_held_back_key_does_not_hide_those_behind_it,
                    a_key_is_free_when_its_run_is,
                    a_rate_lets_a_burst_through_and_then_one_by_one,
                    a_rate_says_when_the_next_may_start,
                    a_run_that_is_handed_back_counts_for_the_rate,
                    a_rate_by_key_is_of_each_key,
                    all_limits_hold_together,
                    what_ran_before_the_limit_counts,
                    a_full_queue_refuses,
                    a_unit_that_does_not_fit_is_refused_whole,
                    claims_at_once_do_not_pass_the_limit,
                }
                schedules {
                    a_declared_schedule_is_there,
                    a_declaration_takes_the_place_of_the_one_before,
                    only_a_registered_process_declares,
                    a_schedule_goes_with_the_last_who_declares_it,
                    the_process_that_was_registered_last_says_what_it_is,
                    pause_and_last_tick_survive,
                    another_definition_counts_from_its_coming,
                    a_schedule_is_made_and_removed_at_run_time,
                    a_declared_schedule_holds_before_one_that_was_made,
                    an_unknown_schedule_is_an_error,
                    a_tick_enqueues_its_jobs,
                    a_tick_is_taken_once,
                    a_tick_may_be_passed_over,
                    a_tick_that_fails_is_not_taken,
                    a_job_whose_key_is_held_is_left_out_of_a_tick,
                    a_paused_schedule_takes_no_tick,
                    the_beat_tells_of_changes,
                    one_of_many_takes_a_tick,
                }
                logs {
                    lines_are_kept_with_a_success,
                    lines_of_all_attempts_are_kept_in_order,
                    lines_of_a_run_that_is_handed_back_are_kept,
                    no_more_lines_are_kept_than_may,
                    lines_of_a_stale_outcome_are_not_kept,
                }
                follow {
                    who_follows_is_told_of_each_end_in_its_order,
                    every_way_to_end_is_told,
                    a_stale_outcome_is_not_told,
                    a_job_that_ends_twice_is_told_twice,
                    ends_are_told_in_parts,
                    each_follower_is_told_everything,
                    asking_keeps_the_order,
                    who_comes_back_too_late_is_told_so,
                }
                inquire {
                    an_unknown_job_has_no_answer,
                    a_job_that_is_next_is_runnable,
                    those_who_come_first_are_counted,
                    it_says_that_nobody_can_run_it,
                    it_says_that_the_queue_is_paused,
                    it_says_that_its_time_has_not_come,
                    it_names_who_holds_the_limit,
                    it_names_who_holds_the_limit_of_a_key,
                    it_says_when_the_rate_lets_it_start,
                    it_names_every_reason,
                }
            }
        }
    };
}
