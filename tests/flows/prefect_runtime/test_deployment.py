"""Deployments: `prefect.yaml` is what Prefect takes, and agrees with `recs deploy`."""

from __future__ import annotations

import inspect

import yaml
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.flows import load_flow_from_entrypoint

from flows.cli.deploy import POOL
from flows.night_parameters import NightParameters
from flows.nightly import nightly
from tests.flows.prefect_runtime.environment import ROOT


def test_prefect_yaml_is_valid_and_names_the_flow() -> None:
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    file = PrefectYamlModel.model_validate(yaml.safe_load(text))
    [deployment] = file.deployments
    limit = deployment.concurrency_limit
    assert (limit.limit, limit.collision_strategy) == (1, "CANCEL_NEW")
    assert deployment.work_pool.name == POOL
    assert [each.cron for each in deployment.schedules] == ["0 2 * * *"]
    path, _, name = deployment.entrypoint.partition(":")
    assert (ROOT / path).is_file()
    assert load_flow_from_entrypoint(f"{path.removesuffix('.py').replace('/', '.')}.{name}").name == "nightly"
    nightly.validate_parameters(deployment.parameters)
    assert deployment.parameters.keys() <= inspect.signature(nightly.fn).parameters.keys()


def test_parameters_of_the_flow_are_those_of_a_night() -> None:
    of_flow = inspect.signature(nightly.fn).parameters
    assert {name: each.default for name, each in of_flow.items()} == vars(NightParameters())
