"""`python -m services.store.precompile`: compiles what is compiled now, so that the first start need not wait.

`make setup` calls it. What is kept is found again as long as the sources are the same.
"""

from detectors import precompile
from detectors.compiled import forget_others
from services.store.binary import decimals, rows


def main() -> None:
    """Call everything once."""
    forget_others()
    transactions = precompile.handful()
    precompile.main(transactions)
    rows([decimals([transaction.amount for transaction in transactions])])


if __name__ == "__main__":
    main()
