"""Tables of numbers: a grid if the order of the columns says something, otherwise a refusal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from gridcnn.adapters.arrangement import Arrangement, arrangement_of, refuse_labels
from gridcnn.adapters.array import ArrayAdapter
from gridcnn.adapters.base import Adapter
from gridcnn.adapters.numbers import as_numbers, unusable
from gridcnn.adapters.numbers_remarks import in_columns, refuse_doubled
from gridcnn.adapters.numbers_state import OF_GRIDS, check_table
from gridcnn.adapters.questions import Question
from gridcnn.display import none_can
from gridcnn.errors import ConfigurationError, DataError, ItemError, OrderingError
from gridcnn.grid import GridSpec
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.ordering.columns import no_data_limit
from gridcnn.parameters import Choice, Constraint

if TYPE_CHECKING:
    from torch import nn

    from gridcnn.ordering import OrderReport

__all__ = ["TableAdapter"]


class TableAdapter(Adapter):
    """Turns the rows of a numeric table into grids, if the order of its columns carries information.

    Every column is one cell. A table is read as a series, `(1, columns)`; or, if its columns turn out to be that, as
    several series of equal length, `(channels, positions)`, or a flattened picture, `(channels, height, width)`.
    Constant columns keep their places: they are the dark margin of a picture. If they were dropped from it, their cells
    hold the smallest number of the training rows: that is the usual background, it lies within the range of the others,
    and a number that is equal in all rows tells no class from another. Empty cells at the end of rows end their series
    early if a twentieth of them do. A row with another missing value has an error, or is skipped: you know which suits.

    Parameters
    ----------
    ordering : {"check", "assume"}, default "check"
        Test whether the order of the columns carries information, and refuse the table if it does not, or may not; or
        `"assume"`, your word that neighbouring columns are related: the table is then read as a series. For a picture,
        reshape it and use `ArrayAdapter`.

    Attributes
    ----------
    columns_ : list of str or None
        Names of the columns of a DataFrame; None for an array, or if some are no strings.
    ordering_ : str
        Why the columns are taken for ordered: `"assumed"`, or the test that found it.
    shape_ : list of int
        Shape that one row is given: `[columns]`, `[positions, channels]`, `[height, width]` or
        `[height, width, channels]`.
    layout_ : dict or None
        The column of each cell, unless they are read one after another, see `Arrangement`.
    scaling_, mean_, std_, centred_, limit_, bounds_, remarks_
        How each channel is standardised, and what stood out, see `ArrayAdapter`.
    report_ : OrderReport or None
        The evidence; None if the order was assumed, or the adapter was loaded.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spectra = rng.normal(size=(200, 30)).cumsum(axis=1)
    >>> print(TableAdapter().fit(spectra).spec_)
    1 channel × 30 columns
    >>> TableAdapter().fit(spectra[:, rng.permutation(30)])
    Traceback (most recent call last):
    gridcnn.errors.OrderingError: this table is refused (exchangeable): Columns that are alike do not stand near ...
    """

    modality: ClassVar[str] = "array"
    task: ClassVar[str] = "tabular-classification"
    noun: str = "row"
    fitted_attributes: ClassVar[tuple[str, ...]] = ("columns_", "ordering_", "shape_", "layout_", *OF_GRIDS)

    constraints: ClassVar[Mapping[str, Constraint]] = {"ordering": Choice(("check", "assume"))}
    reads_rows: ClassVar[bool] = True
    columns_: list[str] | None
    ordering_: str
    shape_: list[int]
    layout_: dict[str, Any] | None
    scaling_: str
    mean_: list[Any]
    std_: list[Any]
    centred_: bool
    ended_: bool
    limit_: float
    bounds_: list[list[float]]
    remarks_: list[str]
    report_: OrderReport | None = None
    _arrangement: Arrangement

    def __init__(self, ordering: str = "check") -> None:
        self.ordering = ordering

    def check_columns(self, X: Any) -> None:
        """Refuse what is no table of numbers, and say which of its columns are none.

        Raises
        ------
        ConfigurationError
            If `X` holds strings or paths, which other adapters read.
        DataError
            If a DataFrame has columns of text, categories or dates, or two of the same name.
        """
        self.check_parameters()
        if isinstance(X, Sequence) and len(X) and isinstance(X[0], str | os.PathLike):
            raise ConfigurationError(
                "X holds strings or paths: say what they are with adapter=ImageAdapter(), AudioAdapter() or "
                "TextAdapter() from gridcnn.adapters"
            )
        if isinstance(X, pd.DataFrame):
            from gridcnn.ordering.columns import name_some, numbers_with_gaps  # noqa: PLC0415

            refuse_doubled(X)
            is_number = pd.api.types.is_numeric_dtype
            odd = [f"{name} ({kind})" for name, kind in numbers_with_gaps(X).dtypes.items() if not is_number(kind)]
            if odd:
                raise DataError(
                    f"columns that hold no numbers cannot be cells of a grid: {name_some(odd)}. Leave them out, or, "
                    "for a column of sentences or file names, train on that column alone with its own adapter"
                )

    def check_items(self, X: Any) -> Any:  # an ndarray, which no type checker takes for a Sequence
        """Return `X` as numbers of shape `(n, columns)`: float32, or float64 if float32 would blur what varies in them.

        Missing numbers (NaN, masked, or a word among numbers) stay in it as NaN, for `encode` to report. If the adapter
        was fitted to named columns, those are taken from a DataFrame by their names.

        Raises
        ------
        ValueError, TypeError
            In scikit-learn's words, if `X` is sparse or complex, has other than two axes, or holds what is not a
            number.
        ConfigurationError, DataError
            As `check_columns`.
        """
        return self._checked(X, exact=getattr(self, "centred_", None))

    def _checked(self, X: Any, exact: bool | None) -> np.ndarray:
        names = getattr(self, "columns_", None)
        if names is not None and isinstance(X, pd.DataFrame):
            X = in_columns(X, names)
            refuse_doubled(X)
            return as_numbers(X, exact=exact, known=True, ensure_min_samples=0)
        self.check_columns(X)
        return as_numbers(X, exact=exact, ensure_min_samples=0)

    def column_names(self, X: Any) -> list[str] | None:
        """Return the names of the columns of a DataFrame, if all of them are strings; None for anything else."""
        names = list(X.columns) if isinstance(X, pd.DataFrame) else []
        return names if names and all(isinstance(name, str) for name in names) else None

    def check_order(self, X: Any, labels: Any = None) -> OrderReport | None:
        """Return the evidence that the columns of a whole table are ordered, None if that is assumed; or refuse it.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            The table as it was given, rows in their order; values may be missing.
        labels : array of shape (n,), optional
            They can show an order that the columns alone do not.

        Raises
        ------
        OrderingError
            If the columns could be shuffled, or may be; its `report` holds the evidence.
        DataError
            If the columns are ordered, but for identifiers, dates, texts or what looks like a label among them.
        """
        self.check_parameters()
        if self.ordering == "assume":
            return None
        from gridcnn.ordering import check_order  # noqa: PLC0415  (brings models that nothing else needs)
        from gridcnn.ordering.columns import name_some  # noqa: PLC0415

        if not isinstance(X, pd.DataFrame):  # whose odd columns the report will name
            self.check_columns(X)
            X = as_numbers(X, exact=True)
        report = check_order(X, labels)
        if report.verdict != "ordered":
            noted = "".join(f" Note: {warning}." for warning in report.warnings)
            assume = (
                " If you know that neighbouring columns are related, say ordering='assume' (on the command line: "
                "--ordering assume)"
            )
            pointless = report.left_out and report.test == "size"  # texts or dates, and hardly any numbers
            raise OrderingError(
                f"this table is refused ({report.verdict}): {report.reason} {report.advice}{noted}"
                f"{'' if pointless else assume}",
                report,
            )
        if report.left_out:
            raise DataError(
                f"the columns are ordered, but for {name_some(report.left_out)} ({'; '.join(report.warnings)}): such "
                "columns are no cells of a grid, so remove them and train on the others"
            )
        refuse_labels(report, self.column_names(X))
        return report

    def fit(
        self,
        items: Sequence[Any],
        labels: Any = None,
        report: OrderReport | None = None,
        columns: Sequence[str] | None = None,
        ended: bool | None = None,
    ) -> Self:
        """Check the order of the columns, and learn the shape, mean and standard deviation of training rows.

        Parameters
        ----------
        items, labels : array or DataFrame of shape (n, columns), array of shape (n,)
            Training rows, and their labels if any, see `check_order`.
        report : OrderReport, optional
            The report of `check_order` on the whole table that the rows are from: they are not checked again.
        columns, ended : optional
            As in `ArrayAdapter.fit`.

        Raises
        ------
        ConfigurationError, DataError, OrderingError
            As `check_columns` and `check_order`.
        """
        report = report or self.check_order(items, labels)
        self.columns_ = None
        numbers = self._checked(items, exact=None)
        self.columns_ = self.column_names(items) if columns is None else list(columns)
        if report:
            refuse_labels(report, self.columns_)
        self.report_ = report
        self.ordering_ = f"ordered, by the test of {report.test}" if report else "assumed"
        found = self._arrangement = arrangement_of(report, numbers[np.isfinite(numbers).all(axis=1)])
        self.shape_, self.layout_ = found.shape, None if found.is_usual else found.to_dict()
        rows: Any = found.arrange(numbers)
        try:
            grids = ArrayAdapter(found.axes).fit(rows, ended=ended)
        except DataError as error:
            raise DataError(f"{none_can(len(numbers), 'row')} be used: {self._why_unusable(numbers)}") from error
        for name in OF_GRIDS:
            setattr(self, name, getattr(grids, name))
        return self

    def _why_unusable(self, numbers: np.ndarray) -> str:
        """Say why no row can be used, naming columns."""
        empty = [self._name((at,)) for at in np.flatnonzero(~np.isfinite(numbers).any(axis=0))[:10]]
        first = unusable(numbers[0], no_data_limit(numbers), self._name)
        why = f"no row has a number in {', '.join(empty)}" if empty else f"the first: {first}"
        return f"{why}. Fill the gaps, or leave columns out"

    @property
    def _grids(self) -> ArrayAdapter:
        """The adapter for rows in the shape that was found."""
        state = {name: getattr(self, name) for name in OF_GRIDS} | {"sizes_": self.shape_, "columns_": None}
        return ArrayAdapter(self._arrangement.axes).restore(state)

    @property
    def n_columns(self) -> int:
        """Number of columns of a row."""
        return self._arrangement.n_columns

    @property
    def spec_(self) -> GridSpec:
        """The axis of columns; or the channels, height and width of the picture in each row."""
        return self._grids.spec_

    def encode(self, item: Any) -> np.ndarray:
        """Return one row of shape `(columns,)` as float32 of shape `(1, channels, …)`; ItemError as `decode`."""
        return self._grids.encode(self._arrangement.arrange(self.decode(item)))

    def decode(self, item: Any) -> np.ndarray:
        """Return one row of shape `(columns,)` as float32, or as float64 if `centred_`; ItemError if it is unusable."""
        with np.errstate(over="ignore"):  # infinite, and found below
            row = np.asarray(item, dtype=np.float64 if self.centred_ else np.float32)
        columns = self.n_columns
        if row.shape != (columns,):
            raise ItemError(f"row of shape {row.shape}", f"expected {columns} columns, as in training")
        if not (np.abs(row) <= self.limit_).all() and not self._ends_early(row):
            raise ItemError(f"row of {columns} columns", unusable(row, self.limit_, self._name))
        return row

    def _ends_early(self, row: np.ndarray) -> bool:
        """Whether a row holds a series that ends before others, as some did in training."""
        with contextlib.suppress(ItemError):
            return self.ended_ and self._grids.decode(self._arrangement.arrange(row)).size > 0
        return False

    def add_to(self, graph: Graph, frontend: nn.Module) -> Windows:
        """Add an input `row`, `(batch, columns)` as `decode` returns rows, and its standardised grids."""
        rows = graph.input("row", np.float64 if self.centred_ else np.float32, ["batch", self.n_columns])
        return Windows(self._grids.add_grids(graph, self._arrangement.add_to(graph, rows), frontend))

    def trial_items(self, random: np.random.Generator) -> list[Any]:
        """Return rows of the training range, and one far outside."""
        return [self._arrangement.row_of(grid) for grid in self._grids.trial_items(random)]

    def _name(self, cell: tuple[int, ...]) -> str:
        return f"column {cell[0]}" if self.columns_ is None else f"column {self.columns_[cell[0]]!r}"

    def remarks(self) -> list[str]:
        """As that of `ArrayAdapter`, and how the columns are read, unless one after another."""
        return [*self.remarks_, *self._arrangement.about(self._name)]

    def cautions(self, item: Any) -> list[str]:
        """As that of `ArrayAdapter`."""
        row = np.asarray(item, dtype=np.float64)
        return self._grids.cautions(self._arrangement.arrange(row)) if row.shape == (self.n_columns,) else []

    def frontend(self) -> nn.Module:
        """Return the module that standardises float32 `(batch, channels, …)`, as that of `ArrayAdapter` does."""
        return self._grids.frontend()

    def describe_grid(self) -> str:
        """As that of `ArrayAdapter`, and how the columns are read, unless one after another."""
        about = [f"{said[0].upper()}{said[1:]}." for said in self._arrangement.about(self._name)]
        return " ".join([self._grids.describe_grid(), *about])

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit grids of this size."""
        return self._grids.defaults(n_items)

    def questions(self, n_items: int) -> list[Question]:
        """As that of `ArrayAdapter`."""
        return self._grids.questions(n_items)

    def state(self) -> dict[str, Any]:
        """Return the fitted state, JSON-ready: with `layout_`, which other versions refuse, in place of `shape_`."""
        state = super().state()
        del state["layout_" if self.layout_ is None else "shape_"]
        return state

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check each attribute, the layout, and that the scales are those of the grids."""
        check_table(state)
        found = Arrangement.of_state(state)
        grids = {name: state[name] for name in OF_GRIDS} | {"sizes_": found.shape, "columns_": None}
        ArrayAdapter(found.axes).check_state(grids)

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Set the fitted state of an earlier run, from `state()`."""
        self._arrangement = Arrangement.of_state(state)
        return super().restore({"layout_": None, **state, "shape_": self._arrangement.shape})
