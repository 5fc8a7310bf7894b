"""`neural-diffusion data check`: what lies in a folder of slices, and its splits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..files.result_files import check_distinct, check_file, check_folder_to_make, make_folder, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from ..data.inventory import Inventory

data = typer.Typer(help="Look at the slices before training on them.", no_args_is_help=True)
_NAMED = 5


@data.callback()
def _data() -> None:
    """Look at the slices before training on them."""


@data.command(no_args_is_help=True)
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds the classes 'no' and 'yes'.")],
    splits: Annotated[
        Path | None, typer.Option(help="Folder to write original.json and grouped.json to; made if missing.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the findings to this file.")] = None,
) -> None:
    """Count the slices, name what is unreadable or not grey, find near-duplicates, and write the split files.

    Pictures that cannot be read are left out of the splits. The original split draws slices at random, so that
    near-duplicates end up on both sides; the grouped split keeps each group of them on one side.
    """
    from ..data.inventory import take_inventory
    from ..data.near_duplicates import CRITERION, near_duplicate_groups
    from ..data.splits import NAMES, PARTS, grouped_split, original_split, write_splits
    from ..files.command_error import CommandError
    from ..files.terminal import passing_bar, terminal

    check_file(json_file)
    check_folder_to_make(splits)
    if splits is not None:
        check_distinct([json_file, splits, *(splits / f"{name}.json" for name in NAMES)])
    with passing_bar() as bar:
        task = bar.add_task("Reading", total=None)
        found = take_inventory(folder, lambda done, total: bar.update(task, completed=done, total=total))
    for label, count in found.counts.items():
        if not count:
            raise CommandError(f"None of the pictures in '{folder / label}' can be read: replace them.")
    numbers = near_duplicate_groups(found.slices)
    groups = dict(zip(found.names, (int(number) for number in numbers), strict=True))
    members = [list(groups.values()).count(number) for number in set(groups.values())]
    console = terminal()
    console.print(_findings(folder, found, members))
    made = []
    try:
        made = [original_split(found.names, groups), grouped_split(found.names, groups)]
    except CommandError as error:
        if splits is not None:
            raise
        console.print(f"No splits: {error}", highlight=False)
    for split in made:
        sizes = " / ".join(f"{len(split.part(part)):,}" for part in PARTS)
        console.print(
            f"Split '{split.name}': {sizes} slices to train, validate and test; the training part has a near-duplicate "
            f"of {split.leak:.0%} of the test slices.",
            highlight=False,
        )
    if splits is not None:
        make_folder(splits)
        write_splits(made, splits)
        console.print(f"Written: {splits / 'original.json'} and {splits / 'grouped.json'}.", highlight=False)
    if json_file is not None:
        content = {
            "kind": "data",
            "counts": found.counts,
            "formats": dict(found.formats),
            "modes": dict(found.modes),
            "sizes": {f"{width}x{height}": found.sizes.count((width, height)) for width, height in set(found.sizes)},
            "misnamed": found.misnamed,
            "coloured": found.coloured,
            "unreadable": found.unreadable,
            "exact_copies": found.exact_copies,
            "criterion": CRITERION,
            "groups": len(members),
            "largest_group": max(members),
            "splits": {
                split.name: {"sha256": split.sha256, "leak": split.leak}
                | {part: len(split.part(part)) for part in PARTS}
                for split in made
            },
        }
        write_json(json_file, content)


def _findings(folder: Path, found: Inventory, members: list[int]) -> Table:
    from rich.table import Table

    sides = sorted(max(size) for size in found.sizes)
    rows = {
        "Slices": ", ".join(f"{count:,} in '{label}'" for label, count in found.counts.items()),
        "Formats": ", ".join(f"{count:,} {name}" for name, count in found.formats.most_common()),
        "Another format than the name says": _some(found.misnamed),
        "Colour modes": ", ".join(f"{count:,} {name}" for name, count in found.modes.most_common()),
        "Not grey": _some(found.coloured),
        "Longer side": f"{sides[0]} to {sides[-1]} pixels, median {sides[len(sides) // 2]}; "
        f"{len(set(found.sizes)):,} different sizes",
        "Unreadable": _some(found.unreadable),
        "Exact copies": f"{found.exact_copies:,} (as grey pictures of 128 x 128)",
        "Near-duplicates": f"{len(members):,} groups, the largest of {max(members)}; "
        f"{sum(count == 1 for count in members):,} slices stand alone",
    }
    table = Table(title=f"Slices in {folder}", show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _some(names: tuple[str, ...]) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:_NAMED])
    return f"{len(names):,}: {shown}{', ...' if len(names) > _NAMED else ''}"
