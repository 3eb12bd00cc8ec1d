"""What a benchmark found, and how it is shown."""

from dataclasses import dataclass, field

BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
"""Around the tables of docs/benchmarks.md."""


@dataclass(frozen=True)
class Figures:
    """A table with a first column of names, and what is to be read out of it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)

    @property
    def heading(self) -> str:
        return f"### {self.title}"

    def markdown(self) -> str:
        lines = [self.heading, "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row(row) for row in self.rows]
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)]) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def replace(document: str, figures: Figures) -> str:
    """With this table in place of the one of its title, else at the end of the tables."""
    heading = f"### {figures.title}\n"
    before, found, rest = document.partition(heading)
    if not found:
        before, end, rest = document.partition(END)
        return f"{before}\n{figures.markdown()}{end}{rest}"
    places = [place for mark in ("\n### ", END) if (place := rest.find(mark)) >= 0]
    return f"{before}{figures.markdown()}{rest[min(places) :]}"
