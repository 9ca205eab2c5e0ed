"""A caller's OData filter is one whole expression, or it is refused with the place where it stops being one."""

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.graph.odata import MAX_LENGTH, FilterError, both, check, is_advanced, mentions, paths, quoted

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
]

BROKEN = [
    ("", 1, "a property"),
    ("   ", 4, "a property"),
    ("userType", 9, "a comparison"),
    ("userType eq", 12, "a value"),
    ("userType eq Guest", 13, "a value"),
    ("userType = 'Guest'", 10, "no OData"),
    ("userType eq 'Guest", 13, "no end"),
    ("userType eq 'Gue'st'", 20, "no end"),
    ("userType eq 'Guest' and", 24, "a property"),
    ("userType eq 'Guest' or or a eq 1", 24, "a property"),
    ("userType eq 'Guest')", 20, "'and' or 'or'"),
    ("(userType eq 'Guest'", 21, r"'\)'"),
    (")(", 1, "a property"),
    ("a eq 1) or (b eq 2", 7, "'and' or 'or'"),
    ("a eq 1 b eq 2", 8, "'and' or 'or'"),
    ("department in 'Sales'", 15, r"'\('"),
    ("department in ()", 16, "a value"),
    ("department in ('a',)", 20, "a value"),
    ("startsWith(displayName)", 23, "','"),
    ("startsWith(displayName,'a'", 27, r"'\)'"),
    ("startsWith('a',displayName)", 12, "a property"),
    ("not", 4, "a property"),
    ("true", 1, "a property"),
    ("'a' eq userType", 1, "a property"),
    ("a/any(s s/x eq 1)", 9, "':'"),
    ("createdDateTime ge 2021-07-01", 24, "'and' or 'or'"),
    ("a eq 1; drop", 7, "no OData"),
    ("a eq 1&$top=1", 7, "no OData"),
    ("a eq 1#", 7, "no OData"),
]


@pytest.mark.parametrize("text", VALID)
def test_filters_as_graph_documents_them_pass(text: str) -> None:
    check(text)


@pytest.mark.parametrize(("text", "place", "what"), BROKEN)
def test_a_broken_filter_is_refused_with_the_place_and_what_was_expected(text: str, place: int, what: str) -> None:
    with pytest.raises(FilterError, match=f"at character {place}: .*(?:{what})"):
        check(text)


@pytest.mark.parametrize("letter", ["\n", "\r", "\t", "\0", "\x1f"])
def test_control_characters_are_refused_everywhere(letter: str) -> None:
    for text in (f"a eq{letter}1", f"a eq 'x{letter}y'"):
        with pytest.raises(FilterError, match="control characters"):
            check(text)


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
    check(opening * 20 + "a eq 1" + closing * 20)
    with pytest.raises(FilterError, match="inside each other"):
        check(opening * 100 + "a eq 1" + closing * 100)


@pytest.mark.parametrize(
    "text",
    [
        "'" * (MAX_LENGTH - 1),
        "a" * MAX_LENGTH,
        "1" * MAX_LENGTH,
        " " * MAX_LENGTH,
        "a/" * (MAX_LENGTH // 2),
        "a eq " + "1." * (MAX_LENGTH // 3),
        "a eq 'x' or " * (MAX_LENGTH // 12),
        "abcdef01-" * (MAX_LENGTH // 9),
    ],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(FilterError):
        check(text)
    is_advanced(text)

    assert time.perf_counter() - began < 0.5


def test_a_filter_that_is_too_long_is_refused_with_both_lengths() -> None:
    with pytest.raises(FilterError, match=f"at most {MAX_LENGTH} .* these are {MAX_LENGTH + 1}"):
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
    ],
)
def test_operators_outside_of_strings_show_what_needs_an_advanced_query(text: str, advanced: bool) -> None:
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
    ],
)
def test_the_properties_that_a_filter_names_are_those_outside_of_strings(text: str, named: set[str]) -> None:
    assert paths(text) == named


def test_a_property_is_mentioned_in_any_case_and_by_any_of_its_parts() -> None:
    assert mentions("SIGNINACTIVITY/lastSignInDateTime le 2022-12-31T00:00:00Z", "signInActivity")
    assert not mentions("mailNickname eq 'mail' or employeeOrgData/mail eq 'x'", "mail")
