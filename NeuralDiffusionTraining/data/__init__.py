"""The Br35H slices, their splits and the noise that is added to them."""
