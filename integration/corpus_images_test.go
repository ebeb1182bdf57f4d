package integration

import "testing"

// The packages of the corpus, in three layers that its images share: an image differs from another in the program that it
// runs, not in what lies beside it.
var (
	servers = recipe{name: "servers", from: "services", script: installing(":",
		"apache2 mariadb-server memcached haproxy rabbitmq-server php-fpm libfcgi-bin curl logrotate procps",
		`rm -rf "$root"/var/lib/mysql/* "$root"/var/lib/rabbitmq/.erlang.cookie; rm -f "$root"/var/log/*.log`)}

	node = recipe{name: "node", from: "debian", script: installing(":", "nodejs", ":")}

	// A small package repository lies in /repo: nothing outside can be reached from a test's network.
	languages = recipe{name: "languages", from: "node", script: installing(":",
		"python3 openjdk-17-jdk-headless golang-go git gcc libc6-dev make curl && mkdir -p \"$root/repo\" && chroot \"$root\" sh -c "+
			"'cd /repo && chmod 777 . && apt-get -qq download hello iputils-ping uuid-runtime libcap2-bin adduser'",
		`cd "$root/repo"; chmod 755 .
for f in *.deb; do
	dpkg-deb -f "$f"; printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$f" "$(stat -c %s "$f")" "$(sha256sum <"$f" | cut -d' ' -f1)"
done >Packages`)}
)

// TestCorpusImages installs the packages of the corpus, so that a failure there is told apart from a failure of a program.
func TestCorpusImages(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "debootstrap")
	names := []string{"services", "node"}
	if wholeCorpus() {
		names = append(names, "servers", "languages")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { imageTar(t, name) })
	}
}
