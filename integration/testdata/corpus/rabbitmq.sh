#!/bin/sh
set -e
export HOME=/var/lib/rabbitmq RABBITMQ_ENABLED_PLUGINS_FILE=/var/lib/rabbitmq/enabled_plugins RABBITMQ_LOGS=-
if [ "$(id -u)" = 0 ]; then
	chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
	exec gosu rabbitmq "$0"
fi
echo '[rabbitmq_management].' >$RABBITMQ_ENABLED_PLUGINS_FILE
# The program in /usr/sbin wants to change its user itself; the one behind it does not.
exec /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server
