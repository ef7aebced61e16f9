#!/bin/sh
# Makes the secrets that compose.yaml needs, once; what is there already is kept.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p deploy/secrets
cd deploy/secrets

# Some containers read their secrets as users of their own: such files may be read by all who can reach them, and this
# folder keeps everybody else on this machine out.
secret() { # NAME MODE: writes standard input to a file that is not there yet
    [ -e "$1" ] || { cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"; }
}

openssl rand -hex 24 | secret database_password 644
echo "postgres:5432:*:anomaly_tui:$(cat database_password)" | secret pgpass 600
openssl rand -hex 24 | secret grafana_password 644
openssl rand -hex 32 | secret prometheus_token 644
if [ ! -e api_token ]; then
    printf 'desk:%s\nprometheus:%s\n' "$(openssl rand -hex 32)" "$(cat prometheus_token)" | secret api_token 600
fi
if [ ! -e tls_key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj /CN=anomaly-tui \
        -addext "subjectAltName=DNS:localhost,DNS:anomaly-tui,IP:127.0.0.1" \
        -keyout tls_key -out tls_certificate 2>/dev/null
    chmod 600 tls_key
    chmod 644 tls_certificate
fi
cd ../..
[ -e .env ] || echo "ANOMALY_TUI_USER=$(id -u):$(id -g)" >.env
echo "The secrets are in deploy/secrets; now: docker compose up --build --detach --wait"
