"""The local browser of lists, asked over HTTP without a socket."""

import pytest
from starlette.testclient import TestClient

from flows.browser.app import browser_app, listening_socket
from flows.browser.lookups import Lookups
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tests.tasks.export.stored import home_with_run, publish_lists


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    home, run_id = home_with_run(tmp_path_factory.mktemp("browse"))
    publish_lists(home, run_id)
    return TestClient(browser_app(Lookups(home, Settings())), "http://127.0.0.1:8765", follow_redirects=False)


def test_a_users_list_is_shown_beside_the_switch(client: TestClient) -> None:
    page = client.get("/user", params={"id": "u0"})
    assert page.status_code == 200
    assert "Film 0" in page.text
    assert "<option>als</option>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_any_model_lists_items_of_any_user(client: TestClient) -> None:
    page = client.get("/user", params={"id": "u2", "model": "als"})
    assert "Made now by als" in page.text
    assert page.text.count('class="title"') > 5
    judged = client.get("/user", params={"id": "u2", "model": "sasrec"}).text
    assert "fitted without the newest data" in judged


def test_the_search_finds_users_and_items(client: TestClient) -> None:
    assert client.get("/", params={"q": "u0"}).headers["location"] == "/user?id=u0"
    assert client.get("/", params={"q": "Film 2"}).headers["location"] == "/item?q=Film+2"
    several = client.get("/item", params={"q": "Film"})
    assert several.status_code == 300
    assert "/item?q=i1" in several.text
    assert "/user?id=u0" in client.get("/").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/item?q=nothing", 404),
        ("/item?q=", 404),
        (f"/user?id={'9' * 300}", 404),
        ("/user?id=u0&model=als'--", 404),
    ],
)
def test_bad_input_is_a_page_that_says_so(client: TestClient, path: str, status: int) -> None:
    page = client.get(path)
    assert page.status_code == status
    assert 'role="alert"' in page.text


def test_what_was_typed_is_escaped(client: TestClient) -> None:
    assert "<script>" not in client.get("/item", params={"q": "<script>alert(1)</script>"}).text


def test_other_hosts_and_writes_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/").status_code == 405


def test_a_taken_port_is_a_plain_error() -> None:
    with listening_socket(0) as taken:
        taken.listen()
        with pytest.raises(UsageError, match="cannot be used"):
            listening_socket(taken.getsockname()[1])
