"""The form that starts an export: what it sends, and where it shows what is refused."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from local.tenant.membership import STAFF
from tests.browser.watching import Watched

OBJECT_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def form(watched: Watched) -> Page:
    page = watched.open("#new")
    expect(page.get_by_role("radio", name="documented")).to_be_checked()
    return page


def sent_by(page: Page) -> dict[str, Any]:
    """The body that the form sends. It gets no answer: nothing is started."""
    bodies: list[str] = []

    def keep(route: Route) -> None:
        bodies.append(route.request.post_data or "")
        route.abort()

    page.route("**/api/exports", keep)
    page.get_by_role("button", name="Start export").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be reached")
    page.unroute("**/api/exports")
    body: dict[str, Any] = json.loads(bodies[0])
    return body


def take(page: Page, text: bytes) -> None:
    page.get_by_role("radio", name="Selected users").check()
    page.locator("#users-file").set_input_files({"name": "users.csv", "mimeType": "text/csv", "buffer": text})


def test_a_preview_shows_count_rows_and_cost_and_starts_nothing(form: Page) -> None:
    form.get_by_role("radio", name="match a filter").check()
    form.get_by_label("OData filter").fill("accountEnabled eq true")
    form.get_by_role("radio", name="profile").check()
    form.get_by_role("button", name="Preview").click()
    shown = form.get_by_role("region", name="Preview")
    expect(shown).to_contain_text(re.compile(r"\d users.* · about \d+ s · \d+ requests"))
    expect(shown.get_by_role("row")).to_have_count(6)
    expect(shown.get_by_role("columnheader", name="userPrincipalName")).to_be_visible()


def test_how_long_calls_for_each_user_take_is_said_as_soon_as_they_are_chosen(form: Page) -> None:
    told = form.locator("#per-user")
    expect(told).to_have_text(
        re.compile(r"^At most one call to Graph for each of 2,000 users: 1 h \d+ min at the rate")
    )
    form.get_by_role("radio", name="profile").check()
    expect(told).to_be_hidden()
    form.get_by_role("radio", name="one by one").check()
    form.get_by_role("radio", name="Selected users").check()
    form.get_by_label("User principal names").fill("ann@contoso.com")
    form.get_by_role("checkbox", name="authenticationEmail").check()
    expect(told).to_have_text(re.compile(r"^One call to Graph for 1 user"))


def test_a_filter_that_graph_refuses_is_told_in_its_words_before_anything_starts(watched: Watched, form: Page) -> None:
    watched.refusals.add(400)
    form.get_by_role("radio", name="match a filter").check()
    form.get_by_label("OData filter").fill("shoeSize eq 'x'")
    form.get_by_role("button", name="Preview").click()
    expect(form.locator("[data-pointer='/filter'] .error")).to_contain_text("shoeSize")


def test_a_format_is_sent_with_what_belongs_to_it(form: Page) -> None:
    form.get_by_label("Format").select_option("Excel workbook")
    expect(form.get_by_label("Separator")).to_be_hidden()
    expect(form.get_by_role("checkbox", name="Compress with gzip")).to_be_hidden()
    assert sent_by(form) == {"format": "xlsx", "columns": "documented"}
    form.get_by_label("Format").select_option("JSON lines")
    form.get_by_role("checkbox", name="Compress with gzip").check()
    assert sent_by(form) == {"format": "jsonl", "compress": True, "columns": "documented"}
    form.get_by_label("Format").select_option("CSV")
    form.get_by_label("Separator").select_option("Semicolon")
    assert sent_by(form) == {"excel": True, "separator": ";", "compress": True, "columns": "documented"}


def test_refusals_stand_at_their_fields(watched: Watched, form: Page) -> None:
    watched.refusals.add(400)
    form.get_by_label("File name").fill("a/b")
    form.get_by_role("radio", name="match a filter").check()
    form.get_by_label("OData filter").fill("userType eq")
    form.get_by_role("radio", name="one by one").check()
    form.get_by_label("Columns of your tenant").fill("nosuch")
    form.get_by_role("button", name="Start export").click()
    name, text = form.get_by_label("File name"), form.get_by_label("OData filter")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description(
        re.compile(r"^Must not have these characters: '/' If you leave it empty")
    )
    expect(text).to_have_attribute("aria-invalid", "true")
    assert "At character 12" in form.locator("#error-filter").inner_text()
    expect(form.locator("[data-pointer='/columns'] .error")).to_contain_text("unknown column", ignore_case=True)
    expect(form.locator("#form-problem")).to_be_hidden()

    name.fill("a")
    form.get_by_role("button", name="Start export").click()
    expect(text).to_be_focused()
    expect(name).to_have_accessible_description("If you leave it empty, the name is exportUsers_ and today's date.")


def test_of_many_problems_of_one_field_a_few_are_shown_and_the_rest_counted(watched: Watched, form: Page) -> None:
    watched.refusals.add(400)
    form.get_by_role("radio", name="one by one").check()
    form.get_by_label("Columns of your tenant").fill(" ".join(f"nosuch{number}" for number in range(9)))
    form.get_by_role("button", name="Start export").click()
    expect(form.locator("[data-pointer='/columns'] .error")).to_contain_text("And 4 more like this.")


def test_what_is_missing_is_said_where_the_eye_is(form: Page) -> None:
    form.get_by_role("radio", name="one by one").check()
    form.get_by_role("radio", name="Selected users").check()
    form.locator("#form").evaluate("each => each.scrollTo(0, each.scrollHeight)")
    form.get_by_role("button", name="Start export").click()
    expect(form.get_by_label("User principal names")).to_be_focused()
    expect(form.locator("#form-note")).to_have_text("Not started: 2 things to correct.")
    expect(form.locator("[data-pointer='/users'] .error")).to_be_in_viewport()
    form.get_by_label("User principal names").fill("ann@contoso.com")
    form.get_by_role("button", name="Start export").click()
    expect(form.get_by_role("radio", name="one by one")).to_be_focused()
    error = form.locator("[data-pointer='/columns'] .error")
    expect(error).to_have_text("Choose at least one column, or one of the sets.")
    expect(error).to_be_in_viewport()


def test_columns_are_counted_found_and_taken_from_a_set(form: Page) -> None:
    form.get_by_role("radio", name="one by one").check()
    expect(form.locator("#columns-count")).to_contain_text("0 of ")
    form.get_by_label("Begin with").select_option("documented")
    expect(form.locator("#columns-count")).to_contain_text("26 of ")
    form.get_by_label("Find a column").fill("on-premises name")
    expect(form.get_by_role("checkbox", name="displayName", exact=True)).to_be_hidden()
    form.get_by_label("Find a column").fill("zzz")
    expect(form.get_by_text("No column has these words.")).to_be_visible()


def test_conditions_write_the_filter(form: Page) -> None:
    form.get_by_role("radio", name="match a filter").check()
    form.get_by_label("User type").select_option("Guest")
    form.get_by_label("Account enabled").select_option("No")
    form.get_by_role("searchbox", name="Department").fill("R'n'D")
    form.get_by_label("Created since").fill("2026-01-31")
    text = "userType eq 'Guest' and accountEnabled eq false and department eq 'R''n''D'"
    text += " and createdDateTime ge 2026-01-31T00:00:00Z"
    expect(form.get_by_label("OData filter")).to_have_value(text)
    expect(form.get_by_label("Last sign-in before")).to_be_disabled()


def test_single_columns_and_an_example_are_sent(form: Page) -> None:
    form.get_by_role("radio", name="match a filter").check()
    form.get_by_label("User type").select_option("Guest")
    form.get_by_role("radio", name="one by one").check()
    expect(form.get_by_role("group", name="Authentication")).to_contain_text("one call to Graph per user")
    form.get_by_role("checkbox", name="All of: Authentication").check()
    form.get_by_role("checkbox", name="authenticationEmail").uncheck()
    form.get_by_role("checkbox", name="displayName", exact=True).check()
    form.get_by_role("checkbox", name="Safe to open in Excel").uncheck()
    assert sent_by(form) == {
        "excel": False,
        "filter": "userType eq 'Guest'",
        "columns": ["displayName", "authenticationPhoneNumber", "authenticationAlternativePhoneNumber"],
    }


@pytest.mark.parametrize(
    ("text", "users"),
    [
        (f"ann@contoso.com\r\n{OBJECT_ID}\r\n\r\nANN@contoso.com\r\n", ["ann@contoso.com", OBJECT_ID]),
        ("ann@contoso.com, bo@contoso.com", ["ann@contoso.com", "bo@contoso.com"]),
        (
            '\ufeffdisplayName;userPrincipalName\r\n"Ann; ""A""\r\nB";ann@contoso.com\r\n',
            ["ann@contoso.com"],
        ),
        (f"objectId\tid\n{OBJECT_ID}\tignored\n", [OBJECT_ID]),
        (
            "version:v1.0\r\nUser name [userPrincipalName] Required\r\nann@contoso.com\r\n",
            ["ann@contoso.com"],
        ),
        (
            "Block credential,City,Display name,Object Id,User principal name\r\n"
            f'False,"Oslo, N",Ann,{OBJECT_ID},ann@contoso.com\r\n',
            [OBJECT_ID],
        ),
        (
            "#TYPE Microsoft.Graph.PowerShell.Models.MicrosoftGraphUser\r\n"
            '"DisplayName","UserPrincipalName"\r\n"Ann","ann@contoso.com"\r\n',
            ["ann@contoso.com"],
        ),
        ("sep=;\r\nName, first;Username\r\nAnn;ann@contoso.com\r\n", ["ann@contoso.com"]),
        ("Name;UPN\r\nAnn;ann@contoso.com\r\n", ["ann@contoso.com"]),
        ("Name\tE-mail\r\nAnn\tann@contoso.com\r\n", ["ann@contoso.com"]),
        (f"Object Id\r\n{OBJECT_ID}\r\n", [OBJECT_ID]),
        ("People\r\nann@contoso.com\r\nbo@contoso.com\r\n", ["ann@contoso.com", "bo@contoso.com"]),
        ('"Name; first, last";Email\r\n"Ann, A";ann@contoso.com\r\n', ["ann@contoso.com"]),
    ],
    ids=[
        "lines",
        "commas",
        "portal file",
        "tabs",
        "portal template",
        "admin center",
        "PowerShell",
        "sep line",
        "UPN",
        "E-mail",
        "Object Id",
        "one heading",
        "comma in quotes",
    ],
)
def test_users_are_taken_from_files_of_many_kinds(form: Page, text: str, users: list[str]) -> None:
    take(form, text.encode())
    expect(form.locator("#users-count")).to_have_text("1 user" if len(users) == 1 else f"{len(users)} users")
    assert sent_by(form)["users"] == users


def test_a_file_as_excel_saves_unicode_text_is_read(form: Page) -> None:
    take(form, "userPrincipalName\tname\r\nann@contoso.com\tÅnn\r\n".encode("utf-16"))
    assert sent_by(form)["users"] == ["ann@contoso.com"]


def test_an_unknown_heading_is_asked_for(form: Page) -> None:
    take(form, "Naam;Aanmelding\r\nÅnn;ann@contoso.com\r\nBo;bo@contoso.com\r\n".encode("cp1252"))
    question = form.get_by_label("Which column has the users?")
    expect(question).to_be_focused()
    form.get_by_role("button", name="Start export").click()
    expect(form.locator("[data-pointer='/users'] .error")).to_contain_text("Choose the column")
    question.select_option("Aanmelding (ann@contoso.com)")
    expect(form.locator("#users-count")).to_have_text("2 users")
    assert sent_by(form)["users"] == ["ann@contoso.com", "bo@contoso.com"]


def test_a_dropped_file_is_taken(form: Page) -> None:
    form.get_by_role("radio", name="Selected users").check()
    script = """text => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([text], "users.csv", { type: "text/csv" }));
        return dataTransfer;
    }"""
    dropped = form.evaluate_handle(script, "UPN,Name\nann@contoso.com,Ann\n")
    form.locator("#users").dispatch_event("drop", {"dataTransfer": dropped})
    expect(form.locator("#users-count")).to_have_text("1 user")
    assert sent_by(form)["users"] == ["ann@contoso.com"]


def test_a_file_without_users_is_refused_at_once(form: Page) -> None:
    take(form, b"userPrincipalName,mail\r\n")
    expect(form.locator("[data-pointer='/users'] .error")).to_contain_text("has no users")


def test_a_repeated_try_carries_the_same_key(form: Page) -> None:
    keys: list[str] = []

    def refuse(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.abort()

    form.route("**/api/exports", refuse)
    for name in ("one", "one", "two"):
        form.get_by_label("File name").fill(name)
        with form.expect_event("requestfailed"):
            form.get_by_role("button", name="Start export").click()
        expect(form.get_by_role("button", name="Start export")).to_be_enabled()
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("choice", "field", "scope"),
    [
        ("Members of a group", "Object id of the group", {"group": OBJECT_ID}),
        (
            "Members of an administrative unit",
            "Object id of the administrative unit",
            {"administrativeUnit": OBJECT_ID},
        ),
        ("Deleted users", "", {"deleted": True}),
    ],
)
def test_a_scope_is_sent_with_its_object_id(form: Page, choice: str, field: str, scope: dict[str, Any]) -> None:
    form.get_by_role("radio", name=choice).check()
    expect(form.get_by_label("OData filter")).to_be_hidden()
    if field:
        form.get_by_role("button", name="Start export").click()
        expect(form.get_by_label(field)).to_be_focused()
        expect(form.locator("[data-pointer='/scope']:visible .error")).to_have_text("Give the object id.")
        form.get_by_label(field).fill(f" {OBJECT_ID} ")
    assert sent_by(form) == {"excel": True, "columns": "documented", "scope": scope}
    form.get_by_role("radio", name="All users").check()
    assert "scope" not in sent_by(form)


def test_an_object_id_that_is_none_is_refused_at_its_field(watched: Watched, form: Page) -> None:
    watched.refusals.add(400)
    form.get_by_role("radio", name="Members of a group").check()
    form.get_by_label("Object id of the group").fill("Staff")
    form.get_by_role("button", name="Start export").click()
    expect(form.locator("[data-pointer='/scope']:visible .error")).to_contain_text(
        "must be an object id", ignore_case=True
    )


def test_a_preview_of_a_group_shows_its_members_and_the_list_says_whose_users(form: Page) -> None:
    form.get_by_role("radio", name="Members of a group").check()
    form.get_by_label("Object id of the group").fill(STAFF)
    form.get_by_role("radio", name="profile").check()
    form.get_by_role("button", name="Preview").click()
    expect(form.get_by_role("region", name="Preview").get_by_role("row")).to_have_count(6)
    form.get_by_label("File name").fill("staff of a group")
    form.get_by_role("button", name="Start export").click()
    row = form.get_by_role("row").filter(has_text="staff of a group")
    expect(row).to_contain_text("Completed")
    row.get_by_role("link").first.click()
    expect(form.locator("#details-body")).to_contain_text(f"Members of group {STAFF}")
