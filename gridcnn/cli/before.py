"""What commands that learn can tell of their options before they read any data: hours may lie between the two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridcnn.cli.options import size_of
from gridcnn.cli.sources import require_options
from gridcnn.errors import ConfigurationError
from gridcnn.training.config import FitConfig

__all__ = ["adapter_options", "require_possible"]


def adapter_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constructor parameters of an adapter, by the names that it has for them; None is its choice.

    Parameters
    ----------
    given : mapping of str to object
        Values of the options, by the names that the command has for them.
    """
    size = given["image_size"]
    return {
        "ordering": given["ordering"] and given["ordering"].value,
        "sample_rate": given["sample_rate"],
        "duration": given["duration"],
        "n_mels": given["mels"],
        "hop_length": given["hop"],
        "size": None if size is None else size_of("--image-size", size),
        "tokens": given["tokens"],
        "vectors": given["vectors"],
    }


def require_possible(options: Mapping[str, Any], adapter: str | None, given: Mapping[str, Any]) -> None:
    """Refuse options of a training that are wrong whatever the data are, or that contradict each other.

    Parameters
    ----------
    options : mapping
        As `adapter_options` returns them.
    adapter : str or None
        Name of the adapter, if it is known already.
    given : mapping
        `class_weight`, `jobs`, `device`, `labels`, `background` and `no_background` of the command.

    Raises
    ------
    ConfigurationError
        For the first of them.
    """
    FitConfig(class_weight=given["class_weight"], n_jobs=given["jobs"])  # checks its values
    if given["class_weight"] is not None and given["labels"] is not None:
        raise ConfigurationError(
            "--class-weight is for one class an item; with several labels each has a threshold of its own: leave out "
            "--class-weight, or give --label in place of --labels."
        )
    if given["no_background"] and given["background"] is not None:
        raise ConfigurationError("--background and --no-background contradict each other: give one of them.")
    if options["vectors"] is not None and not Path(options["vectors"]).is_file():
        raise ConfigurationError(f"--vectors {options['vectors']}: no such file: check the spelling.")
    _require_values({name: value for name, value in options.items() if value is not None}, adapter)
    if given["device"] != "auto":
        from gridcnn.pipeline.device import choose_device

        choose_device(given["device"])


def _require_values(options: Mapping[str, Any], adapter: str | None) -> None:
    """Refuse a value that no adapter takes, or an option that the named one does not have."""
    from gridcnn import adapters

    if adapter is not None:
        require_options(adapters.by_name(adapter), options).check_parameters()
    elif options:
        kinds = [adapters.by_name(name) for name in adapters.names()]
        for name, value in options.items():
            refusals = list[ConfigurationError]()
            knowing = [kind for kind in kinds if name in kind.constraints and adapters.provider(kind) == "gridcnn"]
            for kind in knowing:
                try:
                    require_options(kind, {name: value}).check_parameters()
                except ConfigurationError as error:
                    refusals.append(error)
            if knowing and len(refusals) == len(knowing):
                raise refusals[0]
