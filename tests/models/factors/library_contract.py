"""Contract tests of models that implicit trains on the CPU; their test files inherit them."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.models.contract import N_ITEMS, N_USERS, LikesContract, checkerboard, small_world


class LibraryContract(LikesContract):
    """Subclasses also set `library`, the class of implicit, and a `config` with 8 factors."""

    kept_of_own_history = 0.7
    library: ClassVar[type]

    def test_all_threads_are_used_only_if_not_deterministic(self, monkeypatch: pytest.MonkeyPatch) -> None:
        threads = []
        original = self.library.__init__

        def spy(self: object, **options: Any) -> None:
            threads.append(options["num_threads"])
            original(self, **options)

        monkeypatch.setattr(self.library, "__init__", spy)
        self.fitted(small_world())
        self.model(self.config.model_copy(update={"deterministic": False})).fit(small_world(), seed=1)
        assert threads == [1, 0]

    def test_a_refit_on_more_users_has_all_rows(self) -> None:
        model = self.fitted(checkerboard()).fit(small_world(), seed=1)
        assert model.user_factors_.shape == (N_USERS, 8)
        assert model.item_factors_.shape == (N_ITEMS, 8)
        assert model.item_bias_.shape == (N_ITEMS,)

    def test_progress_is_reported_after_every_iteration(self) -> None:
        reported = []
        self.model(self.config).fit(small_world(), seed=1, progress=lambda *at: reported.append(at))
        total = self.config.iterations
        assert reported == [(done, total) for done in range(1, total + 1)]
