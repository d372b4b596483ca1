"""What to paste into a scheduler, so that the night runs by itself."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tasks.errors import UsageError

_CRON_FIELDS = 5


def schedule_text(cron: str, arguments: list[str], folder: Path) -> str:
    """A crontab line and a pair of systemd units that run `recs run` from `folder`.

    Raises:
        UsageError: `cron` has not five fields.
    """
    fields = cron.split()
    if len(fields) != _CRON_FIELDS:
        raise UsageError(
            f"--cron {cron!r} has {len(fields)} fields, not five.", 'For two at night: --cron "0 2 * * *"'
        )
    recs = Path(sys.executable).parent / "recs"
    command = shlex.join([str(recs), "run", *arguments])
    line = f"{cron} cd {shlex.quote(str(folder))} && {command} >> recs.log 2>&1".replace("%", r"\%")
    minute, hour, *rest = fields
    daily = rest == ["*", "*", "*"] and minute.isdigit() and hour.isdigit()
    when = (
        f"*-*-* {int(hour):02}:{int(minute):02}:00"
        if daily
        else "(write this schedule as in systemd.time(7))"
    )
    return f"""# cron: add with `crontab -e`
{line}

# or systemd: /etc/systemd/system/nightly-recs.service
[Unit]
Description=nightly-recs

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart={command}

# and /etc/systemd/system/nightly-recs.timer, then: systemctl enable --now nightly-recs.timer
[Unit]
Description=nightly-recs, every night

[Timer]
OnCalendar={when}
Persistent=true

[Install]
WantedBy=timers.target"""
