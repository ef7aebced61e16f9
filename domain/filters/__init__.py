"""The filter language: `amount>500 country!=FR user:u-00* score>=.9 why:frequency -merchant:grocery since:5m "text"`.

One grammar and one parser; what it yields is a predicate for the live feed and parameterised SQL for history,
and both say the same of every row.
"""

from domain.filters.completion import Suggestion, complete, values_seen
from domain.filters.filter import EVERYTHING, Filter, of_triage, of_user, parse
from domain.filters.meaning import moment
from domain.filters.syntax import FilterError

__all__ = [
    "EVERYTHING",
    "Filter",
    "FilterError",
    "Suggestion",
    "complete",
    "moment",
    "of_triage",
    "of_user",
    "parse",
    "values_seen",
]
