"""ISO 4217: the currencies an amount can be in, their numbers, and how many decimals each one has."""

from datetime import date

_ACTIVE = {
    0: "BIF108 CLP152 DJF262 GNF324 ISK352 JPY392 KMF174 KRW410 PYG600 RWF646 UGX800 UYI940 VND704 VUV548 "
    "XAF950 XOF952 XPF953",
    2: "AED784 AFN971 ALL008 AMD051 AOA973 ARS032 AUD036 AWG533 AZN944 BAM977 BBD052 BDT050 BMD060 BND096 "
    "BOB068 BOV984 BRL986 BSD044 BTN064 BWP072 BYN933 BZD084 CAD124 CDF976 CHE947 CHF756 CHW948 CNY156 "
    "COP170 COU970 CRC188 CUP192 CVE132 CZK203 DKK208 DOP214 DZD012 EGP818 ERN232 ETB230 EUR978 FJD242 "
    "FKP238 GBP826 GEL981 GHS936 GIP292 GMD270 GTQ320 GYD328 HKD344 HNL340 HTG332 HUF348 IDR360 ILS376 "
    "INR356 IRR364 JMD388 KES404 KGS417 KHR116 KPW408 KYD136 KZT398 LAK418 LBP422 LKR144 LRD430 LSL426 "
    "MAD504 MDL498 MGA969 MKD807 MMK104 MNT496 MOP446 MRU929 MUR480 MVR462 MWK454 MXN484 MXV979 MYR458 "
    "MZN943 NAD516 NGN566 NIO558 NOK578 NPR524 NZD554 PAB590 PEN604 PGK598 PHP608 PKR586 PLN985 QAR634 "
    "RON946 RSD941 RUB643 SAR682 SBD090 SCR690 SDG938 SEK752 SGD702 SHP654 SLE925 SOS706 SRD968 SSP728 "
    "STN930 SVC222 SYP760 SZL748 THB764 TJS972 TMT934 TOP776 TRY949 TTD780 TWD901 TZS834 UAH980 USD840 "
    "USN997 UYU858 UZS860 VED926 VES928 WST882 XAD396 XCD951 XCG532 YER886 ZAR710 ZMW967 ZWG924",
    3: "BHD048 IQD368 JOD400 KWD414 LYD434 OMR512 TND788",
    4: "CLF990 UYW927",
}
"""Codes in force, by the decimals of their minor unit; each with its number."""

_WITHDRAWN = {
    "ANG": ("532", 2, date(2025, 7, 1)),
    "BGN": ("975", 2, date(2026, 1, 1)),
    "BYR": ("974", 0, date(2017, 1, 1)),
    "CUC": ("931", 2, date(2021, 7, 1)),
    "CYP": ("196", 2, date(2008, 1, 1)),
    "EEK": ("233", 2, date(2011, 1, 1)),
    "HRK": ("191", 2, date(2023, 1, 1)),
    "LTL": ("440", 2, date(2015, 1, 1)),
    "LVL": ("428", 2, date(2014, 1, 1)),
    "MRO": ("478", 2, date(2018, 7, 1)),
    "MTL": ("470", 2, date(2008, 1, 1)),
    "SKK": ("703", 2, date(2009, 1, 1)),
    "SLL": ("694", 2, date(2024, 4, 1)),
    "STD": ("678", 2, date(2018, 5, 1)),
    "VEF": ("937", 2, date(2018, 9, 1)),
    "ZMK": ("894", 2, date(2013, 1, 1)),
    "ZWL": ("932", 2, date(2024, 9, 1)),
}
"""Codes withdrawn since 2008, which history still holds: number, decimals, and the first day without them."""

_UNCOINED = "XAG961 XAU959 XBA955 XBB956 XBC957 XBD958 XDR960 XPD964 XPT962 XSU994 XUA965"
"""Metals, bond units and drawing rights: amounts can be in them, but they have no minor unit."""

NO_CURRENCY = {
    "XXX": "the ISO 4217 code for transactions that involve no currency",
    "XTS": "the ISO 4217 code for tests",
}
_EXPONENT = {
    **{entry[:3]: decimals for decimals, entries in _ACTIVE.items() for entry in entries.split()},
    **{code: decimals for code, (_, decimals, _) in _WITHDRAWN.items()},
    **{entry[:3]: 0 for entry in _UNCOINED.split()},
}
_BY_NUMBER = {
    **{number: code for code, (number, _, _) in _WITHDRAWN.items()},
    **{entry[3:]: entry[:3] for entries in (*_ACTIVE.values(), _UNCOINED) for entry in entries.split()},
    "999": "XXX",
    "963": "XTS",
}

_SIGNS = {
    "\u20ac": "EUR",
    "\u20b9": "INR",
    "\u20a9": "KRW",
    "\u20bd": "RUB",
    "\u20ba": "TRY",
    "\u20b4": "UAH",
    "\u20aa": "ILS",
    "\u20a6": "NGN",
    "\u20ab": "VND",
    "\u0e3f": "THB",
    "\u20b8": "KZT",
    "\u20be": "GEL",
}
"""Signs of one currency only."""

_SHARED_SIGNS = {"\u00a3": "GBP", "$": "USD AUD CAD NZD", "\u00a5": "JPY CNY"}
"""Signs that others use too, and those that use no other."""

UNCOINED = frozenset(entry[:3] for entry in _UNCOINED.split())
CURRENCIES = frozenset(_EXPONENT)
IN_FORCE = CURRENCIES - _WITHDRAWN.keys()


def exponent(code: str) -> int:
    """Digits after the decimal point of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.

    It is 0 for those in `UNCOINED`, which have no minor unit. Raises: KeyError for a code not in `CURRENCIES`.
    """
    return _EXPONENT[code]


def alphabetic(text: str) -> str:
    """The letters for a code in any case or by its number: EUR for `eur` and for `978`; any other text as it is."""
    if text in IN_FORCE:
        return text
    bare = text.strip()
    if bare.isascii() and bare.isdigit():
        return _BY_NUMBER.get(bare.zfill(3), text)
    upper = bare.upper()
    return upper if len(upper) == 3 else text


def is_sign_of(sign: str, code: str) -> bool:
    """Whether an amount in this currency may be written with this sign; of a sign that is not known, it may."""
    if sign in _SIGNS:
        return _SIGNS[sign] == code
    if sign not in _SHARED_SIGNS or code in _SHARED_SIGNS[sign]:
        return True
    return code not in _SIGNS.values() and all(code not in codes for codes in _SHARED_SIGNS.values())


def withdrawn(code: str) -> date | None:
    """The first day a code was no longer in force, None for one that still is."""
    entry = _WITHDRAWN.get(code)
    return None if entry is None else entry[2]
