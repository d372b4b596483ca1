"""The words of the demo data set: genres, tags and nouns of each taste, titles made from them, names and places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TITLE_TRIES = 20  # then titles get a number


class Taste(NamedTuple):
    """One taste in words: genres (the most typical first), tags, and nouns for titles."""

    genres: tuple[str, ...]
    tags: tuple[str, ...]
    nouns: tuple[str, ...]


def _taste(genres: str, tags: str, nouns: str) -> Taste:
    return Taste(tuple(genres.split()), _phrases(tags), tuple(nouns.split()))


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


TASTES = (
    _taste(
        "Drama Romance",
        "slow burn, bittersweet, character study, understated, family secrets, melancholy, beautifully "
        "shot, small town, grief, great dialogue",
        "Harbour Orchard Letter Winter Garden Sister Bridge Lantern Confession Tide",
    ),
    _taste(
        "Action Adventure Thriller",
        "car chase, explosions, one-man army, martial arts, stunts, adrenaline, hostage, special forces, "
        "gunfights, revenge mission",
        "Strike Protocol Vengeance Bullet Velocity Outlaw Fury Convoy Target Storm",
    ),
    _taste(
        "Comedy",
        "laugh out loud, slapstick, deadpan, quotable, buddy comedy, satire, awkward, workplace, road "
        "trip, feel-good",
        "Wedding Roommate Vacation Reunion Boss Neighbour Disaster Mustache Cousin Plan",
    ),
    _taste(
        "Crime Thriller",
        "heist, double cross, con artist, gangster, undercover, getaway, clever script, antihero, dirty "
        "cops, ensemble cast",
        "Vault Alibi Score Syndicate Ransom Diamond Informant Ledger Safehouse Hustle",
    ),
    _taste(
        "Sci-Fi Adventure",
        "space opera, aliens, starships, first contact, world building, epic scope, robots, far future, "
        "practical effects, colonies",
        "Orbit Nebula Beacon Colony Horizon Signal Starship Meridian Eclipse Frontier",
    ),
    _taste(
        "Mystery Thriller",
        "plot twist, whodunnit, unreliable narrator, red herring, locked room, detective, suspense, cat "
        "and mouse, missing person, cold case",
        "Witness Cipher Staircase Portrait Inheritance Silence Clue Guest Mirror Key",
    ),
    _taste(
        "Fantasy Adventure",
        "quest, dragons, magic, sword fights, mythology, chosen one, epic battle, fairy tale, prophecy, "
        "wizards",
        "Dragon Throne Prophecy Sorcerer Crown Forest Sword Kingdom Oath Raven",
    ),
    _taste(
        "Romance Comedy",
        "meet cute, swoon-worthy, enemies to lovers, charming leads, date night, wedding, second chances, "
        "big city, opposites attract, sweet",
        "Kiss Valentine Bouquet Promise Heart Summer Florist Dance Proposal Weekend",
    ),
    _taste(
        "Horror Thriller",
        "jump scares, haunted house, slasher, gore, final girl, creepy, found footage, possession, "
        "zombies, body horror",
        "Cellar Scream Asylum Grave Hollow Shadow Ritual Doll Whisper Attic",
    ),
    _taste(
        "Animation Children Comedy",
        "talking animals, family friendly, heartwarming, colourful, sing-along, toys, friendship, coming "
        "of age, cute, hand-drawn",
        "Penguin Balloon Kitten Treehouse Rocket Bear Pirate Puppet Marmalade Parade",
    ),
    _taste(
        "Sci-Fi Thriller",
        "dystopia, mind-bending, time travel, artificial intelligence, cyberpunk, virtual reality, "
        "paranoia, philosophical, conspiracy, memory",
        "Machine Paradox Memory Algorithm Circuit Replica Loop Archive Dream Zero",
    ),
    _taste(
        "War Drama History",
        "world war, based on a true story, trenches, resistance, anti-war, historical, sacrifice, "
        "brotherhood, epic, prisoner of war",
        "Regiment Trench Armistice Siege Battalion Courier Frontline Medal Occupation Retreat",
    ),
    _taste(
        "Documentary",
        "true story, nature, archive footage, interviews, eye-opening, investigative, music history, "
        "politics, thought-provoking, wildlife",
        "Ocean Glacier Senator Orchestra Factory River Archive Champion Courtroom Migration",
    ),
    _taste(
        "Musical Romance",
        "show tunes, tap dance, broadway, singing, backstage, lavish costumes, jazz, choreography, golden "
        "age, showstopper",
        "Serenade Chorus Spotlight Melody Cabaret Waltz Overture Encore Ballroom Rhythm",
    ),
    _taste(
        "Western Adventure",
        "gunslinger, frontier, bounty hunter, showdown, spaghetti western, train robbery, sheriff, wide "
        "landscapes, outlaws, lone rider",
        "Canyon Sheriff Saddle Prairie Mustang Saloon Gulch Rider Gallows Badlands",
    ),
    _taste(
        "Film-Noir Crime Mystery",
        "femme fatale, black and white, private eye, fatalism, noir, hard-boiled, rainy streets, voice- "
        "over, betrayal, cigarette smoke",
        "Alley Nightclub Stranger Cigarette Boulevard Blonde Verdict Dusk Detective Pier",
    ),
)
GENERAL_TAGS = _phrases(
    "atmospheric, classic, overrated, underrated, must see, great soundtrack, great acting, too long, "
    "rewatchable, cult film, surprising, visually stunning"
)
GENRES = tuple(sorted({genre for taste in TASTES for genre in taste.genres}))
NO_GENRES = "(no genres listed)"
GENDERS = ("F", "M", "")  # the last ones did not say
REGIONS = ("Capital", "North", "East", "South", "West", "Islands")

_ADJECTIVES = _phrases(
    "Quiet, Broken, Golden, Hidden, Last, Silent, Crimson, Distant, Burning, Forgotten, Hollow, "
    "Endless, Wild, Secret, Frozen, Velvet, Restless, Midnight, Bitter, Gentle, Savage, Paper, Silver, "
    "Lonely, Electric, Scarlet, Sunken, Wandering, Second, Crooked, Invisible, Fallen, Perfect, Stolen, "
    "Unlikely, Patient, Reckless, Northern, Glass, Emerald"
)
PLACES = _phrases(
    "Lisbon, Montreal, Trieste, Kyoto, Havana, Galway, Marseille, Odessa, Bergen, Valparaiso, Tangier, "
    "Dresden, Savannah, Reykjavik, Naples, Calcutta, Aberdeen, Duluth, Salzburg, Tacoma"
)
_NAMES = _phrases(
    "Clara, Edmund, Rosalind, Viktor, Imogen, Mateo, Harriet, Anselm, Beatrix, Leopold, Nadia, Tobias, "
    "Marguerite, Silas, Odette, Rufus, Wilhelmina, Casper, Delphine, Hugo"
)
_SURNAMES = _phrases(
    "Brenner, Okafor, Lindqvist, Marchetti, Tanaka, Novak, Delacroix, Ferreira, Haddad, Kowalski, "
    "Ashby, Moreau, Petrov, Salazar, Whitlock, Iversen, Castellano, Banerjee, Vogel, Sinclair, Duarte, "
    "Nakamura, Ostrowski, Fontaine, Abernathy, Rossi, Zielinski, Mbeki, Calloway, Halvorsen, Quintero, "
    "Steiner, Papadakis, Laurent, Hargreaves, Bianchi, Yilmaz, Carrow, Thorne, Villanueva"
)
_PATTERNS = (
    "The {adjective} {noun}",
    "{adjective} {noun}",
    "The {noun} of {place}",
    "The {noun} and the {other}",
    "{name}'s {noun}",
    "{article} {noun} for {name}",
    "{name} and the {adjective} {noun}",
    "Last {noun} in {place}",
    "Beyond the {adjective} {noun}",
)


def make_titles(
    tastes: NDArray[np.int64],
    years: NDArray[np.int64],
    series: NDArray[np.int64],
    parts: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[list[str], list[str]]:
    """Draw a unique title for each item, such as 'The Quiet Harbour (1994)', with nouns of its main taste.

    Args:
        tastes: (n,) indices into `TASTES`.
        years: (n,) of release.
        series: (n,) the series of each item, 0 to n_series − 1; −1 for none.
        parts: (n,) the item's number in its series, from 1.
        rng: the source of randomness.

    Returns:
        The titles, and the unique names of the series. The first item of a series has the series' name, the next is
        'The Quiet Harbour: Part 2 (1998)'.
    """
    taken: set[str] = set()
    _, first = np.unique(series[series >= 0], return_index=True)
    names = [_new_title(TASTES[t].nouns, "", taken, rng) for t in tastes[series >= 0][first]]
    titles = [
        "" if s < 0 else f"{names[s]}{f': Part {part}' if part > 1 else ''} ({year})"
        for s, part, year in zip(series.tolist(), parts.tolist(), years.tolist(), strict=True)
    ]
    taken = set(titles)
    for single in np.flatnonzero(series < 0):
        titles[single] = _new_title(TASTES[tastes[single]].nouns, f" ({years[single]})", taken, rng)
    return titles, names


def make_director_names(n: int, rng: np.random.Generator) -> list[str]:
    """Draw `n` distinct names, such as 'Clara Brenner', with initials once all pairs of names are used."""
    pairs = [f"{name} {{}}{surname}" for name in _NAMES for surname in _SURNAMES]
    order = rng.permutation(len(pairs))
    return [pairs[order[i % len(pairs)]].format(_initials(i // len(pairs))) for i in range(n)]


def _initials(number: int) -> str:
    """Return '' for 0, 'A. ' for 1, 'Z. ' for 26, 'A. A. ' for 27 and so on."""
    rest, last = divmod(number - 1, 26)
    return f"{_initials(rest)}{chr(ord('A') + last)}. " if number else ""


def _new_title(nouns: tuple[str, ...], ending: str, taken: set[str], rng: np.random.Generator) -> str:
    """Draw words with an ending that are not in `taken`; after `TITLE_TRIES` tries they get a number."""
    for attempt in range(1, 1_000_000):
        pattern, a, p, n, i, j = (int(x) for x in rng.integers(0, 2**31, 6))
        first = i % len(nouns)
        words = _PATTERNS[pattern % len(_PATTERNS)].format(
            adjective=_ADJECTIVES[a % len(_ADJECTIVES)],
            place=PLACES[p % len(PLACES)],
            name=_NAMES[n % len(_NAMES)],
            noun=nouns[first],
            article="An" if nouns[first][0] in "AEIOU" else "A",
            other=nouns[(first + 1 + j % (len(nouns) - 1)) % len(nouns)],
        )
        number = "" if attempt <= TITLE_TRIES else f" {attempt - TITLE_TRIES + 1}"
        title = f"{words}{number}{ending}"
        if title not in taken:
            taken.add(title)
            return title
    raise AssertionError("unreachable: every try has another number")
