"""The API that a night reports to: no proxy on this machine, and errors that say where its address comes from."""

import os
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from flows.prefect_runtime.api import addresses_not_read, no_proxy_for, require_api
from tasks.errors import NightError

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "SOCKS_PROXY")
GNOME = "localhost,127.0.0.0/8,::1"


@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "socks4://h:1", "proxy:port", ""]
)
@pytest.mark.parametrize("exempt", [None, GNOME, "*", " localhost , 127.0.0.1 ", "[::1],.example.org"])
@pytest.mark.parametrize("upper", [True, False])
def test_this_machine_is_reached_without_a_proxy(
    proxy: str, exempt: str | None, upper: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = dict.fromkeys(PROXIES, proxy) | ({} if exempt is None else {"NO_PROXY": exempt})
    for name in (*PROXIES, "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name if upper else name.lower(), value)
    before = dict(os.environ)
    with no_proxy_for("http://127.0.0.1:4200/api"), httpx.Client() as client:
        assert not client._mounts
        assert get_proxy(parse_uri("ws://127.0.0.1:4200/api/events/in")) is None
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "address", ["http://localhost:4200/api", "http://[::1]:4200/api", "http://127.1.2.3/api"]
)
def test_every_name_of_this_machine_is_known(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "x")
    with no_proxy_for(address):
        assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "*"


@pytest.mark.parametrize("address", ["https://api.prefect.cloud/api", "http://10.0.0.5:4200/api"])
def test_another_host_keeps_the_proxy(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "x")
    with no_proxy_for(address):
        assert os.environ["NO_PROXY"] == "x"


def test_an_api_out_of_reach_is_named_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://me:secret@127.0.0.1:9/api"
    monkeypatch.setenv("PREFECT_API_URL", address)
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(NightError) as caught:
        require_api()
    assert "Prefect's API at http://127.0.0.1:9/api cannot be used: " in str(caught.value)
    assert "comes from the environment variable PREFECT_API_URL." in caught.value.hint
    monkeypatch.delenv("PREFECT_API_URL")
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(NightError) as caught:
        require_api()
    assert "comes from the profile " in caught.value.hint
    assert "profiles.toml" in caught.value.hint


def test_addresses_in_files_of_other_projects_are_found(tmp_path: Path) -> None:
    assert addresses_not_read(tmp_path) == {}
    (tmp_path / ".env").write_text("# Prefect\nexport PREFECT_API_URL='http://me:secret@a/api?key=1'\n")
    (tmp_path / "prefect.toml").write_text("[broken")
    (tmp_path / "pyproject.toml").write_text('[tool.prefect.api]\nurl = "http://c/api"\n')
    assert addresses_not_read(tmp_path) == {".env": "http://a/api", "pyproject.toml": "http://c/api"}
    (tmp_path / "pyproject.toml").write_text("[tool]\nprefect = 1\n")
    (tmp_path / "prefect.toml").write_text('api = "x"')
    assert set(addresses_not_read(tmp_path)) == {".env"}
