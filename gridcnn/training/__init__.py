"""From raw items and labels to a FittedModel."""
