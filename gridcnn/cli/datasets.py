"""`gridcnn datasets`."""

from __future__ import annotations

from gridcnn.cli.output import add_row, print_table, table


def datasets() -> None:
    """List the sets that are embedded or public, and how to load them."""
    from gridcnn.datasets import available

    shown = table("name", "kind", "items", "classes", "source", "in Python")
    for each in available():
        add_row(shown, each.name, each.modality, f"{each.items:,}", str(each.classes), each.source, each.how)
    print_table(shown)
    print("from gridcnn.datasets import load; or on the command line: gridcnn train xo -o xo.safetensors")
