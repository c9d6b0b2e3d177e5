"""What a person must know of how recordings are read: in general, and of one recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gridcnn.adapters.recordings import cancel
from gridcnn.adapters.sound_frames import HIGHEST_RATE
from gridcnn.adapters.sound_survey import is_clipped, is_silent, share_above
from gridcnn.display import agreeing

__all__ = ["cautions", "remarks"]

LONGER = 1.05  # windows; what is longer becomes several
SHORTER = 0.9
MUCH_SHORTER = 0.25
LOWER = 0.95  # of the highest frequency that the model hears
MUCH = 0.1  # share of energy or of recordings

Survey = Mapping[str, Any]


def remarks(seen: Survey, rate: int, highest: float, window: float) -> list[str]:
    """Return what `Adapter.remarks` promises, for sounds.

    Parameters
    ----------
    seen : dict
        The `survey_` of an adapter.
    rate : int
        Sample rate (Hz) that recordings are resampled to.
    highest : float
        Highest frequency (Hz) of the spectrogram.
    window : float
        Length of a window in seconds.
    """
    found = [*_about_rates(seen, rate, highest), *_about_lengths(seen, window)]
    heard = seen["heard"]
    if seen["cancelling"]:
        have = agreeing(seen["cancelling"], "has", "have")
        found.append(
            f"{seen['cancelling']} of {heard} recordings listened to {have} channels that cancel each other when "
            "mixed: of such, only the strongest channel is heard."
        )
    if seen["silent"]:
        are = agreeing(seen["silent"], "is", "are")
        found.append(f"{seen['silent']} of {heard} recordings listened to {are} silent.")
    if seen["clipped"] > MUCH * heard:
        are, their = agreeing(seen["clipped"], "is", "are"), agreeing(seen["clipped"], "its", "their")
        found.append(f"{seen['clipped']} of {heard} recordings listened to {are} clipped: too loud for {their} format.")
    return found


def _about_rates(seen: Survey, rate: int, highest: float) -> list[str]:
    """Say what lies too high to be heard, and which recordings are resampled."""
    found, n_recordings = [], seen["recordings"]
    items = "segments" if seen.get("segments") == n_recordings else "recordings"
    if seen["cut"]:
        some = "" if seen["cut"] == n_recordings else f"In {seen['cut']} of {n_recordings} {items}, "
        top = min(max(each for each, _ in seen["rates"]), HIGHEST_RATE)
        if top > rate:
            remedy = f": --sample-rate {top} keeps it"
        else:
            remedy = ": a higher f_max keeps it" if highest < rate / 2 else ""
        found.append(
            f"{some}{_percent(seen['above'])} of the energy lies above {_hertz(highest)}, which the model does not hear"
            f"{remedy}."
        )
    other = [(each, count) for each, count in seen["rates"] if each != rate]
    if not other:
        return found
    span = " to ".join(f"{each:,}" for each in dict.fromkeys((other[0][0], other[-1][0])))
    changed = sum(count for _, count in other)
    found.append(f"{changed} of {n_recordings} {items} have {span} Hz and are resampled to {rate:,} Hz.")
    lower = sum(count for each, count in other if each / 2 < LOWER * highest)
    if lower:
        found.append(
            f"{lower} of {n_recordings} {items}, of a lower rate, hold nothing above {other[0][0] / 2:,.0f} Hz or "
            f"little more, and the model hears up to {highest:,.0f} Hz: if rates differ between the classes, it may "
            "learn to tell the rates apart."
        )
    return found


def _about_lengths(seen: Survey, window: float) -> list[str]:
    """Say how many recordings are cut into windows, and how many are padded."""
    durations, found = np.asarray(seen["durations"]), []
    items = "segments" if seen.get("segments") == len(durations) else "recordings"
    longer, shorter = float((durations > LONGER * window).mean()), float((durations < SHORTER * window).mean())
    if longer:
        found.append(
            f"{_percent(longer)} of the {items} are longer than a window of {window:.3g} s (up to "
            f"{durations[-1]:.3g} s): each is read in several windows, whose answers are averaged."
        )
    if shorter:
        padded = "padded with silence"
        found.append(
            f"{_percent(shorter)} of the {items} are shorter than a window of {window:.3g} s (down to "
            f"{durations[0]:.3g} s) and are {'read with what surrounds them' if seen.get('segments') else padded}."
        )
    return found


def cautions(
    channels: np.ndarray, own_rate: int, duration: float, seen: Survey, highest: float, window: float
) -> list[str]:
    """Return in what a recording is unlike those in training, or holds little.

    Parameters
    ----------
    channels : ndarray of shape (samples, channels)
        The recording, or its beginning.
    own_rate, duration : float
        Its sample rate (Hz) and its length in seconds.
    seen, highest, window
        As in `remarks`.
    """
    if is_silent(channels):
        return ["it is silent"]
    found = []
    alike = sum(count for rate, count in seen["rates"] if rate <= own_rate)
    if own_rate / 2 < LOWER * highest and alike < MUCH * seen["recordings"]:
        found.append(
            f"recorded at {own_rate:,} Hz: it holds nothing above {own_rate / 2:,.0f} Hz, and the model hears up to "
            f"{highest:,.0f} Hz"
        )
    elif own_rate / 2 > highest and share_above(channels, own_rate, highest) > max(MUCH, 2 * seen["above"]):
        found.append(f"much of its energy lies above {highest:,.0f} Hz, which the model does not hear")
    if cancel(channels):
        found.append("its channels cancel each other when they are mixed, so only the strongest is heard")
    if is_clipped(channels):
        found.append("it is clipped: too loud for its format")
    if duration < MUCH_SHORTER * window:
        found.append(f"it is much shorter than the window of {window:.3g} s")
    return found


def _percent(share: float) -> str:
    if share < 0.001:
        return "less than 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


def _hertz(frequency: float) -> str:
    return f"{frequency / 1_000:g} kHz" if frequency >= 10_000 else f"{frequency:,.0f} Hz"
