"""How to speak to a Kafka cluster that asks who one is."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.brokers.broker import BrokerError

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


@dataclass(frozen=True)
class Security:
    """How to speak to the cluster; host names are always checked against certificates."""

    protocol: Protocol = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def client_options(self) -> dict[str, Any]:
        """The options of aiokafka clients. Raises BrokerError for files that are no certificates."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            try:
                context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
                if self.certificate_file:
                    context.load_cert_chain(self.certificate_file, self.key_file)
            except (OSError, ssl.SSLError) as error:
                raise BrokerError(f"The Kafka certificates cannot be used: {error}.") from error
            options["ssl_context"] = context
        if self.protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options

    def librdkafka_options(self) -> dict[str, Any]:
        """The options of librdkafka clients."""
        options: dict[str, Any] = {"security.protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            for option, file in (
                ("ssl.ca.location", self.ca_file),
                ("ssl.certificate.location", self.certificate_file),
                ("ssl.key.location", self.key_file),
            ):
                if file:
                    options[option] = str(file)
        if self.protocol.startswith("SASL"):
            options["sasl.mechanism"] = self.mechanism
            options["sasl.username"] = self.username or ""
            options["sasl.password"] = self.password or ""
        return options
