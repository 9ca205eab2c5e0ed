"""Breaks each guard on purpose and demands that its test notices: `python -m tests.guards [word]`.

Each guard is one place in the code, a text that stands there once, what it becomes, and the test that must fail then.
All of it happens in a copy of the tree. First the tests run as they are: one that fails anyway proves nothing.
With `--table` it only writes the table into tests/guards.md.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "tests/guards.md"
SECONDS = 120
FAILED = 1
"""How pytest ends when tests failed; other numbers say that it could not run them."""


@dataclass(frozen=True, slots=True)
class Guard:
    """`test` is what pytest takes: a file, or a test in it."""

    what: str
    file: str
    old: str
    new: str
    test: str


UNIT, WHOLE, API = "tests/unit/", "tests/integration/", "tests/api/"
HIDDEN = "test_a_missing_permission_is_named_and_hidden_members_are_never_missing_in_silence"
GUARDS = (
    Guard(
        "a border belongs to one range: half-open keep",
        "shared/ranges/ranges.py",
        "kept = range_.high is None or created < range_.high",
        "kept = True",
        f"{UNIT}test_ranges.py",
    ),
    Guard(
        "a row outside of what was asked shows that the filter was ignored",
        "shared/ranges/ranges.py",
        "if (range_.low is not None and created < range_.low) or (range_.high is not None and created > range_.high):",
        "if False:",
        f"{UNIT}test_ranges.py",
    ),
    Guard(
        "each execution stages under an id of its own",
        "shared/export/execution.py",
        "default_factory=lambda: secrets.token_hex(6)",
        'default="0" * 12',
        f"{WHOLE}test_exports.py::test_the_same_activity_twice_at_once_leaves_no_row_twice",
    ),
    Guard(
        "a page is new as a whole only when each of its users is",
        "shared/ranges/keys.py",
        "if len({*keys}) == len(keys) and seen.isdisjoint(keys):",
        "if True:",
        f"{UNIT}test_keys.py",
    ),
    Guard(
        "a page belongs to its range as a whole only when all of its times are within",
        "shared/ranges/ranges.py",
        'if {time[_TIME:] for time in times} != {"Z"}:',
        "if not times:",
        f"{UNIT}test_ranges.py",
    ),
    Guard(
        "a user who is sent twice is kept once",
        "shared/ranges/keys.py",
        "return len(seen) > before",
        "return True",
        f"{WHOLE}test_chains.py::test_a_user_sent_again_in_a_later_segment_is_there_once",
    ),
    Guard(
        "a page that Graph could not end is no page",
        "shared/graph/answers.py",
        "if bytes(answer.error) not in _NOTHING and (error := error_inside(status, headers, content)):",
        "if False:",
        f"{UNIT}test_answers.py::test_an_error_with_a_good_status_passes_also_beside_users",
    ),
    Guard(
        "who a user is is never guessed",
        "shared/graph/odd.py",
        "if required:",
        "if False:",
        f"{UNIT}test_odd.py::test_who_a_user_is_is_never_guessed",
    ),
    Guard(
        "pages without an end end the export",
        "shared/graph/pages.py",
        "if self.barren >= BARREN_PAGES:",
        "if False:",
        f"{UNIT}test_endless.py",
    ),
    Guard(
        "an answer is bounded while it is unpacked",
        "shared/graph/wire.py",
        "decoder.decompress(content, MOST + 1)",
        "decoder.decompress(content)",
        f"{WHOLE}test_endless_graph.py::test_a_body_without_a_measure_ends_the_export",
    ),
    Guard(
        "Graph's words are not in Durable's history",
        "shared/export/activities.py",
        "raise await words.put_away_of(edges.storage, message.id, failed)",
        "raise failed",
        f"{WHOLE}test_words.py",
    ),
    Guard(
        "a nextLink to another host is not followed",
        "shared/graph/pages.py",
        "if where is None or where != _origin(graph.root):",
        "if False:",
        f"{WHOLE}test_faults.py::test_a_token_never_goes_to_another_host",
    ),
    Guard(
        "a request is tried a bounded number of times",
        "shared/graph/client.py",
        "return tries < policy.attempts and failures[401] <= MAX_UNAUTHORIZED",
        "return True",
        f"{WHOLE}test_faults.py::test_a_request_is_sent_a_bounded_number_of_times",
    ),
    Guard(
        "the file has the bytes that were staged",
        "shared/export/publish.py",
        "if size != expected:",
        "if False:",
        f"{WHOLE}test_azure_limits.py::test_a_file_of_another_size_than_was_staged_is_removed",
    ),
    Guard(
        "a user who is in an export twice fails the comparison",
        "shared/files/comparison.py",
        "if before.setdefault(key_of(line), line) is not line:",
        "if before.setdefault(key_of(line), line) is None:",
        f"{UNIT}test_comparison.py::test_a_user_who_is_in_an_export_twice_is_refused",
    ),
    Guard(
        "a file with fewer users than were published is not compared",
        "shared/compare/split.py",
        "if rows != side.rows:",
        "if False:",
        f"{WHOLE}test_comparisons.py::test_a_file_that_is_not_as_published_fails_the_comparison",
    ),
    Guard(
        "what a killed split has staged goes with the comparison",
        "shared/storage/erasing.py",
        "listing(storage, prefix, uncommitted=True)]",
        "listing(storage, prefix)]",
        f"{WHOLE}test_comparisons.py::test_what_a_killed_split_has_staged_does_not_outlive_the_comparison",
    ),
    Guard(
        "each side of a comparison is split under an id of its own",
        "shared/compare/split.py",
        "secrets.token_hex(6)",
        '"0" * 12',
        f"{WHOLE}test_comparisons.py::test_random_exports_are_compared_as_dictionaries_would_be",
    ),
    Guard(
        "a CSV that is cut off is not read as a whole one",
        "shared/files/reading.py",
        r'if data and not data.endswith(b"\r\n"):',
        "if False:",
        f"{UNIT}test_reading.py::test_a_file_that_is_cut_off_or_has_other_columns_is_broken",
    ),
    Guard(
        "a nightly clean-up leaves what a running comparison has staged",
        "shared/api/removal.py",
        "blob.name.removeprefix(WORK).split",
        "blob.name.split",
        f"{API}test_retention.py::test_what_a_killed_activity_has_staged_goes_in_the_next_night_unless_the_export_runs",
    ),
    Guard(
        "all rows of both exports are compared, or nothing is published",
        "shared/compare/publish.py",
        "    if whole:",
        "    if True:",
        f"{WHOLE}test_comparisons.py::test_a_part_that_the_storage_has_lost_fails_the_comparison",
    ),
    Guard(
        "a file is read as it was when the comparison was planned",
        "shared/storage/pieces.py",
        ", etag=blob.etag, match_condition=MatchConditions.IfNotModified",
        "",
        f"{WHOLE}test_comparisons.py::test_a_file_that_changes_or_goes_while_it_is_read_fails_the_comparison",
    ),
    Guard(
        "who may not have authentication columns may not compare them",
        "shared/api/comparing.py",
        "if refused and not caller.reads_authentication:",
        "if False:",
        f"{API}test_comparisons.py::test_who_may_not_have_authentication_columns_may_not_compare_them",
    ),
    Guard(
        "a run that is still to be compared stays",
        "shared/api/keep.py",
        "needed_of(saved_export, runs, others)",
        "needed_of(saved_export, runs, set())",
        f"{API}test_compared_runs.py::test_keep_spares_the_run_before_while_it_is_compared",
    ),
    Guard(
        "far fewer rows than were counted are no export",
        "shared/export/verdict.py",
        "if rows + totals.counted[PURGED] + totals.counted[DEPARTED] < expected * PLAUSIBLE:",
        "if False:",
        f"{WHOLE}test_faults.py::test_an_empty_answer_where_users_were_counted_is_a_failure",
    ),
    Guard(
        "more blocks than a blob takes are told before the commit",
        "shared/export/verdict.py",
        "task.failed or _too_many_blocks(totals) or ",
        "task.failed or ",
        f"{WHOLE}test_azure_limits.py::test_too_many_blocks_are_a_failure_with_its_reason_and_without_a_file",
    ),
    Guard(
        "the first plan stays",
        "shared/export/plan.py",
        "if not await blobs.write_once(edges.storage, name, msgspec.json.encode(plan)):",
        "if await blobs.write(edges.storage, name, msgspec.json.encode(plan)):",
        f"{WHOLE}test_faults.py::test_of_two_plans_made_at_once_one_counts_for_both",
    ),
    Guard(
        "who was renamed meanwhile is looked for",
        "shared/export/planning.py",
        "delta_link=link, expected=total)",
        'delta_link="", expected=total)',
        f"{WHOLE}test_faults.py::test_users_created_deleted_and_renamed_meanwhile_cost_nobody_else",
    ),
    Guard(
        "of selected users the first range keeps one, the others leave it",
        "shared/export/selection.py",
        "doubles[each.range] += key",
        "pass",
        f"{WHOLE}test_columns_and_users.py::test_one_who_is_named_twice_and_renamed_between_is_there_once",
    ),
    Guard(
        "a user without an id is no user",
        "shared/graph/users.py",
        "msgspec.Meta(min_length=1)",
        "msgspec.Meta(min_length=0)",
        f"{WHOLE}test_hostile_graph.py::test_what_can_not_be_a_page_fails_the_export_and_leaves_no_file",
    ),
    Guard(
        "only a blob that is there was written before",
        "shared/storage/blobs.py",
        'if problem.error_code != "BlobAlreadyExists":',
        "if False:",
        f"{WHOLE}test_storage_faults.py::test_only_a_blob_that_is_there_counts_as_one_that_was_written_before",
    ),
    Guard(
        "orchestrators ask for the same as when an export began",
        "shared/export/steps.py",
        '    yield from clean(context, retry, CleanTask(export_id))\n    return {"status": published.status}\n',
        '    return {"status": published.status}\n',
        f"{UNIT}test_histories.py",
    ),
    Guard(
        "a step that returns nothing of a range fails the export",
        "shared/export/rounds.py",
        "if missing and not (lane.failed or lane.cancelled):",
        "if False:",
        f"{UNIT}test_workflow.py::test_what_a_step_returns_and_nobody_can_read_is_published_as_a_failure",
    ),
    Guard(
        "a plan has each range once",
        "shared/export/workflow.py",
        "if not len(numbers) == len({*numbers}) == planned.ranges or not all(planned.lanes):",
        "if False:",
        f"{UNIT}test_workflow.py::test_what_a_step_returns_and_nobody_can_read_is_published_as_a_failure",
    ),
    Guard(
        "a cell is no formula",
        "shared/files/csv_rows.py",
        'cells[place] = "\'" + cells[place]',
        "cells[place] = cells[place]",
        f"{UNIT}test_csv_rows.py",
    ),
    Guard(
        "a caller's filter stays in its parentheses",
        "shared/graph/odata.py",
        'f"({text})" for text in given',
        'f"{text}" for text in given',
        f"{UNIT}test_filters.py",
    ),
    Guard(
        "callbacks go to allowed hosts only",
        "shared/settings/__init__.py",
        "return host.endswith(pattern[1:])",
        "return host.endswith(pattern[2:])",
        f"{UNIT}test_request.py",
    ),
    Guard(
        "a caller needs a role",
        "shared/api/access.py",
        "    if not roles:",
        "    if False:",
        f"{UNIT}test_access.py",
    ),
    Guard(
        "without authentication switched on nobody is believed (503)",
        "shared/api/access.py",
        "    if not settings.easy_auth:",
        "    if False:",
        f"{UNIT}test_access.py",
    ),
    Guard(
        "nobody of another organization is let in",
        "shared/api/access.py",
        "if settings.tenant and tenants != {settings.tenant}:",
        "if False:",
        f"{UNIT}test_access.py",
    ),
    Guard(
        "another's export is not found",
        "shared/api/operations.py",
        'if record and (caller.administrator or record.requested_by["id"] == caller.id):',
        "if record:",
        f"{API}test_lists.py::test_what_is_not_ones_own_is_not_found_whatever_one_does",
    ),
    Guard(
        "another site's page can do nothing",
        "shared/api/exchange.py",
        "sites.refuse_others(incoming.method,",
        'sites.refuse_others("GET",',
        f"{API}test_hostile.py::test_another_sites_page_can_start_cancel_and_delete_nothing",
    ),
    Guard(
        "links are for reading",
        "shared/storage/sas.py",
        "BlobSasPermissions(read=True)",
        "BlobSasPermissions(read=True, write=True, delete=True)",
        f"{API}test_links.py::test_nothing_can_be_changed_with_it",
    ),
    Guard(
        "a caller has a bounded number of exports running",
        "shared/api/limit.py",
        "if await _taken(operations, caller_id) > limit:",
        "if False:",
        f"{API}test_load.py::test_one_more_than_the_limit_is_refused_and_leaves_nothing",
    ),
    Guard(
        "a body that was lost is not the whole tenant",
        "shared/api/body.py",
        'raise BadRequest(Problem("", "The request has no body: send {} to export all users."))',
        'body = b"{}"',
        f"{UNIT}test_request.py",
    ),
    Guard(
        "a key stands for one body",
        "shared/api/keys.py",
        "if key and key.fingerprint and fingerprint and key.fingerprint != fingerprint:",
        "if False:",
        f"{API}test_asynchronous_pattern.py::test_of_twelve_bodies_with_one_key_at_the_same_moment_one_is_taken",
    ),
    Guard(
        "a refused POST leaves no key behind",
        "shared/api/start.py",
        "                await keys.give_back(storage, name, key)",
        "                pass",
        f"{API}test_load.py::test_a_refused_post_leaves_no_key",
    ),
    Guard(
        "an id runs once",
        "shared/export/plan.py",
        "if await is_over(edges.storage, task.id):",
        "if False:",
        f"{API}test_late_start.py::test_a_start_that_comes_after_the_end_changes_nothing",
    ),
    Guard(
        "an error of Durable is no missing instance",
        "shared/api/durable.py",
        'if not status and any(getattr(status, name, "") for name in ("message", "Message")):',
        "if False:",
        f"{API}test_out_of_reach.py::test_an_error_is_not_taken_for_an_instance_that_does_not_exist",
    ),
    Guard(
        "of two bodies with one key one counts, whole",
        "shared/api/start.py",
        "await blobs.write_once(operations.storage, record_name(export_id), msgspec.json.encode(record), summary)",
        "await blobs.write(operations.storage, record_name(export_id), msgspec.json.encode(record), summary)",
        f"{API}test_load.py::test_a_request_that_was_written_stays_whatever_comes_with_its_key",
    ),
    Guard(
        "Excel takes no part of a name for the number of a character",
        "shared/files/workbook.py",
        'return "_x005F_"',
        "return text",
        f"{UNIT}test_workbook.py",
    ),
    Guard(
        "a workbook has no character that XML forbids",
        "shared/files/workbook.py",
        'return _MARKUP.get(text, "\\ufffd")',
        "return _MARKUP.get(text, text)",
        f"{UNIT}test_workbook.py",
    ),
    Guard(
        "a cell is cut where Excel would refuse it, and counted",
        "shared/files/workbook.py",
        "cut = sum(len(before) != len(after) for before, after in zip(cells, short, strict=True))",
        "cut = 0",
        f"{UNIT}test_workbook.py::test_a_cell_is_cut_where_excel_would_refuse_it_and_is_counted",
    ),
    Guard(
        "a sheet has no more rows than Excel takes",
        "shared/files/xlsx.py",
        "if sheets[-1] and users + block.users > most:",
        "if False:",
        f"{WHOLE}test_formats.py::test_a_workbook_is_what_openpyxl_and_microsofts_reader_find_in_the_tenant",
    ),
    Guard(
        "the checksum of the file is that of its segments",
        "shared/files/deflate.py",
        "crc = isal_zlib.crc32_combine(first.crc, second.crc, second.plain)",
        "crc = first.crc ^ second.crc",
        f"{UNIT}test_deflate.py",
    ),
    Guard(
        "a segment does not end the stream",
        "shared/files/deflate.py",
        "isal_zlib.Z_FULL_FLUSH",
        "isal_zlib.Z_FINISH",
        f"{UNIT}test_deflate.py",
    ),
    Guard(
        "a publish that has outlived its export changes nothing",
        "shared/export/publish.py",
        "raise Outlived",
        "pass",
        f"{WHOLE}test_formats.py::test_a_publish_that_outlives_its_export_changes_nothing",
    ),
    Guard(
        "an object id is one, and never another address below /groups",
        "shared/api/properties.py",
        "if not isinstance(of, str) or not GUID.fullmatch(of):",
        "if not isinstance(of, str):",
        f"{UNIT}test_scope_request.py",
    ),
    Guard(
        "a group that hides its members is not an empty one",
        "shared/graph/scopes.py",
        "if shown == 0:",
        "if False:",
        f"{WHOLE}test_scopes.py::{HIDDEN}",
    ),
    Guard(
        "hidden groups in a group are looked for",
        "shared/graph/scopes.py",
        "if each.visibility != _HIDDEN:",
        "if True:",
        f"{WHOLE}test_scopes.py::{HIDDEN}",
    ),
    Guard(
        "members whom no range has brought are read again",
        "shared/export/check.py",
        "if plan.sifted and not again:",
        "if False:",
        f"{WHOLE}test_scopes.py::test_members_who_are_missing_again_fail_the_export",
    ),
    Guard(
        "a list of members that ended too soon is read again",
        "shared/export/members.py",
        "return counted is None or read == counted or read in before or len(before) + 1 >= MAX_READINGS",
        "return True",
        f"{WHOLE}test_scopes.py::test_a_list_of_members_that_ended_too_soon_is_read_again",
    ),
    Guard(
        "of the tenant's ranges only members are kept",
        "shared/export/read.py",
        "kept = [user for user in users if place(key_of(user.id)) is not None]",
        "kept = users",
        f"{WHOLE}test_scopes.py::test_members_are_exported_once_in_every_shape_of_tenant",
    ),
    Guard(
        "each execution of the plan has a list of members of its own",
        "shared/export/members.py",
        "await blobs.write(edges.storage, members_name(export_id, execution), msgspec.json.encode(ids))",
        'await blobs.write(edges.storage, members_name(export_id, "x"), msgspec.json.encode(ids))',
        f"{WHOLE}test_scopes.py::test_each_member_is_exported_once_by_either_road",
    ),
)


def table() -> str:
    """The document: a line for each guard."""
    lines = [f"| {guard.what} | `{guard.file}` | `{guard.test.removeprefix('tests/')}` |" for guard in GUARDS]
    text = "`make guards` breaks each of these on purpose, in a copy of the tree, and demands that its test fails then."
    made = "`python -m tests.guards --table` writes this page."
    return "\n".join(["# Guards", "", text, made, "", "| guard | in | test |", "| --- | --- | --- |", *lines, ""])


def main(word: str) -> None:
    """Runs what has this word in it. Exits with 1 when a guard can be broken without anyone noticing."""
    if word == "--table":
        DOCUMENT.write_text(table())
        return
    guards = [guard for guard in GUARDS if word in f"{guard.what} {guard.file} {guard.test}"]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        _copy(tree)
        if _run(tree, *dict.fromkeys(guard.test for guard in guards), seconds=SECONDS * 5):
            sys.exit("The tests fail as they are; see above.")
        unnoticed = [guard for guard in guards if not _noticed(tree, guard)]
    if unnoticed:
        sys.exit(f"{len(unnoticed)} of {len(guards)} guards can be broken without anyone noticing.")
    print(f"All {len(guards)} guards are held by their tests.")


def _copy(tree: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    (tree / "local/node_modules").symlink_to((ROOT / "local/node_modules").resolve())


def _noticed(tree: Path, guard: Guard) -> bool:
    file = tree / guard.file
    text = file.read_text()
    if text.count(guard.old) != 1:
        print(f"NOT FOUND  {guard.what}: {guard.file} does not have this text once: {guard.old!r}", flush=True)
        return False
    file.write_text(text.replace(guard.old, guard.new))
    ended = _run(tree, guard.test, quiet=True)
    file.write_text(text)
    print(f"{'noticed   ' if ended == FAILED else f'NOT ({ended})   '} {guard.what}", flush=True)
    return ended == FAILED


def _run(tree: Path, *tests: str, quiet: bool = False, seconds: int = SECONDS) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    output = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.run(command, cwd=tree, stdout=output, stderr=output, timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        return -1


if __name__ == "__main__":
    main("".join(sys.argv[1:]))
