//! The cases, each over a fresh world.

mod access;
mod concurrency;
mod content;
mod listing;
mod nodes;

use std::pin::Pin;

use crate::world::World;

type Case = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = ()> + 'w>>;

macro_rules! cases {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        /// Every case, by name.
        pub(crate) const CASES: &[(&str, Case)] = &[
            $((stringify!($name), |world| Box::pin($module::$name(world)))),+
        ];
    };
}

cases![
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
    listing::pages_of_every_size_give_the_same_tree,
    listing::a_walk_survives_changes,
    listing::a_deep_walk_has_a_short_cursor,
    listing::lists_are_paged,
    concurrency::every_writer_of_one_name_makes_a_version,
    concurrency::one_creator_wins,
    concurrency::one_workspace_gets_the_name,
    concurrency::a_refused_write_hurts_no_other,
];
