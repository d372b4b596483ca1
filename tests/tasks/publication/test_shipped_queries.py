"""The queries that applications run can be found by name."""

import pytest

from tasks.errors import UsageError
from tasks.publication.shipped_queries import shipped_queries, shipped_query


def test_queries_name_their_parameters() -> None:
    found = {query.name: query for query in shipped_queries()}
    assert found["login"].parameters == ("user", "n", "segment")
    assert found["user_list"].parameters == ("user",)
    assert found["runs"].parameters == ()
    assert found["login"].summary == (
        "A user's list at login: the personal list, or a fallback list for users without one"
    )
    assert found["because_you_rated"].summary.endswith("just rated")


@pytest.mark.parametrize("name", ["login", "login.sql", "sql/serving/login.sql"])
def test_a_query_is_found_by_name_or_path(name: str) -> None:
    assert "from recommendations" in shipped_query(name)


def test_an_unknown_query_is_refused() -> None:
    with pytest.raises(UsageError, match="no query 'lgin'") as caught:
        shipped_query("lgin")
    assert caught.value.hint.startswith("Did you mean 'login'?")
