"""The configuration: flags over environment over `anomaly-tui.toml` over defaults, each value with its source."""

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import platformdirs
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from detectors.policy import Policy
from domain.budget import Budget
from services.access import Access, address_of, tokens_of
from services.brokers.broker import Isolation, StartFrom
from services.brokers.security import Protocol, Security
from services.errors import ConfigurationError
from services.process.redaction import redacted

FILE_NAME = "anomaly-tui.toml"
_FLAGS = {"database_url": "--database", "start_from": "--from"}
"""Options that are named otherwise than their setting."""

PREFIX = "ANOMALY_TUI_"
MOST_SCORERS = 2
"""With so many the engine itself, which reads from Kafka and writes to PostgreSQL, is what takes the longest."""


def _folder(kind: Literal["data", "cache", "config"]) -> Path:
    return Path(getattr(platformdirs, f"user_{kind}_path")("anomaly-tui", appauthor=False))


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _expanded(value: Any) -> Any:
    return Path(value).expanduser().absolute() if isinstance(value, str | Path) else value


def _dotted(value: Any) -> Any:
    """Tables in tables as one table with dotted names: TOML reads `feed.freeze` without quotes as the former."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, Any] = {}
    for name, held in value.items():
        inner = _dotted(held)
        flat |= {f"{name}.{rest}": each for rest, each in inner.items()} if isinstance(inner, dict) else {name: held}
    return flat


def _api_address(value: Any) -> Any:
    if isinstance(value, str) and value != "off":
        address_of(value)
    return value


def _start_from(value: Any) -> Any:
    """`earliest`, `latest`, or a time; without a zone it is UTC."""
    if value in ("earliest", "latest"):
        return value
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("write earliest, latest, or a time such as 2026-03-01T12:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _is_number(kind: Any) -> bool:
    """Whether a setting of this type is a number, or holds numbers."""
    return kind in (int, float) or any(map(_is_number, get_args(kind)))


def _is_table(kind: Any) -> bool:
    """Whether a setting of this type holds values by name."""
    return get_origin(kind) is dict or any(map(_is_table, get_args(kind)))


Folder = Annotated[Path, BeforeValidator(_expanded)]


class Settings(BaseModel):
    """Everything that can be configured. Frozen; made by `load`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    data_dir: Folder = Field(default_factory=lambda: _folder("data"), description="where databases and logs live")
    cache_dir: Folder = Field(default_factory=lambda: _folder("cache"), description="what can be fetched again")
    database_url: SecretStr | None = Field(None, description="postgresql://...; none is the embedded server")
    database_read_url: SecretStr | None = Field(
        None, description="where queries read, such as a replica; none is database_url in a role that only reads"
    )
    kafka: str = Field("embedded", description="embedded, local, or HOST:PORT")
    kafka_home: Folder | None = Field(None, description="an unpacked Apache Kafka, for kafka = local")
    kafka_protocol: Protocol = "PLAINTEXT"
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_password_file: Folder | None = None
    kafka_ca_file: Folder | None = None
    kafka_certificate_file: Folder | None = None
    kafka_key_file: Folder | None = None
    kafka_isolation: Isolation = Field(
        "read_committed", description="read_uncommitted takes records of aborted and open transactions too"
    )
    start_from: Annotated[StartFrom, BeforeValidator(_start_from)] = Field(
        "earliest",
        description="earliest, latest or a time: where partitions begin that nothing was read of yet",
        union_mode="left_to_right",
    )
    topic: str = Field("transactions", pattern=r"^[A-Za-z0-9._-]{1,249}$")
    group: str = Field("anomaly-tui", min_length=1, max_length=255)
    partition_count: int = Field(32, ge=1, le=1000, description="of a topic we create; the embedded broker has 4")
    keyed: Literal["auto", "user", "rekey"] = Field(
        "auto", description="user: the topic is keyed by user; rekey: read it through a copy that is; auto: look"
    )
    simulate: bool | None = Field(None, description="run the simulator; default: unless kafka is external")
    users: int = Field(100, ge=1, le=1_000_000)
    anomaly_rate: float = Field(0.05, ge=0, le=1)
    rate: float = Field(40.0, gt=0, le=100_000, description="simulated transactions per second")
    pace: Literal["human", "live"] = Field(
        "human", description="human: people buy some 10 times a day and their clock runs faster; live: wall time"
    )
    history_days: float | None = Field(
        None, ge=0, le=365, description="simulated before the first start; none is 10, or 10,000 transactions"
    )
    seed: int | None = Field(
        None, ge=0, lt=2**63, description="of the simulated people; none is one for each data directory"
    )
    detector: Literal["both", "basic", "enhanced"] = "both"
    alerts_wrong: float = Field(0.2, gt=0, lt=1, description="share of alerts that may be wrong, by the estimate")
    alert_rate: float | None = Field(
        None, gt=0, lt=0.5, description="share of ordinary traffic that may be flagged, instead of alerts_wrong"
    )
    alert_rates: dict[str, Annotated[float, Field(gt=0, lt=0.5)]] = Field(
        {}, description="alert rates of single users, in a section [alert_rates]"
    )
    alerts_per_day: int | None = Field(
        None, ge=1, le=1_000_000, description="alerts of a day to be looked at, those worth most; none is all"
    )
    alerts_per_day_per_user: int | None = Field(
        None, ge=1, le=1_000_000, description="of one user, alerts of a day to be looked at; none is all"
    )
    batch_size: int = Field(4000, ge=1, le=10_000, description="transactions that are scored and committed together")
    workers: int | None = Field(
        None, ge=0, le=64, description="processes that score under load; none is the cores less one, from 1 to 2"
    )
    retention_days: int = Field(90, ge=1, le=36_500)
    refresh_hz: float | None = Field(
        None, gt=0, le=30, description="repaints per second; none is 4, or 2 over SSH; 10 suits a local terminal"
    )
    theme: Literal["dark", "light", "ansi"] | None = Field(
        None, description="none is dark, or ansi where the terminal has few colours"
    )
    show_truth: bool = Field(False, description="show ground truth beside the verdicts, which gives triage away")
    keys: Annotated[dict[str, str | list[str]], BeforeValidator(_dotted)] = Field(
        default_factory=dict, description="action = key, or keys; help (?) names the actions"
    )
    api: Annotated[str | None, BeforeValidator(_api_address)] = Field(
        None, description="off, or HOST:PORT of the HTTP API; none is 127.0.0.1:8787, or the next free port"
    )
    api_token: SecretStr | None = Field(None, description="what callers of the API have to know")
    api_token_file: Folder | None = Field(None, description="a token a line, or NAME:TOKEN to know callers apart")
    api_certificate_file: Folder | None = None
    api_key_file: Folder | None = None
    api_hosts: str = Field("", description="names by which callers know the API, with commas between")
    with_frontend: bool = Field(False, description="start the web frontend with the engine")
    frontend_port: int | None = Field(
        None, ge=0, le=65_535, description="of the web frontend; none is 3000, or the next free one"
    )
    browser: bool = Field(True, description="open a browser when the web frontend starts, where there is a display")
    log_format: Literal["text", "json"] = "text"
    log_file: Folder | None = None
    schema_registry: str | None = Field(
        None, pattern=r"^https?://", description="http(s)://HOST:PORT that has the Avro schemas of the topic"
    )
    schema_registry_credentials: SecretStr | None = Field(None, description="USER:PASSWORD")
    schema_registry_credentials_file: Folder | None = None
    schema_registry_ca_file: Folder | None = None
    mapping: dict[str, Any] | None = Field(None, description="foreign field names, see `replay --help`")

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_not_truths(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false for a number, which Python takes for 1 and 0."""
        held = value.values() if isinstance(value, Mapping) else (value,)
        name = info.field_name or ""
        if any(isinstance(each, bool) for each in held) and _is_number(cls.model_fields[name].annotation):
            raise ValueError("a number is wanted, not true or false")
        return value

    @property
    def scorers(self) -> int:
        """How many processes may score."""
        return min(max(_cores() - 1, 1), MOST_SCORERS) if self.workers is None else self.workers

    @property
    def policy(self) -> Policy:
        """What may be flagged."""
        return Policy(self.alerts_wrong, self.alert_rate)

    @property
    def budget(self) -> Budget:
        """How many alerts are to be looked at."""
        return Budget(self.alerts_per_day, self.alerts_per_day_per_user)

    @property
    def dsn(self) -> str | None:
        """The database URL in clear."""
        return None if self.database_url is None else self.database_url.get_secret_value()

    @property
    def read_dsn(self) -> str | None:
        """The URL for queries in clear."""
        return None if self.database_read_url is None else self.database_read_url.get_secret_value()

    @property
    def security(self) -> Security:
        """How to speak to an external Kafka. Raises ConfigurationError for a password file others can read."""
        password = None if self.kafka_password is None else self.kafka_password.get_secret_value()
        if self.kafka_password_file is not None:
            _private(self.kafka_password_file)
            password = _text_of(self.kafka_password_file).strip()
        return Security(
            protocol=self.kafka_protocol,
            mechanism=self.kafka_mechanism,
            username=self.kafka_username,
            password=password,
            ca_file=self.kafka_ca_file,
            certificate_file=self.kafka_certificate_file,
            key_file=self.kafka_key_file,
        )

    @property
    def registry_credentials(self) -> str | None:
        """USER:PASSWORD for the schema registry, if any. Raises ConfigurationError for a file others can read."""
        given = self.schema_registry_credentials
        credentials = None if given is None else given.get_secret_value()
        if self.schema_registry_credentials_file is not None:
            _private(self.schema_registry_credentials_file)
            credentials = _text_of(self.schema_registry_credentials_file).strip()
        if credentials is not None and ":" not in credentials:
            raise ConfigurationError("schema_registry_credentials: write USER:PASSWORD.")
        return credentials

    @property
    def api_access(self) -> Access | None:
        """Where the API listens and who may ask; None where it is off. Raises ConfigurationError."""
        if self.api == "off":
            return None
        try:
            tokens = () if self.api_token is None else tokens_of(self.api_token.get_secret_value())
            if self.api_token_file is not None:
                _private(self.api_token_file)
                tokens += tokens_of(_text_of(self.api_token_file))
        except ValueError as error:
            where = "api_token" if self.api_token_file is None else str(self.api_token_file)
            raise ConfigurationError(f"{where}: {error}.") from None
        if self.api_key_file is not None:
            _private(self.api_key_file)
        access = Access(
            address=None if self.api is None else address_of(self.api),
            tokens=tokens,
            certificate=self.api_certificate_file,
            key=self.api_key_file,
            hosts=tuple(name.strip().lower() for name in self.api_hosts.split(",") if name.strip()),
        )
        if access.address is not None and not access.address.loopback and not (tokens and access.encrypted):
            raise ConfigurationError(
                f"--api {self.api} can be reached from other machines, so it needs a token and a certificate: "
                "set api_token_file, api_certificate_file and api_key_file, or keep to 127.0.0.1."
            )
        return access

    @property
    def simulated(self) -> bool:
        """Whether the simulator runs: never by itself into a cluster that others use."""
        return self.kafka in ("embedded", "local") if self.simulate is None else self.simulate


class Loaded(BaseModel):
    """Settings and, by name, where each value came from."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    settings: Settings
    sources: dict[str, str]


def load(flags: Mapping[str, Any], config: Path | None = None) -> Loaded:
    """Merge the sources; `flags` with None are not given.

    Raises ConfigurationError naming the bad value and its source.
    """
    merged: dict[str, Any] = {}
    sources = dict.fromkeys(Settings.model_fields, "default")
    file = _file(config)
    for source, values in (
        (str(file), _of_file(file) if file else {}),
        ("environment", _of_environment()),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    ):
        merged |= values
        sources |= dict.fromkeys(values, source)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_line(problem, sources, merged) for problem in error.errors())) from None
    return Loaded(settings=settings, sources={name: sources[name] for name in Settings.model_fields})


def _line(problem: Any, sources: Mapping[str, str], merged: Mapping[str, Any]) -> str:
    name = str(problem["loc"][0])
    source = sources.get(name, "")
    where = {"flag": _FLAGS.get(name, f"--{name.replace('_', '-')}"), "environment": f"{PREFIX}{name.upper()}"}.get(
        source, source
    )
    if problem["type"] == "extra_forbidden":
        return f"{where}: there is no setting {name}; `anomaly-tui config` shows all"
    if source not in ("flag", "environment"):
        where = f"{where}: {name}"
    said = problem["msg"].removeprefix("Value error, ")
    value = merged.get(name)
    shown = str(value).lower() if isinstance(value, bool) else redacted(str(value))
    return f"{where} = {shown}: {said[0].lower()}{said[1:]}"


def _file(config: Path | None) -> Path | None:
    """The configuration file: the one asked for, or the first of the usual places."""
    asked = config or (Path(os.environ[f"{PREFIX}CONFIG"]) if os.environ.get(f"{PREFIX}CONFIG") else None)
    if asked is not None:
        if not asked.is_file():
            raise ConfigurationError(f"There is no configuration file {asked}.")
        return asked.absolute()
    for folder in (Path.cwd(), _folder("config")):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def _of_file(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(_text_of(file))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is no valid TOML: {error}.") from None
    if {"kafka_password", "api_token", "schema_registry_credentials"} & values.keys() or ":" in str(
        values.get("database_url", "")
    ).partition("://")[2].partition("@")[0]:
        _private(file)
    return values


def _of_environment() -> dict[str, Any]:
    """Values of variables that are set and not empty, in any case; tables are JSON objects."""
    given = {name.upper(): value for name, value in os.environ.items() if value}
    values: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        if (text := given.get(variable)) is not None:
            values[name] = _table(variable, text) if _is_table(field.annotation) else text
    if "database_url" not in values and os.environ.get("DATABASE_URL"):
        values["database_url"] = os.environ["DATABASE_URL"]
    return values


def _table(variable: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{variable} is no valid JSON: {error}.") from None


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Cannot read {file}: {error}.") from None


def _private(file: Path) -> None:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{file} holds a secret and can be read by others: chmod 600 {file}")
