"""Run a command of `recs` in this process."""

from typer.testing import CliRunner

from flows.cli import app as cli


def invoke(*arguments: object) -> str:
    """Return the output of a command; raise its error, if any."""
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "120"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output
