"""What librdkafka is told of an external Kafka's security."""

from pathlib import Path

from services.brokers.security import Security


def test_nothing_but_the_protocol_where_there_is_no_security() -> None:
    assert Security().librdkafka_options() == {"security.protocol": "PLAINTEXT"}


def test_passwords_and_certificates_go_by_its_own_names() -> None:
    security = Security(
        protocol="SASL_SSL",
        mechanism="SCRAM-SHA-512",
        username="anomaly-tui",
        password="secret",
        ca_file=Path("/etc/ca.pem"),
        certificate_file=Path("/etc/client.pem"),
        key_file=Path("/etc/client.key"),
    )
    assert security.librdkafka_options() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "anomaly-tui",
        "sasl.password": "secret",
        "ssl.ca.location": "/etc/ca.pem",
        "ssl.certificate.location": "/etc/client.pem",
        "ssl.key.location": "/etc/client.key",
    }
