#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
	install -d -o mysql -g mysql /run/mysqld /var/lib/mysql
	exec gosu mysql "$0"
fi
[ -d /var/lib/mysql/mysql ] || mariadb-install-db --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-test-db >/dev/null
exec mariadbd --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --log-bin=/var/lib/mysql/bin --skip-networking=0
