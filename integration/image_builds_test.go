package integration

// builds are images as people write them. Their entry points do what those of the popular images do: begin as root,
// give the data directory to the service's user, drop to that user.
var builds = map[string]build{
	"nginx": {from: "services", lines: `
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
`},
	"redis": {from: "services", lines: `
COPY entrypoint /usr/local/bin/
VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["entrypoint"]
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]
HEALTHCHECK --interval=1s --timeout=10s CMD redis-cli ping
`, files: map[string]string{"entrypoint": `#!/bin/sh
set -e
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
	find . \! -user redis -exec chown redis '{}' +
	exec gosu redis "$0" "$@"
fi
umask 0077
exec "$@"
`}},
	"postgres": {from: "services", lines: `
COPY entrypoint /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["entrypoint"]
CMD ["postgres"]
`, files: map[string]string{"entrypoint": `#!/bin/sh
set -e
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /var/run/postgresql
	find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
	chown postgres:postgres /var/run/postgresql
	chmod 0700 "$PGDATA"; chmod 03775 /var/run/postgresql
	exec gosu postgres "$0" "$@"
fi
[ "$1" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --username=postgres --auth=trust --no-locale >/dev/null
	echo 'host all all all trust' >>"$PGDATA/pg_hba.conf"
fi
exec "$@" -c listen_addresses='*'
`}},
	// An image that says what users say: a user that is not root, a directory, an environment, a volume with content.
	"app": {from: "busybox", lines: `
USER app
WORKDIR /home/app
ENV GREETING=hello
VOLUME /data
CMD ["id", "-un"]
`},
}
