"""The page of a search: one file that needs no network and no script."""

from __future__ import annotations

import base64
from typing import Any

from matplotlib.figure import Figure

from gridcnn.render.html import render
from gridcnn.render.tuning_plots import as_png, slices, tuning_history, tuning_importance
from gridcnn.tuning.records import Tuned, best_first

__all__ = ["tuning_page"]


def tuning_page(tuned: Tuned, source: str = "") -> str:
    """Return the page of a search as HTML.

    Parameters
    ----------
    tuned : Tuned
        What the search found.
    source : str
        What the data is called.
    """
    complete = best_first(tuned.trials)
    pictures: list[dict[str, Any]] = []
    if complete:
        pictures.append(_picture("History", tuning_history(tuned), "Each trial, in its order."))
    if tuned.importance:
        about = (
            "How much of the differences between complete trials each dimension explains (fANOVA). Of few trials it is "
            "a hint, and what was hardly varied cannot show."
        )
        pictures.append(_picture("What mattered", tuning_importance(tuned), about))
    if len(complete) > 1:
        pictures.append(
            _picture("Slices", slices(tuned), "The complete trials at each value, what mattered most first.")
        )
    return render(
        "tuning.html",
        tuned=tuned,
        source=source,
        ranked=[*complete, *(each for each in tuned.trials if not each.complete)],
        best=complete[0] if complete else None,
        pictures=pictures,
        test=None if tuned.model is None else tuned.model.scores.get(f"test_{tuned.score.replace(' ', '_')}"),
    )


def _picture(title: str, figure: Figure, about: str) -> dict[str, str]:
    return {
        "title": title,
        "about": about,
        "uri": f"data:image/png;base64,{base64.b64encode(as_png(figure)).decode('ascii')}",
    }
