"""How many alerts people have time for in a day: a budget that ranks alerts, and changes no verdict."""

import msgspec


class Budget(msgspec.Struct, frozen=True):
    """At most so many alerts of a day, and of a day of one user, are to be looked at: those worth most.

    Days are the stream's, in UTC. None is no limit.
    """

    a_day: int | None = None
    a_day_and_user: int | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self != UNLIMITED

    def sentence(self, beyond: int | None) -> str:
        """For people, of the `beyond` alerts that it holds back, None before they are counted; empty without one."""
        if not self.limited:
            return ""
        of_all = None if self.a_day is None else f"{self.a_day:,} a day"
        of_user = None if self.a_day_and_user is None else f"{self.a_day_and_user:,} a day for each user"
        return f"{self.brief(beyond)} of {' and '.join(filter(None, (of_all, of_user)))}"

    def brief(self, beyond: int | None) -> str:
        """The sentence without the limits."""
        return f"{'-' if beyond is None else f'{beyond:,}'} beyond the budget" if self.limited else ""


UNLIMITED = Budget()
