"""Training and evaluation of a policy on a simulator, for the command line."""
