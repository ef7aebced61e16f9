"""ISO 4217: the currencies a card can be charged in, and how many decimals each one has."""

_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF BYR",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
    "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
    "MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
    "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD "
    "XCG YER ZAR ZMW ZWG "
    "ANG BGN CUC CYP EEK HRK LTL LVL MRO MTL SKK SLL STD VEF ZMK ZWL",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""Active codes, then those withdrawn since 2000, which stored history still holds.

Metals, bond units, drawing rights, XTS (testing) and XXX (none) are no card's currency and left out.
"""

_EXPONENT = {code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()}

CURRENCIES = frozenset(_EXPONENT)


def exponent(code: str) -> int:
    """Digits after the decimal point of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises: KeyError for a code that is not in `CURRENCIES`.
    """
    return _EXPONENT[code]
