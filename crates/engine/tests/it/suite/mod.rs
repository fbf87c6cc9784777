//! The cases, each over a fresh world.

mod access;
mod archives;
mod audit;
mod batches;
mod concurrency;
mod content;
mod cursors;
mod deliveries;
mod deltas;
mod describe;
mod events;
mod exports;
mod exports_open;
mod handing_out;
mod hooks;
mod idempotency;
mod identities;
mod imports;
mod imports_forged;
mod invitations;
mod jobs;
mod keys;
mod listing;
mod lock_races;
mod lock_reach;
mod locks;
mod members;
mod narrowed_keys;
mod nodes;
mod notes;
mod open_uploads;
mod principals;
mod purge;
mod quota_races;
mod quotas;
mod reading_on;
mod receivers;
mod redeliveries;
mod sessions;
mod share_links;
mod shares;
mod staging;
mod transfers;
mod undo;
mod undo_property;
mod undo_stretches;
mod upload_places;
mod uploads;
mod versions;
mod visitors;
mod workers;

use std::pin::Pin;

use crate::world::World;

pub(crate) type Case = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = ()> + 'w>>;

macro_rules! cases {
    ($list:ident: $($module:ident :: $name:ident),+ $(,)?) => {
        /// Cases by name.
        pub(crate) const $list: &[(&str, Case)] = &[
            $((stringify!($name), |world| Box::pin($module::$name(world)))),+
        ];
    };
}

cases![
    BYTES_OUT:
    archives::an_archive_is_of_one_moment_or_of_the_walk,
    archives::a_small_selection_is_of_one_moment,
    archives::what_lies_in_a_root_is_not_given_twice,
    archives::links_share_a_secret,
    reading_on::who_may_read_no_longer_reads_no_further,
    reading_on::who_may_export_no_longer_gets_no_end,
];

cases![
    AUDIT:
    audit::each_act_is_there_with_who_and_from_where,
    audit::what_was_not_done_leaves_no_entry,
    audit::an_act_of_many_is_an_entry_that_counts_them,
    audit::a_batch_has_an_entry_for_each_file_and_none_for_what_is_refused,
    audit::a_refusal_is_there_with_who_was_refused,
    audit::who_could_not_sign_in_is_named_only_where_there_is_such_a_one,
    audit::a_flood_of_one_key_is_bounded_and_said,
    audit::a_flood_of_strangers_is_a_row,
    audit::admins_read_what_is_theirs,
    audit::pages_of_every_size_give_the_same_log,
    audit::what_is_old_is_forgotten_and_places_go_on,
    audit::a_purge_by_a_job_is_of_who_asked_for_it,
];

cases![
    FILES:
    access::the_first_start_happens_once,
    access::bad_keys_are_told_apart,
    access::roles_bound_what_a_key_does,
    access::a_key_reaches_its_workspace_alone,
    access::a_revoked_key_writes_nothing_more,
    content::every_size_comes_back_whole,
    content::ranges_are_cut_exactly,
    content::what_does_not_match_is_not_stored,
    content::a_dropped_upload_leaves_nothing,
    content::conflicts_do_as_asked,
    content::preconditions_hold,
    content::versions_stay_and_come_back,
    content::media_types_are_found,
    content::orphans_are_swept_after_their_grace,
    content::a_blob_outlives_its_last_version_by_a_grace,
    nodes::folders_are_made_on_the_way,
    nodes::nodes_are_renamed_and_moved,
    nodes::a_folder_never_goes_into_itself,
    nodes::paths_stay_within_their_limit,
    nodes::a_copy_has_all_that_is_below,
    nodes::trash_and_restore,
    nodes::what_is_trashed_still_fits_its_path,
    nodes::a_copy_is_bounded,
    nodes::metadata_keeps_its_rules,
    nodes::names_of_every_script,
    idempotency::concurrent_repeats_have_one_effect,
    idempotency::a_key_is_its_principals_own_and_lasts_a_day,
    idempotency::every_change_of_a_file_takes_a_premise,
    idempotency::a_copied_folders_file_names_no_event,
    idempotency::what_is_gone_still_answers_its_repeat,
    idempotency::a_narrow_key_gets_no_answer_of_another_workspace,
    listing::pages_of_every_size_give_the_same_tree,
    listing::a_walk_survives_changes,
    listing::a_deep_walk_has_a_short_cursor,
    listing::lists_are_paged,
    describe::single_keys_are_set_and_removed,
    describe::labels_are_a_set,
    describe::nodes_are_found_by_metadata_and_labels,
    describe::nodes_are_found_by_name,
    describe::a_search_pages_through_all_it_finds,
    notes::notes_are_written_and_read,
    notes::a_range_lies_inside_the_text,
    notes::only_the_author_and_admins_change_a_note,
    notes::notes_follow_their_node,
    concurrency::every_writer_of_one_name_makes_a_version,
    concurrency::one_creator_wins,
    concurrency::one_workspace_gets_the_name,
    concurrency::a_refused_write_hurts_no_other,
    batches::a_refused_item_hurts_no_other,
    batches::items_are_applied_in_order,
    batches::an_item_with_a_key_is_written_once,
    batches::the_locks_of_a_batch_hold_for_all,
    batches::who_may_write_a_batch,
    batches::many_contents_are_read_in_order,
    batches::what_is_too_large_for_the_database_shares_a_blob,
    batches::a_shared_blob_is_written_anew_once_most_of_it_is_of_no_use,
];

cases![
    PEOPLE:
    members::members_are_added_changed_and_removed,
    members::nobody_gives_or_takes_a_role_above_their_own,
    members::a_changed_role_acts_at_once,
    members::who_is_removed_keeps_no_lock_and_gets_no_old_answer,
    members::lists_show_what_is_reached,
    principals::principals_are_made_listed_and_renamed,
    principals::who_is_deactivated_does_nothing_more,
    principals::the_last_admin_of_the_server_stays,
    principals::a_waiter_gets_what_a_deactivated_one_had,
];

cases![
    KEYS:
    narrowed_keys::a_verb_is_asked_for_where_a_role_is,
    narrowed_keys::an_undo_takes_the_verbs_of_what_it_does,
    narrowed_keys::a_create_only_key_takes_back_its_own_upload_alone,
    narrowed_keys::a_folder_is_reached_by_its_id_wherever_it_is,
    narrowed_keys::what_lies_outside_of_a_folder_is_not_there,
    narrowed_keys::a_link_of_a_folders_key_stays_in_the_folder,
    narrowed_keys::the_log_tells_a_folders_key_of_its_folder,
    narrowed_keys::an_event_of_the_folder_itself_names_no_place_outside,
    cursors::a_cursor_says_nothing_of_what_lies_outside,
    cursors::a_cursor_is_good_on_another_node_and_after_a_restart,
    cursors::nobody_makes_or_changes_a_cursor,
    keys::a_key_makes_and_rotates_none_that_is_wider,
    keys::a_rotated_key_is_narrowed_as_before_and_the_old_one_ends,
    keys::an_address_is_looked_at_first_and_only_with_the_secret,
    keys::a_key_is_made_for_an_agent_who_is_there,
    keys::the_last_use_of_a_key_is_written_behind_its_requests,
    narrowed_keys::an_answer_is_not_for_a_key_that_reaches_less,
    handing_out::no_key_makes_or_rotates_one_that_lasts_longer,
    handing_out::nobody_gives_a_role_that_may_more_than_their_key,
    handing_out::a_narrowed_key_sets_nobody_a_password,
    handing_out::an_answer_is_not_for_a_key_of_a_lesser_role_or_of_other_addresses,
];

cases![
    SIGN_IN:
    sessions::who_signs_in_may_what_they_may,
    sessions::no_name_can_be_told_from_a_wrong_password,
    sessions::a_session_ends_by_itself,
    sessions::an_ended_session_writes_nothing_more,
    sessions::sessions_are_ones_own,
    sessions::there_are_never_too_many_sessions,
    sessions::a_new_password_ends_all_other_sessions,
    sessions::a_reset_is_good_once,
    sessions::a_session_makes_keys_and_lists_what_it_reaches,
    sessions::an_administrator_is_let_in_again,
    invitations::a_new_person_joins_and_is_signed_in,
    invitations::who_is_known_joins_and_keeps_the_greater_role,
    invitations::of_many_who_accept_one_joins,
    invitations::what_has_ended_is_told_alike,
    invitations::who_invites_no_more_has_invited_nobody,
    invitations::nobody_invites_above_their_own_role,
    identities::an_unknown_identity_lets_nobody_in,
    identities::an_invitation_lets_a_new_person_in,
    identities::who_is_known_accepts_what_they_were_invited_to,
    identities::a_newcomer_is_a_person_without_a_role,
    identities::an_identity_is_one_persons,
    identities::who_is_deactivated_is_told_what_strangers_are,
    identities::a_way_in_is_removed_with_its_sessions,
    identities::an_admin_of_the_server_takes_identities_away,
    identities::of_many_newcomers_by_one_identity_there_is_one_person,
];

cases![
    HISTORY:
    undo::every_kind_of_change_is_undone_and_redone,
    undo::labels_are_undone_and_found_as_before,
    undo::swapped_names_are_swapped_back,
    undo::folders_that_went_into_each_other_come_apart,
    undo::folders_made_on_the_way_go_with_their_file,
    undo::a_trashed_tree_and_a_copied_one,
    undo::what_others_did_since_is_never_undone,
    undo::a_folder_that_others_turned_round_is_a_conflict,
    undo::who_may_undo_what,
    undo::what_cannot_be_undone_says_so,
    undo_stretches::since_a_time_is_since_its_first_event,
    undo_stretches::one_undo_is_bounded,
    undo_stretches::one_undo_looks_at_so_many_events,
    undo_stretches::what_was_shown_is_what_is_undone,
    undo_stretches::what_a_pruned_log_still_has_is_undone,
    undo::a_locked_node_is_not_undone,
    undo::what_was_purged_does_not_come_back,
    undo::labels_and_metadata_come_back_together,
    undo_property::random_acts_are_undone_exactly,
    versions::a_label_stays_with_its_version,
    versions::the_current_version_is_never_deleted,
    versions::versions_are_compared_line_by_line,
    versions::versions_are_kept_as_the_rules_say,
    versions::many_versions_shrink_to_the_rule,
    purge::what_is_purged_is_gone,
    purge::the_trash_is_emptied,
    purge::what_is_old_leaves_the_trash,
    purge::what_came_back_meanwhile_is_not_purged_by_age,
    purge::a_late_purge_leaves_what_came_back,
    purge::five_thousand_nodes_go_step_by_step,
    purge::a_purge_that_stops_leaves_a_whole_tree,
    purge::a_lock_keeps_the_trash,
    purge::rules_run_by_the_clock,
];

cases![
    LOCKS:
    locks::no_write_path_passes_a_lock,
    locks::a_locked_folder_covers_what_is_below,
    locks::a_lease_ends_to_the_millisecond,
    locks::renewing_ends_after_a_day,
    locks::a_broken_lock_keeps_its_holder_out,
    locks::a_token_is_its_holders_alone,
    locks::a_release_may_be_repeated,
    locks::a_lost_grant_is_given_again,
    locks::of_a_thousand_one_gets_the_lock,
    locks::waiters_are_served_in_their_order,
    locks::a_waiter_is_woken,
    locks::who_goes_away_gives_its_place_up,
    locks::a_circle_of_waiters_is_refused,
    locks::a_batch_is_all_or_nothing,
    locks::fences_only_rise,
    lock_races::a_break_and_a_commit_come_one_after_the_other,
    lock_races::what_was_lost_stays_lost_when_the_clock_steps_back,
    lock_races::a_file_made_anew_at_a_path_has_a_lock_of_its_own,
    lock_reach::a_hundred_locks_of_ones_own_hide_no_other,
    lock_reach::a_batch_names_no_more_than_can_be_read,
    lock_reach::of_two_who_make_a_folder_one_wins,
    lock_reach::a_locked_folder_that_is_there_is_found,
    lock_reach::a_circle_over_a_folder_is_refused,
    lock_reach::nothing_is_restored_out_of_a_locked_folder,
    lock_reach::a_purge_ends_what_was_locked,
    lock_reach::an_event_names_the_lock_that_covers_its_node,
    lock_reach::a_batch_that_was_lost_is_not_given_again,
    lock_reach::a_refusal_says_which_lock_is_meant,
    lock_reach::leases_that_ran_out_are_ended_by_the_clock,
    lock_reach::an_ended_lease_does_not_come_back_with_the_clock,
];

cases![
    JOBS:
    jobs::a_job_runs_and_tells_how_far_it_is,
    jobs::a_poisonous_job_ends_as_a_dead_letter,
    jobs::a_failure_says_what_comes_next,
    jobs::a_job_is_cancelled_wherever_it_stands,
    jobs::the_same_work_is_one_job,
    jobs::who_sees_and_steers_which_job,
    jobs::a_kind_nobody_here_knows_waits_and_holds_back_nothing,
    jobs::a_payload_is_bounded,
    jobs::an_admins_purge_is_not_for_editors_to_steer,
    jobs::a_step_of_delivering_is_not_cancelled,
    jobs::who_waits_for_a_job_is_bounded_and_loses_it_with_the_key,
    workers::a_full_lane_holds_back_no_other,
    workers::a_lane_runs_no_more_than_its_limit,
    workers::three_workers_do_each_job_once,
    workers::a_leaping_clock_makes_no_effect_twice,
    workers::what_a_late_worker_brings_is_refused,
    workers::a_late_worker_writes_nothing_by_the_engines_verbs,
    workers::a_job_that_kills_its_workers_is_given_up,
    workers::a_worker_that_stops_gives_back_what_it_holds,
    workers::what_runs_by_the_clock_runs_once_each_time,
    workers::a_clock_that_is_a_little_behind_makes_nothing_run_twice,
    workers::ended_jobs_and_orphans_go_away_by_themselves,
];

cases![
    HOOKS:
    hooks::an_event_reaches_its_receiver_signed,
    hooks::a_filter_lets_through_what_it_says,
    hooks::row_14_nobody_touches_hooks_of_another_workspace,
    hooks::what_may_not_be_dialled_is_refused_when_it_is_set,
    hooks::rotation_signs_with_both_secrets_for_a_while,
    hooks::a_secret_is_in_the_answer_that_made_it_and_nowhere_else,
    hooks::a_hook_that_is_off_sends_nothing,
    hooks::a_deleted_hook_goes_with_all_it_left,
    hooks::what_is_said_of_a_hook_is_checked,
    hooks::a_test_is_sent_at_once,
    hooks::a_delivery_is_signed_for_the_second_by_the_machines_clock,
    hooks::a_repeat_is_answered_before_its_url_is_looked_at,
    deliveries::what_fails_is_tried_seven_times_and_then_kept,
    deliveries::each_way_to_fail_is_told,
    deliveries::an_answer_of_10_mb_holds_nobody,
    receivers::a_receiver_that_is_gone_switches_its_hook_off,
    receivers::five_days_of_failures_switch_a_hook_off,
    receivers::the_word_of_one_receiver_is_not_held_against_another,
    receivers::one_success_meanwhile_keeps_a_hook_on,
    receivers::who_switches_a_hook_on_again_begins_anew,
    deliveries::while_a_receiver_rests_nothing_is_written_for_it,
    deliveries::a_receiver_may_ask_for_a_longer_pause,
    deliveries::no_more_than_four_are_under_way_at_once,
    deliveries::deliveries_stay_for_thirty_days,
    deliveries::a_dead_receiver_delays_no_other,
    deliveries::a_receiver_that_fails_is_left_alone_for_a_while,
    deliveries::a_delivery_whose_mark_is_lost_comes_again_with_the_same_id,
    redeliveries::all_failed_and_any_range_are_sent_again,
    redeliveries::a_range_stops_at_the_backlog_and_goes_on,
    deliveries::what_a_hook_has_not_read_stays_in_the_log,
    deliveries::a_backlog_waits_in_the_log,
];

cases![
    EVENTS:
    events::a_cursor_never_misses_and_never_goes_back,
    events::each_event_tells_the_versions_before_and_after,
    events::a_reader_chooses_by_type_path_and_actor,
    events::a_filter_that_lets_nothing_pass_still_gets_on,
    events::who_waits_is_woken,
    events::old_events_go_and_readers_are_told,
    events::followers_are_bounded_and_let_go,
    events::a_key_that_is_over_follows_no_more,
    events::each_tenant_follows_its_own_alone,
];

cases![
    UPLOADS:
    uploads::what_comes_in_many_requests_is_one_file,
    uploads::every_size_and_cut_comes_back_whole,
    uploads::ranges_of_many_pieces_are_cut_exactly,
    uploads::what_is_not_to_be_is_refused,
    uploads::the_newest_request_wins,
    uploads::what_came_is_kept_when_the_request_is_gone,
    uploads::bytes_that_are_wanted_whole_are_kept_whole_or_not_at_all,
    uploads::a_refused_finish_keeps_the_bytes,
    uploads::a_lost_lock_keeps_the_bytes,
    uploads::a_finish_may_be_repeated,
    uploads::a_stated_digest_is_verified,
    uploads::parts_are_joined,
    uploads::a_join_may_be_repeated,
    uploads::uploads_are_their_makers_own,
    uploads::an_upload_that_is_left_alone_goes,
    uploads::pieces_live_as_long_as_any_version_names_them,
    uploads::many_tiny_pieces_become_one_blob,
    uploads::a_length_may_come_later,
    open_uploads::unfinished_uploads_are_listed_to_who_began_them,
    open_uploads::a_principal_has_so_many_unfinished_uploads_and_no_more,
    staging::a_thousand_parts_are_joined,
    staging::parts_are_one_file_alone,
    staging::a_part_whose_length_comes_last_is_whole_then,
    staging::who_is_at_the_wrong_place_settles_no_length,
    staging::what_is_touched_stays,
    staging::what_no_commit_would_take_is_refused_at_the_begin,
    upload_places::who_is_removed_keeps_nothing_of_the_quota,
    upload_places::who_writes_there_no_more_prolongs_no_part,
    upload_places::a_key_of_a_workspace_reaches_no_part_of_another,
    upload_places::who_may_not_write_there_joins_nothing,
];

cases![
    SHARES:
    shares::row_04_a_share_ends_with_its_makers_right,
    shares::an_upload_under_way_ends_with_its_share,
    shares::row_05_a_share_is_bound_to_its_node,
    shares::row_06_what_its_maker_does_not_reach_stays_away,
    shares::row_08_a_share_of_a_file_shows_nothing_beside_it,
    shares::a_folder_is_seen_from_itself_on,
    shares::row_09_a_new_file_of_the_same_name_is_not_the_shared_one,
    shares::row_19_an_archive_asks_what_a_file_asks,
    shares::fifty_downloads_at_once_are_counted_exactly,
    shares::a_visit_counts_a_content_once,
    shares::a_drop_box_takes_new_files_and_shows_none,
    shares::a_drop_box_is_measured_by_the_quota,
    share_links::a_password_is_asked_for_before_anything_is_told,
    share_links::a_visit_ends_with_its_time_and_with_its_link,
    share_links::who_makes_sees_and_changes_a_share,
    share_links::what_no_share_is_made_of,
    share_links::a_workspace_has_so_many_shares,
    share_links::visitors_have_no_other_way_in,
];

cases![
    TRANSFERS:
    transfers::an_offer_is_looked_at_and_accepted,
    transfers::an_offer_is_declined,
    transfers::an_offer_is_revoked_by_its_maker_and_by_the_next_one,
    transfers::an_offer_expires,
    transfers::an_offer_is_claimed_twice,
    transfers::an_offer_is_claimed_by_its_giver,
    transfers::an_offer_is_claimed_while_its_giver_is_deactivated,
    transfers::an_offer_is_claimed_when_its_giver_owns_it_no_longer,
    transfers::of_twenty_claims_at_once_one_gets_the_workspace,
    transfers::what_a_token_does_not_open,
    transfers::who_is_no_member_becomes_one,
];

cases![
    QUOTAS:
    quotas::what_is_kept_is_what_the_tables_have,
    quotas::a_quota_is_looked_at_before_bytes_while_they_come_and_at_the_commit,
    quotas::a_lowered_quota_lets_nothing_in_and_everything_out,
    quotas::copies_old_versions_and_undo_are_measured,
    quotas::each_item_of_a_batch_is_measured_by_itself,
    quotas::who_sets_a_quota_and_who_sees_it,
    quota_races::fifty_parallel_uploads_never_pass_a_quota_by_a_byte,
    quota_races::open_uploads_set_aside_what_they_announce,
    quota_races::what_announces_nothing_is_set_aside_as_it_comes,
    quota_races::a_delta_counts_in_full,
    quota_races::parts_are_set_aside_where_there_is_room,
    quota_races::a_repeat_is_not_measured_by_what_it_did_itself,
    quota_races::a_used_key_lets_in_no_more_than_came_under_it_first,
    quota_races::a_repeat_is_taken_whatever_became_of_what_it_did,
];

cases![
    DELTAS:
    deltas::only_what_changed_is_written,
    deltas::what_lies_in_the_database_is_copied_as_bytes,
    deltas::cut_at_any_byte_it_goes_on,
    deltas::what_a_delta_must_not_say,
    deltas::a_base_is_one_that_may_be_read,
    deltas::many_fragments_are_made_fewer,
    deltas::a_short_delta_makes_no_endless_content,
    deltas::a_delta_with_a_digest_of_its_own_is_bounded,
    deltas::shared_ranges_live_as_long_as_any_version_names_them,
    deltas::what_is_composed_at_random_is_what_was_meant,
    deltas::a_list_of_chunks_shows_what_is_shared,
];

cases![
    EXPORTS:
    exports::what_goes_out_comes_in_elsewhere,
    exports::who_is_named_gets_a_stand_in,
    exports::members_are_matched_where_that_is_asked_for,
    exports::what_an_import_may_be_told,
    exports::an_empty_workspace_travels_too,
    exports::a_purge_takes_nothing_from_an_export,
    exports::an_export_that_is_left_alone_breaks_off,
    exports::a_damaged_blob_is_never_exported,
    exports_open::who_hangs_up_leaves_nothing,
    exports_open::so_many_exports_are_open_and_no_more,
    exports_open::what_came_later_is_not_held,
    exports_open::who_may_read_no_longer_reads_no_further,
    exports_open::an_export_takes_a_day_at_most,
    exports::an_export_is_of_one_moment,
    exports::two_thousand_files_travel,
    imports::no_archive_is_believed,
    imports_forged::an_archive_is_about_nothing_of_others,
    imports_forged::an_undo_is_of_one_workspace,
    imports::what_is_cut_makes_nothing,
    imports::what_is_left_alone_goes,
    imports::imports_meet,
];
