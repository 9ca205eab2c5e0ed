"""A caller's OData filter is one whole expression, or it is refused with the place where it stops being one."""

import json
import string
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from local.tenant.errors import GraphError
from local.tenant.odata_parser import parse as parse_as_graph
from shared.graph.odata import MAX_LENGTH, both, check, encoded, is_advanced, mentions, one_line, paths, quoted
from shared.graph.odata_grammar import parse
from shared.graph.odata_tokens import FilterError

# Most of these are examples of Microsoft's own (learn.microsoft.com: filter-query-parameter, aad-advanced-queries).
VALID = [
    "accountEnabled eq true",
    "userType eq 'Guest'",
    "department in ('Sales', 'Retail')",
    "id in ('e5f1b2f3-31d0-4ac8-94b1-fbf0d7f2a111','6e7b768e-07e2-4810-8459-485f84f8f204')",
    "startsWith(displayName,'J')",
    "startswith(displayName, 'mary') or startswith(givenName, 'mary') or startswith(mail,'mary')",
    "endsWith(mail,'@contoso.com')",
    "endsWith(userPrincipalName,'O''Neil@contoso.com') eq true",
    "not(startsWith(displayName,'A'))",
    "not startsWith(displayName,'A')",
    "companyName ne null and not(companyName eq 'Microsoft')",
    "createdDateTime ge 2021-07-01T00:00:00Z and createdDateTime le 2021-08-01T00:00:00.123Z",
    "createdDateTime ge 2021-07-01T00:00:00+02:00",
    "createdDateTime ge 2021-07-01T00:00Z",
    "department eq null",
    "surname eq ''",
    "displayName eq 'and or ) ( not'",
    "assignedLicenses/any(s:s/skuId eq 184efa21-98c3-4e5d-95ab-d07053a96e67)",
    "assignedLicenses/$count eq 0",
    "proxyAddresses/any(p:startsWith(p,'smtp:')) and not(proxyAddresses/any(p:endsWith(p,'@fabrikam.com')))",
    "assignedPlans/any(a:a/servicePlanId eq 2e2ddb96-6af9-4b1d-a3f0-d6ecfd22edb2 and a/capabilityStatus eq 'Enabled')",
    "identities/any(c:c/issuerAssignedId eq 'j.smith@yahoo.com' and c/issuer eq 'contoso.onmicrosoft.com')",
    "otherMails/all(m: endsWith(m, '@contoso.com'))",
    "onPremisesExtensionAttributes/extensionAttribute1 eq 'x'",
    "extension_b7d8e648520f41d3b9c0fdeb91768a0a_jobGroupTracker eq 'JobGroupN'",
    "signInActivity/lastSignInDateTime le 2019-06-01T00:00:00Z",
    "authorizationInfo/certificateUserIds/any(x:x eq 'X509:<PN>bob@contoso.com')",
    "(userType eq 'Guest' or userType eq 'Member') and (accountEnabled eq false)",
    "((userType eq 'Guest'))",
    "employeeId eq '-1'",
    "a eq -1.5",
    "  surname  eq\u00a0'x'  ",
    "assignedLicenses/any()",
    "not(assignedLicenses/any()) and proxyAddresses/any (p:endsWith(p, 'x'))",
    "assignedLicenses/any(x:x/skuId eq 184efa21-98c3-4e5d-95ab-d07053a96e67 and x/disabledPlans/any(d:d ne null))",
    "accountEnabled",
    "not accountEnabled and (isResourceAccount or not showInAddressList)",
    "(accountEnabled) eq false",
    "true eq accountEnabled",
    "false eq (otherMails/any() or not accountEnabled)",
    "accountEnabled ne (true)",
    "not accountEnabled eq true",
    "startsWith(displayName,'a') ne true",
    "(userType eq 'Guest') eq false",
    "department in ()",
    "department in('a') or(surname eq 'b')and city in ('c' , 'd')",
    "\r\n  userType eq 'Guest'\r\n\tand accountEnabled eq true\n",
    "displayName eq 'a\tb'",
    "createdDateTime ge 2024-02-29T23:59:59.1234567-14:00",
    "manager/id eq '2b3fdd6b-3b0c-4b1b-9b1b-1b1b1b1b1b1b'",
    "$it/displayName eq 'x' and microsoft.graph.user/surname eq 'y'",
    "customSecurityAttributes/Engineering/Project eq 'Baker' or customSecurityAttributes/Marketing/Level eq 12",
    "onPremisesExtensionAttributes/extensionAttribute15 in ('a','b')",
    "signInActivity/lastSignInDateTime le 2022-12-31T00:00:00Z and signInActivity/lastSignInDateTime ne null",
    "displayName eq '山田' and officeLocation eq 'Zürich 😀'",
    "A/B/C eq 1.5e-3",
]

BROKEN = [
    ("", 1, "a property"),
    ("   ", 4, "a property"),
    ("'Guest'", 1, "a property"),
    ("userType eq 'Guest' and 1", 25, "a property"),
    ("1 eq 1", 6, "a property"),
    ("userType eq", 12, "a value"),
    ("userType eq Guest", 13, "a value"),
    ("userType = 'Guest'", 10, "not OData"),
    ("userType eq 'Guest", 13, "no closing quote"),
    ("userType eq 'Gue'st'", 18, "inside a text twice"),
    ("department eq'HR'", 12, "space before a quote"),
    ("createdDateTime ge datetime'2020-01-01T00:00:00'", 20, "2024-01-31T00:00:00Z, without quotes"),
    ("createdDateTime ge 2020-01-01T00:00:00", 20, "2024-01-31T00:00:00Z"),
    ("createdDateTime ge 2024-02-30T00:00:00Z", 20, "no such time"),
    ("createdDateTime ge 2023-02-29T00:00:00Z", 20, "no such time"),
    ("createdDateTime ge 2023-13-01T00:00:00Z", 20, "no such time"),
    ("createdDateTime ge 2023-01-01T24:00:00Z", 20, "no such time"),
    ("createdDateTime ge 2023-01-01T00:60Z", 20, "no such time"),
    ("createdDateTime ge 2023-01-01T00:00:00+15:00", 20, "no such time"),
    ("createdDateTime ge 0000-01-01T00:00:00Z", 20, "no such time"),
    ('displayName eq "x"', 16, "single quotes"),
    ("displayName eq \u2018x\u2019", 16, "straight single quotes"),
    ("userType eq 'Guest' and", 24, "a property"),
    ("userType eq 'Guest' or or a eq 1", 24, "a property"),
    ("userType eq 'Guest')", 20, "'and' or 'or'"),
    ("(userType eq 'Guest'", 21, r"'\)'"),
    (")(", 1, "a property"),
    ("a eq 1) or (b eq 2", 7, "'and' or 'or'"),
    ("a eq 1 b eq 2", 8, "'and' or 'or'"),
    ("department in 'Sales'", 15, r"'\('"),
    ("department in (,'a')", 16, "a value"),
    ("(a eq 1) in (1)", 2, "a property before 'in'"),
    ("department in ('a',)", 20, "a value"),
    ("startsWith(displayName)", 23, "','"),
    ("startsWith(displayName,'a'", 27, r"'\)'"),
    ("startsWith('a',displayName)", 12, "a property"),
    ("not", 4, "a property"),
    ("not userType eq 'Guest'", 17, r"true or false .*not\(userType eq 'Guest'\)"),
    ("not 'a'", 5, "a property"),
    ("true", 1, "a property"),
    ("givenName eq surname", 14, "needs quotes"),
    ("otherMails/all()", 16, "a variable"),
    ("otherMails/any(a/b:a/b eq 1)", 16, "a variable"),
    ("otherMails/any", 15, r"'\('"),
    ("a/any(s s/x eq 1)", 9, "':'"),
    ("createdDateTime ge 2021-07-01", 20, "write 2021-07-01T00:00:00Z"),
    ("tolower(displayName) eq 'a'", 1, "no function 'tolower' .*ignores case"),
    ("startsWith(tolower(displayName),'a')", 12, "no function 'tolower'"),
    ("a eq 1 and length(displayName) gt 5", 12, "no function 'length'"),
    ("year(createdDateTime) eq 2020", 1, "no function 'year' .*createdDateTime ge 2020-01-01T00:00:00Z"),
    ("createdDateTime le now()", 20, "no function 'now' .*2024-01-31T00:00:00Z"),
    ("department in (now())", 16, "no function 'now'"),
    ("concat(givenName,surname) eq 'ab'", 1, "no function 'concat' .*startsWith"),
    ("isof('microsoft.graph.user')", 1, "no function 'isof'"),
    ("extensionAttribute3 eq 'x'", 1, "onPremisesExtensionAttributes/extensionAttribute1"),
    ("onPremisesExtensionAttributes/extensionAttribute16 eq 'x'", 1, r"\(to 15\)"),
    ("a eq 1 or customSecurityAttributes/Project eq 'x'", 11, "customSecurityAttributes/SET/ATTRIBUTE"),
    ("manager eq '2b3fdd6b-3b0c-4b1b-9b1b-1b1b1b1b1b1b'", 1, "write manager/id"),
    ("manager/displayName eq 'x'", 1, "write manager/id"),
    ("lastSignInDateTime le 2022-12-31T00:00:00Z", 1, "write signInActivity/lastSignInDateTime"),
    ("a eq 1 and startsWith(surname,'x') ge 'x'", 39, "true or false"),
    ("a eq 1; drop", 7, "not OData"),
    ("a eq 1&$top=1", 7, "not OData"),
    ("a eq 1#", 7, "not OData"),
]


@pytest.mark.parametrize("text", VALID)
def test_filters_as_graph_documents_them_pass(text: str) -> None:
    check(text)


@pytest.mark.parametrize(("text", "place", "what"), BROKEN)
def test_a_broken_filter_is_refused_with_the_place_and_what_was_expected(text: str, place: int, what: str) -> None:
    with pytest.raises(FilterError, match=f"at character {place}: .*(?:{what})"):
        check(text)


@pytest.mark.parametrize("letter", ["\0", "\x1f", "\x1b", "\ud83d"])
def test_control_characters_and_halves_of_characters_are_refused_everywhere(letter: str) -> None:
    for text in (f"a eq{letter}1", f"a eq '{letter}y'"):
        with pytest.raises(FilterError, match=r"at character (?:5|7): control characters"):
            check(text)


def test_a_filter_from_an_editor_is_asked_on_one_line_and_its_strings_stay() -> None:
    text = "\n  userType\teq 'Guest'\r\n\u00a0 and displayName eq 'a \t\n b''  c'  "
    assert one_line(text) == "userType eq 'Guest' and displayName eq 'a \t\n b''  c'"


# What Microsoft's own OData parser takes and the product refuses: the beginning of the reason that a caller is told,
# why it is right, and how many filters of the file it is.
ON_PURPOSE = {
    "Microsoft Graph has no function": ("the parser takes any name, Graph has three functions", 54),
    "a date needs a time of day": ("Graph compares times, not dates", 3),
    "expected a value such as 'text', true or 2024-01-31T00:00:00Z (a text needs quotes)": (
        "Graph compares no properties",
        9,
    ),
    "expected true or false": ("a condition is compared with booleans only", 3),
    "Microsoft Graph does not filter on": ("paths that no user has", 4),
    "expected a property": ("it says nothing about a user, as -1 eq 1", 2),
    "expected a value such as 'text', true or 2024-01-31T00:00:00Z, but": (
        "the parser does not read lists: ('HR',)",
        6,
    ),
    "expected '('": ("`in` wants a list", 2),
    "expected ','": ("a function wants a property", 3),
    "expected ')'": ("`not` of two things", 1),
    "this is not OData": ("negated texts and named parameters of functions", 2),
}
# What the product takes and that parser, which knows OData 4.0, does not: operators in capitals (OData 4.01).
CAPITALS = {
    "accountEnabled EQ true",
    "userType eq 'Guest' AND accountEnabled eq true",
    "userType eq 'Guene st' AND accountEnabd eq true",
}


def test_the_verdicts_are_those_of_microsofts_own_odata_parser() -> None:
    """odata_filters.jsonl: filters as documents and people write them, then mutations of these, each with the verdict
    of the parser in Microsoft's OData library."""
    refused: Counter[str] = Counter()
    taken = set()
    for line in (Path(__file__).parent / "odata_filters.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        try:
            check(case["filter"])
        except FilterError as problem:
            reason = str(problem).split(": ", 1)[1]
            if case["odata"]:
                refused[next((begin for begin in ON_PURPOSE if reason.startswith(begin)), case["filter"])] += 1
        else:
            taken |= set() if case["odata"] else {case["filter"]}
    assert refused == {begin: number for begin, (_, number) in ON_PURPOSE.items()}
    assert taken == CAPITALS


def is_closed(text: str) -> bool:
    """Whether strings end, and parentheses outside of them match: read letter by letter, unlike the product does."""
    depth, inside = 0, False
    for letter in text:
        if letter == "'":
            inside = not inside
        elif not inside:
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if depth < 0:
                return False
    return depth == 0 and not inside


tokens = st.lists(
    st.sampled_from(
        [
            *"(),:'",
            *("''", " ", "eq", "and", "or", "not", "in", "any", "a", "a/any", "a/all", "startsWith", "null", "1"),
            *("'x'", "')'", "'('", "' or '", "2021-07-01T00:00:00Z", "a eq 1", "\u2028", "e5f1b2f3"),
        ]
    ),
    max_size=25,
).map(" ".join)


@given(st.text() | st.text("ab()',: eqornt1/", max_size=40) | tokens | tokens.map(lambda text: text.replace(" ", "")))
@settings(max_examples=600)
def test_a_filter_that_passes_can_not_break_out_of_its_parentheses(text: str) -> None:
    try:
        check(text)
    except FilterError:
        return
    assert is_closed(text)
    check(both(text, "createdDateTime eq null"))


expressions = st.recursive(
    st.builds(
        lambda name, value: f"{name} eq {value}",
        st.sampled_from(["surname", "a/b", "mail"]),
        st.text(string.printable[:95]).map(quoted) | st.sampled_from(["null", "true", "1"]),
    ),
    lambda inner: st.one_of(
        inner.map("not({})".format), st.lists(inner, min_size=2, max_size=3).map(" or ".join), inner.map("({})".format)
    ),
    max_leaves=6,
)


@given(expressions)
def test_what_is_made_by_the_rules_passes_and_so_does_any_text_as_a_quoted_value(text: str) -> None:
    if len(text) <= MAX_LENGTH:
        check(text)


@pytest.mark.parametrize("opening", ["(", "not ", "not(", "a/any(x:"])
def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack(opening: str) -> None:
    closing = ")" if "(" in opening else ""
    check(opening * 20 + "a eq true" + closing * 20)
    with pytest.raises(FilterError, match="nested more than"):
        check(opening * 100 + "a eq true" + closing * 100)


@pytest.mark.parametrize(
    "text",
    [
        "'" * (MAX_LENGTH - 1),
        "a " * (MAX_LENGTH // 2),
        "1" * MAX_LENGTH,
        " " * MAX_LENGTH,
        "a/" * (MAX_LENGTH // 2),
        "a eq " + "1." * (MAX_LENGTH // 3),
        "a eq 'x' or " * (MAX_LENGTH // 12),
        "abcdef01-" * (MAX_LENGTH // 9),
    ],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    with pytest.raises(FilterError):
        check(text)

    assert time.process_time() - began < 0.5


def test_a_filter_that_is_too_long_is_refused_with_both_lengths() -> None:
    with pytest.raises(FilterError, match=f"at most {MAX_LENGTH} .* has {MAX_LENGTH + 1}"):
        check("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    ("text", "advanced"),
    [
        ("userType eq 'Guest'", False),
        ("startsWith(displayName,'a') and accountEnabled eq true", False),
        ("createdDateTime ge 2021-07-01T00:00:00Z", False),
        ("displayName eq 'to be or not to be'", False),
        ("displayName eq 'it''s not'", False),
        ("displayName eq ' ne ' and surname eq 'a eq null'", False),
        ("userType ne 'Guest'", True),
        ("not(userType eq 'Guest')", True),
        ("department eq null", True),
        ("department eq  null", True),
        ("endsWith(mail,'x')", True),
        ("assignedLicenses/$count eq 0", True),
        ("assignedLicenses/any()", True),
        ("assignedLicenses/any(x:x/skuId eq 184efa21-98c3-4e5d-95ab-d07053a96e67)", False),
        ("assignedPlans/any(x:x/service eq 'exchange')", True),
        ("otherMails/any(x:x ne 'a')", True),
        ("imAddresses/any(x:startsWith(x,'a'))", False),
        ("accountEnabled", False),
        ("not accountEnabled", True),
        ("startsWith(displayName,'a') eq true", False),
        ("startsWith(displayName,'a') eq false", True),
        ("startsWith(displayName,'a') ne true", True),
        ("false eq startsWith(displayName,'a')", True),
        ("null eq mail", True),
        ("mail in ('a',null)", True),
        ("mail eq 'null'", False),
        ("companyName eq 'x'", True),
        ("COMPANYNAME in ('x')", True),
        ("displayName eq 'companyName'", False),
        ("onPremisesExtensionAttributes/extensionAttribute1 eq 'x'", True),
        ("customSecurityAttributes/Engineering/Project eq 'Baker'", True),
        ("employeeOrgData/division eq 'x'", True),
        ("extension_b7d8e648520f41d3b9c0fdeb91768a0a_x eq 'x'", False),
        ("startsWith(extension_b7d8e648520f41d3b9c0fdeb91768a0a_x,'x')", True),
        ("extension_b7d8e648520f41d3b9c0fdeb91768a0a_not eq 'x'", False),
        ("manager/id eq '2b3fdd6b-3b0c-4b1b-9b1b-1b1b1b1b1b1b'", False),
        ("signInActivity/lastSignInDateTime le 2022-12-31T00:00:00Z", False),
        ("", False),
    ],
)
def test_the_filter_shows_whether_it_needs_an_advanced_query(text: str, advanced: bool) -> None:
    assert is_advanced(text) is advanced


def test_filters_are_joined_in_parentheses_and_empty_ones_are_left_out() -> None:
    assert both("", "") == ""
    assert both("a eq 1 or b eq 2", "") == "a eq 1 or b eq 2"
    assert both("a eq 1 or b eq 2", "c eq 3") == "(a eq 1 or b eq 2) and (c eq 3)"


@pytest.mark.parametrize("text", ["companyName ne null and NOT(companyName eq 'Microsoft')", "a EQ 1 AND b Eq NULL"])
def test_operators_are_known_in_any_case(text: str) -> None:
    check(text)


@given(expressions)
def test_joined_with_a_ranges_question_a_filter_stays_on_its_own_side(text: str) -> None:
    """The parenthesis that the filter is put in is closed at its end, and not before."""
    joined = both(text, "createdDateTime ge 2026-01-01T00:00:00Z")
    depth, inside = 0, False
    for at, letter in enumerate(joined):
        inside ^= letter == "'"
        depth += 0 if inside else {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            assert joined[at:] in {") and (createdDateTime ge 2026-01-01T00:00:00Z)", ")"} or at > len(text) + 1
            break
    assert at == len(text) + 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", set()),
        ("displayName eq 'signInActivity/lastSignInDateTime'", {"displayName"}),
        ("not(signInActivity/lastSignInDateTime ge 2022-12-31T00:00:00Z)", {"signInActivity/lastSignInDateTime"}),
        ("startsWith(mail,'a') or otherMails/any() and userType in ('a')", {"mail", "otherMails", "userType"}),
        ("$it/mail eq 'a' and microsoft.graph.user/surname eq 'b'", {"mail", "surname"}),
        ("assignedLicenses/any(s:s/skuId eq 1 and accountEnabled)", {"assignedLicenses/skuId", "accountEnabled"}),
        ("a/any(mail:mail/b/any(c:c eq 1)) and mail eq 'x'", {"a/b", "mail"}),
        ("accountEnabled or not (true eq isResourceAccount)", {"accountEnabled", "isResourceAccount"}),
    ],
)
def test_the_properties_that_a_filter_names_are_those_outside_of_strings(text: str, named: set[str]) -> None:
    assert paths(text) == named


def test_a_property_is_mentioned_in_any_case_and_by_any_of_its_parts() -> None:
    assert mentions("SIGNINACTIVITY/lastSignInDateTime le 2022-12-31T00:00:00Z", "signInActivity")
    assert not mentions("mailNickname eq 'mail' or employeeOrgData/mail eq 'x'", "mail")


@pytest.mark.parametrize(
    ("text", "place", "other"),
    [
        ("signInActivity/lastSignInDateTime le 2022-12-31T00:00:00Z and accountEnabled eq true", 63, "accountEnabled"),
        ("userType eq 'Guest' or not(SigninActivity/lastSignInDateTime ge 2022-12-31T00:00:00Z)", 1, "userType"),
        ("signInActivity/lastSuccessfulSignInDateTime eq null and otherMails/any()", 57, "otherMails"),
    ],
)
def test_sign_in_activity_is_not_combined_with_another_property(text: str, place: int, other: str) -> None:
    with pytest.raises(FilterError, match=rf"at character {place}: .*does not combine .*\({other}\).* in the file"):
        check(text)


def mutated(text: str, edits: list[tuple[int, str]]) -> str:
    for place, piece in edits:
        at = place % (len(text) + 1)
        text = text[:at] + piece + text[at + place % 3 :]
    return text


def parsed_by_the_tenant(text: str) -> bool:
    try:
        parse_as_graph(text)
    except GraphError as refusal:
        # What these ask is wrong, not how: contains, and a property of the user within `any`.
        assume("'Contains'" not in refusal.message and "within 'any' only" not in refusal.message)
        return False
    return True


def taken(text: str) -> bool:
    try:
        parse(text)
    except FilterError:
        return False
    return True


pieces = st.sampled_from(
    ["'", "''", "(", ")", " or ", " and ", "not ", "/any(x:", "$count", "\n", " eq ", "2024-02-30", "é"]
)


@given(st.sampled_from(VALID), st.lists(st.tuples(st.integers(0, 500), pieces | st.text(max_size=2)), max_size=4))
@settings(max_examples=600)
def test_a_mutation_is_refused_or_can_be_asked_together_with_a_range(valid: str, edits: list[tuple[int, str]]) -> None:
    text = mutated(valid, edits)
    try:
        check(text)
    except FilterError:
        return
    line = one_line(text)
    assert paths(line) == paths(text)
    assert is_advanced(line) == is_advanced(text)
    if not mentions(line, "signInActivity"):
        check(both(line, "createdDateTime eq null"))
    assert paths(both(line, "createdDateTime eq null")) == paths(line) | {"createdDateTime"}
    assert not set(encoded(line)) & set("#&\n\t ")


@given(
    st.tuples(
        st.sampled_from(VALID + [text for text, _, _ in BROKEN]),
        st.lists(st.tuples(st.integers(0, 500), pieces | st.text(max_size=2)), max_size=3),
    ).map(lambda made: mutated(*made))
    | tokens
)
@example("createdDateTime ge 2021-07-01T000Z")
@settings(max_examples=600)
def test_the_grammar_and_that_of_the_simulated_tenant_which_is_another_agree(text: str) -> None:
    assert taken(text) == parsed_by_the_tenant(text)
