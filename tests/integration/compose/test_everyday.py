"""What holds for the process runtime holds for containers: the very same tests, on this folder's instance."""

from __future__ import annotations

from integration.process.test_everyday import (
    pytestmark,
    test_a_cell_that_fails_is_shown_and_no_secret_with_it,
    test_a_sample_notebook_runs,
    test_a_strangers_script_needs_the_admins_variables_and_nothing_else,
    test_env_can_be_evaluated_by_a_shell,
    test_env_for_containers_is_what_the_compose_file_reads,
    test_env_says_the_same_in_every_format,
    test_logs_shows_the_last_lines_of_each_service,
    test_the_users_world_is_neither_read_nor_written,
    test_up_twice_is_the_same_as_once,
    test_wrong_use_is_one_line,
)

__all__ = [
    "pytestmark",
    "test_a_cell_that_fails_is_shown_and_no_secret_with_it",
    "test_a_sample_notebook_runs",
    "test_a_strangers_script_needs_the_admins_variables_and_nothing_else",
    "test_env_can_be_evaluated_by_a_shell",
    "test_env_for_containers_is_what_the_compose_file_reads",
    "test_env_says_the_same_in_every_format",
    "test_logs_shows_the_last_lines_of_each_service",
    "test_the_users_world_is_neither_read_nor_written",
    "test_up_twice_is_the_same_as_once",
    "test_wrong_use_is_one_line",
]
