"""The errors a user can cause; each message is one line: what is wrong, what would be right."""


class SeglibError(Exception):
    """Base of all errors that the command line reports as one line with exit code 2."""


class ConfigError(SeglibError, ValueError):
    """An option has a value that cannot work."""


class DatasetError(SeglibError):
    """A dataset, or a file in it, is missing, damaged or inconsistent."""


class RecordError(SeglibError):
    """A run record, checkpoint or weights file is missing, damaged or does not fit."""


class ImageError(SeglibError):
    """An image given for prediction cannot be read or is refused."""
