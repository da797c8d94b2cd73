"""Many promotions in a few requests each thousand: look at all, promote what is left, look again."""
