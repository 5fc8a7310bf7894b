"""How fast it is: ours beside what a user would pick instead, how that scales, and where the time goes."""
