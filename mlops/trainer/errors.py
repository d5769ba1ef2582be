"""The one kind of error a user of the trainer can cause."""


class TrainerError(Exception):
    """Says what is wrong, where, the rule, and what to do."""
