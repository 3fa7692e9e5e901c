#!/bin/sh
# Makes the secrets that compose.yaml reads, once: deploy/secrets.sh small|full [FOLDER]
#
# small: Valkey is broker and cache. full: RabbitMQ is the broker, Valkey the cache, and Prometheus, Grafana, Qdrant and
# Neo4j join. A secret that is there is kept. The folder is closed to others on this machine; the files in it can be
# read, since each container has a user of its own.
set -eu

profile=${1:-}
folder=${2:-$(dirname "$0")/secrets}
case $profile in
small | full) ;;
*)
	echo "usage: deploy/secrets.sh small|full [FOLDER]" >&2
	exit 2
	;;
esac

umask 077
mkdir -p "$folder"
chmod 700 "$folder"

word() { # 32 letters and digits, safe in a URL and in every configuration file
	LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom 2>/dev/null | head -c 32
}

keep() { # NAME TEXT: write the secret unless it is there
	if [ ! -e "$folder/$1" ]; then
		printf '%s\n' "$2" >"$folder/$1.new"
		chmod 444 "$folder/$1.new"
		mv "$folder/$1.new" "$folder/$1"
		echo "made $folder/$1"
	fi
}

said() { # NAME: the secret's text
	cat "$folder/$1"
}

keep postgres_password "$(word)"
keep valkey_password "$(word)"
keep rabbitmq_password "$(word)"
keep flower_password "$(word)"
keep grafana_password "$(word)"
keep qdrant_key "$(word)"
keep neo4j_password "$(word)"
# Empty until you have them: no model, no channel but files, pages and feeds.
for name in cheaper_model_key embedding_key model_key smtp_url telegram_token unsubscribe_secret webhook_secret; do
	keep "$name" ""
done

keep valkey.conf "requirepass $(said valkey_password)"
keep rabbitmq.conf "default_user = svodka
default_pass = $(said rabbitmq_password)"
keep qdrant.yaml "service:
  api_key: $(said qdrant_key)"
keep alertmanager.yml "route: {receiver: nobody}
receivers: [{name: nobody}]"
keep neo4j_auth "neo4j/$(said neo4j_password)"
keep database_url "postgresql://svodka:$(said postgres_password)@postgres:5432/svodka"
keep redis_url "redis://:$(said valkey_password)@valkey:6379/0"
if [ "$profile" = full ]; then
	keep neo4j_url "bolt://neo4j:$(said neo4j_password)@neo4j:7687/neo4j"
	keep environment "SVODKA_QDRANT_URL=http://qdrant:6333
SVODKA_PROMETHEUS_URL=http://prometheus:9090"
	keep broker_url "amqp://svodka:$(said rabbitmq_password)@rabbitmq:5672//"
else
	keep neo4j_url ""
	keep environment ""
	keep broker_url "redis://:$(said valkey_password)@valkey:6379/1"
fi
