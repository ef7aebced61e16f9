"""Where settings come from, and what is said about bad ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services import settings
from services.errors import ConfigurationError, UserError
from services.settings import FILE_NAME, load


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_flags_beat_the_environment_which_beats_the_file_which_beats_defaults(own_folder, monkeypatch) -> None:
    (own_folder / FILE_NAME).write_text("users = 10\nrate = 20.0\nseed = 30\n")
    monkeypatch.setenv("ANOMALY_TUI_RATE", "21")
    monkeypatch.setenv("ANOMALY_TUI_SEED", "31")
    loaded = load({"seed": 32, "theme": None})
    assert (loaded.settings.users, loaded.settings.rate, loaded.settings.seed) == (10, 21.0, 32)
    assert loaded.sources["users"] == str(own_folder / FILE_NAME)
    assert [loaded.sources[name] for name in ("rate", "seed", "theme")] == ["environment", "flag", "default"]


def test_database_url_is_read_under_both_names_and_ours_wins(monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://one/anomalies")
    assert load({}).settings.dsn == "postgresql://one/anomalies"
    monkeypatch.setenv("ANOMALY_TUI_DATABASE_URL", "postgresql://two/anomalies")
    assert load({}).settings.dsn == "postgresql://two/anomalies"


def test_a_table_in_the_environment_is_json(monkeypatch) -> None:
    monkeypatch.setenv("ANOMALY_TUI_KEYS", '{"quit": "f10"}')
    assert load({}).settings.keys == {"quit": "f10"}
    monkeypatch.setenv("ANOMALY_TUI_KEYS", "{quit: f10")
    with pytest.raises(UserError, match="ANOMALY_TUI_KEYS is no valid JSON"):
        load({})


def test_variables_count_in_any_case_and_empty_ones_do_not(monkeypatch) -> None:
    monkeypatch.setenv("anomaly_tui_rate", "7")
    monkeypatch.setenv("ANOMALY_TUI_SEED", "")
    loaded = load({})
    assert (loaded.settings.rate, loaded.sources["seed"]) == (7.0, "default")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"rate": "-1"}, ("--rate", "-1", "greater than 0")),
        ({"anomaly_rate": "often"}, ("--anomaly-rate", "often")),
        ({"theme": "pink"}, ("--theme", "pink", "dark")),
    ],
)
def test_a_bad_flag_is_named_with_its_value(flags, words) -> None:
    with pytest.raises(UserError) as raised:
        load(flags)
    assert all(word in str(raised.value) for word in words)


def test_a_setting_that_does_not_exist_is_named_with_its_file(own_folder) -> None:
    (own_folder / FILE_NAME).write_text("rat = 20.0\n")
    with pytest.raises(UserError, match="no setting rat") as raised:
        load({})
    assert FILE_NAME in str(raised.value)


def test_a_file_that_is_no_toml_is_refused(own_folder) -> None:
    (own_folder / FILE_NAME).write_text("rate = = 3\n")
    with pytest.raises(UserError, match="no valid TOML"):
        load({})


def test_a_file_that_was_asked_for_must_exist(own_folder) -> None:
    with pytest.raises(UserError, match="no configuration file"):
        load({}, own_folder / "missing.toml")


@pytest.mark.parametrize("line", ['kafka_password = "s3cret"', 'database_url = "postgresql://me:s3cret@db/anomalies"'])
def test_a_file_with_a_password_must_be_private(own_folder, line) -> None:
    file = own_folder / FILE_NAME
    file.write_text(line + "\n")
    file.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600") as raised:
        load({})
    assert "s3cret" not in str(raised.value)
    file.chmod(0o600)
    assert "s3cret" not in repr(load({}).settings)


@pytest.mark.parametrize(("kafka", "runs"), [("embedded", True), ("local", True), ("kafka.example:9092", False)])
def test_the_simulator_stays_out_of_clusters_that_others_use(kafka, runs) -> None:
    assert load({"kafka": kafka}).settings.simulated is runs
    assert load({"kafka": kafka, "simulate": True}).settings.simulated


@pytest.mark.parametrize("name", ['"feed.freeze"', "feed.freeze"])
def test_keys_are_named_with_and_without_quotes(own_folder, name) -> None:
    (own_folder / FILE_NAME).write_text(f'[keys]\n{name} = "ctrl+f"\n"app.theme" = ["t", "f9"]\n')
    assert load({}).settings.keys == {"feed.freeze": "ctrl+f", "app.theme": ["t", "f9"]}


def test_keys_that_are_no_table_are_refused(own_folder) -> None:
    (own_folder / FILE_NAME).write_text("keys = 3\n")
    with pytest.raises(ConfigurationError, match="keys = 3: input should be a valid dictionary") as raised:
        load({})
    assert raised.value.exit_code == 2


NUMBERS = [
    "partition_count",
    "users",
    "anomaly_rate",
    "rate",
    "history_days",
    "seed",
    "alerts_wrong",
    "alert_rate",
    "alerts_per_day",
    "alerts_per_day_per_user",
    "batch_size",
    "retention_days",
    "refresh_hz",
    "frontend_port",
]


@pytest.mark.parametrize("line", [f"{name} = true" for name in NUMBERS] + ["[alert_rates]\nu-0042 = false"])
def test_true_and_false_are_no_numbers(own_folder: Path, line: str) -> None:
    (own_folder / FILE_NAME).write_text(f"{line}\n")
    with pytest.raises(ConfigurationError, match="a number is wanted, not true or false") as raised:
        load({})
    assert line.partition("\n")[0].strip("[]") in str(raised.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_a_first_start_is_told_where_to_begin(given: str, expected: str | datetime) -> None:
    assert load({"start_from": given}).settings.start_from == expected


def test_a_start_that_is_no_time_is_refused_with_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match="--from = yesterday: write earliest, latest, or a time such as"):
        load({"start_from": "yesterday"})


def test_only_committed_records_are_read_unless_told_otherwise(own_folder: Path) -> None:
    assert load({}).settings.kafka_isolation == "read_committed"
    (own_folder / FILE_NAME).write_text('kafka_isolation = "read_uncommitted"\n')
    assert load({}).settings.kafka_isolation == "read_uncommitted"


def test_an_empty_variable_is_as_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMALY_TUI_ALERTS_PER_DAY", "")
    monkeypatch.setenv("ANOMALY_TUI_RATE", "")
    loaded = load({})
    assert (loaded.settings.alerts_per_day, loaded.settings.rate) == (None, 40.0)
    assert loaded.sources["alerts_per_day"] == "default"


@pytest.mark.parametrize(("cores", "scorers"), [(1, 1), (2, 1), (3, 2), (64, 2)])
def test_as_many_processes_may_score_as_there_are_cores_less_one_but_no_more_than_help(
    cores: int, scorers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "_cores", lambda: cores)
    assert load({}).settings.scorers == scorers
    assert load({"workers": 0}).settings.scorers == 0
    assert load({"workers": 7}).settings.scorers == 7
