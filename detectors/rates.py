"""Approximate exchange rates, so that amounts in different currencies can be compared at all.

A detector asks whether an amount is ten times the usual, never whether it is 3 % above it: yearly averages
are enough, and fixed ones keep the features the same on every machine. Nothing shown to a user is converted.
"""

_UNITS_PER_EUR = """
AED 4.0 ALL 100 AMD 430 ARS 1000 AUD 1.65 AZN 1.8 BAM 1.96 BDT 125 BGN 1.96 BHD 0.41 BOB 7.5 BRL 5.8 BYN 3.5
CAD 1.48 CHF 0.95 CLP 1000 CNY 7.8 COP 4400 CRC 560 CZK 25 DKK 7.46 DOP 64 DZD 145 EGP 50 ETB 90 GBP 0.85
GEL 3.0 GHS 15 GTQ 8.4 HKD 8.5 HNL 27 HRK 7.53 HUF 390 IDR 17000 ILS 4.0 INR 91 IQD 1420 ISK 150 JMD 170
JOD 0.77 JPY 160 KES 145 KHR 4450 KRW 1450 KWD 0.33 KZT 500 LAK 23000 LBP 97000 LKR 325 MAD 10.8 MDL 19.3
MKD 61.5 MMK 2280 MNT 3680 MUR 50 MXN 19.5 MYR 4.9 NGN 1600 NOK 11.6 NPR 145 NZD 1.79 OMR 0.42 PAB 1.08
PEN 4.05 PHP 62 PKR 300 PLN 4.3 PYG 8200 QAR 3.95 RON 4.97 RSD 117 RUB 98 SAR 4.06 SEK 11.4 SGD 1.45
THB 38 TND 3.37 TRY 37 TWD 34.7 TZS 2850 UAH 44 UGX 4050 USD 1.08 UYU 43 UZS 13700 VND 27000 XAF 656 XOF 656
XPF 119 ZAR 19.8 ZMW 28
"""
_words = _UNITS_PER_EUR.split()

EUR_PER_UNIT: dict[str, float] = {code: 1.0 / float(rate) for code, rate in zip(_words[::2], _words[1::2], strict=True)}
"""Euros one unit of a currency is worth; a currency that is not listed counts as euros."""
