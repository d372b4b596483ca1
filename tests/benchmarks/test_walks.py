"""The benchmark of walks prints figures that fit together."""

import sys

from benchmarks import walks


def test_the_last_line_says_how_many_walks_and_reads_a_second_brings(monkeypatch, capsys):
    arguments = ["walks", "--items", "50", "--degree", "5", "--walkers", "4", "--steps", "2"]
    monkeypatch.setattr(sys, "argv", arguments)
    walks.main()
    last = capsys.readouterr().out.splitlines()[-1]
    figures = {name: float(value) for name, value in (part.split("=") for part in last.split())}
    assert (
        figures["steps_per_s"] == 2 * figures["walks_per_s"]
        or abs(figures["steps_per_s"] / figures["walks_per_s"] - 2) < 0.02
    )
    assert figures["walks_per_s"] > 0
    assert figures["times_reads"] > 0


def test_a_file_of_likes_gives_the_graph_of_pinsage(tmp_path):
    file = tmp_path / "train.txt"
    file.write_text("0 1 2 3\n1 2 3\n")
    graph = walks.graph_of_likes(file).toarray()
    assert graph[2, 3] == graph[3, 2] == 2
    assert graph[1, 3] == 0.5
