"""The one exception that says: the data on disk is not what it should be."""


class DataError(ValueError):
    """A file, list or folder of a data set is missing, unreadable or wrong; names it, in one line.

    Wrong calls (a negative crop size, an unknown option) raise plain ValueError or TypeError.
    """
