"""From raw items and labels to a FittedModel: recipe, loop, time limit, callbacks."""
