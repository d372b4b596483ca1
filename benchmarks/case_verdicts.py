"""The verdicts of `benchmarks.cases`: what each case must print, from the cases' README and docs/."""

from __future__ import annotations

from dataclasses import dataclass

NIGHT = r"✓ check .*all \d+ passed", r"is live\.$"
"""A night that published."""
WHOLE = (r"1,676 clean rows, 0 quarantined", *NIGHT)
"""A night on all ratings and the whole catalogue."""
RATINGS = (r"1,596 clean rows, 0 quarantined", *NIGHT)
"""A night on all ratings, without a catalogue."""

REPORT = r"^Report +\S+/report\.html$"
"""A night that ended well, where a script shows its last lines only."""


@dataclass(frozen=True)
class Verdict:
    """How a case is judged.

    Attributes:
        sentence: what is checked.
        exits: the exit codes that it prints, in order.
        must: regular expressions of what it prints, in order.
        must_not: regular expressions that match nothing of it.
        needs_mount: whether it mounts a folder read-only.
        left: why it is not judged; empty if it is.
    """

    sentence: str
    exits: str = ""
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    needs_mount: bool = False
    left: str = ""


VERDICTS = {
    "00-base": Verdict(
        "make.py, which the script calls, is not among the cases; the folder that is absent is refused",
        "2",
        (r"^Error: There is no data set 'in': neither a folder nor a known name", r"^Known names: demo"),
    ),
    "01-no-timestamp": Verdict(
        "ratings without times are refused with the setting to write; with it they are judged by random pairs",
        "2 0",
        (r"no column 'timestamp'", r'timestamp = ""', r"^--- second", r"✓ split .*random", *NIGHT),
    ),
    "02-ml1m-dat": Verdict(
        "ratings.dat and a CSV without header are found, and `columns` is named",
        "2 2",
        (r"has no header", r"columns = \[", r"^--- after sed", r"has no header", r"columns = \["),
    ),
    "03-book-crossing": Verdict(
        "semicolons are found; zeros off the scale are explained with not_rated, likes from 3.5 on of 10 warned of",
        "1 1 3 0",
        (
            r"reach from 0 to 10", r"not_rated = \[0\]",
            r"^--- commas", r"not_rated = \[0\]",
            r"^--- allowing", r"are likes: .*relevant_rating is 3\.5", r"rejected_rows",
            r"^--- and in", r"is live\.$",
        ),
    ),
    "04-anime": Verdict(
        "`Action, School` is warned of as genres in one, and so are likes from 3.5 on of 10",
        "0",
        (r"are likes: .*relevant_rating is 3\.5", r'genre_separator = ","', *NIGHT),
    ),
    "05-thumbs": Verdict(
        "0 and 1 are refused on a scale to 5, with the settings; a like off the scale too; with all said a night runs",
        "1 2 0",
        (
            r"rating_min = 0, rating_max = 1", r"relevant_rating = 1",
            r"^--- with the scale said", r"relevant_rating.* 3\.5", r"^--- with the scale and", *RATINGS,
        ),
    ),
    "06-scale-10": Verdict(
        "likes from 3.5 on of 10 are warned of, likes from 7 on are not",
        "0 0",
        (r"are likes: .*Set it to the least rating that is a like, such as 7", *NIGHT, r"^--- with utility", *NIGHT),
        (r"(?s)--- with utility.*are likes:",),
    ),
    "08-views-only": Verdict(
        "views without a threshold end a night with what to write; with it one runs",
        "2 2 0",
        (
            r"none of the events has a threshold: view \(1,596\)", r"positive_events\] with view = 1",
            r"^--- as the example", r"positive_events\] with view = 1", r"^--- and positive", *NIGHT,
        ),
    ),
    "10-proxy": Verdict(
        "our own server is reached without the proxy, there or gone; the proxy is asked for nothing",
        "0 0 0",
        (
            *WHOLE, r"^asked of the proxy:\n--- a proxy that is gone$", *WHOLE,
            r"^--- with NO_PROXY", r"^Nothing is new since run",  # the same home and input as before
        ),
    ),
    "11-cron-without-url": Verdict(
        "cron's night without RECS_PUBLISH__URL is refused with its name; no lists are written elsewhere",
        "0 0 2",
        (*WHOLE, r"RECS_PUBLISH__URL=", r"^--- cron's night", r"RECS_PUBLISH__URL", r"from active_run\n\d{14}$"),
        (r"(?s)--- cron's night.*is live\.",),
    ),
    "13-other-suffixes": Verdict("zip, bz2 and txt in a folder of days are read", "0", RATINGS),
    "14-float-ids": Verdict(
        "item ids as 17.0 are read as 17, so every listed item has its title",
        "0",
        (r"item ids of ratings\.csv are read without \.0", *NIGHT, r"\|Film \d+ \(", r"^(\d{4})\|\1$"),
    ),
    "16-utf16": Verdict(
        "UTF-16 is read; after a conversion from Latin-1 the cause is named",
        "0 1",
        (
            r"UTF-16 text", *WHOLE,
            r"^--- as the hint", r"is UTF-16 that was converted to UTF-8 as if it were Latin-1",
        ),
    ),
    "18-ratings-gone": Verdict(
        "a night without ratings.csv is held back by lost_rows; the live lists hold nothing that was rated",
        "0 3",
        (*NIGHT, r"^--- tonight", r"lost_rows.*ratings", r"items on live lists.*\n0$", r"active_run\n\d{14}$"),
    ),
    "19-gdpr": Verdict("what is left of a user", left="`recs forget` belongs to the operations issue"),
    "20-readonly-install": Verdict(
        "with the code read-only nights run, with a HOME that can be written and without one",
        "0 0",
        (r"touch: .*Read-only file system", *WHOLE, r"^--- HOME does not exist", *WHOLE),
        needs_mount=True,
    ),
    "21-bare-environment": Verdict(
        "lists are the same to the last digit in cron's environment, in ASCII and with python -OO",
        "0 0 0 0",
        (
            r"^--- env -i", r"^--- python -O",
            r"^([0-9a-f]{32})  -\n(.+)\n\1  -\n\2\n\1  -\n\2$", r"^User 1 liked", r"Am.lie",
        ),
    ),
    "22-odd-addresses": Verdict(
        "a bare % in a path, a question mark, a host and a bare path are refused, each with the address to write",
        "2 2 2 2 2 2",
        (
            r"which does not exist", r"% of a path is written %25: sqlite:////.*/it%27s%20100%2520%20%C3%BC/app\.db$",
            r"^--- a path", r"question mark", r"write it as sqlite:///q/what%3F\.db$",
            r"^--- three slashes", r"names a host, 'q'", r"before a path: sqlite:///q/app\.db$",
            r"'q/app\.db' is a path", r"Write it as sqlite:///q/app\.db$",
        ),
    ),
    "23-two-homes-one-database": Verdict(
        "another home's database is refused; a lost home's can be adopted, and the message says how",
        "0 2 2 2",
        (REPORT, r"app\.db belongs to another home", r"^60$", r"^--- the home was lost", r"recs adopt --home home$"),
    ),
    "24-folder-named-like-builtin": Verdict(
        "a folder ml-25m wins over the built-in name, and that is said",
        "0 0 0",
        (r"^Reads the folder /.*/ml-25m, not the built-in data set", *WHOLE, r"^--- with a slash", r"^--- \./"),
        (r"(?i)download",),
    ),
    "25-tilde": Verdict(
        "~ is expanded in --dataset, --home and an address; no folder ~ is made",
        "0 0",
        (REPORT, r"^\./myhome/recs$", REPORT),
        (r"^\./~",),
    ),
    "27-tmdb-genres": Verdict(
        "literal lists of genres are read: seven genres and all are the fallback segments",
        "0",
        (r"1 quarantined", *NIGHT, r"^8$", r"^\[?.*Drama|^Action$"),
        (r"'id':.*\|",),
    ),
    "28-negative-ids": Verdict("`recs show -1` shows user -1", "0 0", (r"^User -1 liked", r"^User -1 liked")),
    "31-clashing-names": Verdict(
        "packages of our names do no harm; another project's Prefect is not taken; a dead one is not asked in vain",
        "0 0 0",
        (
            REPORT,
            r"^--- \.env", r"do not take the address of Prefect's API from \.env .* or prefect\.toml", REPORT,
            r"^--- PREFECT_API_URL", r"^Nothing is new since run",  # the same home and input as before
        ),
        (r"Failed to reach API",),
    ),
    "37-file-setting": Verdict(
        "a file is found with its suffix and Movies.csv beside it; another data set and a file as folder are refused",
        "0 2 2",
        (
            *WHOLE, r"^Error: The home home belongs to the data set 'in', not to 'in2'",
            r"'in/ratings\.csv' is a file; a folder was expected", r"^--- Movies\.csv", WHOLE[0], r"^80\|80$",
        ),
    ),
    "40-stuck-on-popularity": Verdict(
        "an import at one moment is judged on random pairs; most listed items fit tastes from the first night on",
        "0 0 0 0 0 0",
        (
            r"=== day 60", r"^Champion +\w+ has the best", r"^0\.[7-9]\d*\|55\|",
            r"=== day 150", r"^0\.[7-9]\d*\|55\|",
            r"=== day 200", r"^0\.[7-9]\d*\|55\|", r"=== a new home", r"^0\.[7-9]\d*\|55\|",
        ),
    ),
    "41-proxy-variants": Verdict(
        "neither networks in no_proxy nor a SOCKS proxy keep a night from its own server",
        "0 0 0",
        (REPORT, r"^--- ALL_PROXY", REPORT, r"^--- only https", REPORT),
    ),
    "42-truncated-export": Verdict(
        "an export that lost 60 % of its rows is held back by lost_rows; live lists hold nothing that was rated",
        "0 3",
        (r"is live\.$", r"✗ check|lost_rows", r"rows of live lists that the user has rated:\n0$"),
    ),
    "45-settings-of-another-prefect": Verdict(
        "Prefect's settings in the working folder's .env, prefect.toml and pyproject.toml are not taken",
        "0 0 0",
        (r"^--- \.env", REPORT, r"^--- prefect\.toml", REPORT, r"^--- pyproject\.toml", REPORT),
    ),
    "46-nanoseconds": Verdict(
        "times in nanoseconds are read and said", "0", (r"times of ratings\.csv are nanoseconds", *NIGHT)
    ),
    "47-gzip-named-csv": Verdict(
        "gzip named .csv and text named .csv.gz are read and said; a gzip that was converted is named",
        "0 1 0",
        (
            r"read by what it holds: gzip", *WHOLE,
            r"^--- as the hint", r"is gzip that was converted to UTF-8", r"^--- plain text",
            r"read by what it holds: plain text", *WHOLE,
        ),
    ),
    "49-tilde-split": Verdict(
        "RECS_HOME=~/recs is one home, in the folder of the user",
        "0",
        (REPORT, r"^\./myhome/recs/"),
        (r"^\./~",),
    ),
    "52-toml-bom": Verdict(
        "a byte order mark before pipeline.toml is no error, and its n = 20 counts",
        "0",
        (*WHOLE, r"^Lists +1,200 rows"),
    ),
}  # fmt: skip
