"""What another site's page sends is refused; what this app's page, a person or a program sends is taken."""

import pytest

from shared.api.problems import Refused
from shared.api.sites import refuse_others

URL = "https://app.azurewebsites.net/api/exports"
PUBLIC = "https://exports.contoso.com"
JSON = {"content-type": "application/json; charset=utf-8"}
METHODS = ["POST", "DELETE", "PUT", "PATCH", "OPTIONS"]


def status(headers: dict[str, str], method: str = "POST", body: bytes = b"{}", url: str = URL, public: str = "") -> int:
    try:
        refuse_others(method, url, headers, body, public)
    except Refused as refused:
        return refused.status
    return 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "SAME-ORIGIN", "same-origin,cross-site", "unknown"])
def test_only_this_site_and_a_persons_own_doing_are_taken(method: str, site: str) -> None:
    assert status(JSON | {"sec-fetch-site": site}, method) == 403
    assert status(JSON | {"sec-fetch-site": site, "origin": "https://app.azurewebsites.net"}, method) == 403


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_apps_own_page_and_a_person_are_taken(method: str, site: str) -> None:
    assert status(JSON | {"sec-fetch-site": site}, method) == 0
    assert status(JSON | {"sec-fetch-site": site, "origin": PUBLIC}, method) == 0


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "https://app.azurewebsites.net.evil.example",
        "https://app.azurewebsites.net:444",
        "http://app.azurewebsites.net",
        "https://azurewebsites.net",
        "https://exports.contoso.com.evil.example",
        "app.azurewebsites.net",
        "https://[",
        "file://",
    ],
)
def test_another_origin_is_refused_where_the_browser_says_no_more(origin: str) -> None:
    assert status(JSON | {"origin": origin}, public=PUBLIC) == 403


@pytest.mark.parametrize("origin", ["https://app.azurewebsites.net", "https://APP.azurewebsites.net:443", PUBLIC])
def test_the_apps_own_origin_and_that_of_the_gateway_are_taken(origin: str) -> None:
    assert status(JSON | {"origin": origin}, public=PUBLIC) == 0


def test_the_gateways_origin_is_one_only_where_the_setting_names_it() -> None:
    assert status(JSON | {"origin": PUBLIC}) == 403


def test_the_front_end_may_have_taken_https_away() -> None:
    headers = JSON | {"origin": "https://app.azurewebsites.net"}
    assert status(headers, url="http://app.azurewebsites.net/api/exports") == 0
    assert status(JSON | {"origin": "http://localhost:7071"}, url="http://localhost:7071/api/exports") == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", None])
@pytest.mark.parametrize("sent", [{"sec-fetch-site": "same-origin"}, {"origin": "https://app.azurewebsites.net"}])
def test_a_page_sends_its_body_as_json(kind: str | None, sent: dict[str, str]) -> None:
    headers = sent | ({} if kind is None else {"content-type": kind})
    assert status(headers) == 415
    assert status(headers, body=b"") == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_program_may_send_its_body_as_anything(kind: str | None) -> None:
    assert status({} if kind is None else {"content-type": kind}) == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_in_a_mail_and_the_return_from_the_sign_in_work(method: str) -> None:
    assert status({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "origin": "null"}, method, b"") == 0
