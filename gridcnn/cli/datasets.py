"""`gridcnn datasets`."""

from __future__ import annotations

from rich.table import Table

from gridcnn.cli.output import print_table


def datasets() -> None:
    """List the sets that are embedded or public, and how to load them."""
    from gridcnn.datasets import available

    table = Table("name", "kind", "items", "classes", "source", "in Python")
    for each in available():
        table.add_row(each.name, each.modality, f"{each.items:,}", str(each.classes), each.source, each.how)
    print_table(table)
    print("from gridcnn.datasets import load; or on the command line: gridcnn train xo -o xo.safetensors")
