"""Numbers made visible: pages, plots, previews."""
