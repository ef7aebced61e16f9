"""Where simulated people live and travel: countries, their currencies, and cities with real coordinates."""

from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple


class Country(NamedTuple):
    """`per_euro` is a rough price level: local currency units for what costs one euro."""

    code: str
    currency: str
    per_euro: float
    locale: str


class City(NamedTuple):
    """Coordinates in degrees (WGS 84); `utc_offset` in hours, standard time all year."""

    name: str
    country: Country
    latitude: float
    longitude: float
    utc_offset: float


_COUNTRIES = {
    country.code: country
    for country in (
        Country("US", "USD", 1.1, "en_US"),
        Country("CA", "CAD", 1.5, "en_US"),
        Country("MX", "MXN", 19, "es_ES"),
        Country("BR", "BRL", 5.6, "pt_BR"),
        Country("AR", "ARS", 1000, "es_ES"),
        Country("GB", "GBP", 0.85, "en_GB"),
        Country("IE", "EUR", 1, "en_GB"),
        Country("DE", "EUR", 1, "de_DE"),
        Country("AT", "EUR", 1, "de_DE"),
        Country("CH", "CHF", 1.2, "de_DE"),
        Country("FR", "EUR", 1, "fr_FR"),
        Country("BE", "EUR", 1, "fr_FR"),
        Country("NL", "EUR", 1, "nl_NL"),
        Country("ES", "EUR", 0.9, "es_ES"),
        Country("PT", "EUR", 0.8, "pt_BR"),
        Country("IT", "EUR", 1, "it_IT"),
        Country("PL", "PLN", 4, "pl_PL"),
        Country("CZ", "CZK", 23, "en_US"),
        Country("SE", "SEK", 11.5, "sv_SE"),
        Country("NO", "NOK", 12, "sv_SE"),
        Country("DK", "DKK", 8, "sv_SE"),
        Country("GR", "EUR", 0.9, "en_US"),
        Country("TR", "TRY", 30, "en_US"),
        Country("AE", "AED", 4, "en_US"),
        Country("IN", "INR", 60, "en_US"),
        Country("SG", "SGD", 1.5, "en_US"),
        Country("JP", "JPY", 150, "ja_JP"),
        Country("AU", "AUD", 1.7, "en_US"),
        Country("NZ", "NZD", 1.8, "en_US"),
        Country("ZA", "ZAR", 14, "en_US"),
        Country("KE", "KES", 100, "en_US"),
        Country("NG", "NGN", 900, "en_US"),
    )
}

CITIES = tuple(
    City(name, _COUNTRIES[code], latitude, longitude, utc_offset)
    for code, utc_offset, name, latitude, longitude in (
        ("US", -5, "New York", 40.7128, -74.0060),
        ("US", -6, "Chicago", 41.8781, -87.6298),
        ("US", -8, "Los Angeles", 34.0522, -118.2437),
        ("US", -6, "Houston", 29.7604, -95.3698),
        ("US", -5, "Miami", 25.7617, -80.1918),
        ("US", -8, "Seattle", 47.6062, -122.3321),
        ("CA", -5, "Toronto", 43.6532, -79.3832),
        ("CA", -8, "Vancouver", 49.2827, -123.1207),
        ("MX", -6, "Mexico City", 19.4326, -99.1332),
        ("MX", -6, "Guadalajara", 20.6597, -103.3496),
        ("BR", -3, "São Paulo", -23.5505, -46.6333),
        ("BR", -3, "Rio de Janeiro", -22.9068, -43.1729),
        ("AR", -3, "Buenos Aires", -34.6037, -58.3816),
        ("AR", -3, "Córdoba", -31.4201, -64.1888),
        ("GB", 0, "London", 51.5074, -0.1278),
        ("GB", 0, "Manchester", 53.4808, -2.2426),
        ("GB", 0, "Edinburgh", 55.9533, -3.1883),
        ("IE", 0, "Dublin", 53.3498, -6.2603),
        ("DE", 1, "Berlin", 52.5200, 13.4050),
        ("DE", 1, "Hamburg", 53.5511, 9.9937),
        ("DE", 1, "Munich", 48.1351, 11.5820),
        ("DE", 1, "Cologne", 50.9375, 6.9603),
        ("AT", 1, "Vienna", 48.2082, 16.3738),
        ("CH", 1, "Zurich", 47.3769, 8.5417),
        ("CH", 1, "Geneva", 46.2044, 6.1432),
        ("FR", 1, "Paris", 48.8566, 2.3522),
        ("FR", 1, "Lyon", 45.7640, 4.8357),
        ("FR", 1, "Marseille", 43.2965, 5.3698),
        ("BE", 1, "Brussels", 50.8503, 4.3517),
        ("NL", 1, "Amsterdam", 52.3676, 4.9041),
        ("NL", 1, "Rotterdam", 51.9244, 4.4777),
        ("ES", 1, "Madrid", 40.4168, -3.7038),
        ("ES", 1, "Barcelona", 41.3874, 2.1686),
        ("PT", 0, "Lisbon", 38.7223, -9.1393),
        ("PT", 0, "Porto", 41.1579, -8.6291),
        ("IT", 1, "Rome", 41.9028, 12.4964),
        ("IT", 1, "Milan", 45.4642, 9.1900),
        ("PL", 1, "Warsaw", 52.2297, 21.0122),
        ("PL", 1, "Kraków", 50.0647, 19.9450),
        ("CZ", 1, "Prague", 50.0755, 14.4378),
        ("SE", 1, "Stockholm", 59.3293, 18.0686),
        ("SE", 1, "Gothenburg", 57.7089, 11.9746),
        ("NO", 1, "Oslo", 59.9139, 10.7522),
        ("DK", 1, "Copenhagen", 55.6761, 12.5683),
        ("GR", 2, "Athens", 37.9838, 23.7275),
        ("TR", 3, "Istanbul", 41.0082, 28.9784),
        ("TR", 3, "Ankara", 39.9334, 32.8597),
        ("AE", 4, "Dubai", 25.2048, 55.2708),
        ("IN", 5.5, "Mumbai", 19.0760, 72.8777),
        ("IN", 5.5, "Delhi", 28.6139, 77.2090),
        ("IN", 5.5, "Bengaluru", 12.9716, 77.5946),
        ("SG", 8, "Singapore", 1.3521, 103.8198),
        ("JP", 9, "Tokyo", 35.6762, 139.6503),
        ("JP", 9, "Osaka", 34.6937, 135.5023),
        ("AU", 10, "Sydney", -33.8688, 151.2093),
        ("AU", 10, "Melbourne", -37.8136, 144.9631),
        ("AU", 8, "Perth", -31.9523, 115.8613),
        ("NZ", 12, "Auckland", -36.8509, 174.7645),
        ("ZA", 2, "Johannesburg", -26.2041, 28.0473),
        ("ZA", 2, "Cape Town", -33.9249, 18.4241),
        ("KE", 3, "Nairobi", -1.2921, 36.8219),
        ("NG", 1, "Lagos", 6.5244, 3.3792),
    )
)

_EARTH_RADIUS_KM = 6371.0


def distance_km(here: City, there: City) -> float:
    """Great-circle distance between two cities (haversine)."""
    latitude, other = radians(here.latitude), radians(there.latitude)
    across = radians(there.longitude - here.longitude)
    half_chord = sin((other - latitude) / 2) ** 2 + cos(latitude) * cos(other) * sin(across / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(half_chord))


def travel_hours(here: City, there: City) -> float:
    """The least time a person needs between two cities: 700 km/h and an hour at the ends."""
    return distance_km(here, there) / 700 + 1
